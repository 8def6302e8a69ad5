"""The bucket of the archive, whose objects nobody can change: parts of the ledger, and the words of notices."""

from __future__ import annotations

import base64
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from consentry.actions.archiving import ArchiveUnavailableError


class ArchiveBucket:
    """Writes the archive's objects, and reads notices."""

    def __init__(self, client: Any, bucket: str) -> None:
        """`client` is an S3 client."""
        self._client = client
        self._bucket = bucket

    def put(self, key: str, body: bytes, sha256: bytes) -> None:
        """Write an object.

        Raises:
            ArchiveUnavailableError: not now.
        """
        self._put(key, body, sha256)

    def put_if_absent(self, key: str, body: bytes, sha256: bytes) -> bool:
        """Write an object unless there is one; whether it was written.

        Raises:
            ArchiveUnavailableError: not now.
        """
        try:
            self._put(key, body, sha256, IfNoneMatch="*")
        except ArchiveUnavailableError as exc:
            if _code(exc.__cause__) in {"PreconditionFailed", "412"}:
                return False
            raise
        return True

    def held(self, key: str) -> bytes | None:
        """What an object holds; None if there is none.

        Raises:
            ArchiveUnavailableError: not now.
        """
        try:
            return bytes(self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read())
        except (BotoCoreError, ClientError) as exc:
            if _code(exc) in {"NoSuchKey", "404"}:
                return None
            raise ArchiveUnavailableError("the archive can't be read") from exc

    def _put(self, key: str, body: bytes, sha256: bytes, **condition: str) -> None:
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body,
                ChecksumAlgorithm="SHA256",  # S3 asks for it by name where objects are locked
                ChecksumSHA256=base64.b64encode(sha256).decode(),
                **condition,
            )
        except (BotoCoreError, ClientError) as exc:
            raise ArchiveUnavailableError("the archive can't be written") from exc


def _code(exc: BaseException | None) -> str:
    return str(exc.response.get("Error", {}).get("Code", "")) if isinstance(exc, ClientError) else ""
