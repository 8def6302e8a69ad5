"""`/u/{token}`: leave, or get less. GET asks, POST opts out: with the page's form, or as one click (RFC 8058).

The one-click path is the one that must never fail: it renders nothing and makes one call to the table.
"""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

from consentry import journeys, web, wiring
from consentry.consent import DAY_MS
from consentry.journeys import Circumstances, Form
from consentry.keyring import SecretUnavailableError
from consentry.ledger import Channel, Evidence
from consentry.spool import Unverified
from consentry.table.gateway import StoreUnavailableError
from consentry.tokens import ExpiredError, Purpose

if TYPE_CHECKING:
    from consentry.brands import Brand
    from consentry.tokens import Link
    from consentry.web import Request, Response

TEMPLATES: Final = Path(__file__).with_name("templates")
LEFT: Final = "You are unsubscribed."
MAX_STAMP: Final = 300
"""Characters; ours are shorter."""


def ask(request: Request) -> Response:
    """The page with the ways to leave."""
    link, brand = _open(request)
    return _ways_to_leave(request, link, brand)


def _ways_to_leave(request: Request, link: Link, brand: Brand, *, shown: str = "", status: int = 200) -> Response:
    from consentry import pages  # noqa: PLC0415 - rendering is loaded on the first page

    consent = wiring.journeys().glance(link)
    return pages.render(
        TEMPLATES,
        "unsubscribe.html",
        brand,
        pages.language(request, brand, consent, shown=shown),
        status=status,
        topics=link.topics,
        days=journeys.PAUSE_DAYS,
        frequencies=journeys.slower(brand, link.topics, consent),
        stamp=wiring.journeys().stamp(Form.UNSUBSCRIBE, link, request.now),
        preferences=_preferences(link),
        refused=status != HTTPStatus.OK,
    )


def leave(request: Request) -> Response:
    """Opt out. What is not plainly the page's own form is a one-click opt-out from the link's topics.

    Who asks for fewer mails wants mails: that is never taken for an opt-out, unless it also says that it is one.
    """
    form = request.form()
    scope = form.get("scope", [""])[0]
    days = form.get("days", [""])[0]
    by_form = (
        scope in {"topic", "all"}
        or (scope == "pause" and days in map(str, journeys.PAUSE_DAYS))
        or (scope == "frequency" and not any(name.lower() == "list-unsubscribe" for name in form))
    )
    try:
        link, brand = _open(request)
        if by_form:
            return _leave_by_form(request, link, brand, form)
        wiring.journeys().unsubscribe(brand, link, Circumstances(request.now, Channel.ONE_CLICK))
    except SecretUnavailableError:
        return _keep_unverified(request, form, by_form=by_form)
    return web.text(200, LEFT)


def _leave_by_form(request: Request, link: Link, brand: Brand, form: dict[str, list[str]]) -> Response:
    from consentry import pages, scanners  # noqa: PLC0415 - as above

    shown = form.get("lang", [""])[0]
    if form["scope"][0] == "frequency" and not _fewer(brand, link, form):
        return _ways_to_leave(request, link, brand, shown=shown, status=400)
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
    return _left(request, link, brand, form, undo=sign(undo), why=why, preferences=_preferences(link))


def _fewer(brand: Brand, link: Link, form: dict[str, list[str]]) -> str:
    """The frequency that the form asks for; empty if the link's topics can't be had in it."""
    frequency = form.get("frequency", [""])[0]
    return frequency if frequency in journeys.fewer(brand, link.topics) else ""


def _keep_unverified(request: Request, form: dict[str, list[str]], *, by_form: bool) -> Response:
    """Accept what can't be verified while no key can be had: it waits, and is verified before it counts."""
    token = request.parameters["token"]
    claimed = wiring.tokens().read_unverified(Purpose.UNSUBSCRIBE, token)
    waiting = Unverified(Purpose.UNSUBSCRIBE, token, request.now, Channel.ONE_CLICK)
    if not by_form:
        wiring.recorder().keep(waiting)
        return web.text(200, LEFT)

    from consentry import pages  # noqa: PLC0415 - as above

    brand = wiring.brands().even_if_gone(claimed.brand)
    frequency = _fewer(brand, claimed, form) if form["scope"][0] == "frequency" else ""
    if form["scope"][0] == "frequency" and not frequency:
        raise web.ProblemError(400, "bad_choice")
    wiring.recorder().keep(
        waiting._replace(
            channel=Channel.PAGE,
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
    from consentry import pages  # noqa: PLC0415 - as above

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


def undo(request: Request) -> Response:
    """Put things back as they were."""
    from consentry import pages  # noqa: PLC0415 - as above

    link = wiring.tokens().read(Purpose.UNDO, request.parameters["token"], request.now)
    brand = wiring.brands().even_if_gone(link.brand)
    lang = pages.language(request, brand, shown=request.form().get("lang", [""])[0])
    how = Circumstances(request.now, Channel.PAGE, request.evidence, lang)
    wiring.journeys().undo(brand, link, how)
    return pages.render(TEMPLATES, "undone.html", brand, lang, preferences=_preferences(link))


def tell_why(request: Request) -> Response:
    """Note why somebody left, if they say so. A reason that can't be noted now is no loss: they are thanked anyway."""
    from consentry import pages, scanners  # noqa: PLC0415 - as above

    try:
        link = wiring.tokens().read(Purpose.REASON, request.parameters["token"], request.now)
    except ExpiredError as exc:
        raise web.ProblemError(410, "reason_expired") from exc
    brand = wiring.brands().even_if_gone(link.brand)
    form = request.form()
    lang = pages.language(request, brand, shown=form.get("lang", [""])[0])
    said = form.get("reason", [""])[0]
    noted = said in journeys.REASONS
    if noted:
        machine = scanners.recognised(request.evidence.user_agent)
        how = Circumstances(request.now, Channel.PAGE, locale=lang, suspected_automation=machine)
        try:
            wiring.journeys().tell_why(brand, link, said, how)
        except StoreUnavailableError as exc:
            web.report(exc, request.route)
    status = 400 if said and not noted else 200
    return pages.render(
        TEMPLATES, "reason.html", brand, lang, status=status, noted=noted, preferences=_preferences(link)
    )


def health(_request: Request) -> Response:
    """That this function answers at all; touches nothing."""
    return web.Response(200, '{"status":"ok"}', "application/json")


def problem(request: Request, status: int, code: str) -> Response:
    """The page of an error."""
    from consentry import pages  # noqa: PLC0415 - as above

    purpose = _PURPOSES.get(request.route.partition(" ")[2], Purpose.UNSUBSCRIBE)
    return pages.problem_of_link(purpose, request, status, code)


_PURPOSES: Final = {"/u/undo/{token}": Purpose.UNDO, "/u/reason/{token}": Purpose.REASON}
"""What the token is for, where it isn't for leaving."""


def _open(request: Request) -> tuple[Link, Brand]:
    link = wiring.tokens().read(Purpose.UNSUBSCRIBE, request.parameters["token"], request.now)
    return link, wiring.brands().even_if_gone(link.brand)


def _preferences(link: Link) -> str:
    return wiring.tokens().sign(link._replace(purpose=Purpose.PREFERENCES, topics=(), at=0))


handler = web.room(
    {
        "/u/{token}": {"GET": ask, "POST": leave},
        "/u/undo/{token}": {"POST": undo},
        "/u/reason/{token}": {"POST": tell_why},
        "/healthz": {"GET": health},
    },
    problem,
)
wiring.prepare()
