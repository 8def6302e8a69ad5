"""Proof of a consent by the API: what happened, the words that were read, the emails, and what checks say."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from typing import Any, Final

from consentry.links.tokens import Purpose
from support import archives
from support.leaving import send, undo_url
from support.mailroom import ANN, Mailroom
from support.world import HOUR, SECOND, World

DPV: Final = frozenset(
    {
        "dpv:Consent", "dpv:ConsentExpired", "dpv:ConsentGiven", "dpv:ConsentNotice", "dpv:ConsentRecord",
        "dpv:ConsentRequested", "dpv:ConsentUnknown", "dpv:ConsentWithdrawn", "dpv:Contract", "dpv:DataController",
        "dpv:DataSubject", "dpv:DirectMarketing", "dpv:Entity", "dpv:LegitimateInterest", "dpv:Process",
        "dpv:RenewedConsentGiven",
        "dpv:hasAddress", "dpv:hasConsentStatus", "dpv:hasDataController", "dpv:hasDataSubject",
        "dpv:hasIndicationMethod", "dpv:hasLegalBasis", "dpv:hasName", "dpv:hasNotice", "dpv:hasPersonalData",
        "dpv:hasProcess", "dpv:hasPurpose", "dpv:hasStatus", "dpv:isIndicatedAtTime", "dpv:isIndicatedBy",
        "pd:EmailAddress",
    }
)  # fmt: skip
"""Terms of the Data Privacy Vocabulary 2.3 as w3c/dpv publishes it (2.3/dpv/dpv.ttl and 2.3/pd/pd.ttl), looked up on
1 December 2026. Another term has to be looked up, and put here."""


def german_double_opt_in(mailroom: Mailroom) -> None:
    """Ann asks in German, is sent an email, and confirms by its link."""
    world = mailroom.world
    assert mailroom.stream(mailroom.ask(lang="de")) == []
    world.now += HOUR
    (link,) = re.findall(r"https://\S+/c/\S+", str(mailroom.sent[0].get_body(("plain",))))
    path = "/c/" + link.rpartition("/c/")[2]
    form = world.get(path).page.form()
    world.now += 5 * SECOND
    assert world.post(path, dict(form.fields)).status == 200


def proof(world: World, email: str = ANN) -> dict[str, Any]:
    answer = world.api("GET", f"/v1/subscribers/{world.subscriber_id(email)}/proof", key=world.api_key())
    assert answer.status == 200
    found: dict[str, Any] = answer.json
    return found


def test_a_double_opt_in_with_undo_and_complaint_is_proved_with_the_words_in_its_language(mailroom: Mailroom) -> None:
    world = mailroom.world
    german_double_opt_in(mailroom)
    world.now += HOUR
    left = send(world, world.leave_url(), scope="topic")
    assert world.post(undo_url(left)).status == 200
    world.now += HOUR
    report = {"event_id": "1", "kind": "complained", "email": ANN, "occurred_at": "2027-01-15T12:00:00Z"}
    world.api("POST", "/v1/events", {"events": [report]}, key=world.api_key())

    found = proof(world)
    assert found["verified"] is True
    assert found["checks"]["ledger"] == {"intact": True, "events": 5}
    assert found["checks"]["archive"] is None
    assert [each["kind"] for each in found["acts"]] == ["asked", "confirmed", "unsubscribed", "undone", "complained"]
    assert found["acts"][0]["says"] == "The recipient asked for “Newsletter”, on a page"
    asked, confirmed = found["acts"][:2]
    assert (asked["locale"], asked["words"], confirmed["words"]) == ("de", ["form"], ["mail", "page"])
    german = found["notices"][asked["notice"]]["de"]
    assert "Welche E-Mails möchten Sie erhalten?" in german["form"]
    assert german["mail"]["subject"] == "Bitte bestätigen Sie Ihre Anmeldung bei Meadow & Finch"
    assert confirmed["link"] == "ours"
    assert confirmed["evidence"]["user_agent"]
    (mail,) = found["mails"]
    assert (mail["mail"], mail["locale"], mail["words"]) == ("confirmation", "de", ["mail"])
    assert mail["message_id"]
    assert mail["asked_at"] == asked["occurred_at"]
    assert ANN not in json.dumps(found)


def terms(node: Any) -> Iterator[str]:
    """Every term of DPV in JSON-LD: keys, types and what is named."""
    if isinstance(node, list):
        for each in node:
            yield from terms(each)
    elif isinstance(node, dict):
        for name, value in node.items():
            yield name
            if name in {"@type", "@id"}:
                yield value
            yield from terms(value)


def test_the_records_are_in_terms_that_the_vocabulary_has(mailroom: Mailroom) -> None:
    world = mailroom.world
    german_double_opt_in(mailroom)
    world.now += HOUR
    world.post(world.leave_url(), {"scope": "all"})
    found = proof(world)
    used = {each for each in terms(found["dpv"]["@graph"]) if each.startswith(("dpv:", "pd:"))}
    assert used <= DPV
    record = found["dpv"]["@graph"][0]
    assert record["@type"] == "dpv:ConsentRecord"
    assert record["dpv:hasProcess"]["dpv:hasLegalBasis"] == {"@id": "dpv:Consent"}
    assert record["dpv:hasConsentStatus"] == {"@id": "dpv:ConsentWithdrawn"}
    assert [each["@type"] for each in record["dpv:hasStatus"]] == [
        "dpv:ConsentRequested", "dpv:ConsentGiven", "dpv:ConsentWithdrawn",
    ]  # fmt: skip
    assert record["dpv:hasStatus"][0]["dpv:hasNotice"]["dct:language"] == "de"
    assert found["records"][0]["purposes"][0]["lawful_basis"] == "consent"


def test_every_status_and_every_basis_has_its_term() -> None:
    from consentry.actions import proof as proofs
    from consentry.rules.consent import Status

    assert set(proofs._STATUSES) >= {each.value for each in Status}
    assert {*proofs._STATUSES.values(), *proofs._EVENTS.values(), *proofs._BASES.values()} <= DPV


def test_a_ledger_that_was_changed_and_words_that_nobody_has_do_not_verify(world: World) -> None:
    archives.create_bucket(world.s3)
    world.happened({"in.news": world.now}, notice="f" * 32, locale="de")
    found = proof(world)
    assert (found["verified"], found["checks"]["notices"]["missing"]) == (False, ["f" * 32])
    world.happened({"in.offers": world.now}, email="bob@example.com", notice="1234567890ab", locale="de")
    found = proof(world, "bob@example.com")
    assert (found["verified"], found["checks"]["notices"]["before"]) == (True, ["1234567890ab"])
    (item,) = [each for each in world.events() if world.subscriber_id("bob@example.com") in each["pk"]["S"]]
    world.dynamodb.put_item(TableName=os.environ["TABLE_NAME"], Item={**item, "arrived_at": {"N": "1"}})
    assert proof(world, "bob@example.com")["verified"] is False


def test_of_a_stranger_there_is_nothing_to_prove(world: World) -> None:
    found = proof(world)
    assert (found["acts"], found["mails"], found["records"], found["verified"]) == ([], [], [], True)
    key = world.api_key(scopes=("write",))
    assert world.api("GET", f"/v1/subscribers/{world.subscriber_id()}/proof", key=key).status == 403
    assert world.api("GET", "/v1/subscribers/ann/proof", key=world.api_key()).status == 400


def test_what_a_link_that_we_mailed_leads_to_is_told_from_a_platforms(world: World) -> None:
    url = f"/u/{world.token(Purpose.UNSUBSCRIBE)}"
    world.post(url, {"List-Unsubscribe": "One-Click"})
    (act,) = proof(world)["acts"]
    assert (act["link"], act["words"], act["says"]) == (
        "platform", [], "The recipient unsubscribed from “Newsletter”, by the button of a mail program (one click)",
    )  # fmt: skip
