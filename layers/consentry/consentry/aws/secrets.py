"""The keyring's secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from consentry.links.keyring import SecretUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable


def keyring_text(build: Callable[[], Any], arn: str) -> str:
    """What the secret holds now, by a client of Secrets Manager that `build` makes.

    Raises:
        SecretUnavailableError: it can't be read.
    """
    try:
        return str(build().get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")["SecretString"])
    except (BotoCoreError, ClientError, ValueError) as exc:  # a garbled answer reads as ValueError
        raise SecretUnavailableError("the keyring can't be read") from exc
