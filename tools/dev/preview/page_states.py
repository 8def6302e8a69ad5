"""Every state that a recipient's page can be in, and how somebody gets there.

Nothing here says how a page looks. A state is reached as a person would reach it, on the running stack: by links, by
forms that are found by the names of their fields, and now and then by what the platform reports. What needs time is
reached with links from earlier, and what needs an outage with a function that finds a service away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consentry.http.web import MAX_BODY
from consentry.links.tokens import Purpose
from consentry.rules.consent import DAY_MS
from consentry.table.limits import OPT_INS
from dev.preview.unavailable import Away

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from consentry.rules.brands import Brand
    from dev.preview.visitor import Page, Visitor

    Play = Callable[[Visitor], Awaitable[Page]]

HOUR_MS = 3600 * 1000
FRACTION_MS = 60_000


@dataclass(frozen=True, kw_only=True)
class State:
    """One state of one page."""

    name: str
    """In the preview's addresses and the pictures' names."""
    title: str
    """What it is, for the list."""
    page: str
    """The page that it is a state of."""
    status: int
    """Of the answer."""
    play: Play
    """How somebody gets there."""
    fits: Callable[[Brand], bool]
    """Whether the brand has it."""
    line: bool = False
    """A line of text, for machines, and no page."""


STATES: dict[str, State] = {}
"""By name, in the order in which people meet them."""


def _any(_: Brand) -> bool:
    return True


def _asks_for_several(brand: Brand) -> bool:
    return len(brand.asked_for()) > 1


def _asks(brand: Brand) -> bool:
    return bool(brand.asked_for())


def _offers_fewer(brand: Brand) -> bool:
    return len(next(iter(brand.topics.values())).frequencies) > 1


def _has_several(brand: Brand) -> bool:
    return len(brand.topics) > 1


def _state(
    name: str, title: str, page: str, status: int = 200, *, fits: Callable[[Brand], bool] = _any, line: bool = False
) -> Callable[[Play], Play]:
    """Enter a way to a state into the list."""

    def enter(play: Play) -> Play:
        STATES[name] = State(name=name, title=title, page=page, status=status, play=play, fits=fits, line=line)
        return play

    return enter


def _asked_for(visitor: Visitor) -> list[str]:
    """Up to two topics that need a request."""
    return [topic.id for topic in visitor.brand.asked_for()][:2]


# --- Subscribe --------------------------------------------------------------------------------------------------------

SUBSCRIBE = "Subscribe"


async def _form(visitor: Visitor) -> Page:
    return await visitor.open(f"/s/{visitor.brand.id}")


def _filled_in(visitor: Visitor, **other: str | list[str]) -> dict[str, str | list[str]]:
    """The form's fields; topics only where there is a choice."""
    topics: dict[str, str | list[str]] = {"topics": _asked_for(visitor)[:1]} if _asks_for_several(visitor.brand) else {}
    return {"email": visitor.address, **topics, **other}


_state("subscribe", "The form", SUBSCRIBE)(_form)


@_state("subscribe-bad-address", "An address that is none", SUBSCRIBE, 400)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _form(visitor), _filled_in(visitor, email="ada.example.com"))


@_state("subscribe-no-topic", "No topic chosen", SUBSCRIBE, 400, fits=_asks_for_several)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _form(visitor), _filled_in(visitor, topics=[]))


@_state("check-inbox", "Check your inbox", SUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _form(visitor), _filled_in(visitor))


@_state("subscribe-no-form", "A brand that there isn't", SUBSCRIBE, 404)
async def _(visitor: Visitor) -> Page:
    return await visitor.open("/s/nobody")


@_state("subscribe-not-allowed", "A method that no page has", SUBSCRIBE, 405)
async def _(visitor: Visitor) -> Page:
    return await visitor.request("PUT", f"/s/{visitor.brand.id}")


@_state("subscribe-too-large", "A form that is too large", SUBSCRIBE, 413)
async def _(visitor: Visitor) -> Page:
    return await visitor.request("POST", f"/s/{visitor.brand.id}", b"x" * (MAX_BODY + 1))


@_state("subscribe-failed", "A fault of ours", SUBSCRIBE, 500)
async def _(visitor: Visitor) -> Page:
    return await visitor.open(f"/s/{visitor.brand.id}", away=Away.TEMPLATES)


@_state("subscribe-come-back", "The table is away", SUBSCRIBE, 503)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _form(visitor), _filled_in(visitor), away=Away.TABLE)


# --- Confirm ----------------------------------------------------------------------------------------------------------

CONFIRM = "Confirm"


def _confirm_path(visitor: Visitor, age_ms: int = FRACTION_MS) -> str:
    return f"/c/{visitor.link(Purpose.CONFIRM, _asked_for(visitor), age_ms=age_ms)}"


async def _confirmed(visitor: Visitor, *, away: Away | None = None) -> Page:
    """Confirms, and answers the second question if it is asked."""
    page = await visitor.submit(await visitor.open(_confirm_path(visitor)), away=away)
    asked_again = any(form.takes({"answer": "yes"}) for form in page.forms)
    return await visitor.submit(page, {"answer": "yes"}) if asked_again else page


@_state("confirm", "The question", CONFIRM)
async def _(visitor: Visitor) -> Page:
    return await visitor.open(_confirm_path(visitor))


@_state("confirm-again", "A button pressed faster than people do", CONFIRM)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await visitor.open(_confirm_path(visitor)), hasty=True)


_state("confirmed", "Confirmed", CONFIRM)(_confirmed)


@_state("declined", "Declined", CONFIRM)
async def _(visitor: Visitor) -> Page:
    again = await visitor.submit(await visitor.open(_confirm_path(visitor)), hasty=True)
    return await visitor.submit(again, {"answer": "no"})


@_state("opted-out-since", "Left after the mail was sent", CONFIRM, 409)
async def _(visitor: Visitor) -> Page:
    leave = f"/u/{visitor.link(Purpose.UNSUBSCRIBE, _asked_for(visitor))}"
    await visitor.post(leave, [("List-Unsubscribe", "One-Click")])
    return await _confirmed(visitor)


@_state("confirm-expired", "A link of last month", CONFIRM, 410)
async def _(visitor: Visitor) -> Page:
    return await visitor.open(_confirm_path(visitor, 30 * DAY_MS))


@_state("sent-again", "A fresh link is on its way", CONFIRM)
async def _(visitor: Visitor) -> Page:
    await visitor.asked(_asked_for(visitor))
    expired = await visitor.open(_confirm_path(visitor, 8 * DAY_MS))
    return await visitor.submit(expired, {"action": "resend"})


@_state("address-forgotten", "A fresh link is asked for too late", CONFIRM)
async def _(visitor: Visitor) -> Page:
    expired = await visitor.open(_confirm_path(visitor, 60 * DAY_MS))
    return await visitor.submit(expired, {"action": "resend"})


@_state("confirm-not-ours", "A link that isn't ours", CONFIRM, 404)
async def _(visitor: Visitor) -> Page:
    return await visitor.open("/c/cut-in-two")


@_state("confirm-come-back", "The table is away", CONFIRM, 503)
async def _(visitor: Visitor) -> Page:
    return await _confirmed(visitor, away=Away.TABLE)


# --- Unsubscribe ------------------------------------------------------------------------------------------------------

UNSUBSCRIBE = "Unsubscribe"


def _leave_path(visitor: Visitor, topics: int = 1, brand: str = "") -> str:
    return f"/u/{visitor.link(Purpose.UNSUBSCRIBE, list(visitor.brand.topics)[:topics], brand=brand)}"


async def _leaving(visitor: Visitor, topics: int = 1) -> Page:
    """Somebody with mails, on the page where they can leave."""
    await visitor.has_mails()
    return await visitor.open(_leave_path(visitor, topics))


_state("unsubscribe", "The ways to leave", UNSUBSCRIBE)(_leaving)


@_state("unsubscribe-several", "From several topics", UNSUBSCRIBE, fits=_has_several)
async def _(visitor: Visitor) -> Page:
    return await _leaving(visitor, 2)


@_state("unsubscribe-everything", "From a mail of no topic", UNSUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    return await _leaving(visitor, 0)


async def _one_click(visitor: Visitor, topics: int = 1) -> Page:
    return await visitor.post(_leave_path(visitor, topics), [("List-Unsubscribe", "One-Click")])


@_state("unsubscribed", "Somebody who left before", UNSUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    await visitor.has_mails()
    await _one_click(visitor)
    return await visitor.open(_leave_path(visitor))


@_state("unsubscribed-from-everything", "Somebody who left everything before", UNSUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    await visitor.has_mails()
    await _one_click(visitor, 0)
    return await visitor.open(_leave_path(visitor, 0))


@_state("left-topic", "Left this topic", UNSUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _leaving(visitor), {"scope": "topic"})


@_state("left-several", "Left several topics", UNSUBSCRIBE, fits=_has_several)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _leaving(visitor, 2), {"scope": "topic"})


@_state("left-again", "Left once more: there is nothing to undo", UNSUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    page = await _leaving(visitor)
    await _one_click(visitor)
    return await visitor.submit(page, {"scope": "topic"})


@_state("left-everything", "Left everything", UNSUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _leaving(visitor), {"scope": "all"})


@_state("paused", "Paused", UNSUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _leaving(visitor), {"scope": "pause", "days": "30"})


@_state("fewer-mails", "Fewer mails", UNSUBSCRIBE, fits=_offers_fewer)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _leaving(visitor), {"scope": "frequency"})


@_state("fewer-mails-of-what-frequency", "Fewer mails, and no word of how many", UNSUBSCRIBE, 400, fits=_offers_fewer)
async def _(visitor: Visitor) -> Page:
    page = await _leaving(visitor)
    return await visitor.post(page.target, [("scope", "frequency"), ("lang", visitor.language)])


@_state("reason-told", "Told why", UNSUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    left = await visitor.submit(await _leaving(visitor), {"scope": "topic"})
    return await visitor.submit(left, {"reason": "too_many"})


async def _undo(visitor: Visitor, left: Page) -> Page:
    action = next(form.action for form in left.forms if form.action.startswith("/u/undo/"))
    return await visitor.post(action, [("lang", visitor.language)])


@_state("undone", "Undone", UNSUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    return await _undo(visitor, await visitor.submit(await _leaving(visitor), {"scope": "all"}))


@_state("undone-in-part", "Undone, but for what was left before", UNSUBSCRIBE, fits=_has_several)
async def _(visitor: Visitor) -> Page:
    page = await _leaving(visitor)
    await _one_click(visitor)
    return await _undo(visitor, await visitor.submit(page, {"scope": "all"}))


@_state("undo-left-again", "Left once more before undo", UNSUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    left = await visitor.submit(await _leaving(visitor), {"scope": "topic"})
    await _one_click(visitor)
    return await _undo(visitor, left)


@_state("undo-overtaken", "Paused anew before undo", UNSUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    page = await _leaving(visitor)
    paused = await visitor.submit(page, {"scope": "pause", "days": "30"})
    await visitor.submit(page, {"scope": "pause", "days": "60"})
    return await _undo(visitor, paused)


@_state("undo-too-late", "Undo after its hour", UNSUBSCRIBE, 410)
async def _(visitor: Visitor) -> Page:
    token = visitor.link(Purpose.UNDO, list(visitor.brand.topics)[:1], age_ms=HOUR_MS + FRACTION_MS)
    return await visitor.post(f"/u/undo/{token}", [("lang", visitor.language)])


@_state("one-click", "One click in the mail program", UNSUBSCRIBE, line=True)
async def _(visitor: Visitor) -> Page:
    return await _one_click(visitor)


@_state("left-table-away", "Left while the table is away: kept for later", UNSUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _leaving(visitor), {"scope": "all"}, away=Away.TABLE)


@_state("left-keyring-away", "Left while the keyring is away: kept for later", UNSUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _leaving(visitor), {"scope": "all"}, away=Away.KEYRING)


@_state("leave-come-back", "Table and spool are away", UNSUBSCRIBE, 503)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _leaving(visitor), {"scope": "all"}, away=Away.TABLE_AND_SPOOL)


@_state("unsubscribe-brand-gone", "A brand whose file is gone", UNSUBSCRIBE)
async def _(visitor: Visitor) -> Page:
    return await visitor.open(_leave_path(visitor, brand="gone"))


@_state("unsubscribe-not-ours", "A link that isn't ours", UNSUBSCRIBE, 404)
async def _(visitor: Visitor) -> Page:
    return await visitor.open("/u/cut-in-two")


# --- Preferences ------------------------------------------------------------------------------------------------------

PREFERENCES = "Preferences"


async def _choices(visitor: Visitor, *, away: Away | None = None) -> Page:
    return await visitor.open(f"/p/{visitor.link(Purpose.PREFERENCES)}", away=away)


async def _choosing(visitor: Visitor) -> Page:
    """Somebody with mails, on the page with their choices."""
    await visitor.has_mails()
    return await _choices(visitor)


def _first_topic(visitor: Visitor) -> list[str]:
    return list(visitor.brand.topics)[:1]


_state("preferences", "Somebody who gets everything", PREFERENCES)(_choosing)


@_state("preferences-waiting", "Somebody who has yet to confirm", PREFERENCES)
async def _(visitor: Visitor) -> Page:
    await visitor.asked(_asked_for(visitor))
    return await _choices(visitor)


@_state("preferences-complained", "Somebody who reported spam", PREFERENCES)
async def _(visitor: Visitor) -> Page:
    await visitor.has_mails()
    await visitor.reported("complained")
    return await _choices(visitor)


@_state("preferences-bounced", "Somebody whose mailbox refused", PREFERENCES)
async def _(visitor: Visitor) -> Page:
    await visitor.has_mails()
    await visitor.reported("bounced")
    return await _choices(visitor)


@_state("preferences-paused", "Somebody who paused", PREFERENCES)
async def _(visitor: Visitor) -> Page:
    await visitor.submit(await _choosing(visitor), {"topics": _first_topic(visitor), "pause_days": "30"})
    return await _choices(visitor)


@_state("saved", "Saved", PREFERENCES)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _choosing(visitor), {"topics": _first_topic(visitor)})


@_state("saved-paused", "Saved, with a pause", PREFERENCES)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _choosing(visitor), {"topics": _first_topic(visitor), "pause_days": "60"})


@_state("saved-nothing-left", "Everything off", PREFERENCES)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _choosing(visitor), {"scope": "all"})


@_state("saved-table-away", "Saved while the table is away: kept for later", PREFERENCES)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _choosing(visitor), {"topics": _first_topic(visitor)}, away=Away.TABLE)


@_state("everything-off-keyring-away", "Everything off while the keyring is away", PREFERENCES, line=True)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _choosing(visitor), {"scope": "all"}, away=Away.KEYRING)


@_state("saved-before", "The same form again", PREFERENCES)
async def _(visitor: Visitor) -> Page:
    page = await _choosing(visitor)
    await visitor.submit(page, {"topics": _first_topic(visitor), "pause_days": "60"})
    return await visitor.submit(page, {"topics": _first_topic(visitor), "pause_days": "60"})


@_state("saved-but-opt-ins", "Signed up too often today", PREFERENCES, fits=_asks)
async def _(visitor: Visitor) -> Page:
    undo = visitor.link(Purpose.UNDO)
    for _ in range(OPT_INS):  # each takes one of the day's
        await visitor.post(f"/u/undo/{undo}", [("lang", visitor.language)])
    return await visitor.submit(await _choices(visitor), {"topics": list(visitor.brand.topics)})


async def _coming_back(visitor: Visitor) -> Page:
    """Somebody ticks what they left before."""
    await visitor.has_mails()
    await _one_click(visitor)
    return await visitor.submit(await _choices(visitor), {"topics": list(visitor.brand.topics)})


_state("come-back", "What was left is to come back: where to send the link?", PREFERENCES)(_coming_back)


@_state("come-back-check-inbox", "The link to come back is on its way", PREFERENCES)
async def _(visitor: Visitor) -> Page:
    return await visitor.submit(await _coming_back(visitor), {"email": visitor.address})


@_state("preferences-come-back", "The table is away", PREFERENCES, 503)
async def _(visitor: Visitor) -> Page:
    return await _choices(visitor, away=Away.TABLE)


@_state("preferences-not-ours", "A link that isn't ours", PREFERENCES, 404)
async def _(visitor: Visitor) -> Page:
    return await visitor.open("/p/cut-in-two")


# --- Mails ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A mail that somebody gets."""

    name: str
    title: str
    cause: Callable[[Visitor], Awaitable[object]]
    """What it follows from; it comes to the visitor's address a moment later."""


async def _ask(visitor: Visitor) -> None:
    await visitor.asked(_asked_for(visitor))


async def _ask_again(visitor: Visitor) -> None:
    await _confirmed(visitor)
    await visitor.asked(_asked_for(visitor))


async def _ask_for_the_way_back(visitor: Visitor) -> None:
    await visitor.submit(await _coming_back(visitor), {"email": visitor.address})


MAILS: dict[str, Mail] = {
    mail.name: mail
    for mail in (
        Mail(name="confirmation", title="Confirm that you want our mails", cause=_ask),
        Mail(name="return", title="Confirm that you want our mails again", cause=_ask_for_the_way_back),
        Mail(name="already", title="You already get these mails", cause=_ask_again),
    )
}
"""By name."""
