"""A population that uses a running stack: people who ask, confirm, leave, pause, come back, and the answers they got.

Every act keeps the window of time in which it took place and the answer that it got. From these alone follows what
must be true of a person in the end, whatever went wrong in between.
"""

from __future__ import annotations

import json
import random
import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import urllib3
from standardwebhooks import Webhook

from dev.emulator.outbox import as_mail
from support.page import Page
from support.stack import Answer, Stack
from support.waiting import eventually

TOPICS: Final = ("news", "offers", "product")
READING_S: Final = 1.1
"""A form that comes back sooner was not posted by a person."""
_LINK: Final = re.compile(r"https?://[^\s\"<>]+/([cup])/([\w.-]+)")
_UNDO: Final = re.compile(r'action="(/u/undo/[^"]+)"')
_ONE_CLICK: Final = b"List-Unsubscribe=One-Click"
_NO_ANSWER: Final = 0


@dataclass(kw_only=True)
class Act:
    """One thing that a person, or a platform for them, did."""

    kind: str
    """`ask`, `confirm`, `out`, `in` (by preferences or undo), `claim`, `pause`."""
    way: str
    topics: tuple[str, ...]
    since: int
    """Epoch ms: it counts from some instant between these two."""
    until: int = 0
    status: int = _NO_ANSWER
    seconds: float = 0.0
    acknowledged: bool = False
    retry_after: bool = False
    phase: str = ""
    sure: tuple[str, ...] = ()
    """Of an undo: the topics that it must bring back."""

    @property
    def refused(self) -> bool:
        """A server's fault was the answer, or none came."""
        return self.status >= 500 or self.status == _NO_ANSWER


class Mailbox:
    """Every email that SES took, as the proxy in front of it saw it."""

    def __init__(self) -> None:
        self._mails: dict[str, list[dict[str, Any]]] = {}
        self._came = threading.Condition()

    def take(self, asked: dict[str, Any]) -> None:
        """A call of SendEmail that SES answered 200."""
        mail = as_mail(asked, datetime.now(UTC))
        with self._came:
            self._mails.setdefault(mail["to"], []).append(mail)
            self._came.notify_all()

    def to(self, address: str) -> list[dict[str, Any]]:
        """The emails to an address so far."""
        with self._came:
            return list(self._mails.get(address, ()))

    def first(self, address: str, seconds: float) -> dict[str, Any] | None:
        """The first email to an address, if it comes in time."""
        with self._came:
            self._came.wait_for(lambda: address in self._mails, seconds)
            return next(iter(self._mails.get(address, ())), None)


@dataclass
class Person:
    """Somebody, and what they did."""

    email: str
    phase: str
    rng: random.Random
    subscriber_id: str = ""
    leave_url: str = ""
    choose_url: str = ""
    acts: list[Act] = field(default_factory=list)

    def of(self, *kinds: str, topic: str = "") -> list[Act]:
        """The acts of these kinds, on a topic if one is named."""
        return [act for act in list(self.acts) if act.kind in kinds and (not topic or topic in act.topics)]

    def may_be(self, topic: str) -> set[str]:
        """The statuses that what was acknowledged allows."""
        outs, asks = self.of("out", topic=topic), self.of("ask", topic=topic)
        kept = [act for act in outs if act.acknowledged]
        back = [(window, act) for act in self.of("confirm", "in", topic=topic) if (window := self.window(act))]
        last_left = max((act.until for act in outs), default=0)
        if any(act.acknowledged and topic in act.sure and window[0] > last_left for window, act in back):
            return {"subscribed"}
        if not kept:
            return {"subscribed", "pending", "unsubscribed", "none"}
        left = max(act.since for act in kept)
        later = {"subscribed"} if any(window[1] >= left for window, _ in back) else set()
        pending = {"pending"} if any(act.until >= left for act in asks) else set()
        # What is undone is as it was, which may be that nobody had decided anything, or that they had asked.
        undone = any(act.way == "undo" and window[1] >= left for window, act in back)
        return {"unsubscribed"} | later | pending | ({"none", "pending"} if undone else set())

    def window(self, act: Act) -> tuple[int, int] | None:
        """When an opt-in counts from: a confirmation from its request, which may be any of the person's."""
        if act.kind != "confirm":
            return act.since, act.until
        asks = [ask for ask in self.of("ask") if set(act.topics) <= set(ask.topics) and ask.since <= act.since]
        return (min(ask.since for ask in asks), max(ask.until for ask in asks)) if asks else None


class Population:
    """People, and the stack that they live with."""

    def __init__(self, stack: Stack, mailbox: Mailbox, seed: int, at_once: int) -> None:
        """`at_once`: requests that are under way at one time."""
        self.stack, self.mailbox = stack, mailbox
        self.people: list[Person] = []
        self._seed = seed
        self._under_way = threading.Semaphore(at_once)

    def live(self, phase: str, count: int, *, patient: bool = False) -> None:
        """Have so many new people act, many at a time.

        Args:
            phase: what their acts are counted under.
            count: how many.
            patient: they try again when there is no answer, until there is.
        """
        people = [self.newcomer(phase, number) for number in range(count)]
        with ThreadPoolExecutor(max_workers=min(count, 24)) as pool:
            for done in [pool.submit(self._life, person, patient=patient) for person in people]:
                done.result()

    def newcomer(self, phase: str, number: int) -> Person:
        """Somebody whose links a platform has minted."""
        rng = random.Random(f"{self._seed} {phase} {number}")  # noqa: S311 - what somebody does
        person = Person(f"{rng.randbytes(6).hex()}-{number}@example.com", phase, rng)
        body = {"topic": "news", "recipients": [{"email": person.email}]}
        answer = eventually(lambda: self.stack.api("POST", "/v1/links", body), lambda answer: answer.status == 200)
        minted = answer.json()["links"][0]
        person.subscriber_id = minted["subscriber_id"]
        person.leave_url, person.choose_url = minted["unsubscribe_url"], minted["preferences_url"]
        self.people.append(person)
        return person

    # --- what people do ----------------------------------------------------------------------------------------------

    def _life(self, person: Person, *, patient: bool) -> None:
        rng = person.rng
        confirm_url = ""
        if rng.random() < 0.75:
            topics = rng.choice([("news",), ("news", "offers")])
            self.ask(person, topics, by_form=rng.random() < 0.12, patient=patient)
            mail = self.mailbox.first(person.email, 4) if rng.random() < 0.9 else None
            if mail is not None:
                confirm_url = next(found[0] for found in _LINK.finditer(mail["text"]) if found[1] == "c")
                self.confirm(person, topics, confirm_url)
        elif rng.random() < 0.5:
            self.report(person, "claimed", ("news",))
        if rng.random() < 0.2:
            self.pause(person)
        if rng.random() < 0.9:
            self.leave(person, patient=patient)
            if confirm_url and rng.random() < 0.4:
                self.confirm(person, topics, confirm_url)  # the old mail's link
            if rng.random() < 0.4:
                self.report(person, "claimed", TOPICS)  # an import, after they left
            if rng.random() < 0.2:
                self.choose(person, on=True)
            if rng.random() < 0.2:
                self.leave(person, patient=patient)

    def leave(self, person: Person, *, patient: bool) -> None:
        """In one of the ways that there are."""
        rng = person.rng
        way = rng.choice(
            ["one-click", "one-click", "twice", "page", "page", "everything", "preferences", "event", "hook"]
        )
        match way:
            case "one-click":
                self.one_click(person, patient=patient)
            case "twice":
                with ThreadPoolExecutor(max_workers=2) as pool:
                    for done in [pool.submit(self.one_click, person, patient=patient) for _ in range(2)]:
                        done.result()
            case "page":
                self.leave_by_page(person, everything=rng.random() < 0.5, undo=rng.random() < 0.4, patient=patient)
            case "everything":
                self._do(person, "out", "preferences, all", TOPICS, "POST", person.choose_url, form={"scope": "all"})
            case "preferences":
                self.choose(person, on=False)
            case "event":
                self.report(person, "unsubscribed", rng.choice([("news",), TOPICS]))
            case "hook":
                self.report(person, "unsubscribed", ("news",), hook=True)

    def ask(self, person: Person, topics: tuple[str, ...], *, by_form: bool, patient: bool) -> None:
        """By the hosted form, or by a platform's call."""
        for _ in range(8 if patient else 1):
            if by_form:
                form = [("email", person.email), *(("topics", topic) for topic in topics)]
                answer = self._do(person, "ask", "form", topics, "POST", "/s/demo", form=form)
            else:
                body = {"email": person.email, "topics": list(topics)}
                answer = self._do(person, "ask", "api", topics, "POST", "/v1/subscriptions", api=body)
            if answer is not None and answer.status < 500:
                return

    def confirm(self, person: Person, topics: tuple[str, ...], url: str) -> None:
        """Opens the page, reads, presses the button; once more if it fails."""
        page = self._call("GET", url)
        if page is None or page.status != 200:
            return
        time.sleep(READING_S)
        for _ in range(2):
            answer = self._do(person, "confirm", "page", topics, "POST", url, form=page.fields())
            if answer is None or answer.status < 500:
                act = person.of("confirm")[-1]
                # Asked once more, or told that they have left since: nobody was opted in.
                act.acknowledged = act.acknowledged and answer is not None and 'name="stamp"' not in answer.text
                act.sure = topics if act.acknowledged else ()
                return

    def one_click(self, person: Person, *, patient: bool = False) -> Answer | None:
        """As a mail provider's machine posts it."""
        for _ in range(8 if patient else 1):
            answer = self._do(person, "out", "one-click", ("news",), "POST", person.leave_url, body=_ONE_CLICK)
            if answer is not None and answer.status < 500:
                break
        return answer

    def leave_by_page(
        self, person: Person, *, everything: bool = False, undo: bool = False, patient: bool = False
    ) -> None:
        """Opens the page and presses a button; perhaps changes their mind."""
        page = self._call("GET", person.leave_url)
        fields = page.fields() if page is not None and page.status == 200 else {}
        topics = TOPICS if everything else ("news",)
        sure = tuple(topic for topic in topics if person.may_be(topic) == {"subscribed"})
        form = fields | {"scope": "all" if everything else "topic"}
        for _ in range(8 if patient else 1):
            answer = self._do(person, "out", "page", topics, "POST", person.leave_url, form=form)
            if answer is not None and answer.status < 500:
                break
        if undo and answer is not None and (found := _UNDO.search(answer.text)):
            self._do(person, "in", "undo", topics, "POST", found[1], form={}, sure=sure)

    def post_page(self, person: Person) -> None:
        """Presses the button of a page that they have before them."""
        self._do(person, "out", "page", ("news",), "POST", person.leave_url, form={"scope": "topic", "lang": "de"})

    def choose(self, person: Person, *, on: bool) -> None:
        """Opens the preferences and ticks everything, or unticks what is ticked."""
        page = self._call("GET", person.choose_url)
        if page is None or page.status != 200:
            return
        fields = Page(page.text).forms[0].fields
        ticked = tuple(value for name, value in fields if name == "topics")
        kept = [(name, value) for name, value in fields if name != "topics"]
        if on:
            form = [*kept, *(("topics", topic) for topic in TOPICS)]
            self._do(person, "in", "preferences", TOPICS, "POST", person.choose_url, form=form)
        else:
            self._do(person, "out", "preferences", ticked, "POST", person.choose_url, form=kept)

    def pause(self, person: Person) -> None:
        """For thirty days, by the page."""
        page = self._call("GET", person.leave_url)
        if page is not None and page.status == 200:
            form = page.fields() | {"scope": "pause", "days": "30"}
            self._do(person, "pause", "page", (), "POST", person.leave_url, form=form)

    def report(self, person: Person, kind: str, topics: tuple[str, ...], *, hook: bool = False) -> None:
        """What a platform says, by the API or by a signed webhook."""
        now = datetime.now(UTC)
        event = {
            "event_id": f"{person.rng.randbytes(6).hex()}",
            "kind": kind,
            "email": person.email,
            "occurred_at": now.isoformat(timespec="milliseconds"),
            "topics": list(topics),
        }
        acted = "out" if kind == "unsubscribed" else "claim"
        if not hook:
            self._do(person, acted, "event", topics, "POST", "/v1/events", api={"events": [event]})
            return
        body = json.dumps({"type": f"consent.{kind}", "timestamp": now.isoformat(), "data": event})
        name = f"msg_{person.rng.randbytes(8).hex()}"
        headers = {
            "webhook-id": name,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": Webhook(self.stack.told["webhook_secrets"]["standard"]).sign(name, now, body),
        }
        self._do(person, acted, "hook", topics, "POST", "/hooks/demo/standard", body=body.encode(), headers=headers)

    # --- calls -------------------------------------------------------------------------------------------------

    def _do(
        self,
        person: Person,
        kind: str,
        way: str,
        topics: tuple[str, ...],
        method: str,
        path: str,
        *,
        api: Any = None,
        sure: tuple[str, ...] = (),
        **what: Any,
    ) -> Answer | None:
        """One act, with its window and its answer."""
        act = Act(kind=kind, way=way, topics=topics, since=_now(), phase=person.phase, sure=sure)
        person.acts.append(act)
        # A platform tells an instant that lies a moment back.
        act.since -= 50 if way in {"event", "hook"} else 0
        answer = self._call(method, path, api=api, act=act, **what)
        act.until = _now()
        if answer is not None:
            act.status = answer.status
            act.retry_after = "retry-after" in answer.headers
            act.acknowledged = 200 <= answer.status < 300 and not _refused_in_part(answer, way)
        return answer

    def _call(self, method: str, path: str, *, api: Any = None, act: Act | None = None, **what: Any) -> Answer | None:
        """The answer; None if the connection broke."""
        with self._under_way:
            began = time.monotonic()
            try:
                if api is not None:
                    return self.stack.api(method, path, api)
                return self.stack.call(method, path, **what)
            except urllib3.exceptions.HTTPError:
                return None
            finally:
                if act is not None:
                    act.seconds = time.monotonic() - began


def _refused_in_part(answer: Answer, way: str) -> bool:
    """Whether a platform's one event was not taken, though the call was."""
    return way == "event" and any(each["result"] == "invalid" for each in answer.json()["results"])


def _now() -> int:
    return time.time_ns() // 1_000_000
