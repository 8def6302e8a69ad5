"""The keyring, and the secrets that the brand files take for granted. No value of it is ever told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from consentry import providers
from consentry.links.keyring import Keyring, SecretUnavailableError
from consentry.links.tokens import Link, Purpose, Tokens
from consentry_cli.doctor.deployed import is_gone
from consentry_cli.doctor.findings import Check, fault, warning

if TYPE_CHECKING:
    from collections.abc import Generator

    from consentry_cli.doctor.deployed import Deployed
    from consentry_cli.doctor.findings import Problem

_NOBODY: Final = "A" * 22
_SHORTEST: Final = 32
"""Characters of a root: the template makes 64, of which each has nearly 6 bits."""
_COPY: Final = "docs/deploying.md says how to bring back a copy of its value."


def readable(deployed: Deployed) -> Generator[Problem, None, str]:
    """The document is one that the functions can use."""
    try:
        text = _text(deployed)
    except ClientError as exc:
        if not is_gone(exc):
            raise
        yield fault("The keyring is gone: no link can be verified, no opt-out recorded.", _COPY)
        return ""
    try:
        Keyring(lambda: text).pepper("")
        document = json.loads(text)
    except SecretUnavailableError:
        yield fault("The keyring isn't a document that the functions can use.", _COPY)
        return ""
    if len(document["root"]) < _SHORTEST:
        yield fault(
            "The keyring's root is too short to be secret.",
            "A new root makes every link and subscriber id invalid: decide on this with whoever made it.",
        )
    return "The keyring is readable and has its root."


def kept(deployed: Deployed) -> Generator[Problem, None, str]:
    """The secret isn't about to be deleted, and its replicas are up to date."""
    try:
        described = deployed.client("secretsmanager").describe_secret(SecretId=_arn(deployed))
    except ClientError as exc:
        if not is_gone(exc):
            raise
        yield fault("The keyring is gone.", _COPY)
        return ""
    if described.get("DeletedDate"):
        yield fault(
            "The keyring is going to be deleted, and can't be read until that is taken back.",
            "aws secretsmanager restore-secret --secret-id, and the output KeyringSecretArn",
        )
    replicas = described.get("ReplicationStatus", ())
    for each in replicas:
        if each.get("Status") != "InSync":
            yield warning(
                f"The keyring's replica in {each.get('Region')} is {each.get('Status')}.",
                "aws secretsmanager describe-secret says why.",
            )
    if not replicas:
        return "The keyring is kept. It has no replica in another region: is a copy of its value in a safe place?"
    return f"The keyring is kept, with copies in {', '.join(sorted(str(each.get('Region')) for each in replicas))}."


def secrets(deployed: Deployed) -> Generator[Problem, None, str]:
    """What the brand files configure has its secrets."""
    if not deployed.brands:
        return "There are no brand files here to compare with; say where they are with --brands."
    try:
        document: dict[str, Any] = json.loads(_text(deployed))
        entries = dict(document.get("brands", {}))
    except (ValueError, TypeError, AttributeError):
        yield fault("The keyring can't be understood.", "See the check `keyring`.")
        return ""
    for brand in deployed.brands:
        entry = entries.get(brand.id, {})
        if not entry.get("api_keys"):
            yield warning(
                f"{brand.id} has no API key: no platform can ask whom it may mail.",
                f"consentry api-keys create --brand {brand.id}",
            )
        for provider in brand.webhooks:
            names = providers.provider(provider).SECRETS
            held = entry.get("webhooks", {}).get(provider, {})
            missing = sorted(name for name in names if not held.get(name))
            if provider in providers.ONE_IS_ENOUGH and len(missing) < len(names):
                missing = []
            if missing:
                one = provider in providers.ONE_IS_ENOUGH
                yield fault(
                    f"{brand.id} has {provider} under webhooks, but its calls are refused: no "
                    f"{(' or ' if one else ', ').join(missing)}.",
                    f"consentry webhooks set --brand {brand.id} {provider} "
                    f"{(' or ' if one else ' ').join(f'{name}=-' for name in missing)}",
                )
        for endpoint in brand.notifications:
            if not entry.get("notifications", {}).get(endpoint.id):
                yield fault(
                    f"{brand.id} lists the endpoint {endpoint.id}, but nothing is sent there: it has no secret.",
                    f"consentry notifications add-secret --brand {brand.id} {endpoint.id}",
                )
    return "Every brand has an API key, and the secrets of what its file configures."


def expired_token(deployed: Deployed) -> str:
    """A token of a confirmation that ended long ago, of nobody: whoever has the keyring knows it, and it does nothing.

    Empty where there is no brand file, or the keyring can't be read.
    """
    if not deployed.brands:
        return ""
    try:
        text = _text(deployed)
        return Tokens(Keyring(lambda: text)).sign(Link(Purpose.CONFIRM, deployed.brands[0].id, _NOBODY, at=1))
    except (ClientError, SecretUnavailableError):
        return ""


def _arn(deployed: Deployed) -> str:
    return deployed.outputs.get("KeyringSecretArn") or deployed.physical("Keyring")


def _text(deployed: Deployed) -> str:
    return str(deployed.client("secretsmanager").get_secret_value(SecretId=_arn(deployed))["SecretString"])


_KEPT: Final = "docs/deploying.md#what-a-deployment-keeps"
CHECKS = (
    Check("keyring", readable, _KEPT),
    Check("keyring-kept", kept, _KEPT),
    Check("brand-secrets", secrets, "docs/deploying.md#4-api-keys-and-other-secrets"),
)
