"""`/p/{token}`: which emails, how often, from when on, in which language; or none at all. `/k/{token}`: keep them."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consentry.actions import forms, opting_out
from consentry.actions.circumstances import Circumstances
from consentry.actions.forms import Form
from consentry.actions.spool import Unverified
from consentry.deployment import Deployment
from consentry.http import web
from consentry.links.keyring import SecretUnavailableError
from consentry.links.tokens import NotOursError, Purpose
from consentry.rules import addresses, preferences, scanners
from consentry.rules import consent as rules
from consentry.rules.addresses import MalformedAddressError
from consentry.rules.consent import Reason
from consentry.rules.ledger import Channel, Evidence
from consentry.rules.preferences import Wishes
from consentry.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consentry.http.web import Request, Response
    from consentry.links.tokens import Link
    from consentry.rules.brands import Brand
    from consentry.rules.consent import Consent

deployment = Deployment(Settings.read("SPOOL_QUEUE_URL"))

TEMPLATES: Final = Path(__file__).with_name("templates")
LONGEST_PAUSE_DAYS: Final = 365
LEFT_EVERYTHING: Final = "You are unsubscribed from everything."


class State(StrEnum):
    """What the page answers to."""

    SHOWN = "shown"
    SAVED = "saved"
    REPEATED = "repeated"
    """The same form was saved before."""
    REFUSED = "refused"
    """Too many opt-ins today; the rest is saved."""


def show(request: Request) -> Response:
    """Everything as it stands."""
    link, brand = _open(request)
    consent, contact = deployment.store.read_with_contact(brand.id, link.subscriber_id)
    # Who holds a platform's link may see how the person stands, never who they are.
    held = (addresses.masked(contact.address) if contact else "") if link.lifts(request.now) else None
    return _page(request, link, brand, consent, State.SHOWN, held=held)


def save(request: Request) -> Response:
    """Do what the form changes of what it showed."""
    form = request.form()
    if request.body and not _is_ours(form):
        raise web.ProblemError(400, "bad_choice")
    # One click at the wrong link of the two: whoever put it into the header, a person wants no more.
    everything = _one(form, "scope") == "all" or _ONE_CLICK in form
    try:
        link, brand = _open(request, leaving=everything)
    except SecretUnavailableError:
        return _keep_unverified(request, form, everything=everything)
    lang = deployment.pages.language(request, brand, shown=_one(form, "lang"))
    how = _circumstances(request, link, form, lang)
    if everything:
        consent = deployment.opt_outs.unsubscribe_from_everything(brand, link, how)
        if brand.is_gone:
            return web.text(200, LEFT_EVERYTHING)
        return _page(request, link, brand, consent, State.SAVED, shown=lang)
    shown_at = deployment.forms.shown_at(Form.PREFERENCES, link, _one(form, "stamp"), request.now)
    wishes = _wishes(form, brand, shown_at)
    saved = deployment.choices.save(brand, link, wishes, how)
    if saved.lifting and "email" in form:
        return _come_back(request, link, brand, saved.lifting, how)
    if saved.lifting:
        return _ask_for_address(request, link, brand, saved.lifting, lang)
    state = State.REPEATED if saved.repeated else State.REFUSED if saved.refused else State.SAVED
    return _page(request, link, brand, saved.consent, state, shown=wishes.locale or lang)


def _is_ours(form: Iterable[str]) -> bool:
    """Whether a form has a field of the page's own; `Saved` is for nothing else."""
    return any(name in _FIELDS or name.startswith((_FREQUENCY, _WAS)) for name in form)


def _one(form: dict[str, list[str]], name: str) -> str:
    return form.get(name, [""])[0]


def _circumstances(request: Request, link: Link, form: dict[str, list[str]], lang: str) -> Circumstances:
    stamp = _one(form, "stamp")
    shown = deployment.forms.shown_at(Form.PREFERENCES, link, stamp, request.now)
    return Circumstances(
        request.now,
        Channel.PREFERENCES,
        request.evidence,
        lang,
        suspected_automation=scanners.recognised(request.evidence.user_agent),
        form=forms.form_name(stamp, request.body) if shown else "",
    )


def _ask_for_address(request: Request, link: Link, brand: Brand, topics: tuple[str, ...], lang: str) -> Response:
    """The page that asks where the link to come back is to go; what else the form changed is saved."""
    return deployment.pages.render(
        TEMPLATES,
        "come_back.html",
        brand,
        lang,
        topics=topics,
        stamp=deployment.forms.stamp(Form.PREFERENCES, link, request.now),
    )


def _come_back(request: Request, link: Link, brand: Brand, topics: tuple[str, ...], how: Circumstances) -> Response:
    """Send the link to come back, if the address is theirs. The answer is the same for any."""
    try:
        address = addresses.parse(_one(request.form(), "email"))
    except MalformedAddressError:
        address = None
    if address is not None:
        typed = addresses.subscriber_id(deployment.keyring.pepper(brand.id), address)
        deployment.opt_ins.come_back(brand, link, topics, address, typed, how)
    return deployment.pages.render(TEMPLATES, "check_inbox.html", brand, how.locale)


def _keep_unverified(request: Request, form: dict[str, list[str]], *, everything: bool) -> Response:
    """Accept what a form leaves while no key can be had: it waits, and is verified before it counts.

    Raises:
        SecretUnavailableError: it leaves nothing; what else it says has to be said again.
    """
    token = request.parameters["token"]
    claimed = deployment.tokens.read_unverified(Purpose.PREFERENCES, token)
    brand = deployment.brands.even_if_gone(claimed.brand)
    shown = form["was_on"][0].split() if "was_on" in form else form.get("shown", [])
    left = tuple(topic for topic in brand.topics if topic in shown and topic not in form.get("topics", []))
    if not everything and not left:
        raise SecretUnavailableError("no key, and nothing that is left")
    deployment.recorder.keep(
        Unverified(
            Purpose.PREFERENCES,
            token,
            request.now,
            Channel.PREFERENCES,
            everything,
            locale=deployment.pages.language(request, brand, shown=_one(form, "lang")),
            evidence=request.evidence if brand.evidence_days else Evidence(),
            topics=left,
        )
    )
    if everything:
        return web.text(200, LEFT_EVERYTHING)
    return web.text(200, "You are unsubscribed from what you turned off. Please try your other changes again later.")


def _wishes(form: dict[str, list[str]], brand: Brand, shown_at: int) -> Wishes:
    """What the form says and showed. What it names and the brand no longer has is passed over, and the rest counts."""
    frequencies = {
        topic: values[0]
        for name, values in form.items()
        if name.startswith(_FREQUENCY) and (topic := name.removeprefix(_FREQUENCY)) in brand.topics
        if values[0] in brand.topics[topic].frequencies
    }
    were = {name.removeprefix(_WAS): values[0] for name, values in form.items() if name.startswith(_WAS)}
    days, locale = _one(form, "pause_days"), _one(form, "locale")
    return Wishes(
        form.get("topics", []),
        form.get("shown", []),
        frequencies,
        int(days) if re.fullmatch("[0-9]{1,3}", days) and int(days) <= LONGEST_PAUSE_DAYS else None,
        locale if locale in brand.languages else None,
        form["was_on"][0].split() if "was_on" in form else None,
        shown_at,
        were,
    )


def _page(
    request: Request,
    link: Link,
    brand: Brand,
    consent: Consent,
    state: State,
    *,
    shown: str = "",
    held: str | None = None,
) -> Response:
    """The form as it stands; when it is opened, not when it is answered, also what we hold on the person.

    `held` is the address, masked, or empty if it isn't held; None where it isn't shown.
    """
    lang = deployment.pages.language(request, brand, consent, shown=shown)
    rows: list[dict[str, Any]] = [
        {
            "topic": topic,
            "on": preferences.accepts(consent, topic.id, brand, request.now),
            "decision": brand.decide(consent, topic.id, request.now),
        }
        for topic in brand.topics.values()
    ]
    return deployment.pages.render(
        TEMPLATES,
        "preferences.html",
        brand,
        lang,
        rows=rows,
        locale=consent.chosen(rules.LOCALE),
        paused_until=rules.pause_end(consent, request.now),
        days=opting_out.PAUSE_DAYS,
        stamp=deployment.forms.stamp(Form.PREFERENCES, link, request.now),
        state=state,
        held=held,
        suppressed=rules.suppressed(consent),
    )


def ask_to_keep(request: Request) -> Response:
    """The page that asks whether the person goes on getting what the link is of."""
    link, brand = _open_to_keep(request)
    return _keeping(request, link, brand, deployment.forms.glance(link))


def keep(request: Request) -> Response:
    """Renew it, if a person says so: a form that nobody can have read, or that a scanner posts, is shown again."""
    link, brand = _open_to_keep(request)
    form = request.form()
    shown = _one(form, "lang")
    how = Circumstances(
        request.now, Channel.PAGE, request.evidence, deployment.pages.language(request, brand, shown=shown)
    )
    shown_at = deployment.forms.shown_at(Form.KEEP, link, _one(form, "stamp"), request.now)
    person = 0 < shown_at <= request.now - forms.FASTEST_PERSON_MS
    machine = scanners.recognised(how.evidence.user_agent)
    if machine or not person or not deployment.opt_ins.alone(brand, link, how):
        return _keeping(request, link, brand, deployment.forms.glance(link), shown=shown, again=True)
    consent = deployment.choices.renew(brand, link, shown_at, how)
    return _keeping(request, link, brand, consent, shown=shown, pressed=True)


def _open_to_keep(request: Request) -> tuple[Link, Brand]:
    link = deployment.tokens.read(Purpose.KEEP, request.parameters["token"], request.now)
    brand = deployment.brands.get(link.brand)
    if brand is None:
        raise NotOursError
    return link, brand


def _keeping(
    request: Request,
    link: Link,
    brand: Brand,
    consent: Consent,
    *,
    shown: str = "",
    again: bool = False,
    pressed: bool = False,
) -> Response:
    """The question, or what came of it; `again` where nobody can have read it yet."""
    reasons = {preferences.if_kept(consent, topic, brand, request.now) for topic in link.topics}
    ends = [rules.end(consent, topic, brand.lasts(topic)) for topic in link.topics]
    end = min(filter(None, ends), default=0)
    state = "ask"
    if reasons & {Reason.COMPLAINT, Reason.BOUNCE}:
        state = "stopped"
    elif reasons == {Reason.UNSUBSCRIBED}:
        state = "left"
    elif pressed and not reasons <= preferences.ACCEPTING:
        state = "nothing"
    elif pressed and not 0 < end <= request.now:
        state = "kept"
    sign, stamp = deployment.tokens.sign, deployment.forms.stamp
    return deployment.pages.render(
        TEMPLATES,
        "keep.html",
        brand,
        deployment.pages.language(request, brand, consent, shown=shown),
        status=409 if pressed and state in {"left", "stopped", "nothing"} else 200,
        leads_to="left",
        state=state,
        topics=link.topics,
        end=end,
        ended=0 < end <= request.now,
        again=again,
        since=max(rules.opted_out_at(consent, topic) for topic in link.topics),
        stamp=stamp(Form.KEEP, link, request.now),
        leave=sign(link._replace(purpose=Purpose.UNSUBSCRIBE)),
        leave_stamp=stamp(Form.UNSUBSCRIBE, link, request.now),
        preferences=sign(link._replace(purpose=Purpose.PREFERENCES, topics=())),
    )


def _open(request: Request, *, leaving: bool = False) -> tuple[Link, Brand]:
    """The link, and its brand; to leave everything, also under a key that was retired, or of a brand that is gone."""
    link = deployment.tokens.read(Purpose.PREFERENCES, request.parameters["token"], request.now, leaving=leaving)
    brand = deployment.brands.even_if_gone(link.brand)
    if brand.is_gone and not leaving:
        raise NotOursError
    return link, brand


def problem(request: Request, status: int, code: str) -> Response:
    """The page of an error."""
    purpose = Purpose.KEEP if "/k/" in request.route else Purpose.PREFERENCES
    return deployment.pages.problem_of_link(purpose, request, status, code)


_FREQUENCY: Final = rules.frequency("")
_WAS: Final = "was."
_ONE_CLICK: Final = "List-Unsubscribe"
_FIELDS: Final = {_ONE_CLICK, "topics", "shown", "was_on", "pause_days", "locale", "scope", "stamp", "email"}
handler = web.router(
    {"/p/{token+}": {"GET": show, "POST": save}, "/k/{token+}": {"GET": ask_to_keep, "POST": keep}},
    problem,
    deployment.site,
)
deployment.prepare(pages=True)
