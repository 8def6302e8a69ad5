"""Rotation: a brand gets a new signing key, and the links of its older keys go on working.

Each new key has a random secret of its own in the keyring's document: one that was derived from the root would be known
to whoever has seen the root. It signs from an instant at which every container can verify it (`keyring.OVERLAP_MS`).

The second half is what a rotation function does in the four steps of Secrets Manager
(https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html). The pending version
only carries the new keys: what somebody changed in the document meanwhile is kept.
"""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from consentry.aws.keyring_document import edit, move_current, of_brand
from consentry.links.keyring import (
    OVERLAP_MS,
    URGENT_OVERLAP_MS,
    Generation,
    Keyring,
    SecretUnavailableError,
    generations,
)
from consentry.links.tokens import Link, NotOursError, Purpose, Tokens

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_PENDING: Final = "AWSPENDING"
_SLACK_MS: Final = 3_600_000
"""What may pass between the first step and the last, and no instant has to be moved."""


class RefusedError(Exception):
    """The key can't be ended or brought back; the message says why, and names no secret."""


class UnfitError(Exception):
    """The pending version doesn't do what it must; the rotation ends, and nothing has changed."""


def add(document: dict[str, Any], brand: str, now: int, *, urgent: bool = False, slack: int = 0) -> Generation | None:
    """Give a brand a new key in the document; None if one is waiting already that signs as soon.

    Args:
        document: the keyring's, which is changed.
        brand: whose key it is.
        now: epoch ms.
        urgent: the key before it has leaked: sign as soon as containers can find out that there is another.
        slack: how long it may take until the document is the current one, in ms.
    """
    begins = now + slack + (URGENT_OVERLAP_MS if urgent else OVERLAP_MS)
    lives = generations(document, brand)
    if any(now < each.signs_from <= begins for each in lives):
        return None
    _append(document, brand, secrets.token_urlsafe(32), begins)
    return next(each for each in generations(document, brand) if each not in lives)


def retire(document: dict[str, Any], brand: str, key_id: str, now: int, *, leaked: bool = False) -> None:
    """End a key: it verifies nothing but opt-outs any more; if it has leaked, not even those.

    Raises:
        RefusedError: there is no such key, it is retired already, or it signs, or may still.
    """
    lives = generations(document, brand)
    found = _find(lives, brand, key_id)
    if found.retired_at and found.leaked >= leaked:
        raise RefusedError(f"key {key_id} of {brand} is retired already")
    until = signed_until(lives, key_id)
    if found.signs_from > now or until > (now + OVERLAP_MS if leaked else now):
        raise RefusedError(
            f"key {key_id} of {brand} signs, or may still sign in some container; add another with "
            "`consentry keys rotate`, and retire this one two hours after that has begun to sign"
        )
    of_brand(document, brand).setdefault("retired", {})[key_id] = {"at": now, "leaked": leaked}


def restore(document: dict[str, Any], brand: str, key_id: str) -> None:
    """Take a key's retirement back.

    Raises:
        RefusedError: it isn't retired.
    """
    if not _find(generations(document, brand), brand, key_id).retired_at:
        raise RefusedError(f"key {key_id} of {brand} isn't retired")
    del of_brand(document, brand)["retired"][key_id]


def signed_until(lives: Sequence[Generation], key_id: str) -> int:
    """When the last container stopped signing with a key, or will: epoch ms, far ahead if no other follows."""
    at = next(index for index, each in enumerate(lives) if each.id == key_id)
    followers = [each.signs_from for each in lives[at + 1 :] if not each.retired_at]
    return min(followers, default=1 << 62) + OVERLAP_MS


def _find(lives: Iterable[Generation], brand: str, key_id: str) -> Generation:
    for each in lives:
        if each.id == key_id:
            return each
    raise RefusedError(f"{brand} has no key {key_id}; `consentry keys list` shows those that it has")


def _append(document: dict[str, Any], brand: str, secret: str, begins: int) -> None:
    taken = [int(each.id) for each in generations(document, brand) if each.id.isdecimal()]
    added = {"id": str(max(taken, default=0) + 1), "secret": secret, "signs_from": begins}
    of_brand(document, brand).setdefault("signing", []).append(added)


# --- the steps of Secrets Manager -------------------------------------------------------------------------------------


def create(client: Any, secret_id: str, version: str, brands: Iterable[str], now: int) -> None:
    """Store, as the pending version, the document with a new key for every brand. Again, it does nothing."""
    try:
        client.get_secret_value(SecretId=secret_id, VersionId=version, VersionStage=_PENDING)
    except ClientError as exc:
        if exc.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
    else:
        return
    document = _read(client, secret_id)
    for brand in sorted({*brands, *document.get("brands", {})}):
        add(document, brand, now, slack=_SLACK_MS)
    client.put_secret_value(
        SecretId=secret_id, ClientRequestToken=version, SecretString=json.dumps(document), VersionStages=[_PENDING]
    )


def test(client: Any, secret_id: str, version: str) -> None:
    """See that the pending version's keys verify one another's links, and those of every key that is in use.

    Raises:
        UnfitError: they don't.
    """
    current, pending = _read(client, secret_id), _read(client, secret_id, version)
    for brand in {*current.get("brands", {}), *pending.get("brands", {})}:
        link = Link(Purpose.UNSUBSCRIBE, brand, "x" * 22)
        for before in (0, 1 << 60):
            for after in (0, 1 << 60):
                token = _tokens(current if before == 0 else pending, before).sign(link)
                try:
                    _tokens(pending, after).read(Purpose.UNSUBSCRIBE, token, after)
                except (NotOursError, SecretUnavailableError):
                    raise UnfitError("the new document refuses a link that it must verify") from None


def finish(client: Any, secret_id: str, version: str, now: int) -> None:
    """Make the new keys current. Again, it does nothing.

    If nobody changed the document since the first step, its pending version becomes the current one; else the new keys
    are added to what is current. A key never signs sooner than `OVERLAP_MS` after it can be read.
    """
    if _PENDING not in client.describe_secret(SecretId=secret_id)["VersionIdsToStages"].get(version, ()):
        return
    got = client.get_secret_value(SecretId=secret_id, VersionStage="AWSCURRENT")
    if got["VersionId"] != version:
        pending, document = _read(client, secret_id, version), json.loads(got["SecretString"])
        _merge(document, pending, now)
        if document != pending or not move_current(client, secret_id, got["VersionId"], version):
            edit(client, secret_id, lambda current: _merge(current, pending, now))
    # While the label is on another version than the current one, Secrets Manager begins no other rotation.
    client.update_secret_version_stage(SecretId=secret_id, VersionStage=_PENDING, RemoveFromVersionId=version)


def _merge(document: dict[str, Any], pending: dict[str, Any], now: int) -> None:
    for brand, entry in pending.get("brands", {}).items():
        known = {each["secret"] for each in document.get("brands", {}).get(brand, {}).get("signing", ())}
        for each in entry.get("signing", ()):
            if each["secret"] not in known:
                _append(document, brand, each["secret"], max(each["signs_from"], now + OVERLAP_MS))


def _tokens(document: dict[str, Any], seconds: int) -> Tokens:
    return Tokens(Keyring(lambda: json.dumps(document), clock=lambda: seconds))


def _read(client: Any, secret_id: str, version: str = "") -> dict[str, Any]:
    which = {"VersionId": version} if version else {"VersionStage": "AWSCURRENT"}
    document: dict[str, Any] = json.loads(client.get_secret_value(SecretId=secret_id, **which)["SecretString"])
    return document
