"""The walk: what a person, a mail provider and a platform do, and what has to come of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.actions import mails
from consentry.links.tokens import Link, Purpose, Tokens
from consentry.rules import addresses
from consentry.rules.ledger import partition_key
from consentry.table import schema
from dev.rehearsing.calling import URLENCODED, Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from consentry.links.keyring import Keyring
    from consentry.rules.brands import Brand
    from consentry.table.store import Store
    from dev.rehearsing.calling import Caller

PERSON_MS: Final = 1_000
"""A form that comes back sooner was not sent by a person."""
_DAY_MS: Final = 24 * 3600 * 1000
_PATIENCE_S: Final = 90
"""For what happens behind the table's stream."""
_NOBODY: Final = "rehearsal-none"
"""A topic that no brand has."""
ONE_CLICK: Final[Mapping[str, tuple[bytes, dict[str, str]]]] = {
    "urlencoded": (mails.ONE_CLICK.encode(), {"content-type": URLENCODED}),
    "multipart": (
        b'--b\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--b--\r\n',
        {"content-type": "multipart/form-data; boundary=b"},
    ),
    "without a body": (b"", {}),
}
"""What mail providers post (RFC 8058, 3.2: multipart or urlencoded), and what is taken all the same."""


class WrongError(Exception):
    """Something isn't as it should be. The text is shown, and sent back: it names nobody."""


class Stack(NamedTuple):
    """The stack that is walked through."""

    brand: Brand
    keyring: Keyring
    store: Store
    doctor: Callable[[tuple[str, ...]], list[str]]
    """What the doctor finds wrong by these of its checks."""
    notified: Callable[[str], dict[str, str]]
    """What the notifier logged of an event: by endpoint, `taken` or `failed`."""


class Walk:
    """One walk. The steps are methods; each answers what it saw, or raises `WrongError`."""

    def __init__(self, stack: Stack, caller: Caller, address: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self.stack, self.caller, self.address = stack, caller, address
        self.brand, self.store = stack.brand, stack.store
        self.topic = (self.brand.asked_for() or list(self.brand.topics.values()))[0].id
        self.id = addresses.subscriber_id(stack.keyring.pepper(self.brand.id), addresses.parse(address))
        self.tokens = Tokens(stack.keyring)
        self.sleep = sleep
        self.history = len(self.store.history(self.brand.id, self.id))
        self.leave = self.choose = ""
        """The links that the platform got."""
        self.asked = 0.0
        """When the email was asked for, by a clock of no date."""

    # --- by itself -------------------------------------------------------------------------------------------------

    def doctor(self) -> str:
        """What all else needs."""
        self._well("stack", "keyring")
        answer = self.caller.call("GET", "/healthz")
        _expect(answer.status, 200, "GET /healthz")
        return "The doctor finds no fault with stack and keyring; the address answers."

    def odd_links(self) -> str:
        """What isn't a link of ours, no longer is, or was damaged on its way."""
        now, signed = _now(), {}
        for purpose in (Purpose.UNSUBSCRIBE, Purpose.PREFERENCES, Purpose.CONFIRM):
            signed[purpose] = self._token(purpose, now)
            head, _, tail = signed[purpose].partition(".")
            forged = f"/{purpose}/{head}.{'B' if tail[0] == 'A' else 'A'}{tail[1:]}"
            _expect_page(self.caller.call("GET", forged), 404, f"A forged link ({purpose.name.lower()})")
        for around in (">", ".", "%22", "?utm_source=x"):
            answer = self.caller.call("GET", f"/u/{signed[Purpose.UNSUBSCRIBE]}{around}")
            _expect_page(answer, 200, f"A link with {around} behind it")
        old = self._token(Purpose.CONFIRM, now - 8 * _DAY_MS)
        _expect_page(self.caller.call("GET", f"/c/{old}"), 410, "A confirm link of last week")
        undo = self._token(Purpose.UNDO, now - _DAY_MS)
        _expect_page(self.caller.call("POST", f"/u/undo/{undo}", form=()), 410, "An undo of yesterday")
        return "Forged links get 404, old ones 410, those with an odd end their page."

    def refusals(self) -> str:
        """What the API refuses."""
        asked = {"topic": _NOBODY, "subscriber_ids": [self.id]}
        answer = self.caller.api("POST", "/v1/decisions", asked)
        _expect(answer.status, 400, "A decision on an unknown topic")
        _expect(answer.kind, "application/problem+json", "The refusal's content type")
        _expect(self.caller.api("POST", "/v1/decisions", asked, key=False).status, 401, "A call without a key")
        event = {"event_id": "rehearsal", "kind": "unsubscribed", "subscriber_id": self.id, "topics": [_NOBODY]}
        answer = self.caller.api("POST", "/v1/events", {"events": [event]})
        _expect(answer.status, 200, "POST /v1/events")
        _expect(answer.json()["results"][0]["result"], "invalid", "An event on an unknown topic")
        return "Unknown topics get 400 or `invalid`, a call without a key 401."

    def webhooks(self) -> str:
        """Calls that nobody signed."""
        path = f"/hooks/{self.brand.id}/"
        headers = {"content-type": "application/json", "webhook-id": "rehearsal", "webhook-signature": "v1,AAAA"}
        for provider in self.brand.webhooks:
            answer = self.caller.call("POST", path + provider, body=b"{}", headers=headers)
            _expect(answer.status, 401, f"A call of {provider} with a wrong signature")
        answer = self.caller.call("POST", f"{path}{_NOBODY}", body=b"{}", headers=headers)
        _expect(answer.status, 404, "A webhook that the brand hasn't")
        return f"A wrong signature gets 401 ({', '.join(self.brand.webhooks) or 'no webhook is set up'})."

    def alarms(self) -> str:
        """What the walk may have left behind elsewhere."""
        self._well("alarms", "dead-letters", "queue-ages")
        return "No alarm rings, nothing was given up, nothing waits. Alarms take minutes: ask the doctor again later."

    # --- a person, one step after the other ------------------------------------------------------------------------

    def form(self) -> str:
        """The subscribe form."""
        path = f"/s/{self.brand.id}"
        page = self.caller.call("GET", path)
        _expect_page(page, 200, "The subscribe form")
        for email, topic, what in (("no address", self.topic, "no address"), (self.address, _NOBODY, "unknown topic")):
            answer = self.caller.call("POST", path, form=[("email", email), ("topics", topic)])
            _expect_page(answer, 400, f"A form with {what}")
        return "The form is there, and refuses what is no address or topic with 400."

    def ask(self) -> str:
        """Ask for the topic."""
        self.asked = time.perf_counter()
        answer = self.caller.call("POST", f"/s/{self.brand.id}", form=[("email", self.address), ("topics", self.topic)])
        _expect_page(answer, 200, "The form")
        try:
            self._stands("pending")
        except WrongError as exc:
            hint = "A mailbox gets three such emails a day, whatever stands behind a +; after that nothing is recorded."
            raise WrongError(f"{exc}. {hint}") from None
        return f"The request for {self.topic} is recorded; nothing may be sent yet."

    def email(self) -> str:
        """The confirmation email goes to SES."""
        key = schema.key(partition_key(self.brand.id, self.id), schema.CONTACT)
        if not self._comes(lambda: schema.text(self.store.gateway.get(key), "mail") == "sent"):
            says = (
                f"After {_PATIENCE_S} s SES hasn't accepted the email; in the sandbox it refuses unverified addresses"
            )
            raise WrongError(says)
        return f"SES accepted the confirmation email {time.perf_counter() - self.asked:.1f} s after it was asked for."

    def confirm(self) -> str:
        """The email's link, as its button has it: made with the deployment's keys, since nobody reads the mailbox."""
        contact = self.store.contact(self.brand.id, self.id)
        if contact is None:
            raise WrongError("The address is gone before it was confirmed")
        links = mails.confirmation_links(self.tokens, self.brand, self.id, contact, self.caller.base_url)
        began = time.perf_counter()
        page = self._look(links.confirm)
        early = self.caller.press(links.confirm, page.form())
        note = ""
        if (time.perf_counter() - began) * 1000 < PERSON_MS:
            _expect_page(early, 200, "A form that is sent at once")
            self._stands("pending")
        else:
            note = " (Here it took too long to try the form at once.)"
        form = self._look(links.confirm).form()
        self._read()
        for time_ in ("first", "second"):
            _expect_page(self.caller.press(links.confirm, form), 200, f"Confirming, the {time_} time")
            self._stands("subscribed")
        return f"Opening the link does nothing, nor does a form sent at once; the button confirms.{note}"

    def links(self) -> str:
        """What a platform puts into its emails."""
        body = {"topic": self.topic, "recipients": [{"email": self.address}]}
        answer = self.caller.api("POST", "/v1/links", body)
        _expect(answer.status, 200, "POST /v1/links")
        (link,) = answer.json()["links"]
        self.leave, self.choose = link["unsubscribe_url"], link["preferences_url"]
        _expect(link["subscriber_id"] == self.id, True, "The API's id for the address is the keyring's")
        _expect(link["headers"]["List-Unsubscribe-Post"], mails.ONE_CLICK, "List-Unsubscribe-Post")
        _expect(f"<{self.leave}>" in link["headers"]["List-Unsubscribe"], True, "List-Unsubscribe has the link")
        _expect(self.leave.startswith(self.caller.base_url), True, "The link leads to the stack's address")
        for url in (self.leave, self.choose):
            self._look(url)
        self._stands("subscribed")
        return "Links and headers are made; opening a link changes nothing."

    def one_click(self) -> str:
        """A mail provider's button, and the way back by a link that we mailed."""
        for what, (body, headers) in ONE_CLICK.items():
            for _ in range(2):
                answer = self.caller.call("POST", self.leave, body=body, headers=headers)
                _expect(answer.status, 200, f"One click ({what})")
                _expect(answer.kind, "text/plain", f"The answer's content type ({what})")
                _expect("set-cookie" in answer.headers, False, "One click is answered with a cookie")
                self._stands("unsubscribed")
            back = f"/p/{self._token(Purpose.PREFERENCES, _now(), ours=True)}"
            form = self._look(back).form()
            _expect_page(self.caller.press(back, form, topics=[self.topic]), 200, "Coming back")
            self._stands("subscribed")
        return f"One click unsubscribes ({', '.join(ONE_CLICK)}); a link that we mailed brings back."

    def page(self) -> str:
        """The unsubscribe page, and undo."""
        form = self._look(self.leave).form(scope="topic")
        self._read()
        left = self.caller.press(self.leave, form)
        _expect_page(left, 200, "Leaving by the page")
        self._stands("unsubscribed")
        _expect_page(self.caller.press(self.leave, left.form("/u/undo/")), 200, "Undo")
        self._stands("subscribed")
        return "The page unsubscribes, and its undo takes that back."

    def preferences(self) -> str:
        """The preferences page, by the platform's link: it can't lift what was left."""
        _expect_page(self.caller.press(self.choose, self._look(self.choose).form(), topics=[]), 200, "Saving")
        self._stands("unsubscribed")
        form = self._look(self.choose).form()
        _expect_page(self.caller.press(self.choose, form, topics=[self.topic]), 200, "Ticking it again")
        self._stands("unsubscribed")
        form = self._look(self.choose).form(scope="all")
        _expect_page(self.caller.press(self.choose, form), 200, "Leaving everything")
        for topic in self.brand.topics:
            self._stands("unsubscribed", topic)
        return "What is unticked is off; the platform's link doesn't bring it back; everything off is everything."

    def ledger(self) -> str:
        """What was recorded of all this, and nothing else."""
        answer = self.caller.api("GET", f"/v1/subscribers/{self.id}/ledger")
        _expect(answer.json()["intact"], True, "The ledger is intact")
        kinds = [str(event.kind) for event in self.store.history(self.brand.id, self.id)[self.history :]]
        saved, left = "preferences_saved", "unsubscribed"
        wanted = ["asked", "confirmed", *[left, saved] * len(ONE_CLICK), left, "undone", saved, left]
        _expect(kinds, wanted, "The ledger's events")
        return f"The ledger is intact and has {len(kinds)} events, each act once."

    def notifications(self) -> str:
        """The brand's endpoints have heard of the confirmation."""
        endpoints = {each.id for each in self.brand.notifications}
        if not endpoints:
            return "The brand file has no endpoint to notify."
        event_id = self.store.history(self.brand.id, self.id)[self.history + 1].event_id
        self._comes(lambda: set(self.stack.notified(event_id)) >= endpoints)
        found = self.stack.notified(event_id)
        if bad := sorted(each for each in endpoints if found.get(each) != "taken"):
            raise WrongError(
                f"Not taken by {', '.join(bad)}: {found or 'nothing is logged'}",
                "docs/runbooks/NotificationsFailingAlarm.md",
            )
        return f"Taken by {', '.join(sorted(endpoints))}."

    def erase(self) -> str:
        """Forget the person: what stays is what keeps opt-outs in force, under an id that leads to no address."""
        answer = self.caller.api("DELETE", f"/v1/subscribers/{self.id}")
        _expect(answer.status, 200, "DELETE /v1/subscribers/{…}")
        _expect(self.store.contact(self.brand.id, self.id) is None, True, "The address is gone")
        ledger = self.caller.api("GET", f"/v1/subscribers/{self.id}/ledger").json()
        _expect(sum(bool(each["evidence"]) for each in ledger["events"]), 0, "Events with evidence")
        _expect(ledger["intact"], True, "The ledger is intact")
        if ledger["events"]:  # else nothing was ever recorded
            self._stands("unsubscribed")
        return "Address and evidence of the test person are gone; the ledger is still intact."

    # --- what steps share ------------------------------------------------------------------------------------------

    def _look(self, url: str) -> Answer:
        """Open a link, as scanners do, too."""
        _expect(self.caller.call("HEAD", url).status, 200, "HEAD of a link")
        page = self.caller.call("GET", url)
        _expect_page(page, 200, "A link's page")
        return page

    def _read(self) -> None:
        """Take as long as a person takes."""
        self.sleep(PERSON_MS / 1000 + 0.1)

    def _stands(self, status: str, topic: str = "") -> None:
        """How the platform learns that the person stands, by both ways to ask."""
        topic = topic or self.topic
        asked = {"topic": topic, "subscriber_ids": [self.id]}
        (decision,) = self.caller.api("POST", "/v1/decisions", asked).json()["decisions"]
        person = self.caller.api("POST", "/v1/subscribers/lookup", {"email": self.address}).json()
        for view in (decision, person["topics"][topic]):
            _expect(view["status"], status, f"The status on {topic}")
            if status != "pending":  # a topic of mode opt_out may be sent then
                _expect(view["allowed"], status == "subscribed", f"The decision on {topic}")

    def _token(self, purpose: Purpose, at: int, *, ours: bool = False) -> str:
        link = Link(purpose, self.brand.id, self.id, () if purpose is Purpose.PREFERENCES else (self.topic,))
        dated = ours or purpose in {Purpose.CONFIRM, Purpose.UNDO}
        return self.tokens.sign(link._replace(at=at, ours=ours) if dated else link)

    def _comes(self, true: Callable[[], Any]) -> bool:
        """Wait until something is so."""
        waited = 0.0
        while not true():
            if waited >= _PATIENCE_S:
                return False
            self.sleep(0.5)
            waited += 0.5
        return True

    def _well(self, *checks: str) -> None:
        if ill := self.stack.doctor(checks):
            raise WrongError(" ".join(ill))


BEFORE: Final = {
    Walk.doctor: "docs/doctor.md#what-it-looks-at",
    Walk.odd_links: "docs/tokens.md#purposes",
    Walk.refusals: "docs/integrating.md#decide",
    Walk.webhooks: "docs/webhooks/README.md",
}
"""Steps that stand by themselves, each with the page that says more."""
PERSON: Final = {
    Walk.form: "docs/brands.md#topics",
    Walk.ask: "docs/brands.md#limits",
    Walk.email: "docs/runbooks/MailDeadLettersAlarm.md",
    Walk.confirm: "docs/consent.md#status",
    Walk.links: "docs/integrating.md#mint",
    Walk.one_click: "docs/compliance.md#rfc-8058",
    Walk.page: "docs/consent.md#taking-it-back",
    Walk.preferences: "docs/consent.md#coming-back",
    Walk.ledger: "docs/cli.md#ledger-verify",
    Walk.notifications: "docs/runbooks/NotificationsFailingAlarm.md",
}
"""Each needs the one before it."""
AFTER: Final = {Walk.erase: "docs/consent.md#erasure", Walk.alarms: "docs/runbooks/README.md"}
"""Whatever came of the others."""


def _now() -> int:
    return time.time_ns() // 1_000_000


def _expect(seen: object, wanted: object, what: str) -> None:
    """Compare; what is given here is shown, and sent back: nothing that names a person."""
    if seen != wanted:
        raise WrongError(f"{what}: {seen!r} instead of {wanted!r}")


def _expect_page(answer: Answer, status: int, what: str) -> None:
    """A page of ours, with this status, that no other site can frame or script."""
    _expect(answer.status, status, what)
    _expect(answer.kind, "text/html", f"{what}: the content type")
    _expect("frame-ancestors 'none'" in answer.headers.get("content-security-policy", ""), True, f"{what}: CSP")
