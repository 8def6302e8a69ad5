"""Brands and subscribers for tests that need one and don't care which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from consentry.rules import brands

if TYPE_CHECKING:
    from consentry.rules.brands import Brand

SUBSCRIBER = "K9Xdq1X4AVefMXC3P9olGg"
NOW = 1_800_000_000_000


def brand(**otherwise: Any) -> Brand:
    """A brand with two opt_in topics and an opt_out one, in English and German; `otherwise` replaces fields."""
    data: dict[str, Any] = {
        "id": "demo",
        "names": {"en": "Meadow & Finch"},
        "languages": ["en", "de"],
        "topics": [
            topic("news", names={"en": "Newsletter", "de": "Rundbrief"}, frequencies=["every", "weekly"]),
            topic("offers"),
            topic("product", mode="opt_out", basis="legitimate_interest"),
        ],
        "theme": {"accent": "#2f6b3c", "accent_dark": "#8fd6a0", "logo": ""},
        "sender": "hello@meadow.example",
        "reply_to": "people@meadow.example",
        "inbound_domain": "reply.meadow.example",
        "list_domain": "meadow.example",
        "postal_addresses": {"en": "12 Orchard Lane, Bath"},
        "privacy_urls": {"en": "https://meadow.example/privacy"},
        "privacy_contact": "privacy@meadow.example",
        "keeps_address": False,
        "evidence_days": 365,
        "notice": "1234567890ab",
    }
    return brands.from_json(data | otherwise)


def topic(topic_id: str, **otherwise: Any) -> dict[str, Any]:
    """A topic as the compiled file has it."""
    return {
        "id": topic_id,
        "mode": "opt_in",
        "names": {"en": topic_id.title()},
        "descriptions": {"en": ""},
        "frequencies": [],
    } | otherwise
