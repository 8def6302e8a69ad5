"""The emulator as boto3 sees it: explicit endpoint and made-up credentials, so that no account is ever met."""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore.config import Config

REGION = "us-east-1"
ACCOUNT = "000000000000"
"""The emulator takes a 12-digit access key as that account's root."""

SECRET = "local"  # noqa: S105 - the emulator's own, worth nothing elsewhere

NO_PROXY = "127.0.0.1,localhost,::1"


def client(service: str, endpoint: str) -> Any:
    """A client of ``service`` at ``endpoint``, as the emulated account's root."""
    return boto3.client(  # type: ignore[call-overload]  # the service is a variable here
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key=SECRET,
        config=Config(proxies={}, retries={"mode": "standard", "max_attempts": 5}, connect_timeout=5),
    )


def environment(endpoint: str) -> dict[str, str]:
    """What a tool needs to reach the emulator, and nothing of the person's own AWS settings."""
    foreign = ("AWS_", "SAM_", "PYTHON", "MAKE", "MFLAGS")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {
        **ours,
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": NO_PROXY,
        "no_proxy": NO_PROXY,
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_ENABLE_LANGUAGE_EXTENSIONS": "1",  # else it stumbles over Fn::ForEach
    }
