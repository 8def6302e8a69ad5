"""caniemail.com's word on emails: which features of HTML and CSS they use that a mail program lacks.

The npm package `caniemail` brings the data and the check; `make test` fetches it. Asked are Apple Mail, Gmail, Outlook,
Samsung Email and Yahoo, on every system.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from dev.places import CANIEMAIL

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCRIPT: Final = Path(__file__).with_suffix(".mjs")

_DARK: Final = "for dark mode alone: without it the mail is light, or as the program darkens it"
_STYLES: Final = (
    "in <style> alone, which holds nothing that a light mail needs: what it needs stands in style attributes"
)
_RESET: Final = "one of MJML's resets, for programs that know it"
_READERS: Final = "for screen readers: they read the mail without it, too"

ACCEPTED: Final = {
    "@media": _DARK,
    "color-scheme CSS property": _DARK,
    "color-scheme meta tag": _DARK,
    "<style> element": _STYLES,
    "Chaining selectors": _STYLES,
    "Class selector": _STYLES,
    "Descendant combinator": _STYLES,
    "ID selector": _STYLES,
    "Type selector": _STYLES,
    "height property": _RESET,
    "outline": _RESET,
    "word-spacing": _RESET,
    "aria-label attribute": _READERS,
    "role attribute": _READERS,
    "<bdi> element": "keeps a name apart from text of the other direction; its words are there without it",
    "<body> element": "becomes a <div>: the ground's colour is on a <div> of ours, too",
    "border-radius": "corners are square",
    "cursor": "MJML's; it is `auto`",
    "display:none": "the preheader: it is also 1px high, transparent and cut off",
    "max-height property": "as above: who lacks it has display:none or mso-hide",
    "opacity": "as above",
    "overflow": "as above",
    "target attribute": "links open beside the mail anyway",
    "word-break": "a long link makes the mail wider than the window",
}
"""What a program may lack, and why that is no harm."""


def lacking(mails: Iterable[str]) -> set[str]:
    """The features, by caniemail's titles, that one of the emails uses and one of the programs lacks.

    Skips the test, saying what to install, where the package isn't; fails where it must be there (`CI=true`).
    """
    node = shutil.which("node")
    if node is None or not CANIEMAIL.exists():
        what = "needs caniemail: `make test` fetches it with npm (Debian: apt-get install npm)"
        if os.environ.get("CI") == "true":
            pytest.fail(what)
        pytest.skip(what)
    run = subprocess.run(  # noqa: S603 - our own command, no shell
        [node, _SCRIPT, CANIEMAIL], input=json.dumps([*mails]), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))
