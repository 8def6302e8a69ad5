"""Events as SES publishes them to SNS, from the examples in its guide.

https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

HELLO = "Successfully validated SNS topic for Amazon SES event publishing."
"""What a new event destination is greeted with."""


def iso(at: int) -> str:
    """Epoch ms, as SES writes instants."""
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def mail(
    *recipients: str, at: int, brand: str = "", sender: str = "Meadow & Finch <hello@meadow.example>"
) -> dict[str, Any]:
    """The email that an event is about: a confirmation email of `brand`; without one a platform's, from `sender`."""
    ours = {"brand": [brand], "kind": ["confirmation"]} if brand else {"campaign": ["spring"]}
    return {
        "timestamp": iso(at - 60_000),
        "source": sender,
        "sourceArn": "arn:aws:ses:us-east-1:123456789012:identity/meadow.example",
        "sendingAccountId": "123456789012",
        "messageId": f"EXAMPLE-{uuid.uuid4().hex}",
        "destination": list(recipients),
        "headersTruncated": False,
        "headers": [{"name": "From", "value": sender}, {"name": "To", "value": ", ".join(recipients)}],
        "commonHeaders": {"from": [sender], "to": list(recipients), "subject": "Message sent from Amazon SES"},
        "tags": {
            "ses:configuration-set": ["consentry-ConfigurationSet"],
            "ses:source-ip": ["192.0.2.0"],
            "ses:from-domain": [sender.rpartition("@")[2].rstrip(">")],
            "ses:caller-identity": ["courier"],
            **ours,
        },
    }


def bounce(*recipients: str, at: int, kind: str = "Permanent", subtype: str = "General", **of: Any) -> dict[str, Any]:
    """A mailbox that took no mail."""
    return {
        "eventType": "Bounce",
        "bounce": {
            "bounceType": kind,
            "bounceSubType": subtype,
            "bouncedRecipients": [
                {
                    "emailAddress": each,
                    "action": "failed",
                    "status": "5.1.1",
                    "diagnosticCode": f"smtp; 550 5.1.1 <{each}>: user unknown",
                }
                for each in recipients
            ],
            "timestamp": iso(at),
            "feedbackId": f"01000157c44f053b-{uuid.uuid4()}",
            "reportingMTA": "dsn; mta.example.com",
        },
        "mail": mail(*recipients, at=at, **of),
    }


def complaint(*recipients: str, at: int, feedback: str | None = "abuse", subtype: str | None = None, **of: Any) -> Any:
    """Somebody pressed "this is spam"."""
    return {
        "eventType": "Complaint",
        "complaint": {
            "complainedRecipients": [{"emailAddress": each} for each in recipients],
            "timestamp": iso(at),
            "feedbackId": f"01000157c44f053b-{uuid.uuid4()}",
            "complaintSubType": subtype,
            "userAgent": "Amazon SES Mailbox Simulator",
            "complaintFeedbackType": feedback,
            "arrivalDate": iso(at),
        },
        "mail": mail(*recipients, at=at, **of),
    }


def subscription(recipient: str, at: int, *, everything: bool = False, topics: Any = (), **of: Any) -> dict[str, Any]:
    """Somebody changed what they get, on SES's own page; `topics` are pairs of a name and `OptIn` or `OptOut`."""
    preferences = [{"topicName": name, "subscriptionStatus": status} for name, status in topics]
    return {
        "eventType": "Subscription",
        "mail": mail(recipient, at=at, **of),
        "subscription": {
            "contactList": "ContactListName",
            "timestamp": iso(at),
            "source": "UnsubscribeHeader",
            "newTopicPreferences": {"unsubscribeAll": everything, "topicSubscriptionStatus": preferences},
            "oldTopicPreferences": {"unsubscribeAll": False, "topicSubscriptionStatus": []},
        },
    }


def reject(*recipients: str, at: int, **of: Any) -> dict[str, Any]:
    """SES found something bad in the email."""
    return {"eventType": "Reject", "mail": mail(*recipients, at=at, **of), "reject": {"reason": "Bad content"}}
