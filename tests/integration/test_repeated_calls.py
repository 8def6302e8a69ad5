"""`Idempotency-Key`, on both engines: what is done once, what may be done again, and what lies in the table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from consentry.table import idempotency
from consentry.table.gateway import Gateway, StoreUnavailableError
from consentry.table.idempotency import InProgressError, OtherBodyError
from support.tables import Table

SECRET = b"thirty-two bytes of a secret key"
NOW = 1_800_000_000_000
ENDS = NOW + 29_000
DONE: dict[str, Any] = {"statusCode": 200, "body": '{"results": [{"event_id": "unsub-ann@example.com"}]}'}


class Calls:
    """A call that can be made, counted."""

    def __init__(self, table: Table) -> None:
        self.gateway = Gateway(table.client, table.name)
        self.made = 0

    def __call__(self, call: str = "body", *, answer: dict[str, Any] = DONE, **how: Any) -> dict[str, Any]:
        def do() -> dict[str, Any]:
            self.made += 1
            return answer

        how = {"place": ("demo", "a1", "key"), "now": NOW, "ends": ENDS} | how
        return idempotency.once(self.gateway, SECRET, call=call, do=how.pop("do", do), **how)


@pytest.fixture
def once(table: Table) -> Calls:
    return Calls(table)


@pytest.mark.parametrize("status", [400, 403, 404, 409, 413, 422, 429, 500, 503])
def test_a_call_that_failed_stands_in_the_way_of_no_other(once: Calls, status: int) -> None:
    assert once(answer={"statusCode": status}) == {"statusCode": status}
    assert once("another body") == DONE
    with pytest.raises(OtherBodyError):
        once("body")


def test_a_call_that_crashed_may_be_made_again_at_once(once: Calls) -> None:
    def crash() -> dict[str, Any]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        once(do=crash)
    assert once() == DONE


def test_the_same_call_has_the_same_answer_for_a_day_and_is_made_once(once: Calls) -> None:
    for now in (NOW, NOW + 1, NOW + 86_399_000):
        assert once(now=now, answer={**DONE, "body": str(now)} if now > NOW else DONE) == DONE
    assert once.made == 1
    assert once("another body", now=NOW + 86_400_000) == DONE, "TTL may not have deleted it yet"


def test_two_api_keys_never_meet_whatever_their_callers_choose(once: Calls) -> None:
    for place in (("demo", "a1", "key"), ("demo", "a2", "key"), ("other", "a1", "key"), ("demo", "a1", "a1 key")):
        once(place=place)
    assert once.made == 4


def test_while_a_call_is_worked_on_no_other_is_made_and_none_is_called_another(once: Calls) -> None:
    def meanwhile() -> dict[str, Any]:
        for body in ("body", "another body"):
            with pytest.raises(InProgressError):
                once(body)
        return DONE

    assert once(do=meanwhile) == DONE
    assert once() == DONE
    assert once.made == 0


def test_a_call_that_was_cut_short_may_be_made_again_when_its_function_has_ended(once: Calls) -> None:
    def cut_short() -> dict[str, Any]:
        raise KeyboardInterrupt

    once.gateway.delete = lambda _: None  # type: ignore[method-assign] # whoever is cut short deletes nothing
    with pytest.raises(KeyboardInterrupt):
        once(do=cut_short)
    with pytest.raises(InProgressError):
        once(now=ENDS - 1)
    assert once("another body", now=ENDS) == DONE


def test_what_cannot_be_kept_is_answered_all_the_same(once: Calls) -> None:
    """It was done. The largest item that DynamoDB takes has 400 KB."""
    large = {"statusCode": 200, "body": "x" * 500_000}
    assert once(answer=large) == large
    with pytest.raises(InProgressError):
        once()
    assert once(now=ENDS) == DONE


def test_what_can_be_computed_again_is_and_takes_the_place_all_the_same(once: Calls) -> None:
    assert [once(keep=False, answer={"statusCode": 200, "body": n}) for n in "ab"] == [
        {"statusCode": 200, "body": "a"},
        {"statusCode": 200, "body": "b"},
    ]
    with pytest.raises(OtherBodyError):
        once("another body", keep=False)


def test_an_answer_of_the_table_that_was_lost_is_no_call_in_progress(once: Calls, monkeypatch: Any) -> None:
    """The put took effect; sent again, it fails on itself."""
    put = once.gateway.put
    monkeypatch.setattr(once.gateway, "put", lambda *of: (put(*of), put(*of))[1] if len(of) > 1 else put(*of))
    assert once() == DONE


def test_nothing_is_done_while_the_table_is_unavailable(once: Calls, monkeypatch: Any) -> None:
    def unavailable(*_: Any) -> None:
        raise StoreUnavailableError

    monkeypatch.setattr(once.gateway, "put", unavailable)
    with pytest.raises(StoreUnavailableError):
        once()
    assert once.made == 0


def test_who_reads_the_table_reads_nothing_of_a_call(once: Calls, table: Table) -> None:
    once('{"email": "ann@example.com"}', place=("demo", "a1", "unsub-ann@example.com"))
    [item] = table.client.scan(TableName=table.name)["Items"]
    told = json.dumps(item)
    assert not [each for each in ("@", "%", "example.com", "unsub-ann", "event_id", "statusCode") if each in told]


def test_a_kept_answer_that_somebody_changed_is_not_believed(once: Calls, table: Table) -> None:
    once()
    [item] = table.client.scan(TableName=table.name)["Items"]
    table.client.put_item(TableName=table.name, Item={**item, "answer": {"S": "gAAAA" + "x" * 95}})
    assert once() == DONE
    assert once.made == 2
