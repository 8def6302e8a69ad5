"""Choosing: which mails, how often, from when on, in which language."""

from __future__ import annotations

import pytest

from support.world import DAY, SECOND, Answer, World

ALL = ("news", "offers", "product")


def save(world: World, url: str, **changes: str | list[str]) -> Answer:
    """Open the page, change some fields, and send its form."""
    form = world.get(url).page.forms[0]
    assert form.takes(changes)
    world.now += SECOND
    return world.post(url, form.with_values(changes))


# --- bad choices ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "choice",
    [
        {"topics": "nonsense"},
        {"topics": "*"},
        {"topics": ""},
        {"topics": "<script>alert(1)</script>"},
        {"frequency.news": "hourly"},
        {"frequency.nonsense": "weekly"},
        {"frequency.": "weekly"},
        {"pause_days": "-1"},
        {"pause_days": "366"},
        {"pause_days": "1e3"},
        {"pause_days": "٣٠"},
        {"pause_days": "0" * 9 + "99999999"},
        {"pause_days": "9" * 5_000},
        {"pause_days": "0" * 4_000 + "9" * 1_000},
        {"locale": "tlh"},
        {"locale": "de "},
    ],
    ids=lambda choice: "{}={:.20}".format(*next(iter(choice.items()))),
)
def test_a_choice_that_is_not_offered_changes_nothing(world: World, choice: dict[str, str]) -> None:
    world.subscribed("news")
    before = world.items()
    answer = world.post(world.choose_url(), {"topics": "news", **choice} if "topics" not in choice else choice)
    assert (answer.status, answer.page.heading) == (400, "We couldn’t save that")
    assert "<script" not in answer.body
    assert world.items() == before


def test_nobody_chooses_mails_of_a_brand_that_is_gone(world: World) -> None:
    url = world.choose_url(brand="gone")
    assert [world.get(url).status, world.post(url, {"topics": "news"}).status] == [404, 404]
    assert world.items() == []


def test_the_page_says_so_when_what_is_known_cannot_be_read(world: World) -> None:
    """It must not show everything as off: a person who saves that would lose what they have."""
    url = world.choose_url()
    with world.table_away():
        assert world.get(url).status == 503


# --- topics -----------------------------------------------------------------------------------------------------------


def test_the_page_shows_everything_as_it_stands(world: World) -> None:
    world.subscribed("news")
    form = world.get(world.choose_url()).page.forms[0]
    assert [value for name, value in form.fields if name == "topics"] == ["news", "product"]
    assert [value for name, value in form.fields if name == "shown"] == list(ALL)
    assert dict(form.fields)["frequency.news"] == ""
    assert dict(form.fields)["pause_days"] == ""
    assert dict(form.fields)["locale"] == ""


def test_a_page_saved_as_it_was_changes_nothing(world: World) -> None:
    world.subscribed("news")
    url = world.choose_url()
    save(world, url, locale="de", pause_days="30", **{"frequency.news": "weekly"})
    before = world.items()
    answer = save(world, url)
    assert answer.status == 200
    assert world.items() == before


def test_ticking_a_topic_opts_in_and_unticking_it_opts_out(world: World) -> None:
    world.subscribed("news")
    answer = save(world, world.choose_url(), topics=["offers"])
    assert answer.page.heading == "Choose your mails"
    assert "Saved" in answer.page.text
    assert [world.decision(topic) for topic in ALL] == ["unsubscribed", "subscribed", "unsubscribed"]
    assert [value for name, value in answer.page.forms[0].fields if name == "topics"] == ["offers"]
    (event,) = [event for event in world.events() if event["channel"]["S"] == "preferences"]
    assert (event["kind"]["S"], event["topics"]["S"]) == ("preferences_saved", "news,offers,product")
    assert world.intact()


def test_a_topic_that_the_page_did_not_show_stays_as_it_is(world: World) -> None:
    world.subscribed("news", "offers")
    world.post(world.choose_url(), [("shown", "news"), ("shown", "retired")])
    assert [world.decision(topic) for topic in ALL] == ["unsubscribed", "subscribed", "opt_out_topic"]


def test_a_form_that_does_not_say_what_it_showed_was_the_whole_page(world: World) -> None:
    world.subscribed("news", "offers")
    world.post(world.choose_url(), {"topics": "news"})
    assert [world.decision(topic) for topic in ALL] == ["subscribed", "unsubscribed", "unsubscribed"]


def test_ticking_a_topic_that_waits_for_confirmation_confirms_it(world: World) -> None:
    world.happened({"ask.news": world.now})
    url = world.choose_url()
    assert "Waiting for your confirmation" in world.get(url).page.text
    save(world, url, topics=["news", "product"])
    assert world.status() == "subscribed"


def test_ticking_a_topic_again_after_a_complaint_lifts_it_for_that_topic(world: World) -> None:
    world.subscribed("news", "offers")
    world.happened({"complaint": world.now})
    url = world.choose_url()
    assert [name for name, _ in world.get(url).page.forms[0].fields].count("topics") == 0
    save(world, url, topics=["news"])
    assert (world.decision("news"), world.decision("offers")) == ("subscribed", "complaint")


def test_leaving_everything_by_the_preferences(world: World) -> None:
    world.subscribed("news", "offers")
    url = world.choose_url()
    form = world.get(url).page.form(scope="all")
    answer = world.post(url, form.fields)
    assert answer.status == 200
    assert "no longer sends you any" in answer.page.text
    assert [name for name, _ in answer.page.forms[0].fields].count("topics") == 0
    assert {world.decision(topic) for topic in (*ALL, "future")} == {"unsubscribed"}
    assert world.events()[-1]["channel"] == {"S": "preferences"}


def test_leaving_everything_counts_whatever_else_the_form_says(world: World) -> None:
    world.post(world.choose_url(), {"scope": "all", "topics": "nonsense", "pause_days": "x", "locale": "tlh"})
    assert world.decision("product") == "unsubscribed"


def test_a_topic_can_be_had_again_after_leaving_everything(world: World) -> None:
    url = world.choose_url()
    world.post(url, {"scope": "all"})
    world.now += SECOND
    save(world, url, topics=["news"])
    assert [world.decision(topic) for topic in ALL] == ["subscribed", "unsubscribed", "unsubscribed"]


# --- how often, pause, language ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("frequency", ["every", "weekly", "monthly"])
def test_how_often_is_kept_and_shown(world: World, frequency: str) -> None:
    answer = save(world, world.choose_url(), **{"frequency.news": frequency})
    assert world.consent().chosen("frequency.news") == frequency
    assert world.consent().chosen("frequency.offers") is None
    assert dict(answer.page.forms[0].fields)["frequency.news"] == frequency
    assert dict(world.get(world.choose_url()).page.forms[0].fields)["frequency.news"] == frequency


def test_a_frequency_that_the_topic_no_longer_has_is_passed_over_and_the_rest_counts(world: World) -> None:
    """The page was open for long; an opt-out in the same form is not refused for that."""
    world.subscribed("news")
    answer = world.post(world.choose_url(), [("shown", "news"), ("frequency.product", "weekly")])
    assert answer.status == 200
    assert world.consent().chosen("frequency.product") is None
    assert world.status() == "unsubscribed"


# --- what we hold -----------------------------------------------------------------------------------------------------


def test_the_page_tells_what_is_held_without_naming_the_address(world: World) -> None:
    world.post("/s/demo", {"email": "ann@example.com", "topics": "news"})
    world.happened({"out.offers": world.now})
    page = world.get(world.choose_url()).page
    assert "What we hold about you" in page.text
    assert "a•••@e•••.com" in page.text
    assert "ann" not in page.text
    assert "example.com" not in page.text
    assert "unsubscribed since 1" in page.text
    assert "not confirmed" in page.text
    assert "for 365 days" in page.text
    assert "mailto:privacy@meadow.example" in page.links


def test_the_page_says_so_when_the_address_is_gone(world: World) -> None:
    world.subscribed("news")
    page = world.get(world.choose_url()).page
    assert "not any more; we delete it" in page.text


def test_a_complaint_is_among_what_is_held(world: World) -> None:
    url = world.choose_url()
    assert "reported as spam" not in world.get(url).page.text
    world.happened({"complaint": world.now})
    assert "a note that mail came back" in world.get(url).page.text


def test_a_pause_can_be_set_kept_and_ended(world: World) -> None:
    url = world.choose_url()
    answer = save(world, url, pause_days="30")
    until = world.now + 30 * DAY
    assert world.consent().chosen("pause") == str(until)
    assert "You get no mails until" in answer.page.text
    assert world.decision("product") == "paused"
    save(world, url, **{"frequency.news": "weekly"})
    assert world.consent().chosen("pause") == str(until)
    answer = save(world, url, pause_days="0")
    assert world.decision("product") == "opt_out_topic"
    assert "Paused" not in answer.page.text


def test_ending_a_pause_that_does_not_run_writes_nothing(world: World) -> None:
    world.post(world.choose_url(), {"topics": "product", "pause_days": "0"})
    assert world.items() == []


def test_a_topic_that_is_paused_is_still_ticked(world: World) -> None:
    world.subscribed("news")
    url = world.choose_url()
    save(world, url, pause_days="90")
    save(world, url)
    world.now += 91 * DAY
    assert world.decision() == "subscribed"


@pytest.mark.parametrize("days", ["1", "365", "007"])
def test_a_pause_of_any_sensible_length_is_taken(world: World, days: str) -> None:
    world.post(world.choose_url(), {"topics": "product", "pause_days": days})
    assert world.consent().chosen("pause") == str(world.now + int(days) * DAY)


def test_the_chosen_language_is_spoken_at_once_and_from_then_on(world: World) -> None:
    url = world.choose_url()
    answer = save(world, url, locale="ar")
    assert answer.page.language == "ar"
    assert world.get(url).page.language == "ar"
    assert world.get(world.leave_url()).page.language == "ar"


def test_the_platforms_reference_is_in_the_record(world: World) -> None:
    world.post(world.choose_url(reference="spring"), {"topics": "news"})
    assert world.events()[0]["reference"] == {"S": "spring"}
