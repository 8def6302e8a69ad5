"""The bucket where inputs and results of jobs lie."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from consentry.actions.bulk.rows import UnusableInputError

if TYPE_CHECKING:
    from collections.abc import Callable

_BUFFER: Final = 1 << 20


class ObjectStoreUnavailableError(Exception):
    """The bucket can't be read or written now, or lacks what an earlier step wrote; the step is done again."""


class ObjectStore:
    """One bucket."""

    def __init__(self, client: Any, bucket: str) -> None:
        """`client` is an S3 client."""
        self._client = client
        self._bucket = bucket

    def put(self, key: str, body: bytes) -> None:
        """Write an object; what was there is written over."""
        self._call(self._client.put_object, Key=key, Body=body)

    def get(self, key: str) -> bytes | None:
        """What an object holds; None if there is none."""
        answer = self._look(Key=key)
        return None if answer is None else _read(answer["Body"])

    def need(self, key: str) -> bytes:
        """What an object holds.

        Raises:
            ObjectStoreUnavailableError: also if there is none: an earlier step should have written it.
        """
        held = self.get(key)
        if held is None:
            raise ObjectStoreUnavailableError("an object of the run is missing")
        return held

    def open(self, key: str) -> tuple[str, IO[bytes]]:
        """The ETag of an input, and a stream of it from its beginning.

        Raises:
            UnusableInputError: there is none.
        """
        answer = self._look(Key=key)
        if answer is None:
            raise UnusableInputError("input: there is no such object in the bucket")
        return str(answer["ETag"]), io.BufferedReader(_Body(answer["Body"]), _BUFFER)

    def piece(self, key: str, etag: str, start: int, end: int) -> bytes:
        """Some bytes of an input, from `start` and before `end`.

        Raises:
            UnusableInputError: it is gone, or no longer what was planned.
        """
        if start == end:
            return b""
        answer = self._look(Key=key, IfMatch=etag, Range=f"bytes={start}-{end - 1}")
        if answer is None:
            raise UnusableInputError("input: it is gone, or was changed after the job began")
        return _read(answer["Body"])

    def _look(self, **which: Any) -> dict[str, Any] | None:
        try:
            return self._call(self._client.get_object, **which)
        except ObjectStoreUnavailableError as exc:
            cause: Any = exc.__cause__
            code = cause.response["Error"]["Code"] if isinstance(cause, ClientError) else ""
            if code in {"NoSuchKey", "404", "PreconditionFailed", "412"}:
                return None
            raise

    def _call(self, call: Callable[..., dict[str, Any]], **arguments: Any) -> dict[str, Any]:
        try:
            return call(Bucket=self._bucket, **arguments)
        except (BotoCoreError, ClientError) as exc:
            raise ObjectStoreUnavailableError("the bucket can't be reached") from exc


def _read(body: Any) -> bytes:
    try:
        return bytes(body.read())
    except BotoCoreError as exc:
        raise ObjectStoreUnavailableError("an object can't be read to its end") from exc


class _Body(io.RawIOBase):
    """An answer of S3 as Python reads files."""

    def __init__(self, body: Any) -> None:
        self._body = body

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            held = self._body.read(len(buffer))
        except BotoCoreError as exc:
            raise ObjectStoreUnavailableError("the input can't be read to its end") from exc
        buffer[: len(held)] = held
        return len(held)

    def close(self) -> None:
        self._body.close()
        super().close()
