"""Every state that a recipient's page can be in, and how somebody gets there.

Nothing here says how a page looks. A state is reached as a person would reach it, on the running stack, step by step:
by links, by forms that are found by the names of their fields, and now and then by what the platform reports. What
needs time is reached with links from earlier, and what needs an outage with a function that lacks a service.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import NamedTuple

from multidict import CIMultiDict

from consentry.http.web import MAX_BODY
from consentry.links.tokens import Purpose
from consentry.rules.brands import Brand
from consentry.rules.consent import DAY_MS, Mode
from consentry.table.limits import OPT_INS
from dev.emulator.relay import Answer
from dev.preview.unavailable import Without
from dev.preview.visitor import Page, Visitor

NOTHING = Page(target="", answer=Answer(status=0, headers=CIMultiDict(), body=b""))
"""What somebody has before them who hasn't opened anything."""
HOUR_MS = 3600 * 1000
FRACTION_MS = 60_000

Step = Callable[[Visitor, Page], Awaitable[Page]]
"""From the page that somebody has before them to the next."""
Path = Callable[[Visitor], str]
Value = str | list[str] | Callable[[Visitor], str | list[str]]
Topics = Callable[[Visitor], list[str]]
Fits = Callable[[Brand], bool]


class State(NamedTuple):
    """One state of one page."""

    name: str
    """In the preview's addresses and the pictures' names."""
    title: str
    """What it is, for the list."""
    steps: tuple[Step, ...]
    """How somebody gets there."""
    status: int = 200
    """Of the answer."""
    fits: Fits = lambda _: True
    """Whether the brand has it."""
    kind: str = "page"
    """Or `line`: of text, for machines; or `mail`: it comes to the visitor's address a moment later."""
    emails: int = 1
    """How many come to the visitor, this one the last."""

    async def play(self, visitor: Visitor) -> Page:
        """Get there."""
        return await _walk(visitor, NOTHING, self.steps)


async def _walk(visitor: Visitor, page: Page, steps: tuple[Step, ...]) -> Page:
    for step in steps:
        page = await step(visitor, page)
    return page


def unless(page: str, *states: State) -> tuple[State, ...]:
    """States that a brand hasn't which sends people to a page of its own (`Brand.pages`) instead."""

    def ours(fits: Fits) -> Fits:
        return lambda brand: page not in brand.pages and fits(brand)

    return tuple(state._replace(fits=ours(state.fits)) for state in states)


def where_asked(*states: State) -> tuple[State, ...]:
    """States that a brand has of which one can ask for something."""

    def ours(fits: Fits) -> Fits:
        return lambda brand: bool(brand.asked_for()) and fits(brand)

    return tuple(state._replace(fits=ours(state.fits)) for state in states)


# --- Steps ------------------------------------------------------------------------------------------------------------


def _values(visitor: Visitor, given: dict[str, Value]) -> dict[str, str | list[str]]:
    return {name: value(visitor) if callable(value) else value for name, value in given.items()}


def opens(path: Path, without: Without | None = None) -> Step:
    """Opens a page."""
    return lambda visitor, _: visitor.open(path(visitor), without=without)


def sends(*, hasty: bool = False, without: Without | None = None, **fields: Value) -> Step:
    """Fills in the form on the page that takes these fields, and sends it."""
    return lambda visitor, page: visitor.submit(page, _values(visitor, fields), hasty=hasty, without=without)


def posts(path: Path, **fields: str) -> Step:
    """Sends fields without a page of ours, in the visitor's language."""
    return lambda visitor, _: visitor.post(path(visitor), [*fields.items(), ("lang", visitor.language)])


def one_click(path: Path) -> Step:
    """Presses the button of the email program."""
    return lambda visitor, _: visitor.post(path(visitor), [("List-Unsubscribe", "One-Click")])


def meanwhile(*steps: Step) -> Step:
    """Does something else, and has the same page as before."""

    async def step(visitor: Visitor, page: Page) -> Page:
        await _walk(visitor, page, steps)
        return page

    return step


def happens(act: Callable[[Visitor], Awaitable[None]]) -> Step:
    """Something happens to somebody who has a page open, or none."""

    async def step(visitor: Visitor, page: Page) -> Page:
        await act(visitor)
        return page

    return step


def requests(method: str, body: bytes = b"") -> Step:
    """Sends something to the form's address that no browser would."""
    return lambda visitor, _: visitor.request(method, form_path(visitor), body)


def reported(kind: str) -> Step:
    """The platform reports an event."""
    return happens(lambda visitor: visitor.reported(kind))


def confirms(without: Without | None = None) -> Step:
    """Presses the button, and answers the second question if it is asked."""

    async def step(visitor: Visitor, page: Page) -> Page:
        page = await visitor.submit(page, without=without)
        asked_again = any(form.takes({"answer": "yes"}) for form in page.forms)
        return await visitor.submit(page, {"answer": "yes"}) if asked_again else page

    return step


async def undoes(visitor: Visitor, page: Page) -> Page:
    """Presses "undo"."""
    action = next(form.action for form in page.forms if form.action.startswith("/u/undo/"))
    return await visitor.post(action, [("lang", visitor.language)])


# --- Links, forms and people ------------------------------------------------------------------------------------------


def asked_for(visitor: Visitor) -> list[str]:
    """Up to two topics that need a request."""
    return [topic.id for topic in visitor.brand.asked_for()][:2]


def topics(number: int | None = None) -> Topics:
    """The first so many topics, or all."""
    return lambda visitor: list(visitor.brand.topics)[:number]


FIRST = topics(1)


def address(visitor: Visitor) -> str:
    """The visitor's own."""
    return visitor.address


def form_path(visitor: Visitor) -> str:
    """The form's address."""
    return f"/s/{visitor.brand.id}"


def confirming_path(age_ms: int = FRACTION_MS) -> Path:
    """A confirmation link of some time ago."""
    return lambda visitor: f"/c/{visitor.link(Purpose.CONFIRM, asked_for(visitor), age_ms=age_ms)}"


def leaving_path(of: Topics = FIRST, brand: str = "") -> Path:
    """An unsubscribe link."""
    return lambda visitor: f"/u/{visitor.link(Purpose.UNSUBSCRIBE, of(visitor), brand=brand)}"


def undo_path(age_ms: int = 0) -> Path:
    """The address of an undo button."""
    return lambda visitor: f"/u/undo/{visitor.link(Purpose.UNDO, FIRST(visitor), age_ms=age_ms)}"


def choices_path(visitor: Visitor) -> str:
    """A preferences link."""
    return f"/p/{visitor.link(Purpose.PREFERENCES)}"


def keeping_path(visitor: Visitor) -> str:
    """A link to keep the first topic."""
    return f"/k/{visitor.link(Purpose.KEEP, FIRST(visitor))}"


def has_emails_until(**ends_in: int) -> Step:
    """Gets all of the brand's topics, by a claim that ends so long from now."""
    return happens(lambda visitor: visitor.has_mails(timedelta(**ends_in)))


def several_asked_for(brand: Brand) -> bool:
    """Whether the form has a choice."""
    return len(brand.asked_for()) > 1


def asks(brand: Brand) -> bool:
    """Whether a topic needs a request."""
    return bool(brand.asked_for())


def several(brand: Brand) -> bool:
    """Whether there is more than one topic."""
    return len(brand.topics) > 1


def needs_opt_in(brand: Brand) -> bool:
    """Whether the first topic goes to nobody who didn't ask for it."""
    return next(iter(brand.topics.values())).mode is Mode.OPT_IN


def fewer(brand: Brand) -> bool:
    """Whether one can have fewer emails of the first topic."""
    return len(next(iter(brand.topics.values())).frequencies) > 1


def says_goodbye(brand: Brand) -> bool:
    """Whether who asked for something and left it gets an email."""
    return brand.goodbye_mail and asks(brand)


def fills_in(without: Without | None = None, **fields: Value) -> Step:
    """Fills in the subscribe form; topics only where there is a choice."""

    async def step(visitor: Visitor, page: Page) -> Page:
        chosen: dict[str, Value] = {"topics": asked_for(visitor)[:1]} if several_asked_for(visitor.brand) else {}
        return await visitor.submit(page, _values(visitor, {"email": address, **chosen, **fields}), without=without)

    return step


async def _asks(visitor: Visitor) -> None:
    await visitor.asked(asked_for(visitor))


FORM = opens(form_path)
HAS_EMAILS = happens(Visitor.has_mails)
LEAVING = (HAS_EMAILS, opens(leaving_path()))
CHOICES = opens(choices_path)
CHOOSING = (HAS_EMAILS, CHOICES)
CLICKS = one_click(leaving_path())
COMING_BACK = (HAS_EMAILS, CLICKS, CHOICES, sends(topics=topics()))
KEEP = opens(keeping_path)
KEEPING = (has_emails_until(days=30), KEEP)
CONFIRMING = opens(confirming_path())
LEAVES, LEAVES_ALL = sends(scope="topic"), sends(scope="all")
PAUSES = sends(topics=FIRST, pause_days="60")
ASKS = happens(_asks)
MANAGES = (FORM, sends(email=address, action="manage"))

# --- States -----------------------------------------------------------------------------------------------------------

# fmt: off
PAGES: dict[str, tuple[State, ...]] = {
    "Subscribe": (
        State("subscribe", "The form", (FORM,)),
        *where_asked(
            State("subscribe-bad-address", "An address that is none", (FORM, fills_in(email="ada.example.com")), 400),
        ),
        State("subscribe-no-topic", "No topic chosen", (FORM, fills_in(topics=[])), 400, several_asked_for),
        *unless("asked", *where_asked(State("check-inbox", "Check your inbox", (FORM, fills_in())))),
        *where_asked(State("link-sent", "The way to one's own link", MANAGES)),
        State("subscribe-no-form", "A brand that there isn't", (opens(lambda _: "/s/nobody"),), 404),
        State("subscribe-not-allowed", "A method that no page has", (requests("PUT"),), 405),
        State("subscribe-too-large", "A form that is too large", (requests("POST", b"x" * (MAX_BODY + 1)),), 413),
        State("subscribe-failed", "A fault of ours", (opens(form_path, Without.TEMPLATES),), 500),
        *where_asked(State("subscribe-come-back", "The table is unavailable", (FORM, fills_in(Without.TABLE)), 503)),
    ),
    "Confirm": where_asked(
        State("confirm", "The question", (CONFIRMING,)),
        State("confirm-again", "A button pressed faster than people do", (CONFIRMING, sends(hasty=True))),
        *unless("confirmed", State("confirmed", "Confirmed", (CONFIRMING, confirms()))),
        State("declined", "Declined", (CONFIRMING, sends(hasty=True), sends(answer="no"))),
        State("opted-out-since", "Left after the email was sent",
              (one_click(leaving_path(asked_for)), CONFIRMING, confirms()), 409),
        State("confirm-expired", "A link of last month", (opens(confirming_path(30 * DAY_MS)),), 410),
        State("sent-again", "A fresh link is on its way",
              (ASKS, opens(confirming_path(8 * DAY_MS)), sends(action="resend"))),
        State("address-forgotten", "A fresh link is asked for too late",
              (opens(confirming_path(60 * DAY_MS)), sends(action="resend"))),
        State("confirm-not-ours", "A link that isn't ours", (opens(lambda _: "/c/cut-in-two"),), 404),
        State("confirm-come-back", "The table is unavailable", (CONFIRMING, confirms(Without.TABLE)), 503),
    ),
    "Unsubscribe": (
        State("unsubscribe", "The unsubscribe options", LEAVING),
        State("unsubscribe-several", "From several topics", (HAS_EMAILS, opens(leaving_path(topics(2)))), fits=several),
        State("unsubscribe-everything", "From an email of no topic", (HAS_EMAILS, opens(leaving_path(topics(0))))),
        State("unsubscribed", "Somebody who left before", (HAS_EMAILS, CLICKS, opens(leaving_path()))),
        State("unsubscribed-from-everything", "Somebody who left everything before",
              (HAS_EMAILS, one_click(leaving_path(topics(0))), opens(leaving_path(topics(0))))),
        *unless("left",
            State("left-topic", "Left this topic", (*LEAVING, LEAVES)),
            State("left-several", "Left several topics",
                  (HAS_EMAILS, opens(leaving_path(topics(2))), LEAVES), fits=several),
            State("left-again", "Left once more: there is nothing to undo", (*LEAVING, meanwhile(CLICKS), LEAVES)),
            State("left-everything", "Left everything", (*LEAVING, LEAVES_ALL))),
        State("paused", "Paused", (*LEAVING, sends(scope="pause", days="30"))),
        State("fewer-mails", "Fewer emails", (*LEAVING, sends(scope="frequency")), fits=fewer),
        State("fewer-mails-of-what-frequency", "Fewer emails, and no word of how many",
              (HAS_EMAILS, posts(leaving_path(), scope="frequency")), 400, fewer),
        *unless("left",
            State("reason-told", "Told why", (*LEAVING, LEAVES, sends(reason="too_many"))),
            State("undone", "Undone", (*LEAVING, LEAVES_ALL, undoes)),
            State("undone-in-part", "Undone, but for what was left before",
                  (*LEAVING, meanwhile(CLICKS), LEAVES_ALL, undoes), fits=several),
            State("undone-but-reported", "Undone, after a report of spam",
              (*LEAVING, LEAVES_ALL, meanwhile(reported("complained")), undoes)),
        State("undo-left-again", "Left once more before undo", (*LEAVING, LEAVES, meanwhile(CLICKS), undoes))),
        State("undo-overtaken", "Paused anew before undo",
              (*LEAVING, sends(scope="pause", days="30"),
               meanwhile(opens(leaving_path()), sends(scope="pause", days="60")), undoes)),
        State("undo-too-late", "Undo after its hour", (posts(undo_path(HOUR_MS + FRACTION_MS)),), 410),
        State("one-click", "One click in the email program", (CLICKS,), kind="line"),
        *unless("left",
            State("left-table-unavailable", "Left while the table is unavailable: kept for later",
                  (*LEAVING, sends(scope="all", without=Without.TABLE)))),
        State("left-keyring-unavailable", "Left while the keyring is unavailable: kept for later",
              (*LEAVING, sends(scope="all", without=Without.KEYRING))),
        State("leave-come-back", "Table and spool are unavailable",
              (*LEAVING, sends(scope="all", without=Without.TABLE_AND_SPOOL)), 503),
        State("unsubscribe-brand-gone", "A brand whose file is gone", (opens(leaving_path(brand="gone")),)),
        State("unsubscribe-not-ours", "A link that isn't ours", (opens(lambda _: "/u/cut-in-two"),), 404),
    ),
    "Keep": (
        State("keep", "Somebody whose emails end next month", KEEPING),
        State("keep-ended", "Somebody whose emails ended", (has_emails_until(days=-30), KEEP)),
        State("keep-no-end", "Somebody whose emails have no end", (HAS_EMAILS, KEEP)),
        State("keep-again", "A button pressed faster than people do", (*KEEPING, sends(hasty=True))),
        State("kept", "Kept", (*KEEPING, sends())),
        State("keep-unsubscribed", "Somebody who left before", (HAS_EMAILS, CLICKS, KEEP)),
        State("keep-left-since", "Left since the page was opened", (*KEEPING, meanwhile(CLICKS), sends()), 409),
        State("keep-stopped", "Somebody who reported spam", (*KEEPING[:1], reported("complained"), KEEP)),
        State("keep-nothing", "Somebody who gets nothing", (KEEP, sends()), 409, needs_opt_in),
        State("keep-come-back", "The table is unavailable", (*KEEPING, sends(without=Without.TABLE)), 503),
        State("keep-not-ours", "A link that isn't ours", (opens(lambda _: "/k/cut-in-two"),), 404),
    ),
    "Preferences": (
        State("preferences", "Somebody who gets everything", CHOOSING),
        *where_asked(State("preferences-waiting", "Somebody who has yet to confirm", (ASKS, CHOICES))),
        State("preferences-complained", "Somebody who reported spam", (HAS_EMAILS, reported("complained"), CHOICES)),
        State("preferences-bounced", "Somebody whose mailbox refused", (HAS_EMAILS, reported("bounced"), CHOICES)),
        State("preferences-paused", "Somebody who paused", (*CHOOSING, sends(topics=FIRST, pause_days="30"), CHOICES)),
        State("saved", "Saved", (*CHOOSING, sends(topics=FIRST))),
        State("saved-paused", "Saved, with a pause", (*CHOOSING, PAUSES)),
        State("saved-nothing-left", "Everything off", (*CHOOSING, LEAVES_ALL)),
        State("saved-table-unavailable", "Saved while the table is unavailable: kept for later",
              (*CHOOSING, sends(topics=FIRST, without=Without.TABLE))),
        State("everything-off-keyring-unavailable", "Everything off while the keyring is unavailable",
              (*CHOOSING, sends(scope="all", without=Without.KEYRING)), kind="line"),
        State("saved-before", "The same form again", (*CHOOSING, meanwhile(PAUSES), PAUSES)),
        # Each post is one of the day's sign-ups.
        State("saved-but-opt-ins", "Signed up too often today",
              (*OPT_INS * (posts(undo_path()),), CHOICES, sends(topics=topics())), fits=asks),
        State("come-back", "What was left is to come back: where to send the link?", COMING_BACK),
        State("come-back-check-inbox", "The link to come back is on its way", (*COMING_BACK, sends(email=address))),
        State("preferences-come-back", "The table is unavailable", (opens(choices_path, Without.TABLE),), 503),
        State("preferences-not-ours", "A link that isn't ours", (opens(lambda _: "/p/cut-in-two"),), 404),
    ),
    "Emails": (
        *where_asked(State("confirmation", "Confirm that you want our emails", (ASKS,), kind="mail")),
        State("return", "Confirm that you want our emails again", (*COMING_BACK, sends(email=address)), kind="mail"),
        *where_asked(State("link", "Your link, asked for on the form", (HAS_EMAILS, *MANAGES), kind="mail")),
        *where_asked(State("already", "You already get these emails", (CONFIRMING, confirms(), ASKS), kind="mail")),
        State("goodbye", "You’ve been unsubscribed", (ASKS, CONFIRMING, confirms(), one_click(leaving_path(asked_for))),
              fits=says_goodbye, kind="mail", emails=2),
    ),
}
"""By page, in the order in which people meet them."""
# fmt: on
