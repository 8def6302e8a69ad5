"""What tests of the layer's modules share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from consentry import wiring

if TYPE_CHECKING:
    from collections.abc import Iterator

KEYRING_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:keyring"
PUBLIC_URL = "https://links.example.com"


settings.register_profile("unit", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("unit")


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings of a function; nothing that the wiring built for another test is left."""
    built = [each for each in vars(wiring).values() if hasattr(each, "cache_clear")]
    monkeypatch.setenv("KEYRING_SECRET_ARN", KEYRING_ARN)
    monkeypatch.setenv("PUBLIC_URL", PUBLIC_URL)
    for each in built:
        each.cache_clear()
    yield
    for each in built:
        each.cache_clear()
