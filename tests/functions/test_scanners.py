"""Scanners: machines that open what an email links to, and press what they find there, as senders report them.

A session is what one machine sends: when (ms since it began), method, and for whom. What they open is of no
consequence; what they post opts nobody in, and where it opts somebody out it is marked, and can be undone.
"""

from __future__ import annotations

from typing import Any, Final

import pytest

from consentry.rules import scanners
from support.world import DAY, SECOND, Answer, World

ANN: Final = "ann@example.com"
CHROME: Final = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/146.0.0.0 Safari/537.36"
)
SCANNERS: Final = {
    "Barracuda": "Mozilla/5.0 (compatible; BarracudaSentinel/1.0)",
    "Mimecast": "Mimecast Link Protection",
    "Proofpoint": "Mozilla/5.0 (compatible; ProofPoint URL Defense)",
    "Symantec": "Symantec Email Security.cloud (MessageLabs)",
    "Trend Micro": "Mozilla/5.0 (compatible; Trend Micro Email Security)",
    "Microsoft": "Microsoft Office Existence Discovery",
    "Cisco": "Cisco IronPort Email Security",
    "Slack": "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
    "Facebook": "facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
    "Google": "Mozilla/5.0 (compatible; Google-Safety; +http://www.google.com/bot.html)",
    "Googlebot": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Skype": "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5",
    "WhatsApp": "WhatsApp/2.23.20.0 A",
}
PEOPLE: Final = {
    "Chrome": CHROME,
    "Safari": "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/19.0 Mobile/15E148 Safari/604.1",
    "Firefox": "Mozilla/5.0 (X11; Linux x86_64; rv:150.0) Gecko/20100101 Firefox/150.0",
    "a Cubot telephone": "Mozilla/5.0 (Linux; Android 14; CUBOT KINGKONG 9) AppleWebKit/537.36 Chrome/146.0 Mobile",
    "a mail program's window": "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/146.0 OneOutlook/1",
    "LinkedIn's window": "Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 Mobile/15E148 [LinkedInApp]/9.30",
    "a platform": "python-requests/2.32.5",
    "an engineer": "curl/8.17.0",
    "nothing": "",
}


@pytest.mark.parametrize("agent", SCANNERS.values(), ids=SCANNERS)
def test_a_scanner_that_says_so_is_believed(agent: str) -> None:
    assert scanners.recognised(agent)


@pytest.mark.parametrize("agent", PEOPLE.values(), ids=PEOPLE)
def test_nobody_else_is_taken_for_one(agent: str) -> None:
    assert not scanners.recognised(agent)


class Machine:
    """One scanner: its IP address, its user agent, and a clock that it doesn't waste."""

    def __init__(self, world: World, agent: str = CHROME, ip: str = "198.51.100.9") -> None:
        self.world = world
        self.how: dict[str, Any] = {"headers": {"user-agent": agent}, "ip": ip}

    def opens(self, url: str) -> Answer:
        return self.world.get(url, **self.how)

    def posts(self, url: str, page: Answer, **more: str) -> Answer:
        """Send the first form of a page, as it is or with fields filled in."""
        return self.world.post(url, dict(page.page.forms[0].fields) | more, **self.how)

    def visits(self, url: str, wait: int = 0, **more: str) -> Answer:
        page = self.opens(url)
        self.world.now += wait
        return self.posts(url, page, **more)


def people(number: int) -> list[str]:
    return [f"person{at}@example.com" for at in range(number)]


def marks(world: World) -> list[bool]:
    return ["suspected_automation" in event for event in world.events()]


# --- what opens -------------------------------------------------------------------------------------------------------


def test_a_storm_of_heads_and_gets_leaves_no_trace(world: World) -> None:
    """Link protection looks at every link of an email, several times within seconds, from several machines."""
    urls = [world.confirm_url(), world.leave_url(), world.choose_url(), "/s/demo"]
    for ip in ("198.51.100.9", "198.51.100.10", "203.0.113.200"):
        for method in ("HEAD", "GET", "OPTIONS", "HEAD", "GET"):
            for url in urls:
                world.send(method, url, ip=ip, headers={"user-agent": SCANNERS["Barracuda"]})
                world.now += 7
    assert world.items() == []


# --- what presses "confirm" -------------------------------------------------------------------------------------------


def test_a_scanner_that_posts_what_it_opened_at_once_opts_nobody_in(world: World) -> None:
    answer = Machine(world).visits(world.confirm_url())
    assert answer.page.heading == "One quick question"
    assert world.people() == []


@pytest.mark.parametrize("agent", SCANNERS.values(), ids=SCANNERS)
def test_a_scanner_by_name_that_waits_as_long_as_a_person_opts_nobody_in(world: World, agent: str) -> None:
    """Not by the button, and not by the second question, however it answers."""
    machine, url = Machine(world, agent), world.confirm_url()
    answer = machine.visits(url, 1_500)
    assert answer.page.heading == "One quick question"
    world.now += 1_500
    again = machine.posts(url, answer, answer="yes")
    assert again.page.heading == "One quick question"
    assert world.people() == []


def test_a_person_opts_in_after_a_scanner_was_there(world: World) -> None:
    url = world.confirm_url()
    Machine(world, SCANNERS["Proofpoint"]).visits(url, 1_500)
    answer = Machine(world, ip="203.0.113.7").visits(url, 5 * SECOND)
    assert answer.page.heading == "You’re signed up"


def test_one_machine_that_confirms_for_ten_people_in_a_second_is_asked_from_the_ninth_on(world: World) -> None:
    """It looks like a browser and waits. For eight it passes for an office; the second question has no default."""
    machine = Machine(world)
    urls = [world.confirm_url(email=each) for each in people(10)]
    shown = [machine.opens(url) for url in urls]
    world.now += 1_500
    answers = [machine.posts(url, page) for url, page in zip(urls, shown, strict=True)]
    assert [answer.page.heading for answer in answers] == ["You’re signed up"] * 8 + ["One quick question"] * 2
    world.now += 1_500
    for url, asked in zip(urls[8:], answers[8:], strict=True):
        assert machine.posts(url, asked).page.heading == "One quick question"
    assert [world.status(each) for each in people(10)[8:]] == ["none", "none"]


def test_a_person_in_such_a_crowd_answers_the_question_and_is_in(world: World) -> None:
    machine = Machine(world)
    urls = [world.confirm_url(email=each) for each in people(9)]
    shown = [machine.opens(url) for url in urls]
    world.now += 1_500
    last = [machine.posts(url, page) for url, page in zip(urls, shown, strict=True)][-1]
    world.now += 1_500
    assert machine.posts(urls[-1], last, answer="yes").page.heading == "You’re signed up"


# --- what presses "unsubscribe" ---------------------------------------------------------------------------------------


def test_one_machine_that_leaves_for_ten_people_in_a_second_is_marked_from_the_fourth_on(world: World) -> None:
    machine = Machine(world)
    urls = [world.leave_url(email=each) for each in people(10)]
    shown = [machine.opens(url) for url in urls]
    world.now += 1_500
    answers = [machine.posts(url, page) for url, page in zip(urls, shown, strict=True)]
    assert {answer.page.heading for answer in answers} == {"You’re unsubscribed"}, "nobody is kept from leaving"
    assert sorted(marks(world)) == [False] * 3 + [True] * 7
    assert {world.status(each) for each in people(10)} == {"unsubscribed"}
    assert all(world.intact(each) for each in people(10))


@pytest.mark.parametrize("agent", SCANNERS.values(), ids=SCANNERS)
def test_a_scanner_by_name_that_leaves_is_marked_and_can_be_undone(world: World, agent: str) -> None:
    world.subscribed("news")
    answer = Machine(world, agent).visits(world.leave_url(), 1_500)
    assert answer.page.heading == "You’re unsubscribed"
    assert marks(world) == [False, True]
    world.now += DAY // 48
    assert world.post(answer.page.forms[0].action).page.heading == "Undone"
    assert world.status() == "subscribed"


def test_a_person_who_leaves_after_a_scanner_did_is_on_record_and_stays_out_when_that_is_undone(world: World) -> None:
    world.subscribed("news")
    url = world.leave_url()
    pressed = Machine(world, SCANNERS["Proofpoint"]).visits(url, 1_500)
    world.now += SECOND
    world.post(url, body="List-Unsubscribe=One-Click")
    assert marks(world) == [False, True, False]
    world.post(pressed.page.forms[0].action)
    assert world.status() == "unsubscribed"
    assert world.intact()


@pytest.mark.parametrize("agent", SCANNERS.values(), ids=SCANNERS)
def test_a_scanner_by_name_takes_no_opt_out_back(world: World, agent: str) -> None:
    world.subscribed("news")
    machine = Machine(world, agent)
    left = machine.visits(world.leave_url(), 1_500)
    before = world.items()
    assert machine.posts(left.page.forms[0].action, left).page.heading == "This couldn’t be undone"
    assert world.items() == before


@pytest.mark.parametrize("agent", SCANNERS.values(), ids=SCANNERS)
@pytest.mark.parametrize("ours", [True, False])
def test_a_scanner_by_name_opts_nobody_in_by_the_preferences(world: World, agent: str, ours: bool) -> None:
    """It ticks all there is, waits like a person, and knows the address: nothing comes of it, not even an email."""
    world.happened({"out.offers": world.now})
    machine, url = Machine(world, agent), world.choose_url(ours=ours)
    before = world.items()
    page = machine.opens(url).page.forms[0]
    world.now += 1_500
    ticked = page.with_values({"topics": ["news", "offers", "product"], "email": ANN})
    assert world.post(url, ticked, **machine.how).status == 200
    assert world.items() == before


def test_people_behind_one_address_who_leave_in_turn_are_not_marked(world: World) -> None:
    for each in people(10):
        Machine(world).visits(world.leave_url(email=each), 2 * SECOND)
    assert marks(world) == [False] * 10


def test_a_person_who_presses_twice_is_not_marked(world: World) -> None:
    machine, url = Machine(world), world.leave_url()
    page = machine.opens(url)
    world.now += 2 * SECOND
    for _ in range(5):
        assert machine.posts(url, page).page.heading == "You’re unsubscribed"
        world.now += 1
    assert marks(world) == [False]


@pytest.mark.parametrize("agent", [CHROME, SCANNERS["Google"], ""], ids=["browser", "scanner", "nothing"])
def test_one_click_from_a_providers_machine_is_never_marked(world: World, agent: str) -> None:
    """Google and Yahoo post for many people at once; that is what RFC 8058 is for."""
    for each in people(12):
        answer = world.post(
            world.leave_url(email=each), body="List-Unsubscribe=One-Click", headers={"user-agent": agent}
        )
        assert answer.body == "You are unsubscribed.\n"
    assert marks(world) == [False] * 12
    assert {item["sk"]["S"].partition("#")[0] for item in world.items()} == {"E", "STATE"}


def test_people_who_pause_join_no_crowd(world: World) -> None:
    for each in people(6):
        url = world.leave_url(email=each)
        form = world.get(url).page.form(scope="pause")
        world.now += 2 * SECOND
        world.post(url, form.fields)
        world.now -= 2 * SECOND
    assert marks(world) == [False] * 6


@pytest.fixture
def crowded(world: World) -> Machine:
    """A machine whose crowd of this second is full."""
    machine = Machine(world)
    shown = {url: machine.opens(url) for url in (world.leave_url(email=each) for each in people(3))}
    world.now += 1_500
    for url, page in shown.items():
        machine.posts(url, page)
    return machine


def test_leaving_everything_in_a_crowd_forgets_the_address_too(world: World, crowded: Machine) -> None:
    world.now -= 1_500
    world.post("/s/demo", {"email": ANN, "topics": "news"})
    url = world.leave_url()
    form = world.get(url).page.form(scope="all")
    world.now += 1_500
    crowded.world.post(url, form.fields, **crowded.how)
    assert marks(world).count(True) == 1
    assert ANN not in str(world.items())
    assert world.status() == "unsubscribed"


def test_a_table_that_is_away_spools_what_a_crowd_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = world.sqs.create_queue(QueueName="spool")["QueueUrl"]
    world.deploy(spool_queue_url=queue)
    machine = Machine(world)
    urls = [world.leave_url(email=each) for each in people(5)]
    shown = [machine.opens(url) for url in urls]
    world.now += 1_500
    with world.table_unavailable():
        answers = [machine.posts(url, page) for url, page in zip(urls, shown, strict=True)]
    assert {answer.page.heading for answer in answers} == {"You’re unsubscribed"}
    waiting = world.sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"])
    assert waiting["Attributes"]["ApproximateNumberOfMessages"] == "5"
