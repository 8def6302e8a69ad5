"""The archive of the ledger, read back: from its bucket, or from a folder with a copy of it.

Only what a signed manifest lists is believed, and each part only if it is what the manifest says, to the bit. One part
is held in memory at a time, compressed.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from botocore.exceptions import ClientError

from consentry.actions import archive
from consentry.actions.archive import UnprovenError
from consentry.rules import notices
from consentry.rules.consent import DAY_MS
from consentry_cli import deployment
from consentry_cli.errors import CanNotRunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from consentry.table.checkpoints import Part

_S3: Final = "s3://"
_MOST_BYTES: Final = 1 << 28
"""No object of the archive comes near it; nothing larger is read."""


_DUE_MS: Final = 3 * DAY_MS
"""A month is archived on the second of the next; after so long it is missed."""


class _Place(Protocol):
    """Where the archive's objects are."""

    def manifests(self) -> Iterator[bytes]:
        """What every manifest holds."""

    def candidates(self, key: str) -> Iterator[bytes]:
        """What the object of this key holds, and what it held before, if that is known."""


class Archive:
    """What the archive has."""

    def __init__(self, place: _Place, key: bytes, now: int, *, young: bool = False) -> None:
        """`key` is what manifests are signed with; `now` in epoch ms; `young`: there may be no manifest yet."""
        self._place = place
        self.faults: list[str] = []
        """What is wrong with the archive itself; complete once `ledgers` has come to its end."""
        self._runs: dict[tuple[str, str], list[Part]] = {}
        unproven = 0
        for text in place.manifests():
            try:
                month, run, parts = archive.parts_of(key, text)
            except UnprovenError:
                unproven += 1
            else:
                self._runs[month, run] = parts
        if not self._runs and not unproven and not young:
            raise CanNotRunError("there is no manifest: not an archive, or no run has come to its end")
        self.months = sorted({month for month, run in self._runs if archive.is_whole(month, run)})
        """Those that were archived once they were over."""
        if unproven:
            self.faults.append(f"{unproven} manifests aren't of this deployment, or were changed")
        if self.months:
            month = self.months[0]
            while (month := archive.following(month)) < self.months[-1]:
                if month not in self.months:
                    self.faults.append(f"{month} is missing")
            if self.months[-1] < archive.month_before(now - _DUE_MS):
                self.faults.append(f"there is nothing after {self.months[-1]}")

    def ledgers(self, brand: str) -> Iterator[Iterator[dict[str, Any]]]:
        """The lines on each subscriber of the brand; somebody has as many turns as there are parts with them.

        What can't be read is in `faults`.
        """
        for (month, run), parts in sorted(self._runs.items()):
            broken = 0
            for part in parts:
                body = self._genuine(part)
                if body is None:
                    broken += 1
                    continue
                for _, lines in groupby(_lines(body, brand), key=archive.person):
                    yield lines
            if broken:
                self.faults.append(f"{month}: {broken} of {len(parts)} parts of run {run} are missing or changed")

    def notice(self, version: str) -> dict[str, Any] | None:
        """The words of a notice; None if the archive hasn't them, or what it has by that name are others."""
        return _notice(self._place, version)

    def _genuine(self, part: Part) -> bytes | None:
        for body in self._place.candidates(part.key):
            if hashlib.sha256(body).hexdigest() == part.sha256:
                return body
        return None


def words_in(where: str) -> Callable[[str], dict[str, Any] | None]:
    """Finds the words of a notice in the archive at a place, by the notice's version."""
    place = _place(where)
    return lambda version: _notice(place, version)


def _notice(place: _Place, version: str) -> dict[str, Any] | None:
    """None if the archive hasn't them, or what it has by that name are others."""
    for text in place.candidates(notices.key(version)):
        if notices.version_of(text) == version:
            return dict(json.loads(text))
    return None


def open_archive(where: str, key: bytes, now: int, *, young: bool = False) -> Archive:
    """The archive at `s3://BUCKET[/PREFIX]`, or in a folder; `now` in epoch ms; `young`: it may have no month yet.

    Raises:
        CanNotRunError: there is none.
    """
    return Archive(_place(where), key, now, young=young)


def _place(where: str) -> _Place:
    if where.startswith(_S3):
        bucket, _, prefix = where.removeprefix(_S3).partition("/")
        return _Bucket(deployment.client("s3"), bucket, f"{prefix.rstrip('/')}/" if prefix.strip("/") else "")
    folder = Path(where)
    if not folder.is_dir():
        raise CanNotRunError(f"--archive: {where} is no folder; a bucket is s3://BUCKET")
    return _Folder(folder)


class _Bucket:
    """A bucket with versions: who deletes or overwrites an object only hides it."""

    def __init__(self, client: Any, bucket: str, prefix: str) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix

    def manifests(self) -> Iterator[bytes]:
        for version in self._versions(archive.PREFIX):
            if version["Key"].endswith(f"/{archive.MANIFEST}"):
                yield self._read(version)

    def candidates(self, key: str) -> Iterator[bytes]:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=self._prefix + key)
        except ClientError as exc:
            if exc.response["Error"]["Code"] != "NoSuchKey":
                raise
        else:
            yield answer["Body"].read(_MOST_BYTES)
        for version in self._versions(key):
            if version["Key"] == self._prefix + key:
                yield self._read(version)

    def _versions(self, prefix: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_object_versions").paginate(
            Bucket=self._bucket, Prefix=self._prefix + prefix
        )
        for page in pages:
            yield from page.get("Versions", ())

    def _read(self, version: dict[str, Any]) -> bytes:
        answer = self._client.get_object(Bucket=self._bucket, Key=version["Key"], VersionId=version["VersionId"])
        return bytes(answer["Body"].read(_MOST_BYTES))


class _Folder:
    """A copy of the bucket."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def manifests(self) -> Iterator[bytes]:
        for path in sorted((self._folder / archive.PREFIX).glob(f"*/*/{archive.MANIFEST}")):
            yield path.read_bytes()

    def candidates(self, key: str) -> Iterator[bytes]:
        path = self._folder / key
        if path.is_file():
            yield path.read_bytes()


def _lines(body: bytes, brand: str) -> Iterator[dict[str, Any]]:
    """The lines of a genuine part that are about the brand."""
    with gzip.GzipFile(fileobj=io.BytesIO(body)) as lines:
        for text in lines:
            line: dict[str, Any] = json.loads(text)
            if line["brand"] == brand:
                yield line
