"""`Idempotency-Key`: the same call, sent again, is answered the same and done once.

By Powertools' idempotency utility, in the same table. Each key has a partition of its own, so that no partition is
hot, and only hashes are stored of key and body.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyPersistenceLayerError,
    IdempotencyValidationError,
)

from consentry.table.gateway import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

LIFETIME_S: Final = 24 * 3600
"""How long an answer is kept."""


class OtherBodyError(Exception):
    """The key was used before, with another call."""


class InProgressError(Exception):
    """The same call is being worked on at this moment."""


class _NotKeptError(Exception):
    """Carries an answer that must not be kept: the next try may do better."""

    def __init__(self, answer: dict[str, Any]) -> None:
        super().__init__("not kept")
        self.answer = answer


def once(
    client: Any, table: str, brand: str, key: str, call: str, context: Any, do: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The answer to a call: from `do`, or the one that the same call under the same key had before.

    An answer of 500 or more is not kept.

    Args:
        client: a DynamoDB client.
        table: the table.
        brand: whose key it is; brands don't share keys.
        key: as the caller sent it.
        call: what was asked, whole: method, path and body.
        context: Lambda's, which knows when a call that was cut short may be tried again.
        do: makes the answer, `{"statusCode", …}`, small enough for an item.

    Raises:
        OtherBodyError, InProgressError: see there.
        StoreUnavailableError: the table can't be read or written.
    """
    place = hashlib.sha256(f"{brand} {key}".encode()).hexdigest()
    persistence = DynamoDBPersistenceLayer(
        table_name=table,
        key_attr="pk",
        sort_key_attr="sk",
        static_pk_value=f"L#idempotency#{place}",
        expiry_attr="expires_at",
        boto3_client=client,
    )
    config = IdempotencyConfig(
        event_key_jmespath="key",
        payload_validation_jmespath="call",
        expires_after_seconds=LIFETIME_S,
        hash_function="sha256",
        lambda_context=context,
    )

    @idempotent_function(data_keyword_argument="data", persistence_store=persistence, config=config, key_prefix="api")
    def answer(*, data: dict[str, str]) -> dict[str, Any]:
        del data
        made = do()
        if made["statusCode"] >= 500:  # noqa: PLR2004 - a fault of ours
            raise _NotKeptError(made)
        return made

    try:
        kept: dict[str, Any] = answer(data={"key": place, "call": call})
    except _NotKeptError as exc:
        return exc.answer
    except IdempotencyValidationError as exc:
        raise OtherBodyError from exc
    except IdempotencyAlreadyInProgressError as exc:
        raise InProgressError from exc
    except IdempotencyPersistenceLayerError as exc:
        raise StoreUnavailableError("the table can't be read or written") from exc
    return kept
