"""Every page, in every state and language: whole, translated, light, and safe under its policy."""

from __future__ import annotations

import base64
import gettext
import hashlib
import re
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from consentry.actions import opting_out
from consentry.actions.opting_out import Undone
from consentry.http import pages
from consentry.rules import brands, consent, languages
from consentry.rules.consent import Decision, Reason, Status
from consentry_build import catalogues
from support.page import FAULTS, renderer

if TYPE_CHECKING:
    from consentry.http.web import Response
    from consentry.rules.brands import Brand


FUNCTIONS = Path(__file__).parents[2] / "functions"
NOW = 1_800_000_000_000
MOST_BYTES = 14 * 1024
LONGEST_TOKEN = "t" * 240
ONE, SEVERAL = ("news",), ("news", "offers", "product")
VOID = frozenset({"meta", "input", "br", "hr", "link", "img", "path"})


class Page(NamedTuple):
    """A template in one state."""

    function: str
    template: str
    values: dict[str, Any]
    switchable: bool = False
    """Whether it offers the other languages: the pages that a GET answers."""


def row(brand: Brand, topic: str, reason: Reason, *, on: bool = False, frequency: str | None = None) -> Any:
    standing = Status(reason.value) if reason.value in set(Status) else Status.SUBSCRIBED
    since = None if standing is Status.NONE else NOW
    decision = Decision(on, reason, standing, since, frequency, None)
    return {"topic": brand.topics[topic], "on": on, "decision": decision}


def keeping(topics: tuple[str, ...]) -> dict[str, Page]:
    """The page to keep what ends."""
    found = {}
    token = dict.fromkeys(("stamp", "leave", "leave_stamp", "preferences"), LONGEST_TOKEN)
    asked = [
        ("ask", end, ended, again) for end, ended in ((0, False), (NOW, False), (NOW, True)) for again in (False, True)
    ]
    done = [("kept", NOW, False, False), *((each, 0, False, False) for each in ("kept", "left", "stopped", "nothing"))]
    for state, end, ended, again in (*asked, *done):
        values = {"topics": topics, "state": state, "end": end, "ended": ended, "again": again, "since": NOW, **token}
        found[f"{state} {end} {ended} {again}"] = Page(
            "preferences", "keep.html", values, state != "kept" and not again
        )
    return found


def states(brand: Brand) -> dict[str, Page]:
    """Every page, by a name for its state."""
    mixed = [
        row(brand, "news", Reason.SUBSCRIBED, on=True, frequency="weekly"),
        row(brand, "offers", Reason.PENDING),
        row(brand, "product", Reason.OPT_OUT_TOPIC, on=True, frequency="retired"),
    ]
    stopped = [
        row(brand, "news", Reason.COMPLAINT),
        row(brand, "offers", Reason.BOUNCE),
        row(brand, "product", Reason.UNSUBSCRIBED),
    ]
    values: dict[str, Any]
    token = {"preferences": LONGEST_TOKEN}
    found: dict[str, Page] = {
        "check inbox": Page("subscribe", "check_inbox.html", {"email": "@"}),
        "declined": Page("confirm", "declined.html", {}),
        "sent again": Page("confirm", "sent_again.html", {"sent": True}),
        "address gone": Page("confirm", "sent_again.html", {"sent": False}),
        "check inbox, come back": Page("preferences", "check_inbox.html", {}),
        "reason given": Page("leaving", "reason.html", {"noted": True, **token}),
        "no reason given": Page("leaving", "reason.html", {"noted": False, **token}),
    }
    for done in (True, False):
        for still_out in ((), ONE, SEVERAL):
            undone = {"undone": Undone(done, still_out), **token}
            found[f"undone {done}, {len(still_out)} still out"] = Page("leaving", "undone.html", undone)
    for error in ("", "email", "topics"):
        typed = {"email": "ann@" if error else "", "ticked": ["news"] if error == "email" else []}
        values = {"wrong": {error: "⟦what is wrong⟧"} if error else {}, "honeypot": "website", **typed}
        found[f"subscribe, error {error!r}"] = Page("subscribe", "subscribe.html", values, True)
    topics: tuple[str, ...]
    for topics in ((), ONE, SEVERAL):
        many = f", {len(topics)} topics"
        values = {"topics": topics, "stamp": LONGEST_TOKEN, "token": LONGEST_TOKEN}
        for scope in ("topic", "all", "pause", *consent.FREQUENCIES[1:]):
            left = {
                "scope": "frequency" if scope in consent.FREQUENCIES else scope,
                "topics": topics,
                "until": NOW if scope == "pause" else 0,
                "frequency": scope,
                "undo": LONGEST_TOKEN,
                "why": LONGEST_TOKEN if scope in {"topic", "all"} else "",
                "reasons": opting_out.REASONS,
                "gets": SEVERAL if scope == "topic" and len(topics) == 1 else (),
                "stamp": LONGEST_TOKEN,
                "token": LONGEST_TOKEN,
                **token,
            }
            found[f"left, {scope}{many}"] = Page("leaving", "left.html", left)
        ways = {"days": opting_out.PAUSE_DAYS, "frequencies": consent.FREQUENCIES[1:] if topics else (), **token}
        for refused in (False, True):
            name = f"unsubscribe{many}, refused" if refused else f"unsubscribe{many}"
            shown = values | ways | {"refused": refused, "out": False, "since": 0, "gets": SEVERAL, "paused_until": NOW}
            found[name] = Page("leaving", "unsubscribe.html", shown, not refused)
        for gets in ((), SEVERAL):
            shown = values | ways | {"refused": False, "out": True, "since": NOW, "gets": gets, "paused_until": None}
            found[f"unsubscribed{many}, {len(gets)} left"] = Page("leaving", "unsubscribe.html", shown, True)
        if topics:
            come_back = {"topics": topics, "stamp": LONGEST_TOKEN}
            found[f"come back{many}"] = Page("preferences", "come_back.html", come_back)
            found |= {f"keep{many}, {name}": page for name, page in keeping(topics).items()}
            found[f"confirm{many}"] = Page("confirm", "confirm.html", values, True)
            found[f"confirm again{many}"] = Page("confirm", "confirm_again.html", values)
            found[f"confirmed{many}"] = Page("confirm", "confirmed.html", {"topics": topics, **token})
            found[f"expired{many}"] = Page("confirm", "expired.html", {"topics": topics}, True)
            found[f"opted out since{many}"] = Page("confirm", "opted_out_since.html", {"topics": topics})
    for rows in (mixed, stopped, []):
        for paused_until in (None, NOW):
            for state in ("shown", "saved", "repeated", "refused"):
                reasons = "/".join(each["decision"].reason for each in rows)
                values = {
                    "rows": rows,
                    "locale": None if state == "shown" else "en",
                    "paused_until": paused_until,
                    "days": opting_out.PAUSE_DAYS,
                    "stamp": LONGEST_TOKEN,
                    "state": state,
                    "held": "•••@•••" if rows else "",
                    "suppressed": bool(rows),
                }
                name = f"preferences {reasons}, paused {paused_until}, {state}"
                found[name] = Page("preferences", "preferences.html", values, True)
    for code in FAULTS:
        found[f"problem {code}"] = Page("", "problem.html", {"code": code})
    return found


SUBSCRIBE: dict[str, Any] = {"wrong": {}, "email": "", "ticked": [], "honeypot": "website"}


def render(page: Page, brand: Brand | None, lang: str) -> Response:
    own = FUNCTIONS / page.function / "templates"
    folder = own if page.function and own.exists() else pages.SHARED / page.function
    return renderer().render(folder, page.template, brand, lang, **page.values)


class Document(HTMLParser):
    """HTML as a strict reader sees it: every element closed, in order, and every id once."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []
        ids = [attributes["id"] for _, attributes in self.elements if "id" in attributes]
        assert len(ids) == len(set(ids))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(attrs) == len(dict(attrs)), f"an attribute twice in <{tag}>"
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open and data.strip():
            self.texts.append(data.strip())

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        """Attributes of the elements of these names, in the order of the page."""
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.mark.parametrize("lang", catalogues.languages())
def test_every_page_is_whole_in_every_language(brand: Brand, lang: str) -> None:
    for name, page in states(brand).items():
        response = render(page, brand, lang)
        document = Document(response.body)

        assert len(response.body.encode()) < MOST_BYTES, name
        assert document.all("html") == [{"lang": lang, "dir": "rtl" if lang == "ar" else "ltr"}], name
        assert len(document.all("h1")) == len(document.all("main")) == len(document.all("title")) == 1, name
        for form in document.all("form"):
            assert form["method"] == "post", name
            assert (form.get("action") or "/u/undo/").startswith(("/u/page/", "/u/undo/", "/u/reason/")), name
        fields = document.all("input", "select")
        hidden_language = {"type": "hidden", "name": "lang", "value": lang}
        assert fields.count(hidden_language) == len(document.all("form")), name  # type: ignore[arg-type] # dict is invariant
        assert all("{" not in text and "%(" not in text for text in document.texts), name


def test_every_control_has_a_label(brand: Brand) -> None:
    for name, page in states(brand).items():
        body = render(page, brand, "en").body
        labelled = {each.get("for") for each in Document(body).all("label")}
        wrapped = re.findall(r'<label class="tick"><input', body)
        controls = [each for each in Document(body).all("input", "select") if each.get("type") != "hidden"]
        alone = [each for each in controls if each.get("type") not in {"checkbox", "radio"}]

        assert all(each.get("id") in labelled for each in alone), name
        assert len(wrapped) == len(controls) - len(alone), name


def test_a_page_loads_runs_and_styles_nothing_that_its_policy_forbids(brand: Brand) -> None:
    for name, page in states(brand).items():
        response = render(page, brand, "en")
        document = Document(response.body)
        style = response.body.partition("<style>")[2].partition("</style>")[0]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()

        assert f"style-src 'sha256-{digest}';" in response.headers["content-security-policy"], name
        assert "unsafe" not in response.headers["content-security-policy"], name
        assert not document.all("script", "link", "img", "iframe", "object", "embed", "base"), name
        attributes = set(chain.from_iterable(each for _, each in document.elements))
        assert not {each for each in attributes if each == "style" or each.startswith("on")}, name
        assert "url(" not in style, name
        assert "@import" not in style, name


def test_pages_that_a_get_answers_offer_the_other_languages(brand: Brand) -> None:
    for name, page in states(brand).items():
        links = [each for each in Document(render(page, brand, "de").body).all("a") if "hreflang" in each]

        offered = [each["lang"] for each in links]
        assert offered == ([each for each in brand.languages if each != "de"] if page.switchable else []), name
        assert all(each["href"] == f"?lang={each['hreflang']}" for each in links), name


def test_no_text_escapes_translation(brand: Brand, monkeypatch: pytest.MonkeyPatch) -> None:
    class Marked(gettext.NullTranslations):
        """Sets what passes through it between marks."""

        def gettext(self, message: str) -> str:
            return message if message.startswith(("%(d", "January")) else f"⟦{message}⟧"

        def ngettext(self, _one: str, many: str, _n: int) -> str:
            return f"⟦{many}⟧"

    monkeypatch.setattr(languages, "texts", lambda *_: Marked())
    monkeypatch.setattr(pages, "_environment", pages._environment.__wrapped__)  # with texts of its own
    brand = brand._replace(
        names={"en": "⟦brand⟧"},
        postal_addresses={"en": "⟦address⟧"},
        topics={
            name: topic._replace(names={"en": f"⟦{name}⟧"}, descriptions={"en": "⟦text⟧"})
            for name, topic in brand.topics.items()
        },
    )
    names = {languages.own_name(each) for each in brand.languages}
    bodies = {name: render(page, brand, "en").body for name, page in states(brand).items()}
    for name, body in bodies.items():
        # What stands outside all marks: deeper marks are names within a text.
        text = " ".join(each for each in Document(body).texts if each not in names)
        while text != (text := re.sub(r"⟦[^⟦⟧]*⟧", "", text)):
            pass
        assert not re.search(r"\w", text), f"{name}: {text}"


def test_leaving_is_one_button_away_and_each_way_is_its_own_form(brand: Brand) -> None:
    page = states(brand)["unsubscribe, 1 topics"]
    assert scopes(page, brand) == ["topic", "all", "pause", "frequency"]

    page = states(brand)["unsubscribe, 0 topics"]
    assert 'value="topic"' not in render(page, brand, "en").body


def scopes(page: Page, brand: Brand) -> list[str | None]:
    return [each["value"] for each in Document(render(page, brand, "en").body).all("input") if each["name"] == "scope"]


def test_who_is_out_is_told_since_when_and_is_offered_the_rest_and_the_way_back(brand: Brand) -> None:
    page = states(brand)["unsubscribed, 1 topics, 3 left"]
    document = Document(render(page, brand, "en").body)
    text = " ".join(document.texts)
    assert "15 January 2027" in text
    assert all(brand.topic_name(topic, "en") in text for topic in SEVERAL)
    assert scopes(page, brand) == ["all", "pause"]
    assert [each["class"] for each in document.all("button") if each] == ["main"], "the page's main act comes first"
    links = [each["href"] for each in document.all("a") if "hreflang" not in each]
    assert links.count(f"/p/{LONGEST_TOKEN}?lang=en") == 2

    page = states(brand)["unsubscribed, 1 topics, 0 left"]
    assert scopes(page, brand) == ["all"]
    assert "Subscribe again" in " ".join(Document(render(page, brand, "en").body).texts)


@pytest.mark.parametrize("done", [True, False])
@pytest.mark.parametrize("still_out", [(), ONE, SEVERAL])
def test_what_could_not_be_undone_is_never_said_to_be(brand: Brand, done: bool, still_out: tuple[str, ...]) -> None:
    document = Document(render(states(brand)[f"undone {done}, {len(still_out)} still out"], brand, "en").body)
    text = " ".join(document.texts)
    assert ("back to how they were" in text) == done
    assert ("Undone" in text) == done
    named = [topic for topic in brand.topics if brand.topic_name(topic, "en") in text]
    assert named == list(still_out)
    assert ("still unsubscribed" in text) == bool(still_out)


@pytest.mark.parametrize("lang", ["en", "de", "ar"])
def test_who_is_about_to_agree_reads_that_they_can_leave_at_any_time(brand: Brand, lang: str) -> None:
    said = {"en": "at any time", "de": "jederzeit", "ar": "في أي وقت"}
    pages = states(brand)
    for name in ("subscribe, error ''", "confirm, 1 topics"):
        assert said[lang] in " ".join(Document(render(pages[name], brand, lang).body).texts), name


@pytest.mark.parametrize(
    ("state", "title"),
    [("shown", "Manage your emails"), ("saved", "Saved"), ("repeated", "Already saved"), ("refused", "Saved")],
)
def test_the_preferences_title_says_what_came_of_the_form(brand: Brand, state: str, title: str) -> None:
    body = render(states(brand)[f"preferences , paused None, {state}"], brand, "en").body
    assert f"<title>{title} –" in " ".join(body.split())
    assert (f"<b>{title}</b>" in body) == (state != "shown")


def test_nothing_is_ticked_for_people_before_they_choose(brand: Brand) -> None:
    for name in ("subscribe, error ''", "confirm again, 1 topics", "unsubscribe, 1 topics", "left, topic, 1 topics"):
        assert " checked" not in render(states(brand)[name], brand, "en").body


def test_a_form_that_comes_back_keeps_what_was_typed_and_says_what_is_wrong_by_the_field(brand: Brand) -> None:
    email = Document(render(states(brand)["subscribe, error 'email'"], brand, "en").body)
    field = next(each for each in email.all("input") if each.get("name") == "email")
    assert field["value"] == "ann@"
    assert field["aria-invalid"] == "true"
    message = next(each for each in email.all("p") if each.get("id") == field["aria-describedby"])
    assert message["role"] == "alert"
    assert [each["value"] for each in email.all("input") if "checked" in each] == ["news"]

    topics = Document(render(states(brand)["subscribe, error 'topics'"], brand, "en").body)
    assert topics.all("fieldset") == [{"aria-describedby": "topics-error"}]
    assert [each["role"] for each in topics.all("p") if each.get("id") == "topics-error"] == ["alert"]


def test_a_brand_with_one_topic_asks_for_the_address_only(brand: Brand) -> None:
    brand = brand._replace(topics={"news": brand.topics["news"]})
    body = render(Page("subscribe", "subscribe.html", SUBSCRIBE), brand, "en").body

    assert 'type="checkbox"' not in body
    assert brand.topic_name("news", "en") in body


def test_a_brand_without_anything_to_ask_for_says_so(brand: Brand) -> None:
    body = render(Page("subscribe", "subscribe.html", SUBSCRIBE), brand._replace(topics={}), "en").body

    assert "<form" not in body


def test_what_somebody_typed_is_never_markup(brand: Brand) -> None:
    values = SUBSCRIBE | {"email": '"><script>alert(1)</script>'}
    body = render(Page("subscribe", "subscribe.html", values), brand, "en").body

    assert "<script" not in body


def test_a_problem_without_a_brand_still_has_a_page() -> None:
    for lang in catalogues.languages():
        document = Document(render(Page("", "problem.html", {"code": "not_ours"}), None, lang).body)
        assert document.all("html")[0]["lang"] == lang


def test_a_brand_that_is_gone_still_lets_people_leave(brand: Brand) -> None:
    gone = brands.Brands([]).even_if_gone("gone")
    for name in ("unsubscribe, 3 topics", "left, topic, 3 topics", "left, all, 1 topics", "undone True, 0 still out"):
        Document(render(states(brand)[name], gone, "en").body)
