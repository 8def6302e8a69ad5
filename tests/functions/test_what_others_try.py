"""What whoever holds somebody's link, mints links, or has a clock of their own can do to them: nothing that lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from consentry.actions.forms import FASTEST_PERSON_MS
from consentry.links.tokens import Link, Minter, Purpose, minting_keys
from consentry.rules.ledger import Channel
from support import calls
from support.world import DAY, HOUR, SECOND

if TYPE_CHECKING:
    from support.world import Answer, World


@pytest.fixture
def queued(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is spooled."""
    texts: list[str] = []
    monkeypatch.setattr(world.deployment.spool, "_queue", texts.append)
    return texts


def drain(world: World, texts: list[str]) -> None:
    for text in texts:
        world.deployment.replay.apply(text)


def minted(world: World, *topics: str) -> str:
    """A link that a platform signed by itself, with the keys that it was given."""
    keys = Minter(minting_keys(world.deployment.keyring, "demo"))
    return "/u/" + keys.sign(Link(Purpose.UNSUBSCRIBE, "demo", world.subscriber_id(), topics))


def leaves(world: World, url: str, scope: str = "topic", **choices: str) -> Answer:
    """Open the page of a link, and press a button of it."""
    form = world.get(url).page.form(scope=scope)
    world.now += FASTEST_PERSON_MS
    return world.post(form.action, form.with_values(choices))


def undo_of(answer: Answer) -> str:
    return next(str(each.action) for each in answer.page.forms if each.action.startswith("/u/undo/"))


# --- links with made-up names -----------------------------------------------------------------------------------------


def test_names_that_nobody_has_are_never_written_and_leave_everything(world: World) -> None:
    world.subscribed("news")
    assert world.post(minted(world, *(f"junk{at}" for at in range(100)))).status == 200
    assert world.consent().registers.keys() == {"in.news", "out.*"}
    assert world.status() == "unsubscribed"


def test_of_names_known_and_made_up_the_known_ones_are_left(world: World) -> None:
    world.subscribed("news", "offers")
    world.post(minted(world, "news", "junk"))
    assert (world.status(topic="news"), world.status(topic="offers")) == ("unsubscribed", "subscribed")


def test_a_topic_that_only_the_person_still_has_can_be_left(world: World) -> None:
    world.subscribed("former", "news")
    world.post(minted(world, "former"))
    assert (world.status(topic="former"), world.status(topic="news")) == ("unsubscribed", "subscribed")


def test_a_made_up_name_while_the_table_is_away_leaves_everything(world: World, queued: list[str]) -> None:
    world.subscribed("news")
    with world.table_unavailable():
        assert world.post(minted(world, "junk")).status == 200
    drain(world, queued)
    assert world.status() == "unsubscribed"


# --- other people's forms, and other clocks ---------------------------------------------------------------------------


def test_a_page_that_somebody_else_opened_in_the_same_instant_is_another_page(world: World) -> None:
    """Its form does not get the undo of the person's own."""
    world.subscribed("news")
    url = world.leave_url()
    theirs, others = (world.get(url).page.form(scope="topic") for _ in range(2))
    world.now += SECOND
    world.post(theirs.action, theirs.fields)
    world.now += SECOND
    again = world.post(others.action, others.fields)
    assert again.status == 200
    assert not [each for each in again.page.forms if each.action.startswith("/u/undo/")]
    assert world.decision() == "unsubscribed"


def test_an_erasure_by_a_clock_that_is_behind_is_not_undone(world: World) -> None:
    key = world.api_key()
    world.subscribed("news")
    world.now += 2 * SECOND
    left = leaves(world, world.leave_url(), "all")
    world.now -= 3 * SECOND
    world.api("DELETE", f"/v1/subscribers/{world.subscriber_id()}", key=key)
    world.now += 4 * SECOND
    world.post(undo_of(left), {})
    assert world.decision() == "unsubscribed"
    assert world.intact()


def test_a_complaint_without_an_instant_counts_whatever_the_clocks_say(world: World) -> None:
    key = world.api_key()
    world.happened({"in.news": world.now + 5 * 60 * SECOND}, at=world.now)
    event = {"event_id": "1", "kind": "complained", "email": "ann@example.com"}
    world.api("POST", "/v1/events", {"events": [event]}, key=key)
    world.now += HOUR
    assert world.decision() == "complaint"


# --- what is unavailable ----------------------------------------------------------------------------------------------


def test_what_a_form_leaves_counts_though_its_tick_cant_be_counted(world: World, queued: list[str]) -> None:
    """The table can be read and not be written: the budget of opt-ins can't be asked."""
    world.subscribed("news")
    form = world.get(world.choose_url()).page.forms[0]
    world.now += SECOND
    writes = ("UpdateItem", "TransactWriteItems")
    with calls.failing(world.table_client, "ProvisionedThroughputExceededException", *writes):
        saved = world.post(world.choose_url(), form.with_values({"topics": ["offers"]}))
    assert saved.status == 200
    drain(world, queued)
    assert world.status(topic="news") == "unsubscribed"


def test_a_pause_that_is_drained_more_than_once_is_one_event(world: World) -> None:
    from consentry.actions.spool import Unverified

    token = world.token(Purpose.UNSUBSCRIBE)
    waiting = Unverified(Purpose.UNSUBSCRIBE, token, world.now, Channel.PAGE, pause_days=30).to_json()
    drain(world, [waiting] * 6)
    assert len(world.events()) == 1


# --- who they are -----------------------------------------------------------------------------------------------------


def test_a_platforms_link_shows_how_a_person_stands_and_not_who_they_are(world: World) -> None:
    world.post("/s/demo", {"email": "ann@example.com", "topics": "news"})
    assert "•••" not in world.get(world.choose_url()).body
    ours = world.deployment.tokens.sign(
        Link(Purpose.PREFERENCES, "demo", world.subscriber_id(), at=world.now, ours=True)
    )
    assert "a•••@e•••.com" in world.get(f"/p/{ours}").body
    world.now += DAY
    assert "•••" not in world.get(f"/p/{ours}").body


def test_neither_an_undo_nor_a_reason_buys_a_link_of_ours(world: World) -> None:
    """The pages that answer them lead to a link to choose which is as good as a platform's."""
    world.subscribed("news", "offers")
    left = leaves(world, world.leave_url())
    why = next(str(each.action) for each in left.page.forms if each.action.startswith("/u/reason/"))
    for answer in (left, world.post(why, {"reason": "too_many"}), world.post(undo_of(left), {})):
        (url,) = {link.partition("?")[0] for link in answer.page.links if link.startswith("/p/")}
        link = world.deployment.tokens.read(Purpose.PREFERENCES, url.removeprefix("/p/"), world.now)
        assert not link.ours
