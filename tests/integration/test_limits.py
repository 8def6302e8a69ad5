"""Budgets, bursts and the breaker, over moto and over Amazon's DynamoDB Local: the same expectations of both."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import pytest
from botocore.exceptions import ReadTimeoutError

from consentry.rules.addresses import parse
from consentry.rules.brands import Bounds, Brand
from consentry.table.breaker import OPEN_MS, Breaker, _allowed
from consentry.table.gateway import StoreUnavailableError
from consentry.table.limits import Limits
from support import people
from support.calls import answer_lost, answering, counted
from support.tables import ANN, BOB, Table

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
NOW: Final = 1_800_000_000_000 // HOUR * HOUR
"""At the beginning of an hour, and so of a minute."""
IP: Final = "203.0.113.7"
FAULTS: Final = ["ThrottlingException", "InternalServerError", ReadTimeoutError(endpoint_url="http://table")]


def brand(**limits: int) -> Brand:
    return people.brand(limits=limits)


@pytest.fixture
def opened() -> list[str]:
    """The brands whose breakers opened, in order."""
    return []


@pytest.fixture
def breaker(table: Table, opened: list[str]) -> Breaker:
    return Breaker(table.gateway, opened.append)


# --- when the table is unavailable ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_whatever_the_table_suffers_from_is_one_error_of_ours(
    table: Table, breaker: Breaker, fault: str | Exception
) -> None:
    burst = table.limits.burst("demo", ANN, IP, 3, NOW)
    for operation, call in (
        ("UpdateItem", lambda: table.limits.spend("name", 1, 60, NOW)),
        ("UpdateItem", lambda: table.limits.admits(brand(), IP, NOW)),
        ("UpdateItem", lambda: table.limits.has_room(burst)),
        ("UpdateItem", lambda: breaker.holds(brand(), NOW)),
        ("Query", lambda: breaker.holds(brand(), NOW)),
        ("UpdateItem", lambda: breaker.complained("demo", NOW)),
        ("UpdateItem", lambda: table.limits.opt_ins(brand(), ANN, NOW)),
        ("GetItem", lambda: table.limits.confirmed("demo", ANN, NOW)),
    ):
        with answering(table.client, operation, fault), pytest.raises(StoreUnavailableError) as raised:
            call()
        assert raised.value.__cause__ is not None, operation


def test_a_breaker_that_cannot_be_opened_is_opened_by_the_next_mail(
    table: Table, breaker: Breaker, opened: list[str]
) -> None:
    one = brand(mails_a_minute=1)
    assert breaker.holds(one, NOW) == 0
    with (
        answering(table.client, "UpdateItem", None, "InternalServerError"),
        pytest.raises(StoreUnavailableError),
    ):
        breaker.holds(one, NOW)
    assert opened == []
    assert breaker.holds(one, NOW) == OPEN_MS
    assert opened == ["demo"]


# --- budgets ----------------------------------------------------------------------------------------------------------


def test_a_budget_can_be_spent_and_is_there_again_in_the_next_window(table: Table) -> None:
    spent = [table.limits.spend("name", 2, 60, at) for at in (NOW, NOW + 1, NOW + 2, NOW + MINUTE - 1)]
    assert spent == [True, True, False, False]
    assert table.limits.spend("name", 2, 60, NOW + MINUTE)


def test_a_budget_left_over_from_an_earlier_window_counts_for_nothing(table: Table) -> None:
    """TTL deletes late: its item is still there."""
    assert table.limits.spend("name", 1, 60, NOW)
    assert table.limits.spend("name", 1, 60, NOW + MINUTE)
    first, second = table.items()
    assert int(first["expires_at"]["N"]) == (NOW + MINUTE) // 1000
    assert int(second["expires_at"]["N"]) == (NOW + 2 * MINUTE) // 1000


def test_a_budget_is_nobody_elses(table: Table) -> None:
    assert table.limits.spend("mine", 1, 60, NOW)
    assert table.limits.spend("yours", 1, 60, NOW)
    assert not table.limits.spend("mine", 1, 60, NOW)


def test_a_lost_answer_costs_one_more_at_most(table: Table) -> None:
    gone = ReadTimeoutError(endpoint_url="http://table")
    with answer_lost(table.client, "UpdateItem", gone), pytest.raises(StoreUnavailableError):
        table.limits.spend("name", 2, 60, NOW)
    assert table.limits.spend("name", 2, 60, NOW)
    assert not table.limits.spend("name", 2, 60, NOW)


def test_many_who_spend_at_once_get_what_there_is_and_no_more(real_table: Table) -> None:
    together = threading.Barrier(6)

    def spend(_: int) -> list[bool]:
        together.wait(300)
        return [real_table.limits.spend("name", 10, 60, NOW) for _ in range(5)]

    with ThreadPoolExecutor(6) as pool:
        taken = [each for part in pool.map(spend, range(6)) for each in part]
    assert taken.count(True) == 10


# --- the form ---------------------------------------------------------------------------------------------------------


def test_one_visitor_gets_no_further_than_their_own_budget(table: Table) -> None:
    narrow = brand(requests_an_hour_per_ip=2, requests_an_hour=4)
    assert [table.limits.admits(narrow, IP, NOW) for _ in range(9)] == [True] * 2 + [False] * 7
    assert [table.limits.admits(narrow, "203.0.113.8", NOW) for _ in range(2)] == [True] * 2
    assert not table.limits.admits(narrow, "203.0.113.9", NOW), "the form's own budget is spent by those who got in"
    assert table.limits.admits(narrow, IP, NOW + HOUR)


def test_a_budget_of_one_brand_is_none_of_another(table: Table) -> None:
    narrow = brand(requests_an_hour_per_ip=1, requests_an_hour=1)
    assert table.limits.admits(narrow, IP, NOW)
    assert table.limits.admits(narrow._replace(id="other"), IP, NOW)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:DB8:1:2:0:0:0:1", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("203.0.113.7", "203.0.113.8", False),
        ("203.0.113.7", "::ffff:203.0.113.7", True),
        ("", "nonsense", True),
        ("", "203.0.113.7", False),
    ],
)
def test_visitors_are_told_apart_by_their_network(table: Table, one: str, other: str, same: bool) -> None:
    narrow = brand(requests_an_hour_per_ip=1)
    assert table.limits.admits(narrow, one, NOW)
    assert table.limits.admits(narrow, other, NOW) is not same


def test_no_name_in_the_table_tells_an_ip_address_or_follows_it(table: Table) -> None:
    for at in (NOW, NOW + HOUR):
        table.limits.admits(brand(), IP, at)
    names = [each["pk"]["S"] for each in table.items()]
    hashes = {name.split("#")[4] for name in names if "#visitor#" in name}
    assert len(hashes) == 2
    assert IP not in str(table.items())
    other_key = Limits(table.gateway, lambda _: b"another key")
    other_key.admits(brand(), IP, NOW)
    assert len({each["pk"]["S"] for each in table.items() if "#visitor#" in each["pk"]["S"]}) == 3


def test_an_ipv6_line_gets_no_further_by_having_many_networks(table: Table) -> None:
    """A home has a /56, a hosted machine a /48: 256 and 65,536 networks of the size that a customer gets at least."""
    three = brand(requests_an_hour_per_ip=3)

    def admitted(*ips: str) -> int:
        return sum(table.limits.admits(three, ip, NOW) for ip in ips)

    assert admitted(*["2001:db8:0:1::1"] * 9) == 3
    assert admitted(*(f"2001:db8:0:{at:x}::1" for at in range(2, 12))) == 3, "a /56 has 6"
    assert admitted(*(f"2001:db8:0:{at:x}00::1" for at in range(1, 31))) == 14, "a /48 has 20"
    assert admitted("2001:db8:1::1", "2001:db8:1::1") == 2, "a neighbour's /48 is another's"


def test_what_one_network_has_spent_costs_the_larger_ones_nothing(table: Table) -> None:
    one = brand(requests_an_hour_per_ip=1)
    for _ in range(9):
        table.limits.admits(one, "2001:db8:0:1::1", NOW)
    assert sorted(each["spent"]["N"] for each in table.items()) == ["1"] * 4


def test_a_visitor_of_a_platforms_form_has_one_budget_with_ours_and_takes_nothing_of_the_forms(table: Table) -> None:
    narrow = brand(requests_an_hour_per_ip=2, requests_an_hour=1)
    assert [table.limits.admits_visitor(narrow, IP, NOW) for _ in range(3)] == [True, True, False]
    assert not table.limits.admits(narrow, IP, NOW)
    assert table.limits.admits(narrow, "203.0.113.8", NOW)


# --- emails to a mailbox and a domain ---------------------------------------------------------------------------------


def test_a_mailbox_gets_six_emails_a_day_of_which_three_are_anybodys(table: Table) -> None:
    address = parse("ann@gmail.com")

    def sent(*anonymous: bool) -> list[bool]:
        return [
            table.gateway.update(*table.limits.mail_to(brand(), address, NOW, anonymous=each)) is None
            for each in anonymous
        ]

    assert sent(False, True, True, True, True) == [True, True, True, True, False]
    assert sent(False, False, False) == [True, True, False]
    (budget,) = table.items()
    assert (budget["spent"]["N"], budget["anonymous"]["N"]) == ("6", "3")


def test_what_the_holder_asked_for_leaves_anybody_less_and_never_more_than_six(table: Table) -> None:
    address = parse("ann@gmail.com")
    for anonymous in (False, False, False, False, False, True):
        assert table.gateway.update(*table.limits.mail_to(brand(), address, NOW, anonymous=anonymous)) is None
    assert table.gateway.update(*table.limits.mail_to(brand(), address, NOW)) is not None


def test_mailbox_and_domain_are_counted_over_all_brands_by_day(table: Table) -> None:
    def names(brand_id: str, email: str, at: int) -> list[str]:
        budgets = table.limits.mail_to(brand()._replace(id=brand_id), parse(email), at)
        return [each["Key"]["pk"]["S"] for each in budgets]

    first = names("demo", "ann@example.com", NOW)
    assert len(first) == 2
    assert names("other", "ann@example.com", NOW) == names("demo", "ann+x@example.com", NOW) == first
    assert names("demo", "bob@mail.example.com", NOW)[1:] == first[1:]
    assert not {*names("demo", "ann@example.com", NOW + DAY)} & {*first}
    assert [len(names("demo", email, NOW)) for email in ("ann@gmail.com", "x@ann.fastmail.com")] == [1, 1]
    assert table.limits.domain_budget(parse("ann@example.com"), NOW) == first[1]
    assert table.limits.domain_budget(parse("ann@gmail.com"), NOW) == ""
    assert "ann" not in str(first)
    assert "example" not in str(first)


# --- opting in by a link ----------------------------------------------------------------------------------------------


def test_the_holder_of_a_link_can_opt_in_twenty_times_a_day(table: Table) -> None:
    assert [table.limits.opt_ins(brand(), ANN, NOW) for _ in range(22)] == [True] * 20 + [False] * 2
    assert table.limits.opt_ins(brand(), BOB, NOW)
    assert table.limits.opt_ins(brand()._replace(id="other"), ANN, NOW)
    assert table.limits.opt_ins(brand(), ANN, NOW + DAY)
    assert ANN not in str(table.items())


# --- bursts -----------------------------------------------------------------------------------------------------------


def test_a_burst_has_room_for_so_many_and_for_who_is_in_it(table: Table) -> None:
    def join(who: str, ip: str = IP, at: int = NOW) -> bool:
        return table.limits.has_room(table.limits.burst("demo", who, ip, 2, at))

    assert [join(who) for who in (ANN, BOB, ANN, "third", BOB)] == [True, True, True, False, True]
    assert join("third", ip="203.0.113.8")
    assert join("third", at=NOW + 1_000)
    assert IP not in str(table.items())


def test_without_an_ip_address_there_is_no_burst(table: Table) -> None:
    assert table.limits.burst("demo", ANN, "", 2, NOW) is None
    assert table.limits.has_room(None)


# --- the breaker ------------------------------------------------------------------------------------------------------


def test_one_mail_too_many_opens_the_breaker_for_five_minutes(
    table: Table, breaker: Breaker, opened: list[str]
) -> None:
    three = brand(mails_a_minute=3)
    assert [breaker.holds(three, NOW + at) for at in range(3)] == [0, 0, 0]
    assert breaker.holds(three, NOW + 3) == OPEN_MS
    for later in (4, MINUTE, OPEN_MS + 2):
        assert breaker.holds(three, NOW + later) == NOW + 3 + OPEN_MS - (NOW + later)
    assert opened == ["demo"], "said once, however many mails wait"
    assert breaker.holds(three, NOW + 3 + OPEN_MS) == 0


def test_a_breaker_opens_again_and_says_so_again(breaker: Breaker, opened: list[str]) -> None:
    one = brand(mails_a_minute=1)
    for at in (NOW, NOW + OPEN_MS + MINUTE):
        assert breaker.holds(one, at) == 0
        assert breaker.holds(one, at) > 0
    assert opened == ["demo", "demo"]


def test_as_many_mails_as_are_allowed_go_out_minute_after_minute(breaker: Breaker, opened: list[str]) -> None:
    two = brand(mails_a_minute=2)
    assert [breaker.holds(two, NOW + minute * MINUTE + at) for minute in range(4) for at in range(2)] == [0] * 8
    assert opened == []


def test_the_breaker_of_one_brand_holds_up_no_other(breaker: Breaker, opened: list[str]) -> None:
    one = brand(mails_a_minute=1)
    breaker.holds(one, NOW)
    assert breaker.holds(one, NOW) > 0
    assert breaker.holds(one._replace(id="other"), NOW) == 0
    assert opened == ["demo"]


@pytest.mark.parametrize(
    ("sent", "complaints", "allowed"),
    [
        (0, 0, 120),
        (100_000, 0, 120),
        (10_000, 9, 120),
        (1_000, 1, 60),
        (10_000, 19, 60),
        (10_000, 20, 30),
        (10_000, 39, 15),
        (10_000, 40, 12),
        (3_600, 7, 60),
        (10, 1, 12),
        (0, 7, 12),
        (0, 1_000_000, 12),
    ],
)
def test_complaints_count_by_their_share_of_what_went_out(sent: int, complaints: int, allowed: int) -> None:
    assert _allowed(120, sent, complaints) == allowed


def test_some_emails_go_out_however_few_the_brand_sends() -> None:
    assert [_allowed(normal, 0, 7) for normal in (1, 9, 10, 11)] == [1, 1, 1, 2]


def put_hour(table: Table, at: int, **counted: int) -> None:
    """An hour of `demo` in which so much went out, or was complained of."""
    key = {"pk": {"S": "L#breaker#demo"}, "sk": {"S": f"HOUR#{at // HOUR:07d}"}}
    table.put(key | {name: {"N": str(number)} for name, number in counted.items()})


def spent(breaker: Breaker, by: Brand, at: int) -> tuple[int, int]:
    """How many emails go out at an instant before one has to wait, and for how long, in ms."""
    held = [breaker.holds(by, at) for _ in range(60)]
    return held.count(0), max(held)


def test_complaints_lower_the_minute_for_this_hour_and_the_next(table: Table, breaker: Breaker) -> None:
    forty = brand(mails_a_minute=40)
    put_hour(table, NOW, sent=1_500)
    for _ in range(2):
        breaker.complained("demo", NOW)
        breaker.complained("other", NOW)
    assert spent(breaker, forty, NOW) == (20, MINUTE)
    put_hour(table, NOW + HOUR, sent=20)
    assert spent(breaker, forty, NOW + HOUR) == (20, MINUTE)
    assert spent(breaker, forty, NOW + 2 * HOUR) == (40, OPEN_MS)


def test_seven_complaints_hold_emails_up_by_the_minute_and_close_nothing(breaker: Breaker, opened: list[str]) -> None:
    """A tenth of the normal number goes out in every minute, and the operator is notified."""
    for _ in range(7):
        breaker.complained("demo", NOW)
    forty = brand(mails_a_minute=40)
    went_out = [spent(breaker, forty, NOW + minute * MINUTE) for minute in range(10)]
    assert went_out == [(4, MINUTE)] * 10
    assert spent(breaker, forty, NOW + 10 * MINUTE + 59_000) == (4, 1_000)
    assert opened == ["demo"] * 11


def test_an_open_breaker_stays_open_whoever_complains(breaker: Breaker) -> None:
    one = brand(mails_a_minute=1)
    assert spent(breaker, one, NOW) == (1, OPEN_MS)
    breaker.complained("demo", NOW + MINUTE)
    assert breaker.holds(one, NOW + MINUTE) == OPEN_MS - MINUTE


def test_an_email_costs_one_read_and_one_write_however_many_went_out_and_complained(
    table: Table, breaker: Breaker
) -> None:
    many = brand(mails_a_minute=1_000)
    for minute in range(60):
        for _ in range(3):
            breaker.complained("demo", NOW + minute * MINUTE)
            breaker.holds(many, NOW + minute * MINUTE)
    with counted(table.client) as calls:
        assert breaker.holds(many, NOW + HOUR) == 0
    assert calls == ["Query", "UpdateItem"]
    assert len(table.items()) == 2
    hour = table.items()[0]
    assert (hour["sent"]["N"], hour["complaints"]["N"]) == ("180", "180")
    assert int(hour["expires_at"]["N"]) == (NOW + 2 * HOUR) // 1000


def test_of_many_who_find_the_minute_spent_one_says_so(real_table: Table) -> None:
    told: list[str] = []
    breaker = Breaker(real_table.gateway, told.append)
    two = brand(mails_a_minute=2)
    together = threading.Barrier(6)

    def hand_over(_: int) -> int:
        together.wait(300)
        return breaker.holds(two, NOW)

    with ThreadPoolExecutor(6) as pool:
        held = list(pool.map(hand_over, range(6)))
    assert held.count(0) == 2
    assert told == ["demo"]


def test_what_no_brand_file_says_is_the_default() -> None:
    assert people.brand().limits == Bounds(30, 2_000, 120, 20)
    assert brand(requests_an_hour=5).limits == Bounds(30, 5, 120, 20)
