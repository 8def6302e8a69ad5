"""`/u/{token}`: leave. GET asks, POST opts out: with the page's form, or by anything else as one click (RFC 8058).

The one-click path is the one that must never fail: it renders nothing and makes one call to the table.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from consentry import journeys, web, wiring
from consentry.journeys import Circumstances, Form
from consentry.ledger import Channel
from consentry.tokens import Purpose

if TYPE_CHECKING:
    from consentry.brands import Brand
    from consentry.tokens import Link
    from consentry.web import Request, Response

TEMPLATES: Final = Path(__file__).with_name("templates")


def ask(request: Request) -> Response:
    """The page with the ways to leave."""
    from consentry import pages  # noqa: PLC0415 - rendering is loaded on the first page

    link, brand = _open(request)
    consent = wiring.journeys().glance(link)
    return pages.render(
        TEMPLATES,
        "unsubscribe.html",
        brand,
        pages.language(request, brand, consent),
        topics=link.topics,
        days=journeys.PAUSE_DAYS,
        stamp=wiring.journeys().stamp(Form.UNSUBSCRIBE, link, request.now),
        preferences=_preferences(link),
    )


def leave(request: Request) -> Response:
    """Opt out. What is not plainly the page's own form is a one-click opt-out from the link's topics."""
    link, brand = _open(request)
    form = request.form()
    scope = form.get("scope", [""])[0]
    days = form.get("days", [""])[0]
    if scope not in {"topic", "all"} and not (scope == "pause" and days in map(str, journeys.PAUSE_DAYS)):
        wiring.journeys().unsubscribe(brand, link, Circumstances(request.now, Channel.ONE_CLICK))
        return web.text(200, "You are unsubscribed.")

    from consentry import pages, scanners  # noqa: PLC0415 - as above

    lang = pages.language(request, brand, shown=form.get("lang", [""])[0])
    person = wiring.journeys().stamped(Form.UNSUBSCRIBE, link, form.get("stamp", [""])[0], request.now)
    suspected = not person or scanners.recognised(request.evidence.user_agent)
    how = Circumstances(request.now, Channel.PAGE, request.evidence, lang, suspected_automation=suspected)
    if scope == "pause":
        undo = wiring.journeys().pause(brand, link, int(days), how)
    else:
        undo = wiring.journeys().unsubscribe(brand, link, how, everything=scope == "all")
    return pages.render(
        TEMPLATES,
        "left.html",
        brand,
        lang,
        scope=scope,
        topics=link.topics,
        until=request.now + int(days) * journeys.DAY_MS if scope == "pause" else 0,
        undo=wiring.tokens().sign(undo),
        preferences=_preferences(link),
    )


def undo(request: Request) -> Response:
    """Put things back as they were."""
    from consentry import pages  # noqa: PLC0415 - as above

    link = wiring.tokens().read(Purpose.UNDO, request.parameters["token"], request.now)
    brand = wiring.brands().even_if_gone(link.brand)
    lang = pages.language(request, brand, shown=request.form().get("lang", [""])[0])
    how = Circumstances(request.now, Channel.PAGE, request.evidence, lang)
    wiring.journeys().undo(brand, link, how)
    return pages.render(TEMPLATES, "undone.html", brand, lang, preferences=_preferences(link))


def health(_request: Request) -> Response:
    """That this function answers at all; touches nothing."""
    return web.Response(200, '{"status":"ok"}', "application/json")


def problem(request: Request, status: int, code: str) -> Response:
    """The page of an error."""
    from consentry import pages  # noqa: PLC0415 - as above

    return pages.problem(request, status, code)


def _open(request: Request) -> tuple[Link, Brand]:
    link = wiring.tokens().read(Purpose.UNSUBSCRIBE, request.parameters["token"], request.now)
    return link, wiring.brands().even_if_gone(link.brand)


def _preferences(link: Link) -> str:
    return wiring.tokens().sign(link._replace(purpose=Purpose.PREFERENCES, topics=(), at=0))


handler = web.room(
    {
        "/u/{token}": {"GET": ask, "POST": leave},
        "/u/undo/{token}": {"POST": undo},
        "/healthz": {"GET": health},
    },
    problem,
)
wiring.prepare()
