"""The keyring's document in Secrets Manager, as operators and the rotation change it; `links.keyring` reads it."""

from __future__ import annotations

import base64
import json
import secrets
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

from botocore.exceptions import ClientError

from consentry.links.keyring import SCOPES, SecretUnavailableError, hash_api_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

T = TypeVar("T")
_TRIES: Final = 10


def issue_api_key(client: Any, secret_id: str, brand: str, scopes: Iterable[str]) -> str:
    """Add an API key for a brand to the document, and answer it: the only time that it can be seen.

    Args:
        client: a Secrets Manager client.
        secret_id: the document's name or ARN.
        brand: whose key it is.
        scopes: some of `SCOPES`.

    Raises:
        ValueError: an unknown scope, or none.
    """
    wanted = sorted(set(scopes))
    if not wanted or not set(wanted) <= set(SCOPES):
        raise ValueError(f"scopes are some of {', '.join(SCOPES)}")
    key_id = secrets.token_hex(4)
    key = f"ck_{brand}_{key_id}_{secrets.token_urlsafe(32)}"
    stored = {"id": key_id, "sha256": hash_api_key(key), "scopes": wanted}

    def add(document: dict[str, Any]) -> None:
        of_brand(document, brand).setdefault("api_keys", []).append(stored)

    edit(client, secret_id, add)
    return key


def api_keys(client: Any, secret_id: str, brand: str) -> list[tuple[str, list[str]]]:
    """Id and scopes of each of a brand's API keys, oldest first."""
    stored = _get(client, secret_id).get("brands", {}).get(brand, {}).get("api_keys", [])
    return [(each["id"], each["scopes"]) for each in stored]


def revoke_api_key(client: Any, secret_id: str, brand: str, key_id: str) -> bool:
    """Take an API key out of the document; False if the brand has none of this id."""

    def revoke(document: dict[str, Any]) -> bool:
        entry = document.get("brands", {}).get(brand, {})
        kept = [each for each in entry.get("api_keys", []) if each["id"] != key_id]
        if len(kept) == len(entry.get("api_keys", [])):
            return False
        entry["api_keys"] = kept
        return True

    return edit(client, secret_id, revoke)


def set_webhook_secrets(
    client: Any,
    secret_id: str,
    brand: str,
    provider: str,
    values: dict[str, str],
    *,
    keep_old: bool = False,
    keep_all: bool = False,
    keep_others: bool = False,
) -> None:
    """Store what a provider's calls are verified with.

    Args:
        client: a Secrets Manager client.
        secret_id: the document's name or ARN.
        brand: whose webhook it is.
        provider: who calls.
        values: by the names in the provider's `SECRETS`.
        keep_old: the value that was set last counts, too.
        keep_all: all values that are there count, too.
        keep_others: secrets of the provider that `values` doesn't name stay.
    """

    def set_(document: dict[str, Any]) -> None:
        webhooks = of_brand(document, brand).setdefault("webhooks", {})
        there = webhooks.get(provider, {})

        def kept(name: str, new: str) -> list[str]:
            held = there.get(name, "").split()
            return [each for each in held if each != new] if keep_all else held[-1:] if keep_old else []

        given = {name: " ".join([*kept(name, new), new]) for name, new in values.items()}
        webhooks[provider] = (there if keep_others else {}) | given

    edit(client, secret_id, set_)


def webhook_names(client: Any, secret_id: str) -> list[tuple[str, str, dict[str, int]]]:
    """Brand, provider, and how many values each of its secrets has; no value."""
    return [
        (brand, provider, {name: len(value.split()) for name, value in values.items()})
        for brand, entry in sorted(_get(client, secret_id).get("brands", {}).items())
        for provider, values in sorted(entry.get("webhooks", {}).items())
    ]


def add_notification_secret(client: Any, secret_id: str, brand: str, endpoint: str, secret: str = "") -> str:
    """Add a secret that signs what an endpoint gets, and answer it; the older one signs too, until it is dropped.

    Args:
        client: a Secrets Manager client.
        secret_id: the document's name or ARN.
        brand: whose endpoint it is.
        endpoint: its id in the brand's file.
        secret: `whsec_` and base64; empty makes one of 256 random bits.
    """
    secret = secret or f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"

    def add(document: dict[str, Any]) -> None:
        endpoints = of_brand(document, brand).setdefault("notifications", {})
        endpoints[endpoint] = [*endpoints.get(endpoint, [])[-1:], secret]

    edit(client, secret_id, add)
    return secret


def drop_old_notification_secret(client: Any, secret_id: str, brand: str, endpoint: str) -> bool:
    """Keep only the newest secret of an endpoint; False if there was no other."""

    def drop(document: dict[str, Any]) -> bool:
        endpoints = document.get("brands", {}).get(brand, {}).get("notifications", {})
        if len(endpoints.get(endpoint, [])) < 2:  # noqa: PLR2004 - an old and a new one
            return False
        endpoints[endpoint] = endpoints[endpoint][-1:]
        return True

    return edit(client, secret_id, drop)


def of_brand(document: dict[str, Any], brand: str) -> dict[str, Any]:
    """The brand's part of the document, made if there is none."""
    entry: dict[str, Any] = document.setdefault("brands", {}).setdefault(brand, {})
    return entry


def edit(client: Any, secret_id: str, change: Callable[[dict[str, Any]], T]) -> T:
    """Change the document, and answer what `change` answered. Two that edit at the same time both get their way.

    The new version is stored beside the current one. Then the label AWSCURRENT is moved to it from the version that was
    read, which Secrets Manager refuses if somebody else moved it meanwhile; if so, all is done again.

    Args:
        client: a Secrets Manager client.
        secret_id: the document's name or ARN.
        change: changes what it is given, perhaps several times; what it leaves alone isn't written.

    Raises:
        SecretUnavailableError: others changed it all the time.
        botocore's errors: it isn't changed.
    """
    for _ in range(_TRIES):
        got = client.get_secret_value(SecretId=secret_id, VersionStage="AWSCURRENT")
        document: dict[str, Any] = json.loads(got["SecretString"])
        answer = change(document)
        if document == json.loads(got["SecretString"]):
            return answer
        version = str(uuid.uuid4())
        label = f"edit-{version}"  # a version without a label could be deleted before it is the current one
        client.put_secret_value(
            SecretId=secret_id, ClientRequestToken=version, SecretString=json.dumps(document), VersionStages=[label]
        )
        moved = move_current(client, secret_id, got["VersionId"], version)
        with suppress(ClientError):
            client.update_secret_version_stage(SecretId=secret_id, VersionStage=label, RemoveFromVersionId=version)
        if moved:
            return answer
    raise SecretUnavailableError("the keyring kept changing; try again")


def move_current(client: Any, secret_id: str, old: str, new: str) -> bool:
    """Make `new` the current version if `old` is; False if another one is.

    Raises:
        botocore's errors: something else is wrong.
    """
    try:
        client.update_secret_version_stage(
            SecretId=secret_id, VersionStage="AWSCURRENT", MoveToVersionId=new, RemoveFromVersionId=old
        )
    except ClientError:
        current = client.get_secret_value(SecretId=secret_id, VersionStage="AWSCURRENT")["VersionId"]
        if current == old:
            raise
        return bool(current == new)  # as after a call whose answer was lost
    return True


def _get(client: Any, secret_id: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(
        client.get_secret_value(SecretId=secret_id, VersionStage="AWSCURRENT")["SecretString"]
    )
    return document
