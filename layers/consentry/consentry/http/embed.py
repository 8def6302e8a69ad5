"""The script that brands put on their own sites: `embed.<version>.js` among the templates.

A version that was shipped stays as it is, and is served for ever: sites pin its hash (Subresource Integrity,
https://www.w3.org/TR/SRI/), and what doesn't match isn't run.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import Final

LATEST: Final = 1
MAX_BYTES: Final = 2048
"""Of each version."""
_TEMPLATES: Final = Path(__file__).parents[1] / "templates"
_INDENTATION: Final = re.compile(r"^\t+", re.MULTILINE)


@cache
def script(version: int) -> str:
    """The script, without the indentation that it has for people.

    Raises:
        OSError: there is no such version.
    """
    return _INDENTATION.sub("", (_TEMPLATES / f"embed.{version}.js").read_text(encoding="utf-8"))


def path(brand_id: str) -> str:
    """Where a brand's site gets the latest version."""
    return f"/s/{brand_id}/embed.js?v={LATEST}"


def integrity() -> str:
    """What a site pins of the latest version."""
    digest = hashlib.sha384(script(LATEST).encode()).digest()
    return f"sha384-{base64.b64encode(digest).decode()}"
