"""`/p/{token}`: which mails, how often, from when on, in which language; or none at all."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consentry import addresses, journeys, pages, web, wiring
from consentry import consent as rules
from consentry.journeys import Circumstances, Wishes
from consentry.keyring import SecretUnavailableError
from consentry.ledger import Channel
from consentry.spool import Unverified
from consentry.tokens import NotOursError, Purpose

if TYPE_CHECKING:
    from consentry.brands import Brand
    from consentry.consent import Consent
    from consentry.tokens import Link
    from consentry.web import Request, Response

TEMPLATES: Final = Path(__file__).with_name("templates")
LONGEST_PAUSE_DAYS: Final = 365


def show(request: Request) -> Response:
    """Everything as it stands."""
    link, brand = _open(request)
    consent, contact = wiring.store().read_with_contact(brand.id, link.subscriber_id)
    return _page(request, brand, consent, saved=False, held=addresses.masked(contact.address) if contact else "")


def save(request: Request) -> Response:
    """Make it what the form says."""
    form = request.form()
    try:
        link, brand = _open(request)
    except SecretUnavailableError:
        if form.get("scope", [""])[0] != "all":
            raise
        return _keep_unverified(request)
    locale = form.get("locale", [""])[0]
    lang = pages.language(request, brand, shown=form.get("lang", [""])[0])
    how = Circumstances(request.now, Channel.PREFERENCES, request.evidence, lang)
    if form.get("scope", [""])[0] == "all":
        consent = wiring.journeys().unsubscribe_from_everything(brand, link, how)
        return _page(request, brand, consent, saved=True, shown=lang)
    consent = wiring.journeys().save(brand, link, _wishes(form, brand), how)
    return _page(request, brand, consent, saved=True, shown=locale or lang)


def _keep_unverified(request: Request) -> Response:
    """Accept "everything off" while no key can be had: it waits, and is verified before it counts."""
    token = request.parameters["token"]
    wiring.tokens().read_unverified(Purpose.PREFERENCES, token)
    waiting = Unverified(Purpose.PREFERENCES, token, request.now, Channel.PREFERENCES, everything=True)
    wiring.recorder().keep(waiting)
    return web.text(200, "You are unsubscribed from everything.")


def _wishes(form: dict[str, list[str]], brand: Brand) -> Wishes:
    """The form, checked.

    Raises:
        ProblemError: 400; it names something that the page doesn't offer.
    """
    on = form.get("topics", [])
    frequencies = {
        name.partition(".")[2]: values[0]
        for name, values in form.items()
        if name.startswith("frequency.") and values[0]
    }
    # One that the topic had when the page was shown, and has no more, is passed over: what else the form says may be
    # an opt-out, which is not refused for that.
    offered = {
        topic: value
        for topic, value in frequencies.items()
        if topic in brand.topics and value in brand.topics[topic].frequencies
    }
    days = form.get("pause_days", [""])[0]
    locale = form.get("locale", [""])[0]
    good = (
        set(on) <= set(brand.topics)
        and all(topic in brand.topics and value in rules.FREQUENCIES for topic, value in frequencies.items())
        and (not days or (re.fullmatch("[0-9]{1,3}", days) and int(days) <= LONGEST_PAUSE_DAYS))
        and (not locale or locale in brand.languages)
    )
    if not good:
        raise web.ProblemError(400, "bad_choice")
    shown = form.get("shown", list(brand.topics))
    was_on = form["was_on"][0].split() if "was_on" in form else None
    return Wishes(on, shown, offered, int(days) if days else None, locale or None, was_on)


def _page(
    request: Request, brand: Brand, consent: Consent, *, saved: bool, shown: str = "", held: str = ""
) -> Response:
    """The form as it stands; when it is opened, not when it is answered, also what we hold on the person.

    `held` is the address, masked: a mail may have been forwarded, and its link opens this page.
    """
    lang = pages.language(request, brand, consent, shown=shown)
    rows: list[dict[str, Any]] = [
        {
            "topic": topic,
            "on": journeys.accepts(consent, topic.id, brand, request.now),
            "decision": rules.decide(consent, topic.id, topic.mode, request.now),
        }
        for topic in brand.topics.values()
    ]
    return pages.render(
        TEMPLATES,
        "preferences.html",
        brand,
        lang,
        rows=rows,
        locale=consent.chosen(rules.LOCALE),
        paused_until=rules.pause_end(consent, request.now),
        days=journeys.PAUSE_DAYS,
        saved=saved,
        held=held,
        suppressed=rules.suppressed(consent),
    )


def _open(request: Request) -> tuple[Link, Brand]:
    link = wiring.tokens().read(Purpose.PREFERENCES, request.parameters["token"], request.now)
    brand = wiring.brands().get(link.brand)
    if brand is None:
        raise NotOursError
    return link, brand


handler = web.room({"/p/{token+}": {"GET": show, "POST": save}}, partial(pages.problem_of_link, Purpose.PREFERENCES))
wiring.prepare()
