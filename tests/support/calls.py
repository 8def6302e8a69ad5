"""What goes from a botocore client to AWS, seen and disturbed through botocore's own events.

https://docs.aws.amazon.com/boto3/latest/guide/events.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any


@contextmanager
def counted(client: Any) -> Iterator[list[str]]:
    """The names of the operations that are called within the block, in order."""
    seen: list[str] = []

    def note(model: Any, **_: Any) -> None:
        seen.append(model.name)

    service = client.meta.service_model.service_id.hyphenize()
    client.meta.events.register(f"before-call.{service}", note)
    try:
        yield seen
    finally:
        client.meta.events.unregister(f"before-call.{service}", note)


@contextmanager
def answering(client: Any, operation: str, *answers: Any) -> Iterator[list[Any]]:
    """Answer the next calls of an operation without sending them.

    An answer is an exception to raise, an error's code, a whole parsed response, or None: then the call goes through.
    Those that are left over at the end of the block are in the list that is answered.
    """
    left = list(answers)

    def answer(**_: Any) -> tuple[SimpleNamespace, dict[str, Any]] | None:
        if not left:
            return None
        given = left.pop(0)
        if given is None:
            return None
        if isinstance(given, Exception):
            raise given
        if isinstance(given, str):
            given = error(given)
        given["ResponseMetadata"].setdefault("HTTPHeaders", {"content-type": "application/x-amz-json-1.0"})
        return SimpleNamespace(status_code=given["ResponseMetadata"]["HTTPStatusCode"]), given

    with _registered(client, "before-call", operation, answer):
        yield left


def error(code: str, **more: Any) -> dict[str, Any]:
    """A parsed error response."""
    return {
        "Error": {"Code": code, "Message": "said the test"},
        "ResponseMetadata": {"HTTPStatusCode": 400, "RequestId": "r", "HTTPHeaders": {}},
        **more,
    }


def cancelled(*codes: str) -> dict[str, Any]:
    """A cancelled transaction, with the reason of each of its operations."""
    return error("TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])


@contextmanager
def failing(client: Any, code: str, *operations: str) -> Iterator[None]:
    """Answer every call with an error; with `operations`, those alone."""
    service = client.meta.service_model.service_id.hyphenize()

    def fail(model: Any, **_: Any) -> tuple[SimpleNamespace, dict[str, Any]] | None:
        if operations and model.name not in operations:
            return None
        return SimpleNamespace(status_code=400), error(code)

    client.meta.events.register_first(f"before-call.{service}", fail)
    try:
        yield
    finally:
        client.meta.events.unregister(f"before-call.{service}", fail)


@contextmanager
def answer_lost(client: Any, operation: str, exception: Exception) -> Iterator[None]:
    """The next call of an operation is carried out, and then fails with `exception` as if its answer got lost."""
    left = [exception]

    def lose(**_: Any) -> None:
        if left:
            raise left.pop()

    with _registered(client, "after-call", operation, lose):
        yield
    assert not left, f"{operation} was never called"


@contextmanager
def sent_twice(client: Any, operation: str) -> Iterator[None]:
    """The next call of an operation is carried out, its answer lost, and the same request sent again by botocore."""
    left = [0]

    def again(**_: Any) -> int | None:
        return left.pop() if left else None

    with _registered(client, "needs-retry", operation, again):
        yield
    assert not left, f"{operation} was never called"


@contextmanager
def just_before(client: Any, operation: str, act: Callable[[], None]) -> Iterator[None]:
    """Have somebody else act between the first call's making and its being carried out."""
    left = [act]

    def intrude(**_: Any) -> None:
        if left:
            left.pop()()

    with _registered(client, "before-call", operation, intrude):
        yield
    assert not left, f"{operation} was never called"


@contextmanager
def asked(client: Any, operation: str, header: str) -> Iterator[list[str]]:
    """What a header says in each call of an operation within the block, in order."""
    said: list[str] = []
    with _registered(client, "before-call", operation, lambda params, **_: said.append(params["headers"][header])):
        yield said


@contextmanager
def _registered(client: Any, event: str, operation: str, handler: Callable[..., Any]) -> Iterator[None]:
    service = client.meta.service_model.service_id.hyphenize()
    name = f"{event}.{service}.{operation}"
    client.meta.events.register_first(name, handler)
    try:
        yield
    finally:
        client.meta.events.unregister(name, handler)
