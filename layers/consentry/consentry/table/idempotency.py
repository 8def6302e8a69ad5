"""`Idempotency-Key`: the same call, sent again, is answered the same and done once.

A place in the table is named by the API key and by the key that its caller chose: no two API keys share one. Who may
not make a call never comes here, and only what succeeded is kept: a call that failed frees its place, so that no
earlier call stands in the way of a later one, but one that was done.

An answer repeats what its caller said, such as the `event_id` that a platform gave to an opt-out, which may be an
address. So nothing of a call lies in the table in the clear: key and call are keyed hashes, the answer is sealed
(Fernet). Who reads the table learns that there were calls, when, and how long their answers were.
"""

from __future__ import annotations

import hmac
import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from consentry.links import sealed_log
from consentry.links.sealed_log import BrokenSealError
from consentry.rules.ledger import new_event_id
from consentry.table import schema
from consentry.table.gateway import PermanentFaultError, StoreUnavailableError
from consentry.table.schema import DAY_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from consentry.table.gateway import Gateway

LIFETIME_S: Final = DAY_S
"""How long an answer is kept."""
_FREE: Final = (
    "attribute_not_exists(pk)"
    " OR expires_at <= :now_s"  # its day is over, and TTL deletes late
    " OR (attribute_not_exists(answer) AND ends <= :now)"  # whoever worked on it was cut short
)


class OtherBodyError(Exception):
    """The key was used before, with another call, which was done."""


class InProgressError(Exception):
    """A call under this key is being worked on at this moment."""


def once(
    gateway: Gateway,
    secret: bytes,
    place: tuple[str, ...],
    call: str,
    do: Callable[[], dict[str, Any]],
    *,
    now: int,
    ends: int,
    keep: bool = True,
) -> dict[str, Any]:
    """The answer to a call: from `do`, or the one that the same call in the same place had before.

    What can't be kept is answered all the same: it was done.

    Args:
        gateway: the table.
        secret: 32 bytes that hide what is kept.
        place: whose call it is, and the key that they chose.
        call: what was asked, whole.
        do: makes the answer, `{"statusCode", …}`.
        now: epoch ms.
        ends: epoch ms; a call that has no answer by then was cut short, and may be made again.
        keep: False keeps that it was done, and not the answer: `do` makes that again.

    Raises:
        OtherBodyError, InProgressError: see there.
        StoreUnavailableError: the table can't be read or written; nothing was done.
    """
    key = schema.key(f"L#idempotency#{_hash(secret, *place)}", "ANSWER")
    begun = {
        **key,
        "call": schema.string(_hash(secret, *place, call)),
        "attempt": schema.string(new_event_id()),
        "ends": schema.number(ends),
        "expires_at": schema.number(now // 1000 + LIFETIME_S),
    }
    held = gateway.put(begun, _FREE, {":now": schema.number(now), ":now_s": schema.number(now // 1000)})
    if held is not None and held.get("attempt") != begun["attempt"]:  # the same attempt: an answer of AWS's was lost
        kept = _kept(secret, held, begun)
        return do() if kept is None else kept
    done = False
    try:
        answer = do()
        done = 200 <= answer["statusCode"] < 300  # noqa: PLR2004 - HTTP's successes
        if done:
            sealed = sealed_log.seal(secret, json.dumps(answer)) if keep else ""
            with suppress(StoreUnavailableError, PermanentFaultError):
                gateway.put({**begun, "answer": schema.string(sealed)})
    finally:
        if not done:
            with suppress(StoreUnavailableError):
                gateway.delete(key)
    return answer


def _kept(secret: bytes, held: dict[str, Any], begun: dict[str, Any]) -> dict[str, Any] | None:
    """The answer that is held; None if there is none to read, and the call is made again."""
    if "answer" not in held:
        raise InProgressError
    if held["call"] != begun["call"]:
        raise OtherBodyError
    with suppress(BrokenSealError):
        if sealed := schema.text(held, "answer"):
            return dict(json.loads(sealed_log.unseal(secret, sealed)))
    return None


def _hash(secret: bytes, *said: str) -> str:
    return hmac.digest(secret, json.dumps(said).encode(), "sha256").hex()[:32]
