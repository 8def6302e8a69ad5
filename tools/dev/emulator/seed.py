"""What an operator does once after a deployment: vouch for senders, hand out API keys, agree on webhook secrets."""

from __future__ import annotations

import base64
import secrets

import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from consentry.aws.keyring_document import add_notification_secret, issue_api_key, set_webhook_secrets
from consentry.links.keyring import SCOPES, Keyring
from dev.emulator import brandfiles, site
from dev.emulator.aws import client
from dev.emulator.build import BRANDS as BRAND_FILES


def brands() -> list[str]:
    """Every brand that is deployed locally, as `brandfiles.ids` has them."""
    return brandfiles.ids(BRAND_FILES)


def senders() -> list[str]:
    """The sender address of every brand, from the brand files."""
    return [str(yaml.safe_load(file.read_text("utf-8"))["sender"]) for file in site.files(BRAND_FILES)]


def verify_senders(endpoint: str) -> None:
    """Register sender identities with SES. The emulator believes us at once; AWS wants proof."""
    ses = client("sesv2", endpoint)
    for address in senders():
        ses.create_email_identity(EmailIdentity=address)


def issue_api_keys(endpoint: str, keyring_arn: str) -> dict[str, str]:
    """An API key with every scope for each brand, kept (hashed) in the keyring as a real one is."""
    secrets = client("secretsmanager", endpoint)
    return {brand: issue_api_key(secrets, keyring_arn, brand, SCOPES) for brand in brands()}


def keyring(endpoint: str, keyring_arn: str) -> Keyring:
    """The deployment's keyring, fetched when it is first used."""

    def fetch() -> str:
        found = client("secretsmanager", endpoint).get_secret_value(SecretId=keyring_arn, VersionStage="AWSCURRENT")
        return str(found["SecretString"])

    return Keyring(fetch)


def set_secrets(endpoint: str, keyring_arn: str) -> dict[str, str]:
    """Secrets of the console's brand with every provider, and those with the receivers here; what tests sign with."""
    client_ = client("secretsmanager", endpoint)
    private = ec.generate_private_key(ec.SECP256R1())
    shown = {
        "standard": f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}",
        "mailgun": secrets.token_hex(16),
        "postmark": f"consentry:{secrets.token_urlsafe(16)}",
        "mailchimp": secrets.token_urlsafe(16),
        "customerio": secrets.token_hex(32),
        "hubspot": secrets.token_hex(16),
        "klaviyo": secrets.token_urlsafe(24),
        "sendgrid_private_key": private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
    }
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    kept = {
        "standard": {"secret": shown["standard"]},
        "sendgrid": {"public_key": base64.b64encode(public).decode()},
        "mailgun": {"signing_key": shown["mailgun"]},
        "postmark": {"credentials": shown["postmark"]},
        "mailchimp": {"key": shown["mailchimp"]},
        "customerio": {"signing_key": shown["customerio"]},
        "hubspot": {"client_secret": shown["hubspot"]},
        "klaviyo": {"secret_key": shown["klaviyo"]},
    }
    every = brands()
    for provider, values in kept.items():
        set_webhook_secrets(client_, keyring_arn, every[0], provider, values)
    signing = {brand: add_notification_secret(client_, keyring_arn, brand, brandfiles.ENDPOINT) for brand in every}
    return {**shown, "outbound": signing[every[0]]}
