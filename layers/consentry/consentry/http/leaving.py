"""Leaving: what the pages of `/u/` show and do, for both functions that answer there.

`oneclick` takes what mail providers post, and the forms of pages that were shown before there was another address for
them; `unsubscribe` has the pages. Nothing here is needed for one click: it is loaded with the first page.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from consentry.actions import forms, opting_out
from consentry.actions.circumstances import Circumstances
from consentry.actions.forms import Form
from consentry.actions.spool import Unverified
from consentry.http import pages, web
from consentry.links.keyring import SecretUnavailableError
from consentry.links.tokens import LIFETIME, Purpose
from consentry.rules import consent as rules
from consentry.rules import preferences, scanners
from consentry.rules.consent import DAY_MS, Status
from consentry.rules.ledger import Channel, Evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consentry.actions.forms import Forms
    from consentry.actions.opting_out import OptOuts
    from consentry.actions.spool import Recorder
    from consentry.http.pages import Pages
    from consentry.http.web import Request, Response
    from consentry.links.tokens import Link, Tokens
    from consentry.rules.brands import Brand, Brands

TEMPLATES: Final = pages.SHARED / "leaving"
PAGE_ROUTES: Final = ("POST /u/page/{token}", "POST /u/page/{token+}")
"""Where the page's form goes; what comes by another way, such as one click, is never sent elsewhere."""
MAX_STAMP: Final = 300
"""Characters; ours are shorter."""


def is_form(form: dict[str, list[str]]) -> bool:
    """Whether a body is plainly the page's own form; whatever else is posted is one click.

    A body that names `List-Unsubscribe` is one click, whatever else it says (RFC 8058, 3.2).
    """
    scope = form.get("scope", [""])[0]
    days = form.get("days", [""])[0]
    return not any(name.lower() == "list-unsubscribe" for name in form) and (
        scope in {"topic", "all", "frequency"} or (scope == "pause" and days in map(str, opting_out.PAUSE_DAYS))
    )


class UnsubscribePages:
    """The pages with the unsubscribe options, and what their forms do."""

    def __init__(
        self, pages: Pages, tokens: Tokens, brands: Brands, opt_outs: OptOuts, forms: Forms, recorder: Recorder
    ) -> None:
        """What it is made of."""
        self._pages = pages
        self._tokens = tokens
        self._brands = brands
        self._opt_outs = opt_outs
        self._forms = forms
        self._recorder = recorder

    def take(self, request: Request, form: dict[str, list[str]]) -> Response:
        """Do what the page's form asks for; what isn't one of its acts opts out of the link's topics.

        While no key can be had, it waits, and is verified before it counts.
        """
        if not is_form(form):
            form = {**form, "scope": ["topic"]}
        token = request.parameters["token"]
        try:
            link = self._tokens.read(Purpose.UNSUBSCRIBE, token, request.now)
        except SecretUnavailableError:
            return self._keep_unverified(request, form)
        return self._leave(request, link, self._brands.even_if_gone(link.brand), form)

    def options(self, request: Request, link: Link, brand: Brand, *, shown: str = "", status: int = 200) -> Response:
        """How the person stands, and what they can do: leave, pause, get less; or come back, once they left."""
        consent = self._forms.glance(link)
        topics = link.topics or tuple(brand.topics) or (rules.EVERY_TOPIC,)
        gets = [topic for topic in brand.topics if preferences.accepts(consent, topic, brand, request.now)]
        left = [topic for topic in topics if rules.status(consent, topic) is Status.UNSUBSCRIBED]
        return self._pages.render(
            TEMPLATES,
            "unsubscribe.html",
            brand,
            self._pages.language(request, brand, consent, shown=shown),
            status=status,
            leads_to="left",
            token=request.parameters["token"],
            topics=link.topics,
            days=opting_out.PAUSE_DAYS,
            frequencies=preferences.slower(brand, link.topics, consent),
            stamp=self._forms.stamp(Form.UNSUBSCRIBE, link, request.now),
            preferences=self.preferences(link),
            refused=status != HTTPStatus.OK,
            out=len(left) == len(topics),
            since=max((rules.opted_out_at(consent, topic) for topic in left), default=0),
            gets=gets,
            paused_until=rules.pause_end(consent, request.now),
        )

    def _leave(self, request: Request, link: Link, brand: Brand, form: dict[str, list[str]]) -> Response:
        """Do what the page's form asks for."""
        shown = form.get("lang", [""])[0]
        scope = form["scope"][0]
        if scope == "frequency" and not _fewer(brand, link, form):
            return self.options(request, link, brand, shown=shown, status=400)
        how = self._circumstances(request, link, brand, form)
        acts = self._opt_outs
        undo: Link | None
        if scope == "pause":
            undo = acts.pause(brand, link, int(form["days"][0]), how)
        elif scope == "frequency":
            undo = acts.less_often(brand, link, _fewer(brand, link, form), how)
        else:
            undo = acts.unsubscribe(brand, link, how, everything=scope == "all")
            by_page = request.route in PAGE_ROUTES and how.form and not scanners.recognised(how.evidence.user_agent)
            if "left" in brand.pages and by_page:
                return web.see_other(brand.pages["left"])
        return self._left(
            request,
            link,
            brand,
            form,
            undo=undo,
            preferences=self.preferences(link),
            gets=self._still_gets(link, brand, undo, request.now) if scope == "topic" else (),
            stamp=self._forms.stamp(Form.UNSUBSCRIBE, link, request.now),
        )

    def _still_gets(self, link: Link, brand: Brand, undo: Link | None, now: int) -> list[str]:
        """What the person gets after they left something; nothing, where that can't be known now.

        What was left just now may wait to be written: then what is read has it still.
        """
        left = undo.topics if undo else link.topics
        consent = self._forms.glance(link)
        if not consent.registers or rules.EVERY_TOPIC in left:
            return []
        return [each for each in brand.topics if each not in left and preferences.accepts(consent, each, brand, now)]

    def _circumstances(self, request: Request, link: Link, brand: Brand, form: dict[str, list[str]]) -> Circumstances:
        """How the page's form reached us: whether a person can have sent it, and its name, if we showed it."""
        stamp = form.get("stamp", [""])[0]
        shown_at = self._forms.shown_at(Form.UNSUBSCRIBE, link, stamp, request.now)
        person = shown_at and request.now - shown_at >= forms.FASTEST_PERSON_MS
        return Circumstances(
            request.now,
            Channel.PAGE,
            request.evidence,
            self._pages.language(request, brand, shown=form.get("lang", [""])[0]),
            suspected_automation=not person or scanners.recognised(request.evidence.user_agent),
            form=forms.form_name(stamp, request.body) if shown_at else "",
        )

    def _keep_unverified(self, request: Request, form: dict[str, list[str]]) -> Response:
        """Accept what can't be verified while no key can be had: it waits, and is verified before it counts."""
        token = request.parameters["token"]
        claimed = self._tokens.read_unverified(Purpose.UNSUBSCRIBE, token)
        waiting = Unverified(Purpose.UNSUBSCRIBE, token, request.now, Channel.PAGE)
        brand = self._brands.even_if_gone(claimed.brand)
        frequency = _fewer(brand, claimed, form) if form["scope"][0] == "frequency" else ""
        if form["scope"][0] == "frequency" and not frequency:
            raise web.ProblemError(400, "bad_choice")
        self._recorder.keep(
            waiting._replace(
                everything=form["scope"][0] == "all",
                pause_days=int(form["days"][0]) if form["scope"][0] == "pause" else 0,
                stamp=form.get("stamp", [""])[0][:MAX_STAMP],
                locale=self._pages.language(request, brand, shown=form.get("lang", [""])[0]),
                evidence=request.evidence if brand.evidence_days else Evidence(),
                frequency=frequency,
            )
        )
        if self._brands.get(claimed.brand) is None:  # a name that anybody may have made up is shown to nobody
            return web.text(200, web.LEFT)
        return self._left(request, claimed, brand, form)

    def preferences(self, link: Link) -> str:
        """The link to choose, for somebody who holds a link to leave: it is as good as a platform's."""
        return self._tokens.sign(link._replace(purpose=Purpose.PREFERENCES, topics=(), at=0, ours=False))

    def _left(
        self,
        request: Request,
        link: Link,
        brand: Brand,
        form: dict[str, list[str]],
        *,
        undo: Link | None = None,
        preferences: str = "",
        gets: Sequence[str] = (),
        stamp: str = "",
    ) -> Response:
        """What was done, and how to take it back; without keys there are no links for that.

        `undo` may be of an earlier time, when the same form was sent first: what it says is as of then.
        """
        scope = form["scope"][0]
        why = undo._replace(purpose=Purpose.REASON) if undo and scope in {"topic", "all"} else None
        done_at = undo.at if undo else request.now
        return self._pages.render(
            TEMPLATES,
            "left.html",
            brand,
            self._pages.language(request, brand, shown=form.get("lang", [""])[0]),
            leads_to="left",
            scope=scope,
            topics=link.topics,
            until=done_at + int(form["days"][0]) * DAY_MS if scope == "pause" else 0,
            frequency=form.get("frequency", [""])[0] if scope == "frequency" else "",
            undo=self._while_good(undo, request.now),
            why=self._while_good(why, request.now),
            reasons=opting_out.REASONS,
            preferences=preferences,
            gets=gets,
            token=request.parameters["token"],
            stamp=stamp,
        )

    def _while_good(self, link: Link | None, now: int) -> str:
        """The token of a link whose time isn't over; else nothing, since it would lead to a page that says so."""
        return self._tokens.sign(link) if link and now < link.at + LIFETIME[link.purpose] else ""


def _fewer(brand: Brand, link: Link, form: dict[str, list[str]]) -> str:
    """The frequency that the form asks for; empty if the link's topics can't be had in it."""
    frequency = form.get("frequency", [""])[0]
    return frequency if frequency in preferences.fewer(brand, link.topics) else ""
