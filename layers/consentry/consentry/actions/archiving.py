"""The archivist: copies the ledger to the archive, a step at a time. `consentry.actions.archive` says what lies there.

A table may hold more than one function can read in its time. So a run has segments, each of them a message in a queue.
A message means "go on with this segment": the function reads where the segment is, scans on for some minutes, writes
one object, notes where it came to, and sends the message on. Whoever has noted the last step of the last segment
writes the manifest.

A message that comes twice, or a function that dies at any point, does no harm: where the segment is moves on under a
condition, an object's name has its hash in it, and only what was noted is in the manifest.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import secrets
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from consentry.actions import archive
from consentry.rules.ledger import partition_key
from consentry.table.checkpoints import Checkpoint, Part, Task
from consentry.table.schema import Head

if TYPE_CHECKING:
    from collections.abc import Callable

    from consentry.links.keyring import Keyring
    from consentry.rules.ledger import Event
    from consentry.table.checkpoints import Checkpoints
    from consentry.table.scan import Scan

PART_BYTES: Final = 16 << 20
"""A part is closed at the first page that takes it there, compressed: it is held in memory until it is whole."""
STEP_S: Final = 120
"""A step ends at the first page after so many seconds; the function has more than twice that."""
MOST_SEGMENTS: Final = 1_000
_RUN: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")


def task_from_json(text: str) -> Task:
    """The task in a queue's message.

    Raises:
        ValueError, TypeError: it isn't one.
    """
    task = Task(**json.loads(text))
    archive.window(task.month)
    if not _RUN.fullmatch(task.run) or not 0 <= task.segment < task.segments <= MOST_SEGMENTS:
        raise ValueError("not a segment of a run")
    return task


class ArchiveUnavailableError(Exception):
    """The bucket can't be written or read now; what needed it is done again."""


def start(send: Callable[[str], None], month: str, segments: int, now: int) -> str:
    """Begin a run, and answer its name. Another run of the same month does no harm.

    Args:
        send: queues a text.
        month: `yyyy-mm`.
        segments: how many scan at once.
        now: epoch ms.

    Raises:
        ValueError: the month isn't one, or hasn't begun.
    """
    archive.window(month)
    if month > archive.month_of(now):
        raise ValueError("the month hasn't begun")
    run = f"{datetime.fromtimestamp(now / 1000, UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
    for segment in range(segments):
        send(Task(month, run, segment, segments).to_json())
    return run


class Archivist:
    """Does the steps of runs."""

    def __init__(
        self,
        scan: Scan,
        checkpoints: Checkpoints,
        put: Callable[[str, bytes, bytes], None],
        keys: Keyring,
        send: Callable[[str], None],
    ) -> None:
        """`put` writes an object (key, body, its SHA-256) or raises `ArchiveUnavailableError`; `send` queues a text."""
        self._scan = scan
        self._checkpoints = checkpoints
        self._put = put
        self._keys = keys
        self._send = send

    def go_on(self, task: Task, now: int) -> None:
        """Do a segment's next step.

        Raises:
            StoreUnavailableError, ArchiveUnavailableError: it is done again when the message comes back.
        """
        place = self._checkpoints.read(task)
        if not place.done:
            after, part = self._step(task, place)
            if not self._checkpoints.advance(task, place, after, part, now):
                return  # the message came twice; whoever was quicker has sent it on
            place = after
        if place.done:
            self._finish(task)
        else:
            self._send(task.to_json())

    def _step(self, task: Task, place: Checkpoint) -> tuple[Checkpoint, Part | None]:
        since, until = archive.window(task.month)
        writing = _Writing(self._keys.archive_key())
        start, opened, ends = place.start, place.open, time.monotonic() + STEP_S
        while True:
            page = self._scan.sweep(since, until, segment=task.segment, segments=task.segments, start=start)
            for found in page.found:
                owner = partition_key(found.brand, found.subscriber_id)
                if isinstance(found, Head):
                    if owner == opened:
                        writing.head(found)
                        opened = ""
                else:
                    writing.event(found)
                    opened = owner
            start = page.next
            if start is None or writing.size >= PART_BYTES or time.monotonic() >= ends:
                break
        after = Checkpoint(place.step + 1, start, opened, done=start is None)
        return after, self._write(task, place, writing)

    def _write(self, task: Task, place: Checkpoint, writing: _Writing) -> Part | None:
        if not writing.events and not writing.heads:
            return None
        body = writing.close()
        digest = hashlib.sha256(body)
        # With its hash in its name, what another try writes never takes the place of what was noted.
        name = f"{task.segment:03d}-{place.step:05d}-{digest.hexdigest()[:16]}.ndjson.gz"
        part = Part(_folder(task) + name, len(body), digest.hexdigest(), writing.events, writing.heads)
        self._put(part.key, body, digest.digest())
        return part

    def _finish(self, task: Task) -> None:
        """Write the manifest if every segment is done. Who comes last sees that they are; two write the same."""
        done, parts = self._checkpoints.of_run(task.run)
        if done == task.segments:
            body = archive.manifest(self._keys.archive_key(), task.month, task.run, task.segments, parts)
            self._put(_folder(task) + archive.MANIFEST, body, hashlib.sha256(body).digest())


class _Writing:
    """A part that is being written: compressed as it grows."""

    def __init__(self, key: bytes) -> None:
        """`key` is the archive's."""
        self._key = key
        self._bytes = io.BytesIO()
        self._lines = gzip.GzipFile(fileobj=self._bytes, mode="wb", mtime=0)
        self.events = 0
        self.heads = 0

    @property
    def size(self) -> int:
        """Bytes, compressed; what the compressor still holds doesn't count yet."""
        return self._bytes.tell()

    def event(self, event: Event) -> None:
        self._line(archive.event_line(self._key, event))
        self.events += 1

    def head(self, head: Head) -> None:
        self._line(archive.head_line(self._key, head))
        self.heads += 1

    def close(self) -> bytes:
        self._lines.close()
        return self._bytes.getvalue()

    def _line(self, content: dict[str, Any]) -> None:
        self._lines.write(json.dumps(content, separators=(",", ":")).encode() + b"\n")


def _folder(task: Task) -> str:
    return f"{archive.PREFIX}{task.month}/{task.run}/"
