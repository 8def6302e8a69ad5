"""Notices: what people read before they agree, leave or choose, in every language of a brand.

A notice is a document that `consentry_build.notices` writes when the layer is built, and its version is a hash of that
document. So a version that stands in a ledger names these words and no others, whoever has kept them.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final

FOLDER: Final = "notices"
"""Where they lie in the layer's compiled files, and in the archive."""
PREFIX: Final = f"{FOLDER}/"
_DIGITS: Final = 32
"""128 bits: not even the brand itself can find two notices of one version."""
_VERSION: Final = re.compile(rf"[0-9a-f]{{{_DIGITS}}}")


def write(notice: dict[str, Any]) -> tuple[str, bytes]:
    """The version of a notice, and its only spelling."""
    text = json.dumps(notice, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
    return version_of(text), text


def version_of(text: bytes) -> str:
    """The version of a notice as it is spelt."""
    return hashlib.sha256(text).hexdigest()[:_DIGITS]


def is_version(version: str) -> bool:
    """Whether it names words that were kept: before they were, versions were of 12 digits."""
    return _VERSION.fullmatch(version) is not None


def key(version: str) -> str:
    """The key of its object in the archive."""
    return f"{PREFIX}{version}.json"


def version_in(name: str) -> str:
    """The version whose object has this key."""
    return name.removeprefix(PREFIX).removesuffix(".json")
