"""`/c/{token}`: confirm, or refuse. GET asks, POST opts in or out; one that no person can have made opts nobody in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from consentry import telemetry
from consentry.actions.circumstances import Circumstances
from consentry.actions.forms import Form
from consentry.actions.spool import Unverified
from consentry.deployment import Deployment
from consentry.http import web
from consentry.links.keyring import SecretUnavailableError
from consentry.links.tokens import ExpiredError, NotOursError, Purpose
from consentry.rules import scanners
from consentry.rules.ledger import Channel, Evidence
from consentry.settings import Settings
from consentry.table.gateway import PermanentFaultError, StoreUnavailableError

if TYPE_CHECKING:
    from consentry.http.web import Request, Response
    from consentry.links.tokens import Link
    from consentry.rules.brands import Brand

deployment = Deployment(Settings.read("SPOOL_QUEUE_URL"))

TEMPLATES: Final = Path(__file__).with_name("templates")


def ask(request: Request) -> Response:
    """The page with one button."""
    try:
        link, brand = _open(request)
    except ExpiredError as exc:
        return _expired(request, exc.link)
    return _form(request, link, brand, "confirm.html", Form.CONFIRM)


def confirm(request: Request) -> Response:
    """Opt in, if a person says so.

    A scanner that follows links may also post forms. So the form must come back with the stamp of the page that
    showed it, not within a second of it, and not with those of many others at once; else the page comes again and
    asks a question that has no default. What calls itself a scanner opts nobody in with either.
    """
    form = {name: values[0] for name, values in request.form().items()}
    if form.get("answer") == "no":
        return _refuse(request, form)
    try:
        link, brand = _open(request)
    except ExpiredError as exc:
        return (
            _again(request, exc.link, form.get("lang", ""))
            if form.get("action") == "resend"
            else _expired(request, exc.link, form.get("lang", ""))
        )

    stamped, opt_ins = deployment.forms.stamped, deployment.opt_ins
    stamp = form.get("stamp", "")
    answered = form.get("answer") == "yes" and stamped(Form.CONFIRM_AGAIN, link, stamp, request.now)
    lang = deployment.pages.language(request, brand, shown=form.get("lang", ""))
    how = Circumstances(request.now, Channel.PAGE, request.evidence, lang)
    pressed = stamped(Form.CONFIRM, link, stamp, request.now)
    machine = scanners.recognised(how.evidence.user_agent)
    if machine or not (answered or (pressed and opt_ins.alone(brand, link, how))):
        return _form(request, link, brand, "confirm_again.html", Form.CONFIRM_AGAIN, form.get("lang", ""))

    topics = opt_ins.confirm(brand, link, how)
    if not topics:
        return deployment.pages.render(TEMPLATES, "opted_out_since.html", brand, lang, status=409, topics=link.topics)
    if "confirmed" in brand.pages:
        return web.see_other(brand.pages["confirmed"])
    preferences = deployment.tokens.sign(link._replace(purpose=Purpose.PREFERENCES, topics=()))
    return deployment.pages.render(TEMPLATES, "confirmed.html", brand, lang, topics=topics, preferences=preferences)


def _refuse(request: Request, form: dict[str, str]) -> Response:
    """Opt out of what was asked for: as an opt-out, it is never refused, however old the link, and whoever is away."""
    token = request.parameters["token"]
    shown, scanner = form.get("lang", ""), scanners.recognised(request.evidence.user_agent)
    try:
        try:
            link = deployment.tokens.read(Purpose.CONFIRM, token, request.now, leaving=True)
        except ExpiredError as exc:
            link = exc.link
    except SecretUnavailableError:
        claimed = deployment.tokens.read_unverified(Purpose.CONFIRM, token)
        brand = deployment.brands.even_if_gone(claimed.brand)
        lang = deployment.pages.language(request, brand, shown=shown)
        evidence = request.evidence if brand.evidence_days else Evidence()
        waiting = Unverified(Purpose.CONFIRM, token, request.now, Channel.PAGE, locale=lang, evidence=evidence)
        deployment.recorder.keep(waiting)
    else:
        brand = deployment.brands.even_if_gone(link.brand)
        lang = deployment.pages.language(request, brand, shown=shown)
        how = Circumstances(request.now, Channel.PAGE, request.evidence, lang, suspected_automation=scanner)
        if deployment.opt_outs.unsubscribe(brand, link, how):
            _count_refusal(brand, request.now)
    return deployment.pages.render(TEMPLATES, "declined.html", brand, lang)


def _count_refusal(brand: Brand, now: int) -> None:
    """Tell the breaker that somebody doesn't want what an email of ours asked; it can do without, the person can't."""
    try:
        deployment.breaker.refused(brand.id, now)
    except (StoreUnavailableError, PermanentFaultError) as exc:
        telemetry.report(exc, "breaker")


def _form(request: Request, link: Link, brand: Brand, template: str, form: Form, shown: str = "") -> Response:
    lang = deployment.pages.language(request, brand, deployment.forms.glance(link), shown=shown)
    stamp = deployment.forms.stamp(form, link, request.now)
    return deployment.pages.render(
        TEMPLATES, template, brand, lang, leads_to="confirmed", topics=link.topics, stamp=stamp
    )


def _expired(request: Request, link: Link, shown: str = "") -> Response:
    brand = _brand(link)
    lang = deployment.pages.language(request, brand, deployment.forms.glance(link), shown=shown)
    return deployment.pages.render(TEMPLATES, "expired.html", brand, lang, status=410, topics=link.topics)


def _again(request: Request, link: Link, shown: str) -> Response:
    brand = _brand(link)
    lang = deployment.pages.language(request, brand, shown=shown)
    how = Circumstances(request.now, Channel.PAGE, request.evidence, lang)
    sent = deployment.opt_ins.ask_again(brand, link, how)
    return deployment.pages.render(TEMPLATES, "sent_again.html", brand, lang, sent=sent)


def _open(request: Request) -> tuple[Link, Brand]:
    link = deployment.tokens.read(Purpose.CONFIRM, request.parameters["token"], request.now)
    return link, _brand(link)


def _brand(link: Link) -> Brand:
    brand = deployment.brands.get(link.brand)
    if brand is None:
        raise NotOursError  # nobody can be opted in to a brand that is gone
    return brand


def problem(request: Request, status: int, code: str) -> Response:
    """The page of an error."""
    return deployment.pages.problem_of_link(Purpose.CONFIRM, request, status, code)


handler = web.router({"/c/{token+}": {"GET": ask, "POST": confirm}}, problem, deployment.site)
deployment.prepare(pages=True)
