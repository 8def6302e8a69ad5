"""What platforms and providers live: signed webhooks in, signed notifications out, through the deployed stack."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks import Webhook

from support.waiting import eventually


@pytest.fixture
def someone() -> str:
    """An address that nobody else in this run has."""
    return f"{uuid.uuid4().hex[:12]}@example.com"


# --- each provider's opt-out, signed as the provider signs, and never by our own code --------------------------------


def _hmac(key: str, message: bytes) -> hmac.HMAC:
    return hmac.new(key.encode(), message, hashlib.sha256)


def standard(told: dict[str, Any], email: str, _: str) -> tuple[bytes, dict[str, str], str]:
    now = datetime.now(UTC)
    data = {
        "event_id": "e1",
        "kind": "unsubscribed",
        "email": email,
        "topics": ["news"],
        "occurred_at": now.isoformat(),
    }
    body = json.dumps({"type": "consent.unsubscribed", "timestamp": now.isoformat(), "data": data})
    name = f"msg_{uuid.uuid4().hex}"
    signature = Webhook(told["webhook_secrets"]["standard"]).sign(name, now, body)
    headers = {"webhook-id": name, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}
    return body.encode(), headers, ""


def sendgrid(told: dict[str, Any], email: str, _: str) -> tuple[bytes, dict[str, str], str]:
    stamp = str(int(time.time()))
    event = {"email": email, "event": "unsubscribe", "timestamp": int(stamp), "sg_event_id": uuid.uuid4().hex}
    body = json.dumps([event]).encode() + b"\r\n"
    key = serialization.load_pem_private_key(told["webhook_secrets"]["sendgrid_private_key"].encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    signature = key.sign(stamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    name = "X-Twilio-Email-Event-Webhook"
    return body, {f"{name}-Signature": base64.b64encode(signature).decode(), f"{name}-Timestamp": stamp}, ""


def mailgun(told: dict[str, Any], email: str, _: str) -> tuple[bytes, dict[str, str], str]:
    stamp, token = str(int(time.time())), uuid.uuid4().hex
    signature = _hmac(told["webhook_secrets"]["mailgun"], (stamp + token).encode()).hexdigest()
    event = {"event": "unsubscribed", "recipient": email, "timestamp": float(stamp)}
    signed = {"timestamp": stamp, "token": token, "signature": signature}
    return json.dumps({"signature": signed, "event-data": event}).encode(), {}, ""


def postmark(told: dict[str, Any], email: str, _: str) -> tuple[bytes, dict[str, str], str]:
    body = {
        "RecordType": "SubscriptionChange",
        "Recipient": email,
        "SuppressSending": True,
        "SuppressionReason": "ManualSuppression",
        "ChangedAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    basic = base64.b64encode(told["webhook_secrets"]["postmark"].encode()).decode()
    return json.dumps(body).encode(), {"authorization": f"Basic {basic}"}, ""


def mailchimp(told: dict[str, Any], email: str, _: str) -> tuple[bytes, dict[str, str], str]:
    form = {"type": "unsubscribe", "fired_at": "2026-01-02 03:04:05", "data[email]": email, "data[reason]": "manual"}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return urlencode(form).encode(), headers, f"?key={told['webhook_secrets']['mailchimp']}"


def customerio(told: dict[str, Any], email: str, _: str) -> tuple[bytes, dict[str, str], str]:
    stamp = str(int(time.time()))
    event = {"metric": "unsubscribed", "timestamp": int(stamp), "data": {"recipient": email, "email_address": email}}
    body = json.dumps(event).encode()
    signature = _hmac(told["webhook_secrets"]["customerio"], b"v0:" + stamp.encode() + b":" + body).hexdigest()
    return body, {"X-CIO-Signature": signature, "X-CIO-Timestamp": stamp}, ""


def hubspot(told: dict[str, Any], email: str, url: str) -> tuple[bytes, dict[str, str], str]:
    stamp = str(int(time.time() * 1000))
    event = {
        "subscriptionType": "contact.propertyChange",
        "propertyName": "hs_email_optout",
        "propertyValue": "true",
        "email": email,
        "occurredAt": int(stamp),
    }
    body = json.dumps([event])
    signed = _hmac(told["webhook_secrets"]["hubspot"], f"POST{url}{body}{stamp}".encode()).digest()
    headers = {"X-HubSpot-Signature-v3": base64.b64encode(signed).decode(), "X-HubSpot-Request-Timestamp": stamp}
    return body.encode(), headers, ""


def klaviyo(told: dict[str, Any], email: str, _: str) -> tuple[bytes, dict[str, str], str]:
    stamp = str(int(time.time()))
    event = {
        "topic": "event:klaviyo.unsubscribed_from_email_marketing",
        "payload": {"data": {"attributes": {"datetime": datetime.now(UTC).isoformat()}}, "profile": {"email": email}},
    }
    included = [{"type": "profile", "attributes": {"email": email}}]
    event["payload"] = {"data": {"attributes": {"datetime": datetime.now(UTC).isoformat()}}, "included": included}
    body = json.dumps({"meta": {"klaviyo_webhook_id": "wh1", "timestamp": stamp}, "data": [event]}).encode()
    signature = _hmac(told["webhook_secrets"]["klaviyo"], body + stamp.encode()).hexdigest()
    headers = {"Klaviyo-Signature": signature, "Klaviyo-Timestamp": stamp, "Klaviyo-Webhook-Id": "wh1"}
    return body, headers, ""


PROVIDERS = [standard, sendgrid, mailgun, postmark, mailchimp, customerio, hubspot, klaviyo]


@pytest.mark.parametrize("sign", PROVIDERS, ids=lambda sign: sign.__name__)
def test_a_providers_opt_out_is_applied_once_and_a_forged_one_never(stack: Any, someone: str, sign: Any) -> None:
    path = f"/hooks/demo/{sign.__name__}"
    body, headers, query = sign(stack.told, someone, stack.base + path)
    forged = {name: value[:-4] + ("AAAA" if value[-4:] != "AAAA" else "BBBB") for name, value in headers.items()}
    if sign is mailgun:
        forged_body, forged = body.replace(b'"signature": "', b'"signature": "00'), {}
    elif sign is mailchimp:
        forged_body, forged = body, headers
    else:
        forged_body = body
    assert stack.call("POST", path + query[:-2], body=forged_body, headers=forged).status == 401
    assert stack.status(someone) == "none"

    answer = stack.call("POST", path + query, body=body, headers=headers)
    assert (answer.status, answer.json()) == (200, {"applied": 1, "duplicate": 0, "ignored": 0, "spooled": 0})
    assert stack.status(someone) == "unsubscribed"
    again = stack.call("POST", path + query, body=body, headers=headers)
    assert (again.status, again.json()["duplicate"]) == (200, 1)

    subscriber_id = stack.api("POST", "/v1/subscribers/lookup", {"email": someone}).json()["subscriber_id"]
    ledger = stack.api("GET", f"/v1/subscribers/{subscriber_id}/ledger").json()
    assert [(event["kind"], event["channel"]) for event in ledger["events"]] == [("unsubscribed", "webhook")]
    assert ledger["intact"] is True


def test_a_brand_without_the_provider_has_no_such_webhook(stack: Any) -> None:
    for path in ("/hooks/other/standard", "/hooks/demo/nobody", "/hooks/nobody/standard"):
        assert stack.call("POST", path, body=b"{}").status == 404


# --- notifications ---------------------------------------------------------------------------------------------------


def told_of(stack: Any, subscriber_id: str) -> list[dict[str, Any]]:
    """What the receiver got on somebody, verified with the published library."""
    found = []
    for each in stack.call("GET", stack.told["notifications_url"]).json():
        event = json.loads(each["body"])
        if event["data"]["subscriber_id"] == subscriber_id:
            verified = Webhook(stack.told["webhook_secrets"]["outbound"]).verify(each["body"], each["headers"])
            assert verified == event
            found.append({"id": each["headers"]["webhook-id"], "answered": each["answered"], **event})
    return found


def leave(stack: Any, someone: str) -> str:
    """Somebody leaves by one click; who they are."""
    body = {"topic": "news", "recipients": [{"email": someone, "reference": "spring"}]}
    minted = stack.api("POST", "/v1/links", body).json()["links"][0]
    assert stack.call("POST", minted["unsubscribe_url"], body=b"List-Unsubscribe=One-Click").status == 200
    return str(minted["subscriber_id"])


def test_a_platform_hears_of_an_opt_out_at_once_and_signed(stack: Any, someone: str) -> None:
    subscriber_id = leave(stack, someone)
    event = eventually(lambda: told_of(stack, subscriber_id), bool)[0]
    assert event["type"] == "consent.changed"
    assert event["data"]["event_id"] == event["id"]
    assert event["data"]["topics"] == {"news": {"status": "unsubscribed", "previous": "none"}}
    assert (event["data"]["channel"], event["data"]["reference"]) == ("one-click", "spring")


def test_a_platform_that_was_down_hears_of_it_later_under_the_same_id(stack: Any, someone: str) -> None:
    stack.call("PUT", stack.told["notifications_url"], body=b'{"status": 503}')
    try:
        subscriber_id = leave(stack, someone)
        eventually(lambda: told_of(stack, subscriber_id), bool)
    finally:
        stack.call("PUT", stack.told["notifications_url"], body=b'{"status": 200}')
    tries = eventually(
        lambda: told_of(stack, subscriber_id), lambda tries: any(each["answered"] == 200 for each in tries), 120
    )
    assert [each["answered"] for each in tries] == [503] * (len(tries) - 1) + [200]
    assert len({each["id"] for each in tries}) == 1


# --- the rest of the API ---------------------------------------------------------------------------------------------


def test_a_platform_tells_what_it_heard_and_forgets_a_person(stack: Any, someone: str) -> None:
    at = "2026-01-02T03:04:05Z"
    events = [
        {"event_id": "1", "kind": "claimed", "email": someone, "topics": ["news"], "occurred_at": at},
        {"event_id": "2", "kind": "complained", "email": someone, "occurred_at": at},
        {"event_id": "3", "kind": "nonsense"},
    ]
    headers = {"idempotency-key": uuid.uuid4().hex}
    first = stack.api("POST", "/v1/events", {"events": events}, **headers)
    assert [each["result"] for each in first.json()["results"]] == ["applied", "applied", "invalid"]
    assert stack.api("POST", "/v1/events", {"events": events}, **headers).text == first.text
    assert stack.api("POST", "/v1/events", {"events": events[:1]}, **headers).status == 422
    found = stack.api("POST", "/v1/subscribers/lookup", {"email": someone}).json()
    assert (found["suppressed"], found["topics"]["news"]["reason"]) == (True, "complaint")
    path = f"/v1/subscribers/{found['subscriber_id']}"
    assert stack.api("DELETE", path).json() == {"erased": True}
    assert stack.api("GET", f"{path}/ledger").json()["intact"] is True
    assert stack.status(someone) == "unsubscribed"


def test_the_api_keeps_its_own_word_whatever_is_sent(stack: Any, tmp_path: Path) -> None:
    """schemathesis reads the OpenAPI document and tries everything: the answers must be what the document says."""
    command = [
        Path(sys.executable).with_name("schemathesis"),
        "run",
        f"{stack.base}/v1/openapi.json",
        *("--header", f"Authorization: Bearer {stack.told['api_keys']['demo']}"),
        *("--max-examples", "10", "--seed", "1", "--no-color", "--workers", "2"),
        # A well-formed text may still be no address, or no topic of this brand: no schema can say that.
        # And a person who is forgotten can still be asked for: that they are is what keeps opt-outs in force.
        *("--exclude-checks", "positive_data_acceptance,use_after_free"),
    ]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    tried = subprocess.run(  # noqa: S603 - our own words
        command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=False
    )
    assert tried.returncode == 0, tried.stdout[-6_000:]
