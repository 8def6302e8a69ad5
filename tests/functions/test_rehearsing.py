"""`make rehearse`, over a deployment in this process: what it says of one that is well, and of one that is not."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from click.testing import CliRunner
from urllib3.exceptions import ReadTimeoutError

from consentry_cli.errors import CanNotRunError
from dev.rehearsing.__main__ import Outcome, main, prepared, rehearsed, taken
from dev.rehearsing.__main__ import _report as report
from dev.rehearsing.calling import Caller
from dev.rehearsing.walk import AFTER, BEFORE, PERSON, Stack, Walk
from support.world import World

ROOT: Final = Path(__file__).parents[2]
BASE: Final = "https://links.example.com"
ADDRESS: Final = "success+test@simulator.amazonses.com"
STEPS: Final = [
    *("doctor", "odd-links", "refusals", "webhooks"),
    *("form", "ask", "email", "confirm", "links", "one-click", "page", "preferences", "ledger", "notifications"),
    *("erase", "alarms"),
]
Answer = SimpleNamespace
Break = Callable[["Rehearsal", str, str, bytes], "Answer | None"]


class Rehearsal:
    """A deployment, and a walk through it; a test may have it answer otherwise."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.breaks: Break = lambda *_: None
        self.changes: Callable[[str, str, Answer], None] = lambda *_: None
        self.courier = True
        self.ill: dict[str, str] = {}
        """What the doctor finds, by check."""
        self.key = world.api_key()
        found = world.deployment.brands.get("demo")
        assert found
        endpoint = SimpleNamespace(id="crm")
        self.brand = found._replace(notifications=(endpoint,))
        self.notified = {"crm": "taken"}
        self.lines: list[str] = []

    def walk(self) -> Walk:
        stack = Stack(
            self.brand,
            self.world.deployment.keyring,
            self.world.deployment.store,
            lambda names: [f"{name}: {self.ill[name]}" for name in names if name in self.ill],
            lambda _: self.notified,
        )
        return Walk(stack, Caller(BASE, self.key, self.send), ADDRESS, self.sleep)

    def rehearse(self) -> dict[str, Outcome]:
        return {each.step: each for each in rehearsed(self.walk(), self.lines.append)}

    def take(self, name: str) -> Outcome:
        """One step, and of the person's those that it needs."""
        walk, step, pages = self.walk(), getattr(Walk, name.replace("-", "_")), BEFORE | PERSON | AFTER
        person = list(PERSON)
        before = person[:2] if step is Walk.erase else person[: person.index(step)] if step in PERSON else []
        for each in before:
            assert taken(walk, each, pages[each]).verdict == "ok"
        return taken(walk, step, pages[step])

    def sleep(self, seconds: float) -> None:
        self.world.now += round(seconds * 1000)

    def send(self, method: str, url: str, *, body: bytes | None, headers: dict[str, str], **_: Any) -> Answer:
        self.world.now += 5
        path = url.removeprefix(BASE)
        answer = self.breaks(self, method, path, body or b"") or self.answer(method, path, body, headers)
        self.changes(method, path, answer)
        return answer

    def answer(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        got = self.world.send(method, path, body=body, headers=headers or {})
        if method == "POST" and path.startswith("/s/") and self.courier:
            for item in self.world.people():
                if item["sk"]["S"] == "CONTACT":
                    table = {"TableName": os.environ["TABLE_NAME"]}
                    self.world.dynamodb.put_item(**table, Item=item | {"mail": {"S": "sent"}})
        return Answer(status=got.status, headers=dict(got.headers), data=got.body.encode())


@pytest.fixture
def rehearsal(world: World) -> Rehearsal:
    return Rehearsal(world)


def test_a_stack_that_is_well_passes_every_step_and_keeps_nothing_of_the_test_person(rehearsal: Rehearsal) -> None:
    found = rehearsal.rehearse()
    assert list(found) == STEPS
    assert {step: each.says for step, each in found.items() if each.verdict != "ok"} == {}
    assert [line.split()[:2] for line in rehearsal.lines] == [["ok", step] for step in STEPS]
    held = rehearsal.world.people()
    assert {item["sk"]["S"].partition("#")[0] for item in held} == {"STATE", "AGAIN", "E", "F"}
    for personal in ("simulator", "rehearsal", "203.0.113.7"):  # address, browser, IP address
        assert personal not in json.dumps(held)


def test_a_brand_without_webhooks_and_endpoints_is_rehearsed_too(rehearsal: Rehearsal) -> None:
    rehearsal.brand = rehearsal.brand._replace(webhooks={}, notifications=())
    assert {each.verdict for each in rehearsal.rehearse().values()} == {"ok"}


def test_whoever_was_erased_before_can_be_the_test_person_again(rehearsal: Rehearsal) -> None:
    rehearsal.take("erase")
    rehearsal.world.now += 3_600_000
    assert {step: each.says for step, each in rehearsal.rehearse().items() if each.verdict != "ok"} == {}


# --- what is wrong is said -------------------------------------------------------------------------------------------


def instead(where: str, status: int = 200, text: str = "", kind: str = "text/html") -> Break:
    """Answers this where method and path match, and does nothing."""
    policy = {"content-security-policy": "frame-ancestors 'none'"}
    answer = Answer(status=status, headers={"content-type": kind, **policy}, data=text.encode())
    return lambda _, method, path, body: answer if re.match(where, f"{method} {path} {body.decode()}") else None


def also(where: str, act: Callable[[World], Any], time: int = 1) -> Break:
    """Does something more where method and path match for so many times."""
    seen = []

    def happens(rehearsal: Rehearsal, method: str, path: str, _: bytes) -> Answer | None:
        if re.match(where, f"{method} {path}"):
            seen.append(path)
            if len(seen) == time:
                act(rehearsal.world)
        return None

    return happens


def happened(register: str) -> Callable[[World], None]:
    return lambda world: world.happened({register: world.now}, email=ADDRESS)


def forge(world: World) -> None:
    item = next(each for each in world.events() if each["kind"]["S"] == "confirmed")
    world.dynamodb.put_item(TableName=os.environ["TABLE_NAME"], Item=item | {"locale": {"S": "xx"}})


DOES_WRONG: Final[list[tuple[str, str, Break]]] = [
    ("doctor", "GET /healthz: 503 instead of 200", instead("GET /healthz", 503)),
    ("odd-links", "A forged link (unsubscribe): 200 instead of 404", instead("GET /u/")),
    ("odd-links", "A confirm link of last week: 404 instead of 410", instead("GET /c/", 404)),
    ("odd-links", "An undo of yesterday: 200 instead of 410", instead("POST /u/undo/")),
    ("refusals", "A decision on an unknown topic: 200 instead of 400", instead("POST /v1/decisions .*rehearsal-none")),
    ("refusals", "(JSONDecodeError)", instead("POST /v1/events", text="<html>")),
    ("refusals", "(KeyError)", instead("POST /v1/events", text="{}")),
    ("webhooks", "A call of standard with a wrong signature: 200 instead of 401", instead("POST /hooks/demo/standard")),
    ("webhooks", "A webhook that the brand hasn't: 401 instead of 404", instead("POST /hooks/demo/reh", 401)),
    ("form", "The subscribe form: 500 instead of 200", instead("GET /s/", 500)),
    ("form", "The subscribe form: the content type", instead("GET /s/", kind="text/plain")),
    ("form", "A form with unknown topic: 200 instead of 400", instead("POST /s/.*rehearsal-none")),
    ("ask", "three such emails a day", instead("POST /s/demo email=success.*topics=news$")),
    ("ask", "'none' instead of 'pending'", instead("POST /s/demo email=success.*topics=news$")),
    ("confirm", "HEAD of a link: 405 instead of 200", instead("HEAD /c/", 405)),
    ("confirm", "The status on news: 'subscribed' instead of 'pending'", also("GET /c/", happened("in.news"))),
    ("confirm", "(LookupError)", instead("GET /c/", text="a page without a button")),
    ("confirm", "The status on news: 'pending' instead of 'subscribed'", instead("POST /c/")),
    ("confirm", "500 instead of 200", instead("POST /c/", 500)),
    ("links", "POST /v1/links: 403 instead of 200", instead("POST /v1/links", 403)),
    ("links", "The status on news: 'unsubscribed'", also("HEAD /u/", happened("out.news"))),
    ("one-click", "The status on news: 'subscribed'", instead("POST /u/[^/]+ ", kind="text/plain")),
    ("one-click", "One click (multipart): 415 instead of 200", instead("POST /u/[^/]+ --b", 415)),
    ("one-click", "One click (without a body): 302 instead of 200", instead("POST /u/[^/]+ $", 302)),
    ("one-click", "The answer's content type (urlencoded): 'text/html'", instead("POST /u/[^/]+ List")),
    ("one-click", "Coming back: 500 instead of 200", instead("POST /p/", 500)),
    ("page", "The status on news: 'subscribed' instead of 'unsubscribed'", instead("POST /u/page/")),
    ("page", "Undo: 500 instead of 200", instead("POST /u/undo/", 500)),
    ("preferences", "The status on news: 'subscribed' instead", also("POST /p/", happened("in.news"), 5)),
    ("preferences", "Leaving everything: 500 instead of 200", instead("POST /p/.*scope=all", 500)),
    ("ledger", "The ledger is intact: False instead of True", also("GET /v1/subscribers/.*/ledger", forge)),
    ("ledger", "The ledger's events", also("POST /u/page/", happened("claim.offers"))),
    ("erase", "DELETE /v1/subscribers/{…}: 403 instead of 200", instead("DELETE", 403)),
    ("erase", "The address is gone: False instead of True", instead("DELETE")),
]


@pytest.mark.parametrize(("step", "says", "breaks"), DOES_WRONG, ids=[f"{each[0]}: {each[1]}" for each in DOES_WRONG])
def test_what_a_stack_does_wrong_is_said_at_that_step(
    rehearsal: Rehearsal, step: str, says: str, breaks: Break
) -> None:
    rehearsal.breaks = breaks
    found = rehearsal.take(step)
    assert found.verdict == "wrong"
    assert says in found.says
    assert found.see
    assert not re.search(r"@|203\.0\.113|[A-Za-z0-9_-]{22}", found.says), "it names nobody"


def without_courier(rehearsal: Rehearsal) -> None:
    rehearsal.courier = False


def with_cookie(rehearsal: Rehearsal) -> None:
    def change(method: str, path: str, answer: Answer) -> None:
        if method == "POST" and path.startswith("/u/"):
            answer.headers["set-cookie"] = "seen=1"

    rehearsal.changes = change


def without_policy(rehearsal: Rehearsal) -> None:
    rehearsal.changes = lambda _, __, answer: answer.headers.pop("content-security-policy", None)


def deaf(rehearsal: Rehearsal) -> None:
    rehearsal.notified = {}


def failing(rehearsal: Rehearsal) -> None:
    rehearsal.notified = {"crm": "failed"}


def ill(check: str) -> Callable[[Rehearsal], None]:
    return lambda rehearsal: rehearsal.ill.update({check: "is ill."})


def half_erased(rehearsal: Rehearsal) -> None:
    """The address goes, and the evidence stays."""

    def erase(_: Any, method: str, __: str, ___: bytes) -> Answer | None:
        if method != "DELETE":
            return None
        for item in rehearsal.world.people():
            if item["sk"]["S"] == "CONTACT":
                key = {"pk": item["pk"], "sk": item["sk"]}
                rehearsal.world.dynamodb.delete_item(TableName=os.environ["TABLE_NAME"], Key=key)
        return Answer(status=200, headers={}, data=b"{}")

    rehearsal.breaks = erase


def unreachable(rehearsal: Rehearsal) -> None:
    def fails(_: Any, method: str, path: str, __: bytes) -> None:
        if (method, path.split("/")[1]) == ("GET", "c"):
            raise ReadTimeoutError(None, path, f"no answer of {path}")

    rehearsal.breaks = fails


IS_WRONG: Final[list[tuple[str, str, Callable[[Rehearsal], None]]]] = [
    ("doctor", "keyring: is ill.", ill("keyring")),
    ("odd-links", "(ReadTimeoutError)", unreachable),
    ("email", "After 90 s SES hasn't accepted the email", without_courier),
    ("form", "The subscribe form: CSP", without_policy),
    ("one-click", "cookie: True instead of False", with_cookie),
    ("notifications", "Not taken by crm: nothing is logged", deaf),
    ("notifications", "Not taken by crm: {'crm': 'failed'}", failing),
    ("erase", "Events with evidence: 1 instead of 0", half_erased),
    ("alarms", "dead-letters: is ill.", ill("dead-letters")),
]


@pytest.mark.parametrize(("step", "says", "make"), IS_WRONG, ids=[f"{each[0]}: {each[1]}" for each in IS_WRONG])
def test_what_is_wrong_with_a_stack_is_said_at_that_step(
    rehearsal: Rehearsal, step: str, says: str, make: Callable[[Rehearsal], None]
) -> None:
    make(rehearsal)
    found = rehearsal.take(step)
    assert found.verdict == "wrong"
    assert says in found.says


def test_every_step_is_seen_to_fail() -> None:
    assert {step for step, *_ in (*DOES_WRONG, *IS_WRONG)} == set(STEPS)


def test_what_needs_a_step_that_failed_is_not_tried_and_the_test_person_is_erased(rehearsal: Rehearsal) -> None:
    rehearsal.breaks = instead("POST /v1/links", 500)
    found = rehearsal.rehearse()
    at = STEPS.index("links")
    assert [found[step].verdict for step in STEPS[:at]] == ["ok"] * at
    assert {found[step].verdict for step in STEPS[at + 1 : STEPS.index("erase")]} == {"not tried"}
    assert [found[step].verdict for step in ("erase", "alarms")] == ["ok", "ok"]
    assert f"More: {found['links'].see}" in "\n".join(rehearsal.lines)
    assert rehearsal.world.events()[-1]["kind"]["S"] == "erased"


def test_a_mailbox_whose_emails_of_the_day_are_used_up_is_the_only_thing_that_is_wrong(rehearsal: Rehearsal) -> None:
    for _ in range(3):
        assert rehearsal.take("erase").verdict == "ok"
        rehearsal.world.now += 3_600_000
    found = rehearsal.rehearse()
    assert [step for step, each in found.items() if each.verdict == "wrong"] == ["ask"]
    assert "three such emails a day" in found["ask"].says


@pytest.mark.parametrize("where", ["/v1/links", "/v1/decisions"], ids=["later", "once the form was sent"])
def test_whoever_interrupts_it_leaves_nothing_behind_either(rehearsal: Rehearsal, where: str) -> None:
    seen: list[bytes] = []

    def interrupts(_: Any, method: str, path: str, body: bytes) -> None:
        if path == where and b"rehearsal-none" not in body and not seen:
            seen.append(body)
            raise KeyboardInterrupt

    rehearsal.breaks = interrupts
    with pytest.raises(KeyboardInterrupt):
        rehearsal.rehearse()
    assert rehearsal.world.events()[-1]["kind"]["S"] == "erased"


def test_every_page_that_it_names_exists() -> None:
    """With its anchor, as GitHub makes it."""
    named = {
        see
        for file in (ROOT / "tools/dev/rehearsing").glob("*.py")
        for see in re.findall(r'"(docs/[^"]+\.md[^"]*)"', file.read_text("utf-8"))
    }
    assert len(named) > 10
    for see in named:
        page, _, anchor = see.partition("#")
        headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, see


def test_the_page_of_the_first_deployment_explains_every_step() -> None:
    page = (ROOT / "docs/first-deployment.md").read_text("utf-8")
    table = page.partition("### What each step does\n")[2].partition("\n## ")[0]
    assert re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE) == STEPS


# --- before and after ------------------------------------------------------------------------------------------------


def deployed(world: World) -> Any:
    arn = os.environ["KEYRING_SECRET_ARN"]
    outputs = {"KeyringSecretArn": arn, "TableName": os.environ["TABLE_NAME"], "Url": BASE}
    return SimpleNamespace(outputs=outputs, region="eu-west-1", parameters={"PythonRuntime": "python3.13"})


def test_a_key_that_cannot_erase_is_refused_before_anything_is_done(rehearsal: Rehearsal) -> None:
    world = rehearsal.world
    for key in (world.api_key(scopes=("read", "write")), world.api_key("other"), "ck_made_up", ""):
        with pytest.raises(CanNotRunError, match="scopes read, write, erase"):
            prepared(deployed(world), rehearsal.brand, key, ADDRESS)
    assert world.people() == []


def test_somebody_who_is_known_is_never_taken_for_a_test_person(rehearsal: Rehearsal) -> None:
    rehearsal.world.happened({"in.news": rehearsal.world.now}, email=ADDRESS)
    with pytest.raises(CanNotRunError, match="take another"):
        prepared(deployed(rehearsal.world), rehearsal.brand, rehearsal.world.api_key(), ADDRESS)


def test_the_file_to_send_back_names_nobody(rehearsal: Rehearsal) -> None:
    walk = rehearsal.walk()
    outcomes = list(rehearsed(walk, rehearsal.lines.append))
    text = json.dumps(report(deployed(rehearsal.world), walk, outcomes, emulated=False))
    for secret in (walk.address, "@", walk.id, rehearsal.key, BASE, walk.leave.rpartition("/")[2], "simulator"):
        assert secret not in text
    told = json.loads(text)
    assert [each["step"] for each in told["steps"]] == STEPS
    routes = {each["call"] for each in told["calls"]}
    assert {"POST /s/{…}", "POST /c/{…}", "POST /u/{…}", "POST /u/page/{…}", "DELETE /v1/subscribers/{…}"} <= routes
    assert told["parameters"]["PythonRuntime"] == "python3.13"


def test_without_a_stack_here_it_says_what_to_do(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["--record", str(tmp_path / "stack.json")])
    assert done.exit_code == 2
    assert "`make run` first" in done.output
