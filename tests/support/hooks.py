"""Calls as the providers make them, signed here from their documentation and never by the code under test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

NOW = 1_800_000_000_000
AT = NOW - 3_600_000
"""When things happened: an hour before they are reported."""
TELL_SECONDS = {"sendgrid", "mailgun", "mailchimp", "customerio", "klaviyo"}
"""Providers that tell no milliseconds, or not here."""
LEFT_AT = AT + 999
"""When what ends mail counts that they tell of: the last millisecond of its second."""
ARN = "arn:aws:sns:us-east-1:000000000000:demo-ses-events"
CERTIFICATE_URL = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0a1b2c.pem"

SECRETS: dict[str, dict[str, str]] = {
    "standard": {"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
    "mailgun": {"signing_key": "key-3ax6xnjp29jd6fds4gc373sgvjxteol0"},
    "postmark": {"credentials": "postmark:a long, quiet word".replace(" ", "")},
    "mailchimp": {"key": "f3b9-very-random"},
    "customerio": {"signing_key": "ab12cd34"},
    "hubspot": {"client_secret": "yyyyyyyy-yyyy-yyyy-yyyy-yyyyyyyyyyyy"},
    "klaviyo": {"secret_key": "sixteen characters".replace(" ", "-")},
    "sns": {},
}

TOPICS: dict[str, tuple[str, ...]] = {
    "1001": ("news",),
    "1002": ("offers",),
    "newsletter": ("news",),
    "broadcast": ("news", "offers"),
    "a6b5da1054": ("news",),
    "news": ("news",),
    "offers": ("offers",),
    "topic_1": ("news",),
    "topic_2": ("offers",),
    "4517084": ("news",),
    "Newsletter": ("news",),
    "*": ("news",),
}
"""What all providers call their groups, in one mapping."""


class Sent(NamedTuple):
    """One HTTP call."""

    path: str
    headers: dict[str, str]
    body: bytes


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@cache
def certificate() -> bytes:
    """What SNS publishes: an X.509 certificate of the key, in PEM."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(rsa_key().public_key())
        .serial_number(7)
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=900))
        .sign(rsa_key(), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def sendgrid_public_key() -> str:
    """As SendGrid's page shows it."""
    der = (
        ec_key().public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return base64.b64encode(der).decode()


def secrets_of(provider: str) -> dict[str, str]:
    return {"public_key": sendgrid_public_key()} if provider == "sendgrid" else SECRETS[provider]


def send(provider: str, said: Any, now: int = NOW, *, host: str = "https://links.example.com", **how: Any) -> Sent:
    """A signed call.

    Args:
        provider: whose.
        said: the body: bytes as they are, else JSON (for `mailchimp` a form).
        now: when it is signed, epoch ms.
        host: what the provider was told to call.
        how: what only some providers know, see below.
    """
    path = how.get("path", f"/hooks/demo/{provider}")
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    how.pop("path", None)
    sent: Sent = globals()[f"_{provider}"](said, body, now, f"{host}{path}", path, **how)
    return sent


def iso(at: int) -> str:
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _hmac(key: bytes | str, message: bytes) -> bytes:
    return hmac.new(key.encode() if isinstance(key, str) else key, message, hashlib.sha256).digest()


def _standard(said: Any, body: bytes, now: int, url: str, path: str, *, message_id: str = "msg_1", **_: Any) -> Sent:
    key = base64.b64decode(SECRETS["standard"]["secret"].removeprefix("whsec_"))
    seconds = str(now // 1000)
    signature = base64.b64encode(_hmac(key, f"{message_id}.{seconds}.".encode() + body)).decode()
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": f"v1a,ignored v1,{'A' * 44} v1,{signature}",
    }
    return Sent(path, headers, body)


def _sendgrid(said: Any, body: bytes, now: int, url: str, path: str, **_: Any) -> Sent:
    body = body if isinstance(said, bytes) else body + b"\r\n"
    seconds = str(now // 1000)
    signature = ec_key().sign(seconds.encode() + body, ec.ECDSA(hashes.SHA256()))
    headers = {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": seconds,
    }
    return Sent(path, headers, body)


def _mailgun(said: Any, body: bytes, now: int, url: str, path: str, *, token: str = "", **_: Any) -> Sent:
    if isinstance(said, bytes):
        return Sent(path, {}, said)
    token = token or uuid.uuid4().hex + "0123456789abcdef01"
    seconds = str(now // 1000)
    signature = {
        "timestamp": seconds,
        "token": token,
        "signature": _hmac(SECRETS["mailgun"]["signing_key"], f"{seconds}{token}".encode()).hex(),
    }
    return Sent(path, {}, json.dumps({"signature": signature, "event-data": said}).encode())


def _postmark(said: Any, body: bytes, now: int, url: str, path: str, **_: Any) -> Sent:
    credentials = base64.b64encode(SECRETS["postmark"]["credentials"].encode()).decode()
    return Sent(path, {"Authorization": f"Basic {credentials}"}, body)


def _mailchimp(said: Any, body: bytes, now: int, url: str, path: str, **_: Any) -> Sent:
    form = said if isinstance(said, bytes) else urlencode(said).encode()
    return Sent(f"{path}?key={SECRETS['mailchimp']['key']}", {}, form)


def mailchimp_signature(body: bytes, at: int, secret: str) -> str:
    """What Mailchimp signs the calls of a webhook with that was made by its API."""
    return f"t={at // 1000},v1={_hmac(secret, f'{at // 1000}.'.encode() + body).hex()}"


def _customerio(said: Any, body: bytes, now: int, url: str, path: str, **_: Any) -> Sent:
    seconds = str(now // 1000)
    signature = _hmac(SECRETS["customerio"]["signing_key"], b"v0:" + seconds.encode() + b":" + body).hex()
    return Sent(path, {"X-CIO-Timestamp": seconds, "X-CIO-Signature": signature}, body)


def _hubspot(said: Any, body: bytes, now: int, url: str, path: str, *, signed: str = "", **_: Any) -> Sent:
    secret = SECRETS["hubspot"]["client_secret"]
    signature = base64.b64encode(_hmac(secret, f"POST{signed or url}".encode() + body + str(now).encode()))
    return Sent(path, {"X-HubSpot-Signature-v3": signature.decode(), "X-HubSpot-Request-Timestamp": str(now)}, body)


def _klaviyo(said: Any, body: bytes, now: int, url: str, path: str, *, timestamp: str = "", **_: Any) -> Sent:
    timestamp = timestamp or str(now // 1000)
    if isinstance(said, dict) and isinstance(said.get("meta"), dict):
        body = json.dumps({**said, "meta": {**said["meta"], "timestamp": iso(now)}}).encode()
    signature = _hmac(SECRETS["klaviyo"]["secret_key"], body + timestamp.encode()).hex()
    headers = {"Klaviyo-Signature": signature, "Klaviyo-Timestamp": timestamp, "Klaviyo-Webhook-Id": "whk_1"}
    return Sent(path, headers, body)


def _sns(said: Any, body: bytes, now: int, url: str, path: str, *, version: str = "2", **over: Any) -> Sent:
    if isinstance(said, bytes):
        return Sent(path, {}, said)
    over.pop("path", None)
    message: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": ARN,
        "Message": json.dumps(said),
        "Timestamp": iso(now),
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE_URL,
        **over,
    }
    names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    if message["Type"] != "Notification":
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
    algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()  # noqa: S303 - SNS's first version
    signature = rsa_key().sign(text.encode(), padding.PKCS1v15(), algorithm)
    message["Signature"] = base64.b64encode(signature).decode()
    return Sent(path, {"x-amz-sns-message-type": message["Type"]}, json.dumps(message).encode())


# --- what they say: an opt-out from one topic, a complaint, a permanent bounce, an opt-in --------------------------


def saying(provider: str, kind: str, email: str = "ann@example.com", at: int = AT) -> Any:
    """A body that says one thing of one person; where the provider has groups, of the one that is `news`."""
    return _SAYINGS[provider](kind, email, at)


def _say_standard(kind: str, email: str, at: int) -> Any:
    data = {"event_id": "1", "email": email, "topics": ["news"], "occurred_at": iso(at)}
    return {"type": f"consent.{kind}", "timestamp": iso(at), "data": data}


def _say_sendgrid(kind: str, email: str, at: int) -> Any:
    names = {"unsubscribed": "group_unsubscribe", "claimed": "group_resubscribe"}
    names |= {"complained": "spamreport", "bounced": "bounce"}
    event = {"email": email, "timestamp": at // 1000, "event": names[kind], "sg_event_id": uuid.uuid4().hex}
    return [event | ({"type": "bounce"} if kind == "bounced" else {"asm_group_id": 1001})]


def _say_mailgun(kind: str, email: str, at: int) -> Any:
    names = {"unsubscribed": "unsubscribed", "complained": "complained", "bounced": "failed"}
    event = {"event": names[kind], "recipient": email, "timestamp": at / 1000, "tags": ["newsletter"]}
    return event | ({"severity": "permanent", "reason": "generic"} if kind == "bounced" else {})


def _say_postmark(kind: str, email: str, at: int) -> Any:
    reasons = {"unsubscribed": "ManualSuppression", "complained": "SpamComplaint", "bounced": "HardBounce"}
    return {
        "RecordType": "SubscriptionChange",
        "MessageStream": "newsletter",
        "Recipient": email,
        "ChangedAt": iso(at),
        "SuppressSending": kind != "claimed",
        "SuppressionReason": reasons.get(kind),
    }


def _say_mailchimp(kind: str, email: str, at: int) -> Any:
    names = {"unsubscribed": "unsubscribe", "claimed": "subscribe", "complained": "unsubscribe", "bounced": "cleaned"}
    reasons = {"unsubscribed": "manual", "complained": "abuse", "bounced": "hard", "claimed": ""}
    return {
        "type": names[kind],
        "fired_at": datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        "data[email]": email,
        "data[list_id]": "a6b5da1054",
        "data[reason]": reasons[kind],
        "data[merges][FNAME]": "Ann",
    }


def _say_sns(kind: str, email: str, at: int) -> Any:
    mail = {"destination": [email], "timestamp": iso(at - 1000)}
    if kind == "bounced":
        part = {"bounceType": "Permanent", "bouncedRecipients": [{"emailAddress": email}], "timestamp": iso(at)}
        return {"eventType": "Bounce", "mail": mail, "bounce": part}
    if kind == "complained":
        part = {"complainedRecipients": [{"emailAddress": email}], "timestamp": iso(at)}
        return {"notificationType": "Complaint", "mail": mail, "complaint": part}
    status = {"topicName": "news", "subscriptionStatus": "OptIn" if kind == "claimed" else "OptOut"}
    now = {"unsubscribeAll": False, "topicSubscriptionStatus": [status]}
    part = {"contactList": "all", "timestamp": iso(at), "newTopicPreferences": now}
    return {"eventType": "Subscription", "mail": mail, "subscription": part}


def _say_customerio(kind: str, email: str, at: int) -> Any:
    metrics = {"claimed": "subscribed", "complained": "spammed", "bounced": "bounced"}
    data: dict[str, Any] = {"identifiers": {"email": email, "id": "42"}, "recipient": email}
    if kind == "unsubscribed":
        data["content"] = json.dumps({"topics": {"topic_1": False}})
    metric = metrics.get(kind, "cio_subscription_preferences_changed")
    return {"metric": metric, "object_type": "email", "timestamp": at // 1000, "event_id": "01E4C4", "data": data}


def _say_hubspot(kind: str, email: str, at: int) -> Any:
    event = {
        "subscriptionType": "contact.propertyChange",
        "propertyName": "hs_email_optout_4517084",
        "propertyValue": "false" if kind == "claimed" else "true",
        "occurredAt": at,
        "objectId": 1246965,
        "email": email,
    }
    return [event]


def _say_klaviyo(kind: str, email: str, at: int) -> Any:
    topics = {
        "unsubscribed": "unsubscribed_from_email_marketing",
        "claimed": "subscribed_to_email_marketing",
        "complained": "marked_email_as_spam",
        "bounced": "bounced_email",
    }
    properties = {"List": "Newsletter"} | ({"Bounce Type": "Hard"} if kind == "bounced" else {})
    attributes = {"timestamp": at // 1000, "datetime": iso(at), "event_properties": properties}
    payload = {
        "data": {"type": "event", "id": "1", "attributes": attributes},
        "included": [{"type": "metric"}, {"type": "profile", "attributes": {"email": email}}],
    }
    item = {"external_id": "1", "topic": f"event:klaviyo.{topics[kind]}", "payload": payload}
    return {"data": [item], "meta": {"klaviyo_webhook_id": "whk_1", "timestamp": iso(NOW)}}


_SAYINGS = {
    "standard": _say_standard,
    "sendgrid": _say_sendgrid,
    "mailgun": _say_mailgun,
    "postmark": _say_postmark,
    "mailchimp": _say_mailchimp,
    "sns": _say_sns,
    "customerio": _say_customerio,
    "hubspot": _say_hubspot,
    "klaviyo": _say_klaviyo,
}

SAYS: dict[str, tuple[str, ...]] = {
    "standard": ("unsubscribed", "claimed", "complained", "bounced"),
    "sendgrid": ("unsubscribed", "claimed", "complained", "bounced"),
    "mailgun": ("unsubscribed", "complained", "bounced"),
    "postmark": ("unsubscribed", "claimed", "complained", "bounced"),
    "mailchimp": ("unsubscribed", "claimed", "complained", "bounced"),
    "sns": ("unsubscribed", "claimed", "complained", "bounced"),
    "customerio": ("unsubscribed", "claimed", "complained", "bounced"),
    "hubspot": ("unsubscribed", "claimed"),
    "klaviyo": ("unsubscribed", "claimed", "complained", "bounced"),
}
"""What each provider can say."""
