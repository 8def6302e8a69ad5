"""What an operator does once after a deployment: vouch for sender addresses, and hand out API keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from consentry.keyring import SCOPES, issue_api_key
from embedded.aws import client
from embedded.build import BRANDS as BRAND_FILES

if TYPE_CHECKING:
    from collections.abc import Iterable

BRANDS = ("demo", "other")
"""The two brands that are deployed locally; the first one is the console's."""


def senders() -> list[str]:
    """The sender address of every brand, from the brand files."""
    files = sorted(BRAND_FILES.glob("*.yaml"))
    return [str(yaml.safe_load(file.read_text("utf-8"))["sender"]) for file in files]


def verify_senders(endpoint: str, addresses: Iterable[str]) -> None:
    """Register sender identities with SES. The emulator believes us at once; AWS wants proof."""
    ses = client("sesv2", endpoint)
    for address in addresses:
        ses.create_email_identity(EmailIdentity=address)


def issue_api_keys(endpoint: str, keyring_arn: str) -> dict[str, str]:
    """An API key with every scope for each brand, kept (hashed) in the keyring as a real one is."""
    secrets = client("secretsmanager", endpoint)
    return {brand: issue_api_key(secrets, keyring_arn, brand, SCOPES) for brand in BRANDS}
