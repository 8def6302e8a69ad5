"""A provider's module, called with what the provider sends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import pytest

from consentry import providers
from consentry.providers import Call, Reading, UnsignedError, sns
from consentry.rules.brands import Webhook
from support import hooks
from support.hooks import NOW, Sent

if TYPE_CHECKING:
    from collections.abc import Iterator

SETUP = Webhook(hooks.TOPICS, (hooks.ARN,))


class Desk:
    """Where calls arrive."""

    NOW = NOW

    def __init__(self) -> None:
        self.fetched: list[str] = []

    def call(self, sent: Sent, *, method: str = "POST", url: str = "") -> Call:
        query = sent.path.partition("?")[2]
        headers = {name.lower(): value for name, value in sent.headers.items()}
        url = url or f"https://links.example.com{sent.path}"
        return Call(method, headers, dict(parse_qsl(query)), sent.body, (url,))

    def verify(
        self,
        provider: str,
        sent: Sent,
        now: int = NOW,
        *,
        secrets: dict[str, str] | None = None,
        setup: Webhook = SETUP,
        **how: Any,
    ) -> int:
        given = hooks.secrets_of(provider) if secrets is None else secrets
        return providers.provider(provider).verify(self.call(sent, **how), setup, given, now)

    def refuses(self, provider: str, sent: Sent, now: int = NOW, **how: Any) -> bool:
        try:
            self.verify(provider, sent, now, **how)
        except UnsignedError:
            return True
        return False

    def read(self, provider: str, said: Any, setup: Webhook = SETUP, **how: Any) -> Reading:
        """What a signed call says."""
        return self.take(provider, hooks.send(provider, said, **how), setup)

    def take(self, provider: str, sent: Sent, setup: Webhook = SETUP) -> Reading:
        self.verify(provider, sent, setup=setup)
        return providers.provider(provider).translate(self.call(sent), setup)

    def fetch(self, url: str) -> bytes:
        self.fetched.append(url)
        return hooks.certificate()


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """A desk whose certificates come from here."""
    desk = Desk()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sns, "fetch", desk.fetch)
        sns._keys.clear()
        yield desk
        sns._keys.clear()
