"""The gateway: the only way to DynamoDB, and the one place that distinguishes what can go wrong there.

* *A condition failed.* No error: the item that made it fail is answered, from the same trip.
* *Unavailable.* No answer, a refusal for now, or an answer that was garbled on its way. It may have taken effect.
  Waiting helps: `StoreUnavailableError`.
* *Permanent.* DynamoDB can never take it, however often it is sent: an expression with too many operators, an item
  that is too large. That is a fault of ours, and waiting doesn't help: `PermanentFaultError`.

Sources: DynamoDB's developer guide, "Error handling with DynamoDB" and "Quotas"; the API reference of
`TransactWriteItems` for the codes of cancellation reasons.
"""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    Item = dict[str, Any]
    """An item, in DynamoDB's own spelling."""
    Operation = dict[str, Any]
    """An update, with its condition, for a call of its own or as part of a transaction; the table's name is added."""

_ATTEMPTS: Final = 5
PATIENCE_S: Final = 1.0
"""After so long no other attempt is begun: whoever waits is answered, or spooled, while they still wait."""
_NEVER_TAKEN: Final = frozenset(
    {
        "ValidationException",
        "SerializationException",
        "ItemCollectionSizeLimitExceededException",
        "IdempotentParameterMismatchException",
    }
)
"""Codes of an answer to a request that no repetition makes acceptable."""
_NEVER_TAKEN_REASONS: Final = frozenset({"ValidationError", "ItemCollectionSizeLimitExceeded"})
"""The same, of one operation of a cancelled transaction."""
_WRITTEN_BY_OTHERS: Final = frozenset(
    {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded"}
)
"""Reasons of a cancelled transaction for which another attempt, a moment later, is worth it."""
_FAILED: Final = "ConditionalCheckFailed"
_KEYS_A_BATCH: Final = 100
"""BatchGetItem's own limit."""


class StoreUnavailableError(Exception):
    """The table can't be read or written now. Whether a write took effect isn't known."""


class PermanentFaultError(Exception):
    """The table can never take this: a fault of ours. Nothing was written, and trying again doesn't help."""


class Reasons:
    """Why a transaction was cancelled: by which operations' conditions, and what is there instead."""

    def __init__(self, reasons: list[dict[str, Any]]) -> None:
        self._reasons = reasons

    def old(self, at: int) -> Item | None:
        """The item on which the condition of the operation at `at` failed, empty if there is none; None: it held."""
        reason = self._reasons[at] if at < len(self._reasons) else {}
        return reason.get("Item", {}) if reason.get("Code") == _FAILED else None

    @property
    def failed(self) -> int:
        """How many conditions failed."""
        return sum(reason.get("Code") == _FAILED for reason in self._reasons)


class Gateway:
    """One DynamoDB table."""

    def __init__(self, client: Any, table: str, sleep: Callable[[float], None] = time.sleep) -> None:
        """`client` is a DynamoDB client."""
        self.client = client
        self.table = table
        self._sleep = sleep

    # --- reading -----------------------------------------------------------------------------------------------

    def get(self, key: Mapping[str, Any]) -> Item:
        """The item under a key, consistently read; empty if there is none."""
        found: Item = self._read("get_item", Key=key, ConsistentRead=True).get("Item", {})
        return found

    def get_many(self, keys: Iterable[Mapping[str, Any]], names: tuple[str, ...] = ()) -> list[Item]:
        """Those of at most a hundred items that there are, in no order; what is left undone is asked for again.

        With `names`, only these attributes.
        """
        wanted: dict[str, Any] = {"Keys": list(keys), "ConsistentRead": True}
        if names:
            marks = {f"#{at}": name for at, name in enumerate(names)}
            wanted |= {"ProjectionExpression": ",".join(marks), "ExpressionAttributeNames": marks}
        request: dict[str, Any] = {self.table: wanted}
        found: list[Item] = []
        for attempt in range(_ATTEMPTS):
            try:
                answer = _from_dynamodb(self.client.batch_get_item(RequestItems=request))
            except _FAULTS as exc:
                raise _understood(exc, "read") from exc
            found += answer["Responses"].get(self.table, ())
            request = answer.get("UnprocessedKeys") or {}
            if not request:
                return found
            self._sleep(random.uniform(0.02, 0.1) * 2**attempt)  # noqa: S311 - jitter, not a secret
        raise StoreUnavailableError("the table answers only in part")

    def query(self, **request: Any) -> Iterator[Item]:
        """Every item that a query finds, page by page."""
        return self._pages("query", request)

    def scan(self, **request: Any) -> Iterator[Item]:
        """Every item that a scan finds, page by page."""
        return self._pages("scan", request)

    def page(self, operation: str, **request: Any) -> tuple[list[Item], Item | None]:
        """One page of a `query` or `scan`, and the key after which the next begins; None on the last."""
        answer = self._read(operation, **request)
        return answer["Items"], answer.get("LastEvaluatedKey")

    def _pages(self, operation: str, request: dict[str, Any]) -> Iterator[Item]:
        while True:
            found, start = self.page(operation, **request)
            yield from found
            if start is None:
                return
            request["ExclusiveStartKey"] = start

    def _read(self, operation: str, **request: Any) -> dict[str, Any]:
        try:
            return _from_dynamodb(getattr(self.client, operation)(TableName=self.table, **request))
        except _FAULTS as exc:
            raise _understood(exc, "read") from exc

    # --- writing -----------------------------------------------------------------------------------------------

    def update(self, update: Operation) -> Item | None:
        """Update one item. None if it was done; else the item on which the condition failed, empty if there is none."""
        return self._write("update_item", ReturnValuesOnConditionCheckFailure="ALL_OLD", **update)

    def put(self, item: Item, condition: str = "", values: Mapping[str, Any] | None = None) -> Item | None:
        """Put one item. The answer is that of `update`."""
        request: dict[str, Any] = {"Item": item}
        if condition:
            request |= {"ConditionExpression": condition, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
        if values:
            request["ExpressionAttributeValues"] = values
        return self._write("put_item", **request)

    def delete(self, key: Mapping[str, Any]) -> None:
        """Delete the item under a key, if there is one."""
        self._write("delete_item", Key=key)

    def transact(self, operations: list[dict[str, Operation]], until: float, *, optional: int = 0) -> Reasons | None:
        """Do all operations or none. None if they were done, else whose conditions failed.

        What others write at this very moment is waited for, with jitter.

        Args:
            operations: what `TransactWriteItems` takes: `{"Update": …}`, `{"Put": …}`; table names are added.
            until: no attempt is begun after this instant of the monotonic clock.
            optional: so many operations, at the end, are left out when others keep writing them.
        """
        for operation in operations:
            for part in operation.values():
                part["TableName"] = self.table
        for attempt in attempts(until):
            now = operations[: len(operations) - optional] if attempt >= _ATTEMPTS_WITH_OPTIONAL else operations
            try:
                _from_dynamodb(self.client.transact_write_items(TransactItems=now))
            except self.client.exceptions.TransactionCanceledException as exc:
                reasons: list[dict[str, Any]] = exc.response.get("CancellationReasons", [])
                codes = {reason.get("Code", "None") for reason in reasons} - {"None"}
                if codes & _NEVER_TAKEN_REASONS:
                    raise PermanentFaultError("the table can't take an operation of a transaction") from exc
                if codes & _WRITTEN_BY_OTHERS:
                    self._sleep(random.uniform(0.01, 0.05) * 2**attempt)  # noqa: S311 - jitter, not a secret
                    continue
                if codes == {_FAILED}:
                    return Reasons(reasons)
                raise StoreUnavailableError("the transaction was cancelled") from exc
            except _FAULTS as exc:
                raise _understood(exc, "written") from exc
            else:
                return None
        raise StoreUnavailableError("the item is being written by others")

    def _write(self, operation: str, **request: Any) -> Item | None:
        try:
            _from_dynamodb(getattr(self.client, operation)(TableName=self.table, **request))
        except self.client.exceptions.ConditionalCheckFailedException as exc:
            found: Item = exc.response.get("Item", {})
            return found
        except _FAULTS as exc:
            raise _understood(exc, "written") from exc
        return None


def attempts(until: float) -> Iterator[int]:
    """The numbers of attempts, from 0, while there is patience for another: until an instant of the monotonic clock."""
    for attempt in range(_ATTEMPTS):
        if attempt and time.monotonic() > until:
            return
        yield attempt


def batches(keys: list[Any]) -> list[list[Any]]:
    """Keys, or what stands for them, in as many parts as `Gateway.get_many` needs calls."""
    return [keys[at : at + _KEYS_A_BATCH] for at in range(0, len(keys), _KEYS_A_BATCH)]


def _from_dynamodb(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer, once it is sure that DynamoDB gave it: botocore takes any 200 for one, also a proxy's web page.

    Raises:
        ValueError: it is something else.
    """
    if not answer["ResponseMetadata"]["HTTPHeaders"].get("content-type", "").startswith("application/x-amz-json"):
        raise ValueError("not DynamoDB's answer")
    return answer


_ATTEMPTS_WITH_OPTIONAL: Final = 2
_FAULTS: Final = (BotoCoreError, ClientError, ResponseParserError, ValueError)
"""What botocore raises. It decodes an answer before it looks at its checksum, so a garbled one reads
as `ValueError`."""


def _understood(exc: Exception, what: str) -> StoreUnavailableError | PermanentFaultError:
    code = exc.response.get("Error", {}).get("Code") if isinstance(exc, ClientError) else ""
    if code in _NEVER_TAKEN or isinstance(exc, ParamValidationError):
        return PermanentFaultError(f"this can't be {what}, now or later")
    return StoreUnavailableError(f"the table can't be {what}")
