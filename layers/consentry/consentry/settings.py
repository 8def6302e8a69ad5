"""A function's settings: read from its environment once, and checked as it starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

_COMPILED: Final = Path(__file__).with_name("compiled")
"""Where `consentry_build` puts brands and catalogues when it builds the layer."""
_TYPES: Final[dict[type, type]] = {int: int, type(_COMPILED): Path}


class SettingsError(Exception):
    """The environment lacks what the function needs; the text names the variables."""


class Settings(NamedTuple):
    """What the template passes to a function: each variable of its environment, named in lower case.

    What has no default, every function needs. What only some have, their handlers ask for as they start.
    """

    table_name: str
    keyring_secret_arn: str
    public_url: str = ""
    """Scheme and host of links, no trailing slash; empty: whatever host the visitor used."""
    consentry_compiled: Path = _COMPILED
    trusted_proxy: str = ""
    """Of what a CDN before the API proves itself by, the beginning of the SHA-256, hex; empty: none is believed."""
    spool_queue_url: str = ""
    mail_queue_url: str = ""
    configuration_set: str = ""
    feedback_queue_url: str = ""
    notification_queue_url: str = ""
    notification_dead_letters_url: str = ""
    archive_bucket: str = ""
    archive_queue_url: str = ""
    archive_segments: int = 0
    bulk_bucket: str = ""
    bulk_concurrency: int = 0
    aws_lambda_function_name: str = ""
    """Set by Lambda, as is the next: empty elsewhere."""
    aws_lambda_initialization_type: str = ""

    @classmethod
    def read(cls, *needed: str) -> Self:
        """The environment's.

        Args:
            needed: variables that are optional here and not to the caller.

        Raises:
            SettingsError: one is lacking, empty, or no number where it has to be.
        """
        defaults = cls._field_defaults
        given = {name: text for name in cls._fields if (text := os.environ.get(name.upper()))}
        required = (*(name for name in cls._fields if name not in defaults), *map(str.lower, needed))
        if lacking := [name.upper() for name in required if name not in given]:
            raise SettingsError(f"not set in this function's environment: {', '.join(lacking)}")
        values: dict[str, Any] = {}
        for name, text in given.items():
            try:
                values[name] = _TYPES.get(type(defaults.get(name)), str)(text)
            except ValueError:
                raise SettingsError(f"{name.upper()} has to be a number") from None
        settings = cls(**values)
        return settings._replace(public_url=settings.public_url.rstrip("/"))
