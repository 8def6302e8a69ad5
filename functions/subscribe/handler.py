"""`/s/{brand}`: the hosted subscribe form. Whoever asks, for whatever address, sees the same.

Paths that no route of the API names come here, too: a form's with a slash behind it, and those where nothing is.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consentry.actions.circumstances import Circumstances
from consentry.deployment import Deployment
from consentry.http import problems, web
from consentry.rules import addresses
from consentry.rules.addresses import MalformedAddressError
from consentry.rules.ledger import Channel
from consentry.settings import Settings

if TYPE_CHECKING:
    from consentry.http.web import Request, Response
    from consentry.rules.brands import Brand

deployment = Deployment(Settings.read())

TEMPLATES: Final = Path(__file__).with_name("templates")
HONEYPOT: Final = "website"
"""A field that people don't see and form-filling programs fill."""


def show(request: Request) -> Response:
    """The empty form."""
    brand = _brand(request)
    return _form(request, brand)


def ask(request: Request) -> Response:
    """Record the request. The answer never depends on what is known of the address."""
    brand = _brand(request)
    form = request.form()
    lang = deployment.pages.language(request, brand, shown=form.get("lang", [""])[0])
    email = form.get("email", [""])[0]
    topics = list(dict.fromkeys(form.get("topics", [])))
    if not topics and len(brand.asked_for()) == 1:
        topics = [brand.asked_for()[0].id]
    if not topics or not set(topics) <= set(brand.topics):
        return _form(request, brand, status=400, error="topics", email=email, ticked=topics, shown=lang)
    try:
        address = addresses.parse(email)
    except MalformedAddressError:
        return _form(request, brand, status=400, error="email", email=email, ticked=topics, shown=lang)
    if not any(form.get(HONEYPOT, [])):
        how = Circumstances(request.now, Channel.PAGE, request.evidence, lang)
        subscriber_id = addresses.subscriber_id(deployment.keyring.pepper(brand.id), address)
        deployment.opt_ins.subscribe(brand, subscriber_id, address, topics, how)
    return deployment.pages.render(TEMPLATES, "check_inbox.html", brand, lang, email=email.strip())


def lost(_: Request) -> Response:
    """There is nothing at this path, whatever the method."""
    raise web.ProblemError(404, "not_ours")


def problem(request: Request, status: int, code: str) -> Response:
    """The page of an error, in the brand's colours where there is one; for programs, a problem where nothing is."""
    if code == "not_ours" and "text/html" not in request.headers.get("accept", ""):
        return problems.response(request.base_url, problems.NOT_FOUND, "There is nothing at this address")
    brand = deployment.brands.get(request.parameters.get("brand", ""))
    return deployment.pages.problem(request, status, code, brand)


def _form(
    request: Request,
    brand: Brand,
    *,
    status: int = 200,
    error: str = "",
    email: str = "",
    ticked: list[str] | None = None,
    shown: str = "",
) -> Response:
    lang = deployment.pages.language(request, brand, shown=shown)
    return deployment.pages.render(
        TEMPLATES,
        "subscribe.html",
        brand,
        lang,
        status=status,
        error=error,
        email=email[: addresses.MAX_LENGTH],
        ticked=ticked or [],
        honeypot=HONEYPOT,
    )


def _brand(request: Request) -> Brand:
    brand = deployment.brands.get(request.parameters["brand"])
    if brand is None:
        raise web.ProblemError(404, "no_brand")
    return brand


_BELOW_A_FORM: Final = re.compile(r"/s/(?P<brand>[^/]+)(?P<slash>/+)?")
_route = web.router({"/s/{brand}": {"GET": show, "POST": ask}, "$default": {web.ANY: lost}}, problem, deployment.site)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A form's path with a slash behind it is the form's; what is below a form shows its brand."""
    found = _BELOW_A_FORM.match(event["rawPath"]) if event["routeKey"] == "$default" else None
    if found:
        route = "ANY /s/{brand}" if found.end() == len(event["rawPath"]) else event["routeKey"]
        event = {**event, "routeKey": route, "pathParameters": {"brand": found["brand"]}}
    return _route(event, context)


deployment.prepare(pages=True)
