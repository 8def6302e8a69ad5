"""The page of a proof: one HTML file that loads nothing, made to be printed on A4 or Letter."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from consentry.rules.languages import direction, own_name

_PARTS: Final = {
    "form": "The subscribe form",
    "mail": "The confirmation email",
    "page": "The page that its link opens",
    "return_mail": "The email that asks whether to come back",
    "preferences": "The preferences page",
    "unsubscribe": "The unsubscribe page",
    "left": "The page after unsubscribing",
    "keep": "The page that asks whether to go on",
}


def render(found: dict[str, Any]) -> str:
    """The page of a document of `consentry.actions.proof`."""
    numbers = {
        (version, language, part): number
        for number, (version, language, part) in enumerate(
            (
                (version, language, part)
                for version, languages in found["notices"].items()
                for language, parts in languages.items()
                for part in parts
            ),
            1,
        )
    }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["moment"] = _moment
    return environment.get_template("page.html.j2").render(
        found=found,
        numbers=numbers,
        parts=_PARTS,
        records=json.dumps(found["records"], ensure_ascii=False, indent=1),
        dpv=json.dumps(found["dpv"], ensure_ascii=False, indent=1),
        direction=direction,
        own_name=own_name,
    )


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S}"
