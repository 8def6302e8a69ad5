"""Asking: the hosted form. Whoever asks, for whatever address, sees the same."""

from __future__ import annotations

import itertools
import re
from typing import Any

import pytest

from consentry.rules.brands import Bounds
from support import calls
from support.documents import page
from support.world import DAY, HOUR, SECOND, Answer, World

ANN = "ann@example.com"
MINUTE = 60_000


def contact_of(world: World, email: str = ANN, brand: str = "demo") -> Any:
    """The email that is due to somebody, or None."""
    return world.deployment.store.contact(brand, world.subscriber_id(email, brand))


def but_for(email: str, answer: Answer) -> str:
    """The whole answer to somebody, without the address that they typed."""
    return str(answer.raw).replace(email, "")


# --- what the form refuses --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "email",
    [
        "",
        "ann",
        "ann@",
        "@example.com",
        "ann@example",
        "ann@exa mple.com",
        "ann@localhost",
        "a" * 250 + "@example.com",
        "ann@example.com,bob@example.com",
        "ann@example.com\r\nBcc: bob@example.com",
        "Ann <ann@example.com>",
        "\ud800@example.com".encode("utf-8", "surrogatepass").decode("latin-1"),
        "ann@[127.0.0.1]",
        "x" * 60_000,
    ],
    ids=lambda email: repr(email)[:30],
)
def test_a_malformed_address_is_refused_and_nothing_happens(world: World, email: str) -> None:
    answer = world.post("/s/demo", {"email": email, "topics": "offers"})
    assert answer.status == 400
    assert answer.page.heading == "Sign up for our emails"
    assert "like name@example.com" in answer.page.text
    assert world.items() == []


@pytest.mark.parametrize("topics", [[], [""], ["nonsense"], ["news", "nonsense"], ["*"], ["<b>"]])
def test_an_unknown_topic_or_none_is_refused_and_nothing_happens(world: World, topics: list[str]) -> None:
    answer = world.post("/s/demo", [("email", ANN), *(("topics", each) for each in topics)])
    assert answer.status == 400
    assert "Please choose at least one" in answer.page.text
    assert world.items() == []


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"email", b"{}", b"&" * 500, b"email=a&email=b"])
def test_a_body_that_is_no_form_is_refused_and_nothing_happens(world: World, body: bytes) -> None:
    assert world.post("/s/demo", body=body, as_base64=True).status == 400
    assert world.items() == []


def test_what_was_typed_is_still_there(world: World) -> None:
    form = world.post("/s/demo", [("email", "ann@example"), ("topics", "offers")]).page.forms[0]
    assert ("email", "ann@example") in form.fields
    assert [value for name, value in form.fields if name == "topics"] == ["offers"]


def test_what_was_typed_is_shown_as_text_and_never_as_html(world: World) -> None:
    typed = "\"><script>alert('x')</script>"
    answer = world.post("/s/demo", [("email", typed), ("topics", "offers"), ("topics", typed), ("website", typed)])
    assert "<script" not in answer.body
    assert ("email", typed) in answer.page.forms[0].fields


# --- the same for everyone --------------------------------------------------------------------------------------------


def test_known_unknown_throttled_and_suppressed_addresses_get_the_same_answer_to_the_byte(world: World) -> None:
    world.subscribed("news", email="known@example.com")
    world.happened({"complaint": world.now - HOUR}, email="complained@example.com")
    world.happened({"bounce": world.now - 30 * DAY}, email="bounced@example.com")
    world.happened({"out.*": world.now - HOUR}, email="left@example.com")
    world.post("/s/demo", {"email": "throttled@example.com", "topics": "news"})
    locale = {"email": "speaks-french@example.com", "topics": "news", "lang": "fr"}
    world.post("/s/demo", locale)
    world.now += MINUTE

    names = ["unknown", "known", "complained", "bounced", "left", "throttled", "speaks-french"]
    answers = [world.post("/s/demo", {"email": f"{name}@example.com", "topics": "news"}) for name in names]
    answers.append(world.post("/s/demo", {"email": "bot@example.com", "topics": "news", "website": "http://spam"}))

    assert {answer.status for answer in answers} == {200}
    typed = [f"{name}@example.com" for name in (*names, "bot")]
    assert len(set(map(but_for, typed, answers))) == 1
    assert answers[0].page.heading == "Check your inbox"


def test_whoever_asked_sees_the_address_as_they_typed_it(world: World) -> None:
    text = world.post("/s/demo", {"email": " Ann@EXAMPLE.com", "topics": "news"}).page.text
    assert "Ann@EXAMPLE.com" in text


def test_known_unknown_throttled_and_suppressed_addresses_cost_the_same_calls(world: World) -> None:
    """What is asked of AWS is nearly all of the time that an answer takes."""
    world.subscribed("news", email="known@example.com")
    world.happened({"complaint": world.now - HOUR}, email="complained@example.com")
    world.happened({"bounce": world.now - 30 * DAY}, email="bounced@example.com")
    world.happened({"out.*": world.now - HOUR}, email="left@example.com")
    world.post("/s/demo", {"email": "throttled@example.com", "topics": "news"})
    world.now += SECOND
    made = {}
    for name in ("unknown", "known", "complained", "bounced", "left", "throttled"):
        with calls.counted(world.table_client) as table, calls.counted(world.secrets) as secrets:
            world.post("/s/demo", {"email": f"{name}@example.com", "topics": "news"})
        made[name] = (tuple(table), tuple(secrets))
    assert set(made.values()) == {(("UpdateItem", "UpdateItem", "TransactWriteItems"), ())}, made


def test_the_links_of_known_and_unknown_people_look_alike(world: World) -> None:
    world.subscribed("news", email="known@example.com")
    pages = [
        [world.get(url(email=f"{name}@example.com")).page.text for url in (world.leave_url, world.confirm_url)]
        for name in ("known", "unknown")
    ]
    assert pages[0] == pages[1]


def test_a_program_that_fills_every_field_is_thanked_and_ignored(world: World) -> None:
    form = world.get("/s/demo").page.forms[0]
    filled = dict.fromkeys(form.offered, "x") | {"email": ANN, "topics": "news", "lang": "en"}
    assert world.post("/s/demo", filled).page.heading == "Check your inbox"
    assert world.items() == []


# --- what is recorded -------------------------------------------------------------------------------------------------


def test_a_request_is_pending_and_its_mail_is_due(world: World) -> None:
    answer = world.post("/s/demo", [("email", "Ann@Example.COM "), ("topics", "news"), ("topics", "offers")])
    assert answer.status == 200
    assert [world.status(topic=topic) for topic in ("news", "offers", "product")] == ["pending", "pending", "none"]
    contact = contact_of(world)
    assert contact
    assert (contact.address, contact.topics, contact.asked_at) == ("Ann@example.com", ("news", "offers"), world.now)
    (event,) = world.events()
    assert (event["kind"]["S"], event["actor"]["S"], event["channel"]["S"]) == ("asked", "recipient", "page")
    assert world.intact()


def test_spellings_of_one_address_are_one_person(world: World) -> None:
    world.post("/s/demo", {"email": "ANN@EXAMPLE.COM", "topics": "news"})
    before = world.people()
    world.now += MINUTE
    world.post("/s/demo", {"email": " ann@example.com", "topics": "offers"})
    assert world.people() == before


def test_a_topic_named_twice_is_asked_for_once(world: World) -> None:
    world.post("/s/demo", [("email", ANN), ("topics", "news"), ("topics", "news")])
    assert contact_of(world).topics == ("news",)


def test_of_a_brand_with_one_topic_the_address_is_enough(world: World) -> None:
    assert world.post("/s/other", {"email": ANN}).status == 200
    assert world.status(brand="other") == "pending"
    assert contact_of(world, brand="demo") is None


def test_the_mail_will_be_in_the_language_of_the_form(world: World) -> None:
    form = dict(world.get("/s/demo?lang=es").page.forms[0].fields)
    world.post("/s/demo", form | {"email": ANN, "topics": "news"})
    assert contact_of(world).locale == "es"


def test_a_brand_that_keeps_no_evidence_gets_none(world: World) -> None:
    world.post("/s/other", {"email": ANN})
    world.post("/s/demo", {"email": ANN, "topics": "news"})
    kept = [item for item in world.items() if item["sk"]["S"].startswith("V#")]
    assert [item["pk"]["S"].split("#")[1] for item in kept] == ["demo"]
    assert kept[0]["ip"]["S"] == "203.0.113.7"


# --- law 9: nobody is flooded -----------------------------------------------------------------------------------------


def test_a_hundred_requests_within_ten_minutes_are_one_mail(world: World) -> None:
    world.post("/s/demo", {"email": ANN, "topics": "news"})
    before = world.people()
    for at in range(20):
        world.now += 29_000
        world.post("/s/demo", {"email": ANN, "topics": ("news", "offers")[at % 2]}, ip=f"198.51.100.{at}")
    assert world.people() == before
    world.now += 20_000
    world.post("/s/demo", {"email": ANN, "topics": "news"})
    assert len(world.events()) == 2


@pytest.mark.parametrize("suppression", ["complaint", "bounce"])
def test_no_mail_goes_out_within_a_day_of_a_complaint_or_bounce(world: World, suppression: str) -> None:
    world.happened({suppression: world.now})
    before = world.people()
    world.now += DAY - 1
    world.post("/s/demo", {"email": ANN, "topics": "news"})
    assert world.people() == before
    world.now += 1
    world.post("/s/demo", {"email": ANN, "topics": "news"})
    assert contact_of(world)


def test_asking_changes_nothing_for_somebody_who_is_subscribed_or_left(world: World) -> None:
    world.subscribed("news")
    world.happened({"out.offers": world.now - DAY})
    world.post("/s/demo", [("email", ANN), ("topics", "news"), ("topics", "offers")])
    assert (world.decision("news"), world.decision("offers")) == ("subscribed", "pending")
    assert world.decision("product") == "opt_out_topic"


def test_three_mails_a_day_are_all_that_an_address_gets(world: World) -> None:
    for _ in range(20):
        world.post("/s/demo", {"email": ANN, "topics": "news"})
        world.now += HOUR
    assert len(world.events()) == 3
    world.now += 5 * HOUR
    world.post("/s/demo", {"email": ANN, "topics": "news"})
    assert len(world.events()) == 4


_strangers = itertools.count()


def ask_of(world: World, number: int, **how: Any) -> set[str]:
    """So many people ask, each for the first time; the answers that they got."""
    emails = [f"p{next(_strangers)}@example.com" for _ in range(number)]
    return {but_for(each, world.post("/s/demo", {"email": each, "topics": "news"}, **how)) for each in emails}


@pytest.fixture
def narrow(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demonstration brand, with room for three requests an hour of a visitor and five of all."""
    demo = world.deployment.brands.get("demo")
    assert demo
    changed = demo._replace(limits=Bounds(requests_an_hour_per_ip=3, requests_an_hour=5))
    monkeypatch.setitem(world.deployment.brands._brands, "demo", changed)


def test_one_visitor_can_ask_so_many_times_an_hour_and_never_learns_it(world: World, narrow: None) -> None:
    assert len(ask_of(world, 9)) == 1
    assert len(world.events()) == 3
    ask_of(world, 1, ip="203.0.113.8")
    assert len(world.events()) == 4
    world.now += HOUR
    ask_of(world, 1)
    assert len(world.events()) == 5
    assert "203.0.113" not in str([item for item in world.items() if item["sk"]["S"] == "BUDGET"])


def test_a_visitor_who_claims_other_addresses_is_still_one(world: World, narrow: None) -> None:
    claims = ("x-forwarded-for", "x-real-ip", "cf-connecting-ip", "true-client-ip")
    for at in range(5):
        claimed = f"198.51.100.{at}"
        ask_of(world, 1, headers=dict.fromkeys(claims, claimed) | {"forwarded": f"for={claimed}"})
    assert len(world.events()) == 3


def test_visitors_without_an_address_share_one_budget(world: World, narrow: None) -> None:
    ask_of(world, 2, ip="")
    ask_of(world, 2, ip="not an address")
    assert len(world.events()) == 3


def test_a_form_takes_so_many_requests_an_hour_from_everybody_together(world: World, narrow: None) -> None:
    answers = [ask_of(world, 1, ip=f"198.51.100.{at}") for at in range(8)]
    assert len(set.union(*answers)) == 1
    assert len(world.events()) == 5
    assert world.post("/s/other", {"email": ANN}).status == 200
    assert world.status(brand="other") == "pending"


def test_a_platform_is_not_kept_out_when_the_form_is_full(world: World, narrow: None) -> None:
    for at in range(6):
        ask_of(world, 1, ip=f"198.51.100.{at}")
    before = len(world.events())
    answer = world.api("POST", "/v1/subscriptions", {"email": ANN, "topics": ["news"]}, key=world.api_key())
    assert answer.status == 202
    assert len(world.events()) == before + 1


def test_what_is_refused_or_ignored_costs_nobody_anything(world: World) -> None:
    for _ in range(40):
        world.post("/s/demo", {"email": "malformed", "topics": "news"})
        world.post("/s/demo", {"email": ANN, "topics": "news", "website": "http://spam"})
        world.get("/s/demo")
    assert world.items() == []


VARIANTS = [
    ["ann+1@gmail.com", "a.nn@gmail.com", "ann@googlemail.com", "a.n.n+x@googlemail.com", "ANN+2@gmail.com"],
    ["ann+1@example.com", "ann@example.com", "Ann+2+3@example.com", "ann+news@example.com", "ann+4@example.com"],
]


@pytest.mark.parametrize("variants", VARIANTS, ids=["gmail.com", "example.com"])
@pytest.mark.parametrize("way", ["form", "api"])
def test_all_variants_of_a_mailbox_get_three_mails_a_day_together(world: World, way: str, variants: list[str]) -> None:
    key = world.api_key()
    answers = set()
    for email in variants:
        if way == "form":
            answers.add(but_for(email, world.post("/s/demo", {"email": email, "topics": "news"})))
        else:
            body = {"email": email, "topics": ["news"]}
            answers.add(str(world.api("POST", "/v1/subscriptions", body, key=key).status))
    assert len(answers) == 1
    assert [contact_of(world, email) is not None for email in variants] == [True] * 3 + [False] * 2
    world.now += DAY
    world.post("/s/demo", {"email": variants[-1], "topics": "news"})
    assert contact_of(world, variants[-1])


def test_an_address_gets_three_mails_a_day_of_all_brands_together(world: World) -> None:
    world.post("/s/demo", {"email": ANN, "topics": "news"})
    for _ in range(4):
        world.now += 11 * MINUTE
        world.post("/s/other", {"email": ANN})
    assert [each["pk"]["S"].split("#")[1] for each in world.events()] == ["demo", "other", "other"]


def test_a_domain_that_has_its_mails_of_the_day_sees_the_same_page_at_the_same_cost(world: World) -> None:
    """Whoever asked, a name of its owner's making or a person, known or unknown."""
    world.subscribed("news", email="known@company.example")
    answers = set()
    for at in range(20):
        email = f"p{at}@company.example"
        answers.add(but_for(email, world.post("/s/demo", {"email": email, "topics": "news"}, ip=f"203.0.113.{at}")))
    before = world.people()
    for email in ("p20@company.example", "known@company.example", "p20@mail.company.example"):
        with calls.counted(world.table_client) as made:
            answers.add(but_for(email, world.post("/s/demo", {"email": email, "topics": "news"}, ip="198.51.100.1")))
        assert made == ["UpdateItem", "UpdateItem", "TransactWriteItems"]
    assert len(answers) == 1
    assert world.people() == before
    world.post("/s/demo", {"email": ANN, "topics": "news"}, ip="198.51.100.1")
    assert contact_of(world)


def test_a_variant_that_is_throttled_takes_nothing_from_the_others(world: World) -> None:
    for _ in range(5):
        world.post("/s/demo", {"email": "ann+1@gmail.com", "topics": "news"})
    for email in ("ann+2@gmail.com", "ann+3@gmail.com"):
        world.post("/s/demo", {"email": email, "topics": "news"})
        assert contact_of(world, email)


def test_a_variant_remains_a_subscriber_of_its_own(world: World) -> None:
    world.subscribed("news", email="ann+1@gmail.com")
    assert world.status("ann@gmail.com") == "none"


# --- where nothing is -------------------------------------------------------------------------------------------------

HTML = {"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("slashes", ["/", "//"])
def test_a_slash_behind_the_forms_address_is_still_the_form(world: World, slashes: str) -> None:
    assert world.get(f"/s/demo{slashes}").page.heading == "Sign up for our emails"
    assert world.post(f"/s/demo{slashes}", {"email": ANN, "topics": "news"}).page.heading == "Check your inbox"
    assert contact_of(world)


@pytest.mark.parametrize("path", ["/", "/s", "/s/", "/u", "/u/", "/unsubscribe", "/v1", "/healthz/x", "/wp-login.php"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
def test_where_nothing_is_a_browser_gets_a_page_and_a_program_a_problem(world: World, path: str, method: str) -> None:
    page = world.send(method, path, headers=HTML)
    assert (page.status, page.page.heading) == (404, "This link doesn’t work")
    problem = world.send(method, path)
    assert (problem.status, problem.headers["content-type"]) == (404, "application/problem+json")
    assert problem.json["type"] == "https://links.example.com/v1/problems/not-found"
    assert world.send("HEAD", path, headers=HTML).body == ""


def test_below_a_form_the_page_is_in_the_brands_look_and_elsewhere_in_none(world: World) -> None:
    assert "Meadow & Finch" in world.get("/s/demo/thanks", headers=HTML).page.text
    assert "Meadow & Finch" not in world.get("/", headers=HTML).page.text
    assert "Meadow & Finch" not in world.get("/s/nobody/thanks", headers=HTML).page.text


def test_the_page_of_an_error_offers_the_languages_that_it_is_in(world: World) -> None:
    assert "Deutsch" in world.get("/", headers=HTML).page.text
    assert world.get("/?lang=de", headers=HTML).page.heading == "Dieser Link funktioniert nicht"


def test_the_form_that_a_brand_owner_copies_onto_another_site_is_taken(world: World) -> None:
    form = page("docs/your-brand.md").partition("```html\n")[2].partition("```")[0]
    names = re.findall(r'name="(\w+)"', form)
    filled = {"email": ANN, "topics": "news", "lang": "en"}
    assert set(names) == set(filled)
    answer = world.send("POST", "/s/demo", form=filled, headers={"origin": "https://www.example.com"})
    assert (answer.status, answer.page.heading) == (200, "Check your inbox")
    assert contact_of(world)
