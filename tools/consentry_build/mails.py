"""Emails: MJML, which people write, made into the tables and styles that mail programs need, when the layer is built.

`layers/consentry/mails` holds for each email its HTML as MJML, its text, and its subject, all of them Jinja templates.
MJML leaves Jinja's expressions as they are; what it makes is a template that is rendered once for each email.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mjml import mjml2html

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES: Final = Path(__file__).parents[2] / "layers/consentry/mails"
_INCLUDE: Final = re.compile(r'[ \t]*<mj-include path="([a-z/.]+)" />\n')
_EXPRESSION: Final = re.compile(r"{{.*?}}|{%.*?%}", re.DOTALL)


class MailError(Exception):
    """An email that can't be shipped."""


def compile_to(out_dir: Path) -> None:
    """Write the templates of all emails to `<out_dir>/mails`.

    Raises:
        MailError: MJML can't read one, or would lose some of Jinja's expressions.
    """
    made = {source.stem: html(source) for source in sorted(SOURCES.glob("*.mjml"))}
    target = out_dir / "mails"
    for text in SOURCES.rglob("*.txt"):
        place = target / text.relative_to(SOURCES)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(text, place)
    for name, template in made.items():
        (target / f"{name}.html").write_text(template, encoding="utf-8")


def html(source: Path) -> str:
    """The template that an MJML file makes.

    Raises:
        MailError: see `compile_to`.
    """
    # MJML's own includes come out without the classes and paddings of what they stand in.
    text = _INCLUDE.sub(lambda found: _part(source.parent / found[1]), source.read_text(encoding="utf-8"))
    try:
        made = mjml2html(text, fonts={})  # its default fonts are loaded from Google
    except (OSError, ValueError) as exc:
        raise MailError(f"{source.name}: {exc}") from exc
    if lost := set(_expressions(text)) - set(_expressions(made)):
        raise MailError(f"{source.name}: MJML would lose {', '.join(sorted(lost))}")
    return made


def _part(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise MailError(f"{path.name}: can't be read") from exc


def _expressions(text: str) -> Iterator[str]:
    return (" ".join(each.split()) for each in _EXPRESSION.findall(text))
