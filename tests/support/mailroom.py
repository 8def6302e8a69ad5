"""The courier with its queue, its table and SES."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Any, Final

import pytest
from cfnlint.decode.cfn_yaml import loads  # reads CloudFormation's short forms
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from consentry.http.batches import AllFailedError
from dev.emulator.streams import passes
from support import calls
from support.tables import ROOT
from support.world import World

ANN: Final = "ann@example.com"
BASE: Final = "https://mail.example.com"
LANGUAGES: Final = {
    "en": "Please confirm",
    "de": "Bitte bestätigen",
    "fr": "confirme",
    "es": "confirm",
    "ar": "تأكيد",
}
HEARS: Final[dict[str, Any]] = loads((ROOT / "template.yaml").read_text())["Resources"]["CourierFunction"][
    "Properties"
]["Events"]["Due"]["Properties"]
"""Which records of the stream Lambda hands to the courier, as the template says."""


class Mailroom:
    """The stream, the queue and the outbox around the courier."""

    def __init__(self, world: World) -> None:
        self.world = world
        for brand in world.deployment.brands:
            world.ses.create_email_identity(EmailIdentity=brand.sender)
        self.queue = world.sqs.create_queue(QueueName="mails", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
        self.delays: list[int] = []
        """What each put-off mail waits for, in seconds; the tests' queue doesn't wait."""
        self._records = 0

    def ask(self, email: str = ANN, *topics: str, lang: str = "en", brand: str = "demo") -> dict[str, Any]:
        """Somebody asks; the stream's record of it."""
        fields = [("email", email), ("lang", lang), *(("topics", each) for each in topics or ("news",))]
        assert self.world.post(f"/s/{brand}", fields).status == 200
        return self.record(email, brand)

    def record(self, email: str = ANN, brand: str = "demo", sk: str = "CONTACT") -> dict[str, Any]:
        """What the stream says of somebody's contact item, or another, as it is now."""
        pk = f"S#{brand}#{self.world.subscriber_id(email, brand)}"
        (image,) = [each for each in self.world.items() if (each["pk"]["S"], each["sk"]["S"]) == (pk, sk)]
        self._records += 1
        return {
            "eventID": f"record-{self._records}",
            "eventName": "INSERT",
            "eventSource": "aws:dynamodb",
            "eventVersion": "1.1",
            "awsRegion": "us-east-1",
            "dynamodb": {
                "Keys": {"pk": image["pk"], "sk": image["sk"]},
                "NewImage": image,
                "SequenceNumber": str(self._records),
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
        }

    def stream(self, *records: dict[str, Any]) -> list[str]:
        """Hand records to the courier; those that failed."""
        so_far = len(self.sent)
        try:
            answer = self.world.function("courier").handler({"Records": list(records)}, None)
        except AllFailedError:  # for Lambda: the whole batch comes back
            return [each["dynamodb"]["SequenceNumber"] for each in records]
        sending = len(self.sent) - so_far
        assert sending <= sum(passes(each, HEARS) for each in records), "Lambda would have kept it from the courier"
        return [each["itemIdentifier"] for each in answer["batchItemFailures"]]

    def waiting(self) -> list[dict[str, str]]:
        """What is in the queue."""
        found: list[dict[str, str]] = self.world.sqs.receive_message(
            QueueUrl=self.queue, MaxNumberOfMessages=10, VisibilityTimeout=0
        ).get("Messages", [])
        return found

    def retry(self) -> list[str]:
        """Let the queue hand everything to the courier; what failed stays in it, and is answered."""
        messages = self.waiting()
        records = [
            {"messageId": each["MessageId"], "body": each["Body"], "eventSource": "aws:sqs", "attributes": {}}
            for each in messages
        ]
        if not records:
            return []
        answer = self.world.function("courier").handler({"Records": records}, None)
        failed = [each["itemIdentifier"] for each in answer["batchItemFailures"]]
        for each in messages:
            if each["MessageId"] not in failed:
                self.world.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=each["ReceiptHandle"])
        return failed

    @property
    def sent(self) -> list[EmailMessage]:
        """Every email that SES took, oldest first."""
        return [
            email.message_from_string(each.raw_data, policy=email.policy.default)
            for each in ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages
        ]

    @property
    def raw(self) -> list[str]:
        """The same, as they went out."""
        return [each.raw_data for each in ses_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].sent_messages]

    def refusing(self, *answers: Any) -> Any:
        """SES answers the next emails so."""
        return calls.answering(self.world.deployment.mailer._client, "SendEmail", *answers)


def keeping(world: World, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    """The brand keeps addresses."""
    demo = world.deployment.brands.get("demo")
    assert demo
    monkeypatch.setitem(world.deployment.brands._brands, "demo", demo._replace(keeps_address=True, **more))


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    """One of an email's two bodies."""
    body = mail.get_body((kind,))
    assert body
    return str(body.get_content())
