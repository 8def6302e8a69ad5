"""What a shell needs to work with the running stack, as a file to source: `. .local/env`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any, Final

from dev.emulator import aws, build, deploy
from dev.places import VENV_PYTHON

if TYPE_CHECKING:
    from collections.abc import Mapping

_OF_AN_ACCOUNT: Final = ("AWS_PROFILE", "AWS_SESSION_TOKEN")
"""Settings of the person's own account that would stand in for the emulator's."""


def settings(about: Mapping[str, Any]) -> str:
    """Lines for a POSIX shell: the front door, a key, what `consentry` asks for, and AWS as the emulator.

    Args:
        about: what `stack.json` has.
    """
    exported = {
        "BASE": about["base_url"],
        "KEY": about["api_keys"][about["brand"]],
        "TABLE_NAME": about["table_name"],
        "KEYRING_SECRET_ARN": about["keyring_secret_arn"],
        "CONSENTRY_STACK": deploy.STACK,
        "CONSENTRY_BRANDS": build.BRANDS,
        "AWS_ENDPOINT_URL": about["aws_endpoint_url"],
        "AWS_REGION": about["region"],
        "AWS_DEFAULT_REGION": about["region"],
        "AWS_ACCESS_KEY_ID": aws.ACCOUNT,
        "AWS_SECRET_ACCESS_KEY": aws.SECRET,
    }
    lines = [f"export {name}={shlex.quote(str(value))}" for name, value in exported.items()]
    path = f'export PATH={shlex.quote(str(VENV_PYTHON.parent))}:"$PATH"'
    return "\n".join([f"unset {' '.join(_OF_AN_ACCOUNT)}", *lines, path, ""])
