"""The bucket of the archive, whose objects nobody can change."""

from __future__ import annotations

import base64
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from consentry.actions.archiving import ArchiveUnavailableError


class ArchiveBucket:
    """Writes the archive's objects."""

    def __init__(self, client: Any, bucket: str) -> None:
        """`client` is an S3 client."""
        self._client = client
        self._bucket = bucket

    def put(self, key: str, body: bytes, sha256: bytes) -> None:
        """Write an object.

        Raises:
            ArchiveUnavailableError: not now.
        """
        try:
            self._client.put_object(
                Bucket=self._bucket,
                Key=key,
                Body=body,
                ChecksumAlgorithm="SHA256",  # S3 asks for it by name where objects are locked
                ChecksumSHA256=base64.b64encode(sha256).decode(),
            )
        except (BotoCoreError, ClientError) as exc:
            raise ArchiveUnavailableError("the archive can't be written") from exc
