"""Leaving: what the pages of `/u/` show and do, for both functions that answer there.

`oneclick` takes what mail providers post, and the forms of pages that were shown before there was another address for
them; `unsubscribe` has the pages. Nothing here is needed for one click: it is loaded with the first page.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from consentry import journeys, pages, scanners, web, wiring
from consentry.consent import DAY_MS
from consentry.journeys import Circumstances, Form
from consentry.keyring import SecretUnavailableError
from consentry.ledger import Channel, Evidence
from consentry.spool import Unverified
from consentry.tokens import Purpose

if TYPE_CHECKING:
    from consentry.brands import Brand
    from consentry.tokens import Link
    from consentry.web import Request, Response

TEMPLATES: Final = pages.SHARED / "leaving"
MAX_STAMP: Final = 300
"""Characters; ours are shorter."""
LEFT: Final = "You are unsubscribed."


def is_form(form: dict[str, list[str]]) -> bool:
    """Whether a body is plainly the page's own form; whatever else is posted is one click.

    A body that names `List-Unsubscribe` is one click, whatever else it says (RFC 8058, 3.2).
    """
    scope = form.get("scope", [""])[0]
    days = form.get("days", [""])[0]
    return not any(name.lower() == "list-unsubscribe" for name in form) and (
        scope in {"topic", "all", "frequency"} or (scope == "pause" and days in map(str, journeys.PAUSE_DAYS))
    )


def take(request: Request, form: dict[str, list[str]]) -> Response:
    """Do what the page's form asks for; what isn't one of its acts opts out of the link's topics.

    While no key can be had, it waits, and is verified before it counts.
    """
    if not is_form(form):
        form = {**form, "scope": ["topic"]}
    token = request.parameters["token"]
    try:
        link = wiring.tokens().read(Purpose.UNSUBSCRIBE, token, request.now)
    except SecretUnavailableError:
        return _keep_unverified(request, form)
    return _leave(request, link, wiring.brands().even_if_gone(link.brand), form)


def options(request: Request, link: Link, brand: Brand, *, shown: str = "", status: int = 200) -> Response:
    """The page with the unsubscribe options."""
    consent = wiring.journeys().glance(link)
    return pages.render(
        TEMPLATES,
        "unsubscribe.html",
        brand,
        pages.language(request, brand, consent, shown=shown),
        status=status,
        token=request.parameters["token"],
        topics=link.topics,
        days=journeys.PAUSE_DAYS,
        frequencies=journeys.slower(brand, link.topics, consent),
        stamp=wiring.journeys().stamp(Form.UNSUBSCRIBE, link, request.now),
        preferences=preferences(link),
        refused=status != HTTPStatus.OK,
    )


def _leave(request: Request, link: Link, brand: Brand, form: dict[str, list[str]]) -> Response:
    """Do what the page's form asks for."""
    shown = form.get("lang", [""])[0]
    if form["scope"][0] == "frequency" and not _fewer(brand, link, form):
        return options(request, link, brand, shown=shown, status=400)
    lang = pages.language(request, brand, shown=shown)
    person = wiring.journeys().stamped(Form.UNSUBSCRIBE, link, form.get("stamp", [""])[0], request.now)
    suspected = not person or scanners.recognised(request.evidence.user_agent)
    how = Circumstances(request.now, Channel.PAGE, request.evidence, lang, suspected_automation=suspected)
    scope = form["scope"][0]
    if scope == "pause":
        undo = wiring.journeys().pause(brand, link, int(form["days"][0]), how)
    elif scope == "frequency":
        undo = wiring.journeys().less_often(brand, link, _fewer(brand, link, form), how)
    else:
        undo = wiring.journeys().unsubscribe(brand, link, how, everything=scope == "all")
    sign = wiring.tokens().sign
    why = sign(undo._replace(purpose=Purpose.REASON)) if scope in {"topic", "all"} else ""
    return _left(request, link, brand, form, undo=sign(undo), why=why, preferences=preferences(link))


def _keep_unverified(request: Request, form: dict[str, list[str]]) -> Response:
    """Accept what can't be verified while no key can be had: it waits, and is verified before it counts."""
    token = request.parameters["token"]
    claimed = wiring.tokens().read_unverified(Purpose.UNSUBSCRIBE, token)
    waiting = Unverified(Purpose.UNSUBSCRIBE, token, request.now, Channel.PAGE)
    brand = wiring.brands().even_if_gone(claimed.brand)
    frequency = _fewer(brand, claimed, form) if form["scope"][0] == "frequency" else ""
    if form["scope"][0] == "frequency" and not frequency:
        raise web.ProblemError(400, "bad_choice")
    wiring.recorder().keep(
        waiting._replace(
            everything=form["scope"][0] == "all",
            pause_days=int(form["days"][0]) if form["scope"][0] == "pause" else 0,
            stamp=form.get("stamp", [""])[0][:MAX_STAMP],
            locale=pages.language(request, brand, shown=form.get("lang", [""])[0]),
            evidence=request.evidence if brand.evidence_days else Evidence(),
            frequency=frequency,
        )
    )
    if wiring.brands().get(claimed.brand) is None:  # a name that anybody may have made up is shown to nobody
        return web.text(200, LEFT)
    return _left(request, claimed, brand, form)


def preferences(link: Link) -> str:
    """The link to choose, for somebody who holds a link to leave."""
    return wiring.tokens().sign(link._replace(purpose=Purpose.PREFERENCES, topics=(), at=0))


def _fewer(brand: Brand, link: Link, form: dict[str, list[str]]) -> str:
    """The frequency that the form asks for; empty if the link's topics can't be had in it."""
    frequency = form.get("frequency", [""])[0]
    return frequency if frequency in journeys.fewer(brand, link.topics) else ""


def _left(
    request: Request,
    link: Link,
    brand: Brand,
    form: dict[str, list[str]],
    *,
    undo: str = "",
    why: str = "",
    preferences: str = "",
) -> Response:
    """What was done, and how to take it back; without keys there are no links for that."""
    scope = form["scope"][0]
    return pages.render(
        TEMPLATES,
        "left.html",
        brand,
        pages.language(request, brand, shown=form.get("lang", [""])[0]),
        scope=scope,
        topics=link.topics,
        until=request.now + int(form["days"][0]) * DAY_MS if scope == "pause" else 0,
        frequency=form.get("frequency", [""])[0] if scope == "frequency" else "",
        undo=undo,
        why=why,
        reasons=journeys.REASONS,
        preferences=preferences,
    )
