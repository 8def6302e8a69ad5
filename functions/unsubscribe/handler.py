"""`/u/{token}` and what follows from it: the page with the unsubscribe options, its form, undo, and the reason.

One click has a function of its own, `oneclick`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consentry import telemetry
from consentry.actions import opting_out
from consentry.actions.circumstances import Circumstances
from consentry.deployment import Deployment
from consentry.http import leaving, web
from consentry.links.tokens import ExpiredError, Purpose
from consentry.rules import scanners
from consentry.rules.ledger import Channel
from consentry.settings import Settings
from consentry.table.gateway import StoreUnavailableError

if TYPE_CHECKING:
    from consentry.http.web import Request, Response

deployment = Deployment(Settings.read("SPOOL_QUEUE_URL"))


def ask(request: Request) -> Response:
    """The page with the unsubscribe options."""
    link = deployment.tokens.read(Purpose.UNSUBSCRIBE, request.parameters["token"], request.now)
    return deployment.unsubscribe_pages.options(request, link, deployment.brands.even_if_gone(link.brand))


def leave(request: Request) -> Response:
    """The page's form. What isn't one of its acts opts out, as it does at the link itself."""
    return deployment.unsubscribe_pages.take(request, request.form())


def undo(request: Request) -> Response:
    """Take back what the page did, and say what came of it."""
    link = deployment.tokens.read(Purpose.UNDO, request.parameters["token"], request.now)
    brand = deployment.brands.even_if_gone(link.brand)
    lang = deployment.pages.language(request, brand, shown=request.form().get("lang", [""])[0])
    machine = scanners.recognised(request.evidence.user_agent)
    how = Circumstances(request.now, Channel.PAGE, request.evidence, lang, suspected_automation=machine)
    undone = deployment.opt_outs.undo(brand, link, how)
    return deployment.pages.render(
        leaving.TEMPLATES,
        "undone.html",
        brand,
        lang,
        undone=undone,
        preferences=deployment.unsubscribe_pages.preferences(link),
    )


def tell_why(request: Request) -> Response:
    """Note why somebody left, if they say so. A reason that can't be noted now is no loss: they are thanked anyway."""
    try:
        link = deployment.tokens.read(Purpose.REASON, request.parameters["token"], request.now)
    except ExpiredError as exc:
        raise web.ProblemError(410, "reason_expired") from exc
    brand = deployment.brands.even_if_gone(link.brand)
    form = request.form()
    lang = deployment.pages.language(request, brand, shown=form.get("lang", [""])[0])
    said = form.get("reason", [""])[0]
    noted = said in opting_out.REASONS
    if noted:
        machine = scanners.recognised(request.evidence.user_agent)
        how = Circumstances(request.now, Channel.PAGE, locale=lang, suspected_automation=machine)
        try:
            deployment.opt_outs.tell_why(brand, link, said, how)
        except StoreUnavailableError as exc:
            telemetry.report(exc, request.route)
    status = 400 if said and not noted else 200
    return deployment.pages.render(
        leaving.TEMPLATES,
        "reason.html",
        brand,
        lang,
        status=status,
        noted=noted,
        preferences=deployment.unsubscribe_pages.preferences(link),
    )


def health(_request: Request) -> Response:
    """That this function answers at all; touches nothing."""
    return web.Response(200, '{"status":"ok"}', "application/json")


def problem(request: Request, status: int, code: str) -> Response:
    """The page of an error."""
    word = request.route.rpartition("/")[0].rpartition("/")[2]
    purpose = _PURPOSES.get(word, Purpose.UNSUBSCRIBE)
    return deployment.pages.problem_of_link(purpose, request, status, code)


_PURPOSES: Final = {"undo": Purpose.UNDO, "reason": Purpose.REASON}
"""What the token is for, by the word before it, where it isn't for leaving."""

handler = web.router(
    {
        "/u/{token+}": {"GET": ask, "POST": leave},
        "/u/page/{token}": {"POST": leave},
        "/u/page/{token+}": {"POST": leave},
        "/u/undo/{token}": {"POST": undo},
        "/u/undo/{token+}": {"POST": undo},
        "/u/reason/{token}": {"POST": tell_why},
        "/u/reason/{token+}": {"POST": tell_why},
        "/healthz": {"GET": health},
    },
    problem,
    deployment.site,
    largest=None,
)
deployment.prepare(pages=True)
