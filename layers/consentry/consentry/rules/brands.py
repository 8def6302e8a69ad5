"""Brands: who sends, on which topics, and how it looks. Compiled from YAML when the layer is built.

`consentry_build` checks each file of `brands/` against a schema and writes one JSON file into the layer. A click
reads that file once per container: no configuration store, no YAML parser.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.rules import consent as rules
from consentry.rules.consent import DAY_MS, Mode

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from consentry.rules.consent import Consent, Decision, Status

FALLBACK_LANGUAGE: Final = "en"
_MADE: Final = frozenset(
    {"topics", "retired_topics", "theme", "languages", "webhooks", "notifications", "limits", "goodbye_mail"}
    | {"origins", "pages", "texts"}
)
"""Fields of `Brand` that are more, or may be less, than what the compiled file has."""


class Topic(NamedTuple):
    """One kind of mail of a brand."""

    id: str
    mode: Mode
    names: Mapping[str, str]
    descriptions: Mapping[str, str]
    frequencies: tuple[str, ...]
    """How often the subscriber may choose to have it; empty where there is no choice."""
    claims_only: bool = False
    """`opt_out` only: it may be mailed while a claim or opt-in is in force, and not just until the person says no."""
    renew_after_days: int = 0
    """How long an opt-in, a renewal, or a claim without an end lasts; 0: for ever."""
    basis: str = "consent"
    """The legal basis that the brand names for it: `consent`, `contract` or `legitimate_interest`."""


class Theme(NamedTuple):
    """How pages and emails look."""

    accent: str
    """`#rrggbb`; its contrast with white was checked when the brand was compiled."""
    accent_dark: str
    """The same for dark pages; its contrast with black was checked."""
    logo: str
    """Inline SVG, checked to hold shapes only; empty where there is none."""


class Webhook(NamedTuple):
    """How a provider's webhook maps to the brand."""

    topics: Mapping[str, tuple[str, ...]]
    """The brand's topics, by the provider's groups, lists or streams."""
    arns: tuple[str, ...] = ()
    """`sns` only: the SNS topics that may call."""

    def topics_of(self, names: Iterable[object]) -> tuple[str, ...]:
        """The brand's topics for some of the provider's names; names that aren't mapped count for nothing."""
        found = (topic for name in names for topic in self.topics.get(str(name), ()))
        return tuple(dict.fromkeys(found))


class Endpoint(NamedTuple):
    """Where a platform listens for what people decide."""

    id: str
    url: str
    private_network: bool
    """Whether it may lie on this machine or in a private network, and speak plain HTTP."""


class Bounds(NamedTuple):
    """How much the brand's form takes, and how many confirmation emails go out."""

    requests_an_hour_per_ip: int = 30
    requests_an_hour: int = 2_000
    mails_a_minute: int = 120
    """One more, and emails wait for a while."""
    mails_a_day_per_domain: int = 20
    """That nobody confirmed, of all brands; not at large providers."""


class Brand(NamedTuple):
    """An organisation that sends mail."""

    id: str
    names: Mapping[str, str]
    languages: tuple[str, ...]
    """BCP 47, the first is what people get who asked for none of them."""
    topics: Mapping[str, Topic]
    """By id, in the order in which people see them."""
    theme: Theme
    sender: str
    """The address in From."""
    reply_to: str
    inbound_domain: str
    """Where `mailto:` opt-outs go; empty where there is none."""
    list_domain: str
    """The right side of List-Id (RFC 2919)."""
    postal_addresses: Mapping[str, str]
    privacy_urls: Mapping[str, str]
    privacy_contact: str
    """The address to write to for erasure."""
    keeps_address: bool
    """Whether the address is kept after it was confirmed, because the brand's platform wants it in events."""
    evidence_days: int
    """How long IP address and user agent of a consent are kept; 0: not at all."""
    notice: str
    """The version of what people read before they agree; changes with the topics' texts."""
    retired_topics: tuple[str, ...] = ()
    """Ids of topics that it had: opt-outs from them still come in."""
    webhooks: Mapping[str, Webhook] = {}
    """By provider; one that isn't here doesn't exist for this brand."""
    goodbye_mail: bool = False
    """Whether an email confirms an opt-out; only where the address is kept."""
    notifications: tuple[Endpoint, ...] = ()
    limits: Bounds = Bounds()
    origins: tuple[str, ...] = ()
    """Of the sites whose scripts may post the form, as browsers write them: `https://www.example.com`."""
    pages: Mapping[str, str] = {}
    """Where a browser is sent in place of our page, https: `asked` after the form, `confirmed`, and `left`."""
    texts: Mapping[str, Mapping[str, str]] = {}
    """Its own sentences: `subscribe_title`, `subscribe_intro`, `confirm_subject`, `confirm_intro`, `left_note`."""

    @property
    def is_gone(self) -> bool:
        """Whether it has no file any more, as `even_if_gone` answers it: a file has a topic at least."""
        return not self.topics

    def name(self, language: str) -> str:
        """The brand's name in a language, or in the nearest that it has."""
        return _in_language(self.names, language, self.languages)

    def postal_address(self, language: str) -> str:
        """Where the brand gets letters, as it is written in a language."""
        return _in_language(self.postal_addresses, language, self.languages)

    def privacy_url(self, language: str) -> str:
        """The page about what the brand does with data, for who reads a language; empty if there is none."""
        return _in_language(self.privacy_urls, language, self.languages)

    def topic_name(self, topic: str, language: str) -> str:
        """A topic's name; of a topic that the brand no longer has, its id."""
        found = self.topics.get(topic)
        return _in_language(found.names, language, self.languages) if found else topic

    def topic_description(self, topic: str, language: str) -> str:
        """What the topic brings; empty if nobody wrote it."""
        found = self.topics.get(topic)
        return _in_language(found.descriptions, language, self.languages) if found else ""

    def text(self, which: str, language: str) -> str:
        """A sentence of the brand's own; empty where it has none in exactly this language: then ours stands."""
        return self.texts.get(which, {}).get(language, "")

    def asked_for(self) -> list[Topic]:
        """The topics that need a request: what the subscribe form offers."""
        return [topic for topic in self.topics.values() if topic.mode is Mode.OPT_IN]

    def mode(self, topic: str) -> Mode:
        """A topic's mode. A topic that the brand no longer has needs an opt-in."""
        found = self.topics.get(topic)
        return found.mode if found else Mode.OPT_IN

    def lasts(self, topic: str) -> int:
        """How many milliseconds an opt-in to a topic lasts; 0: for ever."""
        found = self.topics.get(topic)
        return found.renew_after_days * DAY_MS if found else 0

    def decide(self, consent: Consent, topic: str, now: int) -> Decision:
        """Whether an email on one of its topics may be sent at `now`, epoch ms; see `consent.decide`."""
        found = self.topics.get(topic)
        mode = Mode.OPT_IN if found and found.claims_only else self.mode(topic)
        return rules.decide(consent, topic, mode, now, self.lasts(topic))

    def status(self, consent: Consent, topic: str, now: int) -> Status:
        """How a subscriber stands to a topic at `now`, epoch ms."""
        return rules.status(consent, topic, now, self.lasts(topic))


class Brands:
    """All brands of a deployment."""

    def __init__(self, brands: Iterable[Brand]) -> None:
        self._brands = {brand.id: brand for brand in brands}

    def __iter__(self) -> Any:
        return iter(self._brands.values())

    def get(self, brand_id: str) -> Brand | None:
        """The brand, or None."""
        return self._brands.get(brand_id)

    def even_if_gone(self, brand_id: str) -> Brand:
        """The brand; of one whose file is gone, a plain one that can still take opt-outs.

        Only for a brand that a verified token names: mail outlives the brands that sent it.
        """
        return self._brands.get(brand_id) or Brand(
            id=brand_id,
            names={FALLBACK_LANGUAGE: brand_id},
            languages=(FALLBACK_LANGUAGE,),
            topics={},
            theme=Theme("#1f4e79", "#9cc4ec", ""),
            sender="",
            reply_to="",
            inbound_domain="",
            list_domain="",
            postal_addresses={},
            privacy_urls={},
            privacy_contact="",
            keeps_address=False,
            evidence_days=0,
            notice="",
        )


def load(compiled: Path) -> Brands:
    """The brands in a compiled file.

    Raises:
        OSError, ValueError, KeyError: the layer was built wrongly; nothing can be served.
    """
    return Brands(from_json(each) for each in json.loads(compiled.read_text(encoding="utf-8")))


def from_json(data: dict[str, Any]) -> Brand:
    """One compiled brand. The fields are those of `Brand`, lists for tuples."""
    topics = {
        each["id"]: Topic(
            each["id"],
            Mode(each["mode"]),
            each["names"],
            each["descriptions"],
            tuple(each["frequencies"]),
            each.get("claims_only", False),
            each.get("renew_after_days", 0),
            each.get("basis", "consent"),
        )
        for each in data["topics"]
    }
    simple = {name: data[name] for name in Brand._fields if name not in _MADE}
    return Brand(
        **simple,
        topics=topics,
        theme=Theme(**data["theme"]),
        languages=tuple(data["languages"]),
        retired_topics=tuple(data.get("retired_topics", ())),
        webhooks={
            name: Webhook({theirs: tuple(ours) for theirs, ours in each["topics"].items()}, tuple(each["arns"]))
            for name, each in data.get("webhooks", {}).items()
        },
        goodbye_mail=data.get("goodbye_mail", False),
        notifications=tuple(Endpoint(**each) for each in data.get("notifications", [])),
        limits=Bounds(**data.get("limits", {})),
        origins=tuple(data.get("origins", ())),
        pages=data.get("pages", {}),
        texts=data.get("texts", {}),
    )


def _in_language(texts: Mapping[str, str], language: str, preference: tuple[str, ...]) -> str:
    for each in (language, *preference, FALLBACK_LANGUAGE):
        if each in texts:
            return texts[each]
    return next(iter(texts.values()), "")
