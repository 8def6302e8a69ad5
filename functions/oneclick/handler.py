"""`POST /u/{token}`: one click (RFC 8058), and the forms of pages that were shown when they still posted here.

The path that must never fail. It renders nothing and makes one call to the table; what pages need is loaded by the
first form that comes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consentry.actions.circumstances import Circumstances
from consentry.actions.spool import Unverified
from consentry.deployment import Deployment
from consentry.http import web
from consentry.links.keyring import SecretUnavailableError
from consentry.links.tokens import Purpose
from consentry.rules.ledger import Channel
from consentry.settings import Settings

if TYPE_CHECKING:
    from consentry.http.web import Request, Response

deployment = Deployment(Settings.read("SPOOL_QUEUE_URL"))


def leave(request: Request) -> Response:
    """Opt out. What is not plainly the page's own form is a one-click opt-out from the link's topics."""
    form = request.form()
    if "scope" in form:
        from consentry.http import leaving  # noqa: PLC0415 - rendering is loaded by the first form

        if leaving.is_form(form):
            return deployment.unsubscribe_pages.take(request, form)
    token = request.parameters["token"]
    try:
        link = deployment.tokens.read(Purpose.UNSUBSCRIBE, token, request.now)
    except SecretUnavailableError:
        # It waits, and is verified before it counts.
        deployment.tokens.read_unverified(Purpose.UNSUBSCRIBE, token)
        deployment.recorder.keep(Unverified(Purpose.UNSUBSCRIBE, token, request.now, Channel.ONE_CLICK))
    else:
        brand = deployment.brands.even_if_gone(link.brand)
        deployment.opt_outs.unsubscribe(brand, link, Circumstances(request.now, Channel.ONE_CLICK))
    return web.text(200, web.LEFT)


def problem(request: Request, status: int, code: str) -> Response:
    """The page of an error."""
    return deployment.pages.problem_of_link(Purpose.UNSUBSCRIBE, request, status, code)


handler = web.router({"/u/{token+}": {"POST": leave}}, problem, deployment.site, largest=None)
deployment.prepare()
