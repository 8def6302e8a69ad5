"""The words of notices: kept in the archive when a version is deployed, and found again by the version's name."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Protocol

from consentry.rules import notices

if TYPE_CHECKING:
    from pathlib import Path


class Archived(Protocol):
    """Where notices are kept for years: `consentry.aws.archive` has it."""

    def put_if_absent(self, key: str, body: bytes, sha256: bytes) -> bool:
        """Write an object unless there is one; whether it was written."""

    def held(self, key: str) -> bytes | None:
        """What an object holds; None if there is none."""


class Notices:
    """Keeps and finds notices."""

    def __init__(self, compiled: Path, archived: Archived | None) -> None:
        """`compiled` has those of the version that runs; `archived` is None where the deployment has no archive."""
        self._folder = compiled / notices.FOLDER
        self._archived = archived

    def keep(self) -> int:
        """Put every notice of this version into the archive that isn't there yet; how many those were.

        Raises:
            ArchiveUnavailableError: not now.
        """
        texts = {path.stem: path.read_bytes() for path in sorted(self._folder.glob("*.json"))}
        if self._archived is None:
            return 0
        return sum(
            self._archived.put_if_absent(notices.key(version), text, hashlib.sha256(text).digest())
            for version, text in texts.items()
        )

    def find(self, version: str) -> dict[str, Any] | None:
        """A notice; None if nobody has it, or what is kept by that name isn't it.

        Raises:
            ArchiveUnavailableError: not now.
        """
        if not notices.is_version(version):
            return None
        try:
            text: bytes | None = (self._folder / f"{version}.json").read_bytes()
        except FileNotFoundError:
            text = self._archived.held(notices.key(version)) if self._archived else None
        return json.loads(text) if text is not None and notices.version_of(text) == version else None
