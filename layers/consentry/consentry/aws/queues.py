"""Queues of SQS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consentry import telemetry
from consentry.actions.waiting import LONGEST_DELAY_S

if TYPE_CHECKING:
    from collections.abc import Mapping


class Queue:
    """One queue."""

    def __init__(self, client: Any, url: str) -> None:
        """`client` is an SQS client."""
        self._client = client
        self._url = url

    @property
    def name(self) -> str:
        """What metrics call it."""
        return self._url.rpartition("/")[2]

    def send(
        self, text: str, *, seconds: int | None = None, group: str = "", attributes: Mapping[str, str] | None = None
    ) -> None:
        """Queue a text.

        Args:
            text: the message's body.
            seconds: until the message can be received; None: none.
            group: keeps what takes long in one group from delaying the others (SQS fair queues).
            attributes: what goes along with the body.

        Raises:
            botocore's errors: it isn't queued.
            ValueError: what answered isn't SQS, and who knows whether it is queued.
        """
        how: dict[str, Any] = message_attributes(attributes or {})
        if group:
            how["MessageGroupId"] = group
        if seconds is not None:
            how["DelaySeconds"] = seconds
        if "MessageId" not in self._client.send_message(QueueUrl=self._url, MessageBody=text, **how):
            raise ValueError("not SQS's answer")

    def send_again(self, text: str, *, seconds: int, since: int, **how: Any) -> None:
        """Queue what has waited `since` (epoch ms) once more, as a new message, for after so many seconds.

        A new message's age begins at nothing, so how long it has waited is counted here.

        Raises:
            botocore's errors: it isn't queued.
        """
        self.send(text, seconds=min(seconds, LONGEST_DELAY_S), **how)
        telemetry.waits(self.name, since)

    def hide(self, receipt_handle: str, seconds: int) -> None:
        """Let the queue bring a message back after so many seconds.

        Raises:
            botocore's errors: it comes back at another time.
        """
        self._client.change_message_visibility(
            QueueUrl=self._url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
        )


def message_attributes(said: Mapping[str, str]) -> dict[str, Any]:
    """What a message says beside its body: also which request it follows from, which `batches` reads."""
    named = {name: value for name, value in {"correlation_id": telemetry.correlation_id(), **said}.items() if value}
    typed = {name: {"DataType": "String", "StringValue": value} for name, value in named.items()}
    return {"MessageAttributes": typed} if typed else {}
