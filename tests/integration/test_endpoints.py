"""How a platform's endpoint stands, over moto and over Amazon's DynamoDB Local."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

from consentry.table.endpoints import PAUSES_S, REFUSALS, Endpoints, Standing
from consentry.table.gateway import StoreUnavailableError
from support.calls import counted, failing
from support.tables import Table

NOW: Final = 1_800_000_000_000
CRM: Final = ("demo", "crm")
FRESH: Final = 5_000


@pytest.fixture
def faults() -> list[Exception]:
    return []


@pytest.fixture
def endpoints(table: Table, faults: list[Exception]) -> Endpoints:
    return Endpoints(table.gateway, faults.append)


def another(table: Table) -> Endpoints:
    """Another container, which has read nothing yet."""
    return Endpoints(table.gateway, lambda exc: pytest.fail(str(exc)))


def test_while_the_table_is_away_every_endpoint_counts_as_well(
    table: Table, endpoints: Endpoints, faults: list[Exception]
) -> None:
    with failing(table.client, "ThrottlingException", "GetItem", "UpdateItem"):
        assert endpoints.standing(*CRM, NOW) == Standing()
        assert not endpoints.refused(*CRM, NOW)
        assert not endpoints.claim(*CRM, NOW)
        endpoints.took(*CRM, NOW)
    assert [type(each) for each in faults] == [StoreUnavailableError] * 3, "each asks once: a function has 20 s"


def test_one_that_was_away_counts_as_well_while_the_table_is_not_there(table: Table, endpoints: Endpoints) -> None:
    """Or what waits for it would come by each second."""
    for _ in range(REFUSALS):
        endpoints.refused(*CRM, NOW)
    later = endpoints.standing(*CRM, NOW).until
    assert endpoints.standing(*CRM, later).until == later
    with failing(table.client, "ThrottlingException", "UpdateItem"):
        assert not endpoints.claim(*CRM, later)
    assert endpoints.standing(*CRM, later) == Standing()


def test_an_endpoint_is_away_after_so_many_refusals_and_every_container_knows(
    table: Table, endpoints: Endpoints
) -> None:
    assert [endpoints.refused(*CRM, NOW) for _ in range(REFUSALS + 1)] == [False] * (REFUSALS - 1) + [True, False]
    assert another(table).standing(*CRM, NOW) == Standing(REFUSALS, NOW + 1000 * PAUSES_S[0], 0, REFUSALS)


def test_one_that_takes_something_in_between_is_available(table: Table, endpoints: Endpoints) -> None:
    for _ in range(3):
        for _ in range(REFUSALS - 1):
            assert not endpoints.refused(*CRM, NOW)
        endpoints.took(*CRM, NOW)
    assert another(table).standing(*CRM, NOW)[:3] == (0, 0, 0)


def test_of_many_who_find_the_pause_over_one_tries(table: Table, endpoints: Endpoints) -> None:
    for _ in range(REFUSALS):
        endpoints.refused(*CRM, NOW)
    pauses, at = [], NOW
    for _ in range(len(PAUSES_S) + 1):
        until = another(table).standing(*CRM, at).until
        pauses.append((until - at) // 1000)
        assert not another(table).claim(*CRM, until - 1)
        assert [another(table).claim(*CRM, until) for _ in range(3)] == [True, False, False]
        at = until
    assert pauses == [*PAUSES_S, PAUSES_S[-1]]


def test_who_took_something_after_having_been_away_is_well_since_then(table: Table, endpoints: Endpoints) -> None:
    for _ in range(REFUSALS):
        endpoints.refused(*CRM, NOW)
    endpoints.took(*CRM, NOW + 1)
    assert another(table).standing(*CRM, NOW + 1)[:3] == (0, 0, NOW + 1)
    endpoints.refused(*CRM, NOW + 2)
    assert another(table).standing(*CRM, NOW + 2)[:3] == (1, 0, NOW + 1)


def test_what_is_told_an_endpoint_that_is_well_costs_no_write_and_seldom_a_read(table: Table) -> None:
    fresh = another(table)
    with counted(table.client) as calls:
        for call in range(100):
            fresh.standing(*CRM, NOW + call)
            fresh.took(*CRM, NOW + call)
    assert list(calls) == ["GetItem"]
    with counted(table.client) as calls:
        fresh.standing(*CRM, NOW + FRESH)
    assert list(calls) == ["GetItem"]


def test_refusals_that_come_all_at_once_are_enough(real_table: Table) -> None:
    """Each of many containers hears of one; of those who write at once, one wins."""
    containers = [another(real_table) for _ in range(4 * REFUSALS)]
    with ThreadPoolExecutor(len(containers)) as pool:
        told = list(pool.map(lambda each: each.refused(*CRM, NOW), containers))
    assert told.count(True) == 1
    assert another(real_table).standing(*CRM, NOW).until


def test_the_item_names_nobody_and_expires(table: Table, endpoints: Endpoints) -> None:
    endpoints.refused(*CRM, NOW)
    (item,) = table.client.scan(TableName=table.name)["Items"]
    found: dict[str, Any] = item
    assert (found["pk"], found["sk"]) == ({"S": "L#endpoint#demo#crm"}, {"S": "AWAY"})
    assert int(found["expires_at"]["N"]) > NOW // 1000
