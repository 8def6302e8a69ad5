"""Mailchimp's audience webhooks.

https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/

Webhooks that are made in Mailchimp's pages aren't signed: a secret stands in the URL that it is given, as `?key=`.
Those that are made by its API are: the answer to `POST /3.0/lists/{list_id}/webhooks` has a `signing_secret`, and each
call `X-Mailchimp-Signature: t={seconds},v1={hex}`, an HMAC-SHA256 of `{t}.{body}`. Either is a proof where its secret
is set. A signature that none of the secrets makes takes nothing from a right key: each audience's webhook has a secret
of its own, and no opt-out is refused since one wasn't stored; whoever has the key could leave the signature out anyway.

Mailchimp asks for the URL with GET before it uses it, and posts forms with fields such as `data[email]`. `fired_at` is
UTC. It tries again "at increasing intervals over the course of 75 minutes" (the guide above). Without a signature no
instant is signed, and no retry is ever too late. With one, what ends email is taken for a day: whether each try is
signed isn't said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from consentry.actions.reports import ReportKind
from consentry.providers import Reading, UnreadableError, UnsignedError, meanings, payload, proof
from consentry.providers.meanings import Several, UnclearError, nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.actions.reports import Report
    from consentry.providers import Call
    from consentry.providers.meanings import Meaning
    from consentry.rules.brands import Webhook

SECRETS: Final = ("key", "signing_secret")
"""What follows `?key=` in the URL, and what Mailchimp signs with: one is enough."""

_MAX_FIELDS: Final = 1_000
"""An audience's merge fields come too."""

EVENTS: Final[dict[str, Meaning]] = {
    "unsubscribe": ReportKind.UNSUBSCRIBED,
    "unsubscribe abuse": ReportKind.COMPLAINED,
    "cleaned hard": ReportKind.BOUNCED,
    "cleaned abuse": ReportKind.COMPLAINED,
    **nothing("it doesn't say that the bounce lasts", "cleaned"),
    "subscribe": ReportKind.CLAIMED,
    "upemail": Several.MOVED,
    **nothing("it says nothing about consent", "profile", "campaign"),
}
"""By type and, where it makes a difference, reason."""
_SIGNATURE: Final = "x-mailchimp-signature"


def verify(call: Call, _setup: Webhook, secrets: Mapping[str, str], now: int) -> int:
    """The signature or the key must be right; nothing is signed when Mailchimp asks whether the URL is there."""
    by_signature, by_key = (bool(secrets.get(name, "").split()) for name in ("signing_secret", "key"))
    if by_signature and not by_key and call.method == "GET":
        return now
    if by_signature and _SIGNATURE in call.headers:
        try:
            return _signed(call, proof.values(secrets, "signing_secret"), now)
        except UnsignedError:
            if not by_key:
                raise
    proof.require(call.query.get("key", ""), proof.values(secrets, "key"))
    return now


def _signed(call: Call, keys: list[str], now: int) -> int:
    """When a signed call arrived, epoch ms. There may be several signatures while the secret is exchanged.

    Raises:
        UnsignedError: no signature is right, or it is too old.
    """
    parts = [part.strip().partition("=") for part in call.headers[_SIGNATURE].split(",")]
    timestamp = next((value for name, _, value in parts if name == "t"), "")
    seconds = proof.number(timestamp)
    expected = [proof.digest(key, f"{timestamp}.".encode() + call.body).hex() for key in keys]
    found = [proof.matches(value.lower(), expected) for name, _, value in parts if name == "v1"]
    if not any(found):
        raise UnsignedError("the signature doesn't match")
    return proof.arrival(seconds * 1000, now)


def translate(call: Call, setup: Webhook) -> Reading:
    """One event a call."""
    fields = _form(call.body)
    old, new = fields.get("data[old_email]", ""), fields.get("data[new_email]", "")
    if EVENTS.get(fields["type"]) is Several.MOVED and old and new:
        # The person has another address: what they said under the old one holds for it.
        return Reading([], moved=((old, new),))
    return payload.gather([fields], lambda event: _reports(event, setup))


def _reports(fields: dict[str, str], setup: Webhook) -> list[Report]:
    name, reason = fields["type"], fields.get("data[reason]", "")
    meaning = meanings.of(EVENTS, f"{name} {reason}", name)
    if meaning is Several.MOVED:
        raise UnclearError  # from where, or to where, isn't said
    return payload.reports(
        meanings.kind(meaning),
        fields.get("data[email]", ""),
        payload.from_iso(fields.get("fired_at", "")),
        setup.topics_of([fields.get("data[list_id]", "")]),
    )


def _form(body: bytes) -> dict[str, str]:
    """The last value of each field."""
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=_MAX_FIELDS)
    except ValueError as exc:
        raise UnreadableError("the form has too many fields") from exc
    if "type" not in fields:
        raise UnreadableError("the form has no type")
    return {name: listed[-1].strip() for name, listed in fields.items()}
