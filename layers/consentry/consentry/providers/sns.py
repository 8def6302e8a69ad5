"""What SES publishes through SNS: bounces, complaints and subscription changes.

https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html

The brand file lists the SNS topics that may call. Anybody with an AWS account can have SNS sign a message, so the topic
is checked before all else; and its region names the one host from which a certificate, and later the confirmation of a
subscription, is fetched. Nothing else is ever fetched, and no redirect is followed.

SNS sends a message again for at most an hour, "a hard limit"
(https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html), under the signature of the first time.
So a message may be that old, and what ends email a day, for those who send their dead letters on. One that is repeated
says what it said before, and changes nothing.
"""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any, Final

from consentry.actions.reports import ReportKind
from consentry.http import outgoing
from consentry.http.outgoing import UnreachableError
from consentry.providers import Reading, UnreadableError, UnsignedError, meanings, payload, proof
from consentry.providers.meanings import Several, UnclearError, nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    from consentry.actions.reports import Report
    from consentry.providers import Call
    from consentry.providers.meanings import Meaning
    from consentry.rules.brands import Webhook

SECRETS: Final = ()
"""None: what may call is in the brand file."""

EVENTS: Final[dict[str, Meaning]] = {
    "Subscription": Several.CHOICES,
    "Complaint": ReportKind.COMPLAINED,
    **dict.fromkeys(
        (f"Complaint {each}" for each in ("abuse", "auth-failure", "fraud", "other", "virus")), ReportKind.COMPLAINED
    ),
    **nothing("the receiver says that it isn't spam", "Complaint not-spam"),
    "Bounce Permanent": ReportKind.BOUNCED,
    **nothing("temporary", "Bounce Transient", "DeliveryDelay"),
    **nothing("the answer couldn't be classified", "Bounce Undetermined"),
    **nothing("SES refused the email, whoever it was for", "Reject", "Rendering Failure"),
    **nothing("it says nothing about consent", "Send", "Delivery", "Open", "Click"),
}
"""By type of event; bounces by theirs, complaints by what the receiver calls them."""

RETRIED_MS: Final = 65 * 60 * 1000
"""How old a message may be to say anything."""

_PARTS: Final = {
    "Bounce": ("bounce", "bounceType", "bouncedRecipients"),
    "Complaint": ("complaint", "complaintFeedbackType", "complainedRecipients"),
}
"""Of events about recipients: the part about them, what it calls the kind, and whom it names."""
_ARN: Final = re.compile(r"arn:(aws[a-z-]*):sns:([a-z]{2}(?:-[a-z]+)+-[0-9]+):[0-9]{12}:[A-Za-z0-9_.-]+")
_CERTIFICATE: Final = re.compile(r"/[A-Za-z0-9_-]+\.pem")
_CONFIRMATION: Final = re.compile(r"/\?[A-Za-z0-9%&=._~:-]+")
_SIGNED: Final = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_SIGNED_CONFIRMATION: Final = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_MANY: Final = 16
_keys: dict[str, RSAPublicKey] = {}
"""By URL of the certificate. SNS changes them rarely."""


def verify(call: Call, setup: Webhook, _secrets: Mapping[str, str], now: int) -> int:
    """The SNS topic must be one that the brand lists, and the signature right.

    Raises:
        UnreachableError: the certificate can't be had now.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - 40 ms, for signatures of this kind only
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256  # noqa: PLC0415 - as above

    body = payload.parse_object(call.body)
    host = _host(payload.text(body, "TopicArn"), setup)
    arrived = proof.arrival(payload.from_iso(body.get("Timestamp")), now, fresh=RETRIED_MS)
    url = payload.text(body, "SigningCertURL") or payload.text(body, "SigningCertUrl")
    if not _at(url, host, _CERTIFICATE):
        raise UnsignedError("the certificate is elsewhere")
    algorithm = {"1": SHA1, "2": SHA256}.get(payload.text(body, "SignatureVersion"))
    if algorithm is None:
        raise UnsignedError("no signature version that we know")
    try:
        signature = base64.b64decode(payload.text(body, "Signature"), validate=True)
        _key(url).verify(signature, _signed(body), PKCS1v15(), algorithm())
    except (ValueError, InvalidSignature) as exc:
        raise UnsignedError("the signature doesn't match") from exc
    return arrived


def translate(call: Call, setup: Webhook) -> Reading:
    """A notification, or the question whether we want the subscription."""
    body = payload.parse_object(call.body)
    match payload.text(body, "Type"):
        case "SubscriptionConfirmation":
            url = payload.text(body, "SubscribeURL")
            if not _at(url, _host(payload.text(body, "TopicArn"), setup), _CONFIRMATION):
                raise UnreadableError("the confirmation is elsewhere")
            return Reading([], fetch=url)
        case "Notification":
            said = payload.text(body, "Message")
            try:
                message = payload.parse(said.encode())
            except UnreadableError:  # SES says hello to a new topic in plain text; an event that was cut is none
                return Reading([], ignored=1, unclear=int(said.startswith("{")))
            return payload.gather([message], lambda event: reports(event, setup))
        case _:
            return Reading([], ignored=1)


def reports(event: Any, setup: Webhook) -> list[Report]:
    """What one event of SES says, in the form in which it publishes them to SNS.

    Raises:
        UnclearError: it ought to say something of somebody, and doesn't.
        UnknownKindError: SES doesn't publish such an event, as far as we know.
    """
    name = payload.text(event, "eventType") or payload.text(event, "notificationType")
    part, detail, people = _PARTS.get(name, ("", "", ""))
    names = [f"{name} {payload.text(event, part, detail)}"] if part else []
    meaning = meanings.of(EVENTS, *names, name)
    if meaning is Several.CHOICES:
        return _subscription(event, setup)
    kind = meanings.kind(meaning)
    if kind is None:
        return []
    moment = payload.from_iso(payload.at(event, part, "timestamp"))
    who = [payload.text(each, "emailAddress") for each in payload.listed(event, part, people)]
    if not who:
        raise UnclearError
    return [report for email in who for report in payload.reports(kind, email, moment)]


def bare(mailbox: str) -> str:
    """The address in a mailbox: SES repeats some as they stood in the email, with the name before them."""
    return mailbox.rpartition("<")[2].partition(">")[0].strip()


def fetch(url: str) -> bytes:
    """What lies at an https URL whose host was checked: at most 64 KiB, within 3 seconds, without redirects.

    Raises:
        UnreachableError: it can't be had now.
        UnsignedError: there is no such thing there.
    """
    status, body = outgoing.get(url)
    if status >= 500:  # noqa: PLR2004 - a fault there
        raise UnreachableError(f"fetching was answered with {status}")
    if status != 200:  # noqa: PLR2004 - a redirect, or nothing there
        raise UnsignedError(f"fetching was answered with {status}")
    return body


def _subscription(event: Any, setup: Webhook) -> list[Report]:
    """The preferences as they are now; each address that the email went to is the person who set them.

    Raises:
        UnclearError: there are none, or nobody who set them.
    """
    moment = payload.from_iso(payload.at(event, "subscription", "timestamp"))
    now = payload.at(event, "subscription", "newTopicPreferences")
    listed = payload.listed(now, "topicSubscriptionStatus")
    left = [payload.text(each, "topicName") for each in listed if _says(each, "OptOut")]
    kept = [payload.text(each, "topicName") for each in listed if _says(each, "OptIn")]
    out, wanted = setup.topics_of(left), setup.topics_of(kept)
    found: list[Report] = []
    who = payload.texts(event, "mail", "destination")
    if not who or not isinstance(now, dict):
        raise UnclearError
    for email in who:
        if payload.at(now, "unsubscribeAll") is True:
            found += payload.reports(ReportKind.UNSUBSCRIBED, email, moment)
            continue
        if out or (left and not wanted):
            found += payload.reports(ReportKind.UNSUBSCRIBED, email, moment, out)
        still = tuple(topic for topic in wanted if topic not in out)
        found += payload.reports(ReportKind.CLAIMED, email, moment, still)
    return found


def _says(status: Any, what: str) -> bool:
    return payload.text(status, "subscriptionStatus") == what


def _host(arn: str, setup: Webhook) -> str:
    """The host of a listed topic's region: the only one that is ever asked."""
    match = _ARN.fullmatch(arn)
    if match is None or arn not in setup.arns:
        raise UnsignedError("not an SNS topic of this brand")
    partition, region = match.groups()
    return f"sns.{region}.amazonaws.com{'.cn' if partition == 'aws-cn' else ''}"


def _at(url: str, host: str, path: re.Pattern[str]) -> bool:
    """Whether a URL is https, at this very host (no user, no port), with such a path."""
    start = f"https://{host}"
    return url.startswith(start) and path.fullmatch(url[len(start) :]) is not None


def _key(url: str) -> RSAPublicKey:
    from cryptography import x509  # noqa: PLC0415 - see `verify`
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415 - as above

    if url not in _keys:
        key = x509.load_pem_x509_certificate(fetch(url)).public_key()
        if not isinstance(key, RSAPublicKey):
            raise UnsignedError("not an RSA certificate")
        if len(_keys) >= _MANY:
            _keys.clear()
        _keys[url] = key
    return _keys[url]


def _signed(body: dict[str, Any]) -> bytes:
    confirms = payload.text(body, "Type") in {"SubscriptionConfirmation", "UnsubscribeConfirmation"}
    names = _SIGNED_CONFIRMATION if confirms else _SIGNED
    parts = [f"{name}\n{body[name]}\n" for name in names if isinstance(body.get(name), str)]
    return "".join(parts).encode("utf-8", "surrogatepass")
