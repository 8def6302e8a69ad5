"""The mailbox: emails as SES stores them in S3, each named by a message of a queue."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final, NamedTuple
from urllib.parse import unquote_plus

from botocore.exceptions import BotoCoreError, ClientError

_EMPTY: Final = "InvalidRange"
"""How S3 answers when bytes of an empty object are asked for."""


class MailboxUnavailableError(Exception):
    """An email can't be read or removed now; it stays where it is."""


class Arrived(NamedTuple):
    """An email that came in."""

    bucket: str
    key: str
    at: int
    """Epoch ms at which it was stored: an email's own date says what its sender likes."""


def arrivals(notification: str) -> list[Arrived]:
    """The emails that an event of S3 names; none in the test that S3 sends when it is set up.

    Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html

    Raises:
        ValueError, KeyError, TypeError: it can't be understood.
    """
    return [
        Arrived(
            record["s3"]["bucket"]["name"],
            unquote_plus(record["s3"]["object"]["key"]),
            int(datetime.fromisoformat(record["eventTime"]).timestamp() * 1000),
        )
        for record in json.loads(notification).get("Records", ())
    ]


class Mailbox:
    """The emails in a bucket."""

    def __init__(self, client: Any) -> None:
        """`client` is an S3 client."""
        self._client = client

    def read(self, mail: Arrived, most: int) -> bytes | None:
        """The first `most` bytes of an email; None if it is no longer there.

        Raises:
            MailboxUnavailableError: try again later.
        """
        try:
            found = self._client.get_object(Bucket=mail.bucket, Key=mail.key, Range=f"bytes=0-{most - 1}")
            raw: bytes = found["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None
        except ClientError as exc:
            if exc.response.get("Error", {}).get("Code") == _EMPTY:
                return b""
            raise MailboxUnavailableError("the mail can't be read") from exc
        except BotoCoreError as exc:
            raise MailboxUnavailableError("the mail can't be read") from exc
        return raw

    def remove(self, mail: Arrived) -> None:
        """Delete an email.

        Raises:
            MailboxUnavailableError: try again later.
        """
        try:
            self._client.delete_object(Bucket=mail.bucket, Key=mail.key)
        except (BotoCoreError, ClientError) as exc:
            raise MailboxUnavailableError("the mail can't be removed") from exc
