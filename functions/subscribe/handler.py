"""`/s/{brand}`: the hosted subscribe form. Whoever asks, for whatever address, sees the same."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from consentry.actions.recipients import Circumstances
from consentry.deployment import Deployment
from consentry.http import web
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
        deployment.recipients.subscribe(brand, subscriber_id, address, topics, how)
    return deployment.pages.render(TEMPLATES, "check_inbox.html", brand, lang)


def problem(request: Request, status: int, code: str) -> Response:
    """The page of an error, in the brand's colours where there is one."""
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


handler = web.router({"/s/{brand}": {"GET": show, "POST": ask}}, problem, deployment.site)
deployment.prepare(pages=True)
