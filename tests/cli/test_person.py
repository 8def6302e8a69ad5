"""`consentry person`: what an operator can say to somebody who left and still gets email."""

from __future__ import annotations

from typing import Any

import pytest

from consentry.actions import story
from consentry.actions.reports import ReportKind
from consentry.rules.consent import Choice, Consent, Reason
from consentry.rules.ledger import Actor, Channel, Event, Kind
from support.deployments import Deployment, demo

ANN = "ann@example.com"
AT = 1_704_067_200_000
"""2024-01-01 00:00:00 UTC."""
PERSON = ("person", "--brand", "demo")


def event(kind: Kind, **changes: Any) -> Event:
    """Something that happened to somebody."""
    made = Event("e-1", kind, "demo", "x" * 22, AT, AT, Actor.RECIPIENT, Channel.PAGE, Consent(), ("news",))
    return made._replace(**changes)


def test_somebody_who_left_one_topic_and_gets_another_is_explained(deployment: Deployment) -> None:
    deployment.report(ANN, ReportKind.CLAIMED, AT, ("news", "offers"))
    deployment.report(ANN, ReportKind.UNSUBSCRIBED, AT + 60_000, ("news",))
    done = deployment.run(*PERSON, stdin=f"{ANN}\n")
    assert done.exit_code == 0
    who = deployment.id_of(ANN)
    assert done.stdout.startswith(f"{who} of demo\n\nHow they stand\n")
    assert "  “Newsletter”: unsubscribed since 2024-01-01 00:01:00. May not be emailed.\n" in done.stdout
    assert "  “Offers”: subscribed since 2024-01-01 00:00:00. May be emailed.\n" in done.stdout
    assert "Emails may be sent on “Offers” and “Product updates”.\n" in done.stdout
    assert "00:00:00  A platform reported a subscription to “Newsletter” and “Offers”, by the API" in done.stdout
    assert "00:01:00  A platform unsubscribed from “Newsletter”, by the API" in done.stdout
    assert "The ledger has 2 events and is intact.\n" in done.stdout
    assert "isn't recorded" in done.stdout
    assert ANN not in done.output
    assert deployment.run(*PERSON, "--subscriber-id", who).stdout == done.stdout


def test_of_somebody_who_left_everything_it_says_that_nothing_may_be_sent(deployment: Deployment) -> None:
    deployment.report(ANN, ReportKind.UNSUBSCRIBED, AT)
    said = deployment.run(*PERSON, stdin=ANN).stdout
    assert "No emails may be sent.\n" in said
    assert "A platform unsubscribed from everything, by the API" in said


def test_a_stranger_has_no_history(deployment: Deployment) -> None:
    done = deployment.run(*PERSON, stdin=ANN)
    assert done.exit_code == 0
    assert "never asked for. May not be emailed." in done.stdout
    assert "nothing that is on record" in done.stdout
    assert "The ledger has 0 events and is intact." in done.stdout


def test_two_addresses_are_not_one(deployment: Deployment) -> None:
    done = deployment.run(*PERSON, stdin=f"{ANN}\nbob@example.com\n")
    assert (done.exit_code, "one address is needed" in done.stderr) == (2, True)


def test_a_ledger_that_was_changed_is_said_to_be(deployment: Deployment) -> None:
    deployment.report(ANN, ReportKind.CLAIMED, AT, ("news",))
    (item,) = deployment.events()
    deployment.dynamodb.put_item(TableName="consentry-test", Item={**item, "arrived_at": {"N": "1"}})
    done = deployment.run(*PERSON, stdin=ANN)
    assert done.exit_code == 1
    assert "NOT intact" in done.stdout


@pytest.mark.parametrize("stdin", ["", "\n", "nobody", "a@b,c@d"])
def test_without_one_address_nothing_is_told_and_nothing_is_repeated(deployment: Deployment, stdin: str) -> None:
    done = deployment.run(*PERSON, stdin=stdin)
    assert done.exit_code == 2
    assert done.output.startswith("Error: standard input: one address is needed, or --subscriber-id (")
    assert deployment.run(*PERSON, "--subscriber-id", ANN).exit_code == 2


def test_every_kind_actor_way_and_reason_has_its_words() -> None:
    assert set(story.ACTS) == set(Kind)
    assert set(story.ACTORS) == set(Actor)
    assert set(story.WAYS) == set(Channel)
    assert set(story.STANDINGS) == set(Reason)
    for kind in Kind:
        assert "{" not in story.sentence(demo(), event(kind))


def test_saved_preferences_say_what_was_changed() -> None:
    choices = {"pause": Choice(AT, "e-1", str(AT)), "frequency.news": Choice(AT, "e-1", "weekly")}
    saved = event(Kind.PREFERENCES, effect=Consent({"in.news": AT, "out.offers": AT}, choices))
    assert story.sentence(demo(), saved) == (
        "The recipient saved preferences: “Newsletter” on, “Offers” off, paused until 2024-01-01 00:00:00, "
        "“Newsletter” weekly, on a page"
    )


def test_what_came_late_or_from_a_machine_says_so() -> None:
    odd = event(Kind.UNSUBSCRIBED, reference="spring", arrived_at=AT + 3_600_000, suspected_automation=True)
    assert story.sentence(demo(), odd) == (
        "The recipient unsubscribed from “Newsletter”, on a page; reference spring; recorded 2024-01-01 01:00:00; "
        "this looked like a machine"
    )
