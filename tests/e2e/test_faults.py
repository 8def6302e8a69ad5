"""Faults, injected for real: between functions and table, at SES and SQS, in the functions themselves, in the stream.

Hundreds of people act while one thing after another goes wrong. Then everything is repaired, what waits
is left to drain, and the laws are checked for every person. What people do, and which calls meet a fault,
follows from a seed, 1 unless `FAULTS_SEED=…` sets another; it is printed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import statistics
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import boto3
import pytest

from dev.emulator.streams import as_lambda_sees, passes
from support import dynamodb_local, microburst
from support.fault_proxy import Fault, FaultProxy, fault_proxy
from support.microburst import Microburst
from support.population import TOPICS, Act, Mailbox, Person, Population
from support.stack import Stack, standing
from support.waiting import eventually

PEOPLE: Final = 30
"""In each phase."""
AT_ONCE: Final = 4
HANGING_AT_ONCE: Final = 8
POSTS: Final = 24
"""One-click posts and as many page posts, while the table hangs."""
KILLED: Final = 12
"""Functions that die."""
REPEATED: Final = 60
"""Records of the stream, for each function that hears of them."""
SETTLED_S: Final = 300
"""In which something that waits has to happen; while things do happen, there is no hurry."""

CONFLICT: Final = {
    "code": "TransactionCanceledException",
    "status": 400,
    "message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
    "fields": {
        "CancellationReasons": [
            {"Code": "TransactionConflict", "Message": "Transaction is ongoing for the item"},
            {"Code": "None"},
        ]
    },
}
THROTTLED: Final = [
    {"error": {"code": "ProvisionedThroughputExceededException"}, "probability": 0.35},
    {"error": {"code": "ThrottlingException"}, "probability": 0.35},
]
OF_THE_TABLE: Final[dict[str, list[dict[str, Any]]]] = {
    "throttled": THROTTLED,
    "internal errors": [{"error": {"code": "InternalServerError", "status": 500}, "probability": 0.6}],
    "connections reset": [{"reset": True, "probability": 0.6}],
    "slow, or no answer": [
        {"timeout_ms": 20_000, "probability": 0.25},
        {"latency": {"min": 200, "max": 1_600}, "probability": 0.7},
    ],
    "conflicts": [{"operation": "TransactWriteItems", "error": CONFLICT, "probability": 0.7}],
    "answers garbled": [{"response": {"corrupt_bytes": 6}, "probability": 0.6}],
    "answers lost": [{"response": {"abort_bytes": 0}, "probability": 0.6}],
    "all mixed": [
        {"error": {"code": "ThrottlingException"}, "probability": 0.08},
        {"error": {"code": "InternalServerError", "status": 500}, "probability": 0.08},
        {"reset": True, "probability": 0.08},
        {"timeout_ms": 20_000, "probability": 0.04},
        {"operation": "TransactWriteItems", "error": CONFLICT, "probability": 0.15},
        {"response": {"corrupt_bytes": 6}, "probability": 0.08},
        {"response": {"abort_bytes": 0}, "probability": 0.12},
        {"latency": {"min": 50, "max": 900}, "probability": 0.3},
    ],
}
HANGS: Final = [{"timeout_ms": 20_000}]


@dataclass
class Site:
    """A stack with something that can fail at every joint."""

    folder: Path
    stack: Stack
    table: Microburst
    mail: FaultProxy
    queues: FaultProxy
    mailbox: Mailbox
    population: Population
    seed: int
    dynamodb: Any
    """The engine itself, with no fault before it."""
    streams: Any
    spooled: list[int] = field(default_factory=list)
    """When each message was spooled, epoch ms."""

    def aws(self, service: str) -> Any:
        """A client of the emulator."""
        return client(service, self.stack.told["aws_endpoint_url"])


class Row(NamedTuple):
    """A line of the table that is printed."""

    fault: str
    requests: int
    fired: int
    left: int
    spooled: int
    unavailable: int
    lost: int
    slowest: float


def client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="000000000000",
        aws_secret_access_key="local",
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    seed = int(os.environ.get("FAULTS_SEED", "1"))
    folder = tmp_path_factory.mktemp("faults")
    rng = random.Random(seed)  # noqa: S311 - which faults there are, so that they can be had again
    mailbox = Mailbox()
    spooled: list[int] = []
    made: list[Site] = []

    def queued(asked: dict[str, Any]) -> None:
        if made and asked.get("QueueUrl") == made[0].stack.told["spool_queue_url"]:
            spooled.append(time.time_ns() // 1_000_000)

    def hurry(asked: dict[str, Any]) -> None:
        """What is deferred for minutes comes back within seconds."""
        for name, most in (("DelaySeconds", 1), ("VisibilityTimeout", 5)):
            if name in asked:
                asked[name] = min(asked[name], most)

    with ExitStack() as ending:
        engine = ending.enter_context(dynamodb_local.running())
        table = ending.enter_context(microburst.running(engine, folder / "microburst.log", seed))
        mail = ending.enter_context(fault_proxy(rng, mailbox.take))
        queues = ending.enter_context(fault_proxy(rng, queued, hurry))
        stack = ending.enter_context(
            standing(
                folder,
                dynamodb_endpoint_url=table.url,
                functions_environment={
                    "AWS_ENDPOINT_URL_SESV2": mail.url,
                    "AWS_ENDPOINT_URL_SQS": queues.url,
                },
            )
        )
        mail.target, queues.target = stack.told["mail_url"], stack.told["aws_endpoint_url"]
        population = Population(stack, mailbox, seed, AT_ONCE)
        found = Site(
            folder,
            stack,
            table,
            mail,
            queues,
            mailbox,
            population,
            seed,
            client("dynamodb", engine),
            client("dynamodbstreams", engine),
            spooled,
        )
        made.append(found)
        shorten_waits(found)
        yield found


def shorten_waits(site: Site) -> None:
    """Queues bring back what failed after seconds, as often as it takes: the waits themselves are tested elsewhere."""
    sqs = site.aws("sqs")
    for url, seconds in (("spool_queue_url", 5), ("mail_queue_url", 4)):
        held = sqs.get_queue_attributes(QueueUrl=site.stack.told[url], AttributeNames=["RedrivePolicy"])["Attributes"]
        policy = json.loads(held["RedrivePolicy"]) | {"maxReceiveCount": 1_000}
        sqs.set_queue_attributes(
            QueueUrl=site.stack.told[url],
            Attributes={"VisibilityTimeout": str(seconds), "RedrivePolicy": json.dumps(policy)},
        )


# --- what goes wrong -------------------------------------------------------------------------------------------------


@contextmanager
def table_fails(site: Site, rules: list[dict[str, Any]]) -> Iterator[Callable[[], int]]:
    before = site.table.fired()
    site.table.obey(*rules)
    try:
        yield lambda: site.table.fired() - before
    finally:
        site.table.obey()


@contextmanager
def gate_fails(at: FaultProxy, *faults: Fault, probability: float) -> Iterator[Callable[[], int]]:
    before = at.fired
    at.fail(*faults, probability=probability)
    try:
        yield lambda: at.fired - before
    finally:
        at.mend()


@contextmanager
def functions_die(site: Site) -> Iterator[Callable[[], int]]:
    """Kill functions' processes in the middle of a call. The table is slow, so that there is a middle."""
    over = threading.Event()
    killed: Counter[str] = Counter()
    rng = random.Random(site.seed)  # noqa: S311 - as above

    def kill() -> None:
        while killed["all"] < KILLED and not over.wait(0.02):
            busy = [pid for pid in children(site.stack.told["emulator_pid"]) if is_busy(pid)]
            if killed["all"] % 2:  # every other time one that somebody waits for
                busy = [pid for pid in busy if answers_people(pid)]
            if busy:
                os.kill(rng.choice(busy), signal.SIGKILL)
                killed["all"] += 1
                over.wait(0.7)

    site.table.obey({"latency": {"min": 100, "max": 400}})
    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    try:
        yield lambda: killed["all"]
    finally:
        over.set()
        killer.join()
        site.table.obey()


def children(pid: int) -> list[int]:
    """The processes that a process started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def is_busy(pid: int) -> bool:
    """Whether a function's process is at work: one that waits for its next event reads from a pipe."""
    try:
        waits_in = Path(f"/proc/{pid}/wchan").read_text()
    except OSError:
        return False
    return "pipe_read" not in waits_in


def answers_people(pid: int) -> bool:
    """Whether a process is one of the functions behind the pages."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except OSError:
        return False
    return any(f"-{name}Function" in environment for name in ("Unsubscribe", "Confirm", "Preferences"))


# --- the run ---------------------------------------------------------------------------------------------------------


class Run:
    """What was done, phase by phase."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.fired: dict[str, int] = {}
        self.spooled: dict[str, int] = {}
        self.hanging: dict[str, list[float]] = {}
        self.decision_while_hanging = 0
        self.took: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """What is spooled in the block counts as the phase's."""
        began, before = time.monotonic(), len(self.site.spooled)
        yield
        self.spooled[name] = len(self.site.spooled) - before
        self.took[name] = time.monotonic() - began

    def everything(self) -> None:
        site, population = self.site, self.site.population
        with self.phase("warm"):
            warm_up(site)
        with self.phase("none"):
            population.live("none", PEOPLE // 2)
        self.fired["none"] = 0
        of_ses = (Fault.THROTTLED, Fault.FAILED_AFTER, Fault.LOST_AFTER)
        with self.phase("SES fails"), gate_fails(site.mail, *of_ses, probability=0.6) as fired:
            population.live("SES fails", PEOPLE)
            self.fired["SES fails"] = fired()
        for fault, rules in OF_THE_TABLE.items():
            with self.phase(fault), table_fails(site, rules) as fired:
                population.live(fault, PEOPLE)
                self.fired[fault] = fired()
        with self.phase("queues unavailable"), gate_fails(site.queues, Fault.THROTTLED, probability=0.8) as fired:
            population.live("queues unavailable", PEOPLE)
            self.fired["queues unavailable"] = fired()
        self.table_hangs()
        self.table_and_queue_unavailable()
        if not Path("/proc/self/wchan").exists():
            return  # only Linux tells which processes are at work
        with self.phase("functions die"), functions_die(site) as fired:
            population.live("functions die", PEOPLE, patient=True)
            self.fired["functions die"] = fired()

    def table_hangs(self) -> None:
        """Only opt-outs, and only their answers' times."""
        site = self.site
        population = Population(site.stack, site.mailbox, site.seed, HANGING_AT_ONCE)
        people = [population.newcomer("table hangs", number) for number in range(2 * POSTS)]
        site.population.people += people
        reporting = population.newcomer("table hangs", 2 * POSTS)
        site.population.people.append(reporting)
        with self.phase("table hangs"), table_fails(site, HANGS) as fired:
            population.report(reporting, "unsubscribed", ("news",))
            asked = site.stack.api("POST", "/v1/decisions", {"topic": "news", "emails": [reporting.email]})
            self.decision_while_hanging = asked.status
            with ThreadPoolExecutor(max_workers=HANGING_AT_ONCE) as pool:
                for number, person in enumerate(people):
                    pool.submit(population.one_click if number % 2 else population.post_page, person)
            self.fired["table hangs"] = fired()
        for way in ("one-click", "page"):
            self.hanging[way] = [act.seconds for person in people for act in person.of("out") if act.way == way]

    def table_and_queue_unavailable(self) -> None:
        """Now an opt-out may be refused; whoever presses again once it is over is heard."""
        site, population = self.site, self.site.population
        people = [population.newcomer("table, queue unavailable", number) for number in range(PEOPLE // 2)]
        with (
            self.phase("table, queue unavailable"),
            table_fails(site, [{"error": {"code": "InternalServerError", "status": 500}}]) as fired,
            gate_fails(site.queues, Fault.THROTTLED, Fault.HANGS, probability=0.8) as fired_too,
        ):
            with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
                list(pool.map(population.one_click, people))
            self.fired["table, queue unavailable"] = fired() + fired_too()
        for person in people[::2]:
            population.one_click(person)

    def rows(self, lost: Counter[str]) -> list[Row]:
        """The table, as it is printed."""
        acts: dict[str, list[Act]] = defaultdict(list)
        for person in self.site.population.people:
            acts[person.phase] += person.acts
        return [
            Row(
                fault,
                len(acts[fault]),
                fired,
                sum(act.acknowledged for act in acts[fault] if act.kind == "out"),
                self.spooled[fault],
                sum(act.status == 503 for act in acts[fault]),
                lost[fault],
                max((act.seconds for act in acts[fault] if act.kind == "out"), default=0.0),
            )
            for fault, fired in self.fired.items()
        ]


def warm_up(site: Site) -> None:
    """Start as many of each function as will be asked at once, so that no answer's time is that of a start."""
    person = site.population.newcomer("warm", 0)
    with table_fails(site, [{"latency": 600}]):
        for count in range(2, HANGING_AT_ONCE + 1, 2):
            calls = [("GET", person.leave_url), ("POST", person.leave_url)] * count
            if count <= AT_ONCE:
                api, hook = f"/v1/subscribers/{person.subscriber_id}", "/hooks/demo/standard"
                calls += [("GET", person.choose_url), ("GET", api), ("POST", hook), ("GET", "/s/demo")] * count
            with ThreadPoolExecutor(max_workers=len(calls)) as pool:
                list(pool.map(lambda call: site.stack.api(*call), calls))


# --- the laws --------------------------------------------------------------------------------------------------------


class Held(NamedTuple):
    """What the table holds on a person."""

    state: dict[str, Any]
    contact: dict[str, Any]
    events: list[dict[str, Any]]


def held(site: Site, person: Person) -> Held:
    found = site.dynamodb.query(
        TableName=site.stack.told["table_name"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"S#demo#{person.subscriber_id}"}},
        ConsistentRead=True,
    )["Items"]
    named = {item["sk"]["S"]: item for item in found}
    events = [item for name, item in named.items() if name.startswith("E#")]
    return Held(named.get("STATE", {}), named.get("CONTACT", {}), events)


def registers(event: dict[str, Any]) -> dict[str, int]:
    return {name: int(value["N"]) for name, value in event["registers"]["M"].items()}


def wants_mail(person: Person) -> bool:
    """Somebody whose request was accepted, and who did nothing since that makes its email needless.

    Leaving everything forgets the address; and who left, or agreed to, all that they asked for needs no mail any more.
    """
    asked = [act for act in person.of("ask") if act.acknowledged]
    left, agreed = (
        {topic for act in person.of(*kinds) for topic in act.topics} for kinds in (("out",), ("confirm", "in"))
    )
    overtaken = any(set(act.topics) <= done for act in person.of("ask") for done in (left, agreed))
    return bool(asked) and not overtaken and not any(act.topics == TOPICS for act in person.of("out"))


def settle(site: Site) -> None:
    """Wait until what was deferred is done: spool, emails, stream, notifications."""
    sqs = site.aws("sqs")
    counts = [f"ApproximateNumberOfMessages{which}" for which in ("", "NotVisible", "Delayed")]

    def waiting(queue: str) -> int:
        held = sqs.get_queue_attributes(QueueUrl=site.stack.told[queue], AttributeNames=counts)["Attributes"]
        return sum(int(held[each]) for each in counts)

    eventually(lambda: waiting("spool_queue_url"), lambda left: left == 0, SETTLED_S)
    missing = [person for person in site.population.people if wants_mail(person) and not site.mailbox.to(person.email)]
    until = time.monotonic() + SETTLED_S
    while missing:
        assert time.monotonic() < until, missed(site, missing, waiting("mail_queue_url"))
        close_breaker(site)
        for person in missing:
            end_claim(site, person)
        time.sleep(0.5)
        left = [person for person in missing if not site.mailbox.to(person.email)]
        if len(left) < len(missing):
            until = time.monotonic() + SETTLED_S
        missing = left


def missed(site: Site, missing: list[Person], queued: int) -> str:
    """What is known of emails that never came."""
    states = Counter(held(site, person).contact.get("mail", {}).get("S", "nothing") for person in missing)
    said = [line for line in (site.folder / "stack.log").read_text().splitlines() if "warning" in line]
    phases = Counter(person.phase for person in missing)
    return f"{len(missing)} mails never came: {phases}; {states}; {queued} in the queue; the stack said {said[-20:]}"


def close_breaker(site: Site) -> None:
    """As if five minutes had passed since there were too many: with short waits each email is tried far more often."""
    site.dynamodb.delete_item(
        TableName=site.stack.told["table_name"], Key={"pk": {"S": "L#breaker#demo"}, "sk": {"S": "OPEN"}}
    )


def end_claim(site: Site, person: Person) -> None:
    """As if ten minutes had passed for an email that somebody claimed and nobody is known to have sent."""
    contact = held(site, person).contact
    if contact.get("mail", {}).get("S") != "sending" or site.mailbox.to(person.email):
        return
    site.dynamodb.update_item(
        TableName=site.stack.told["table_name"],
        Key={name: contact[name] for name in ("pk", "sk")},
        UpdateExpression="SET claim_ends = :over",
        ConditionExpression="mail = :sending",
        ExpressionAttributeValues={":over": {"N": "0"}, ":sending": {"S": "sending"}},
    )


class Judge:
    """Checks the laws for everybody, and keeps what breaks them."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.lost: Counter[str] = Counter()
        self.broken: list[str] = []
        self.waited = 0
        """People whose mail nothing made needless."""

    def everybody(self) -> None:
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            list(pool.map(self.person, self.site.population.people))
        for person in self.site.population.people:
            for act in person.acts:
                self.answer(person, act)

    def breaks(self, person: Person, what: str) -> None:
        acts = [(act.kind, act.way, act.topics, act.status, act.since, act.until) for act in person.acts]
        self.broken.append(f"{person.phase}: {what}\n    {acts}")

    def person(self, person: Person) -> None:
        site = self.site
        kept = held(site, person)
        view = site.stack.api("GET", f"/v1/subscribers/{person.subscriber_id}").json()
        ledger = site.stack.api("GET", f"/v1/subscribers/{person.subscriber_id}/ledger").json()
        if not ledger["intact"]:
            self.breaks(person, "the ledger is not intact")
        for topic in TOPICS:
            now = view["topics"][topic]
            if now["status"] not in (allowed := person.may_be(topic)):
                self.breaks(person, f"{topic} is {now['status']}, and may be {allowed}")
                self.lost[person.phase] += "unsubscribed" in allowed
            if allowed == {"unsubscribed"} and (now["allowed"], now["reason"]) != (False, "unsubscribed"):
                self.breaks(person, f"{topic} may be mailed: {now['reason']}")
        self.opt_outs(person, kept)
        self.opt_ins(person, kept)
        mails = self.site.mailbox.to(person.email)
        if len(mails) > 1:
            self.breaks(person, f"{len(mails)} mails within the cooldown")
        if wants_mail(person):
            self.waited += 1
            if not mails:
                self.breaks(person, "the mail is lost")

    def opt_outs(self, person: Person, kept: Held) -> None:
        """Each that was acknowledged has its event, or one that came later, or one that stood when it came."""
        for act in person.of("out"):
            for topic in act.topics if act.acknowledged else ():
                outs, backs = [], []
                for event in kept.events:
                    for name, instant in registers(event).items():
                        outs += [instant] if name in {f"out.{topic}", "out.*"} else []
                        backs += [instant] if name in {f"in.{topic}", f"ask.{topic}"} else []
                    backs += [int(event["occurred_at"]["N"])] if event["kind"]["S"] == "undone" else []
                if not any(act.since <= out or not any(out < back <= act.until for back in backs) for out in outs):
                    self.breaks(person, f"no event of the opt-out from {topic} by {act.way}")
                    self.lost[person.phase] += 1
        for act in person.of("pause"):
            paused = [int(each["occurred_at"]["N"]) for each in kept.events if each["kind"]["S"] == "paused"]
            if act.acknowledged and not any(act.since <= instant <= act.until for instant in paused):
                self.breaks(person, "no event of the pause")

    def opt_ins(self, person: Person, kept: Held) -> None:
        """Nobody is opted in but by an act of theirs."""
        for event in kept.events:
            for name, instant in registers(event).items():
                kind, _, topic = name.partition(".")
                if kind == "in" and not any(
                    window[0] <= instant <= window[1] + 1
                    for act in person.of("confirm", "in", topic=topic)
                    if (window := person.window(act))
                ):
                    self.breaks(person, f"opted in to {topic} by nobody, as {event['kind']['S']}")
                if kind == "claim" and not person.of("claim", "in", topic=topic):
                    self.breaks(person, f"a claim of {topic} that nobody made")

    def answer(self, person: Person, act: Act) -> None:
        """No fault is told as anything but "come back", and an opt-out is refused only with nowhere to keep it."""
        died = person.phase == "functions die"
        nowhere = person.phase == "table, queue unavailable"
        if act.refused and not died and (act.status != 503 or not act.retry_after):
            self.breaks(person, f"{act.kind} by {act.way} was answered {act.status}")
        if act.refused and act.kind in {"out", "pause"} and not died and not nowhere:
            self.breaks(person, f"{act.kind} by {act.way} was refused with {act.status}")


def stream_of(site: Site) -> list[dict[str, Any]]:
    """Every record of the table's stream, oldest first, as functions get them."""
    arn = site.dynamodb.describe_table(TableName=site.stack.told["table_name"])["Table"]["LatestStreamArn"]
    records = []
    for shard in site.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
        iterator = site.streams.get_shard_iterator(
            StreamArn=arn, ShardId=shard["ShardId"], ShardIteratorType="TRIM_HORIZON"
        )["ShardIterator"]
        while iterator:
            page = site.streams.get_records(ShardIterator=iterator)
            records += map(as_lambda_sees, page["Records"])
            if not page["Records"]:
                break
            iterator = page.get("NextShardIterator")
    return records


def status(image: dict[str, Any], topic: str) -> str:
    """A topic's status by the registers in an image, as the design has it."""
    at = {name: int(value["N"]) for name, value in image.items() if name.startswith(("in.", "out.", "ask.", "claim."))}

    def left(name: str) -> int:
        out, undone = at.get(f"out.{name}", 0), image.get(f"undo.{name}", {"M": {}})["M"]
        while str(out) in undone:
            out = int(undone[str(out)]["N"])
        return out

    out = max(left(topic), left("*"))
    opted_in, asked = at.get(f"in.{topic}", 0), at.get(f"ask.{topic}", 0)
    if opted_in > out or (at.get(f"claim.{topic}") and not out):
        return "subscribed"
    if asked > max(opted_in, out):
        return "pending"
    return "unsubscribed" if out else "none"


def changes(records: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """The events that changed somebody's status, by id: what became of each topic."""
    found = {}
    for record in records:
        images = record["dynamodb"]
        if images["Keys"]["sk"]["S"] == "STATE" and "NewImage" in images:
            old, new = images.get("OldImage", {}), images["NewImage"]
            moved = {each: status(new, each) for each in TOPICS if status(new, each) != status(old, each)}
            if moved:
                found[new["last_event"]["M"]["event_id"]["S"]] = moved
    return found


def notifications(site: Site) -> dict[str, list[dict[str, Any]]]:
    """What the platform was told, by webhook-id."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for each in site.stack.call("GET", site.stack.told["notifications_url"]).json():
        found[each["headers"]["webhook-id"]].append(json.loads(each["body"]))
    return found


# --- the tests -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lived(site: Site) -> Run:
    """Everything has gone wrong, and what waited is done."""
    run = Run(site)
    run.everything()
    with run.phase("settled"):
        settle(site)
    return run


def test_whatever_fails_no_promise_is_broken(lived: Run, tell: Callable[[str], None]) -> None:
    judge = Judge(lived.site)
    with lived.phase("judged"):
        judge.everybody()
    report(lived, judge, tell)
    assert not judge.broken, "\n".join([f"{len(judge.broken)} times:", *judge.broken[:40]])
    assert judge.waited > PEOPLE
    never = [fault for fault, fired in lived.fired.items() if not fired and fault != "none"]
    assert not never, f"never happened: {never}"


def test_opt_outs_are_accepted_while_the_table_hangs_and_nothing_is_decided(lived: Run) -> None:
    hung = [person for person in lived.site.population.people if person.phase == "table hangs"]
    accepted = [act for person in hung for act in person.of("out") if act.acknowledged]
    assert Counter(act.way for act in accepted) == {"one-click": POSTS, "page": POSTS, "event": 1}
    assert lived.decision_while_hanging == 503
    for person in hung:
        assert lived.site.stack.status(person.email) == "unsubscribed"


def test_every_change_is_told_to_the_platform(lived: Run) -> None:
    site = lived.site
    changed = changes(stream_of(site))
    told = eventually(lambda: notifications(site), lambda told: changed.keys() <= told.keys(), SETTLED_S)
    assert len(changed) > PEOPLE
    for event_id, moved in changed.items():
        for body in told[event_id]:
            assert body["data"]["event_id"] == event_id
            assert {topic: now["status"] for topic, now in body["data"]["topics"].items()} == moved


def test_a_stream_that_comes_twice_and_out_of_order_changes_nothing(lived: Run, tell: Callable[[str], None]) -> None:
    site = lived.site
    people = [person.subscriber_id for person in site.population.people]
    before = decisions(site, people)
    mails = {person.email: len(site.mailbox.to(person.email)) for person in site.population.people}
    told = notifications(site)

    functions = site.aws("lambda")
    repeated = Counter[str]()
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        if ":dynamodb:" not in mapping["EventSourceArn"]:
            continue
        records = [record for record in stream_of(site) if passes(record, mapping)]
        rng = random.Random(site.seed)  # noqa: S311 - an order that can be had again
        rng.shuffle(records)
        again = [*records[:REPEATED], *records[:REPEATED]]
        rng.shuffle(again)
        for at in range(0, len(again), 10):
            answer = functions.invoke(
                FunctionName=mapping["FunctionArn"], Payload=json.dumps({"Records": again[at : at + 10]}).encode()
            )
            assert json.load(answer["Payload"]) == {"batchItemFailures": []}
        repeated[mapping["FunctionArn"].partition(":function:")[2]] = len(again)
    assert len(repeated) == 2
    assert all(repeated.values())

    expected = sum(map(len, told.values())) + PEOPLE
    now = eventually(lambda: notifications(site), lambda now: sum(map(len, now.values())) >= expected, SETTLED_S)
    assert now.keys() == told.keys(), "the same events, under the same ids"
    for bodies in now.values():
        assert all(body == bodies[0] for body in bodies)
    assert {person.email: len(site.mailbox.to(person.email)) for person in site.population.people} == mails
    assert decisions(site, people) == before
    tell(f"records of the stream that came twice more, out of order: {dict(repeated)}")


def decisions(site: Site, people: list[str]) -> list[Any]:
    found = []
    for topic in TOPICS:
        answer = site.stack.api("POST", "/v1/decisions", {"topic": topic, "subscriber_ids": people})
        found.append(answer.json()["decisions"])
    return found


def report(run: Run, judge: Judge, tell: Callable[[str], None]) -> None:
    columns = ("fault", "requests", "fired", "opt-outs", "spooled", "503", "lost", "slowest opt-out")
    tell(f"{columns[0]:<18}" + "".join(f"{column:>{len(column) + 2}}" for column in columns[1:]))
    for row in run.rows(judge.lost):
        numbers = "".join(
            f"{number:>{len(column) + 2}}" for column, number in zip(columns[1:-1], row[1:-1], strict=True)
        )
        tell(f"{row.fault:<18}{numbers}{row.slowest:>{len(columns[-1])}.2f} s")
    died = [act for person in run.site.population.people for act in person.acts if person.phase == "functions die"]
    tell(f"of {len(died)} requests while functions die, {sum(act.status == 500 for act in died)} were answered 500")
    for way, seconds in run.hanging.items():
        p95 = statistics.quantiles(seconds, n=20)[-1]
        tell(
            f"while the table hangs, {len(seconds)} posts by {way} are answered in "
            f"{statistics.median(seconds):.2f} s (median), {p95:.2f} s (p95), {max(seconds):.2f} s (slowest)"
        )
    tell(f"{len(run.site.population.people)} people; FAULTS_SEED={run.site.seed}")
    tell("seconds: " + ", ".join(f"{name} {took:.0f}" for name, took in run.took.items()))
