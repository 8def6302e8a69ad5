"""Translations: find the texts in the sources, keep the catalogues in step with them, compile them.

    python -m consentry_build.catalogues update      after a text changed, or `update sv` for a new language
    python -m consentry_build.catalogues check       what is missing or would break a page

Catalogues are gettext files, one a language: `consentry/locales/<language>.po`. English has none: it is what the
sources say. Babel does the work, and only here: at run time Python's own `gettext` reads the compiled files.
"""

from __future__ import annotations

import io
import re
import sys
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract as extract_messages
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from jinja2.ext import babel_extract

from consentry_build import locales
from consentry_build.locales import languages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT: Final = Path(__file__).parents[2]
DOMAIN: Final = "consentry"

_TEMPLATES: Final = ("layers/consentry/consentry/templates/**/*.html", "functions/*/templates/*.html")
_MAILS: Final = ("layers/consentry/mails/**/*.mjml", "layers/consentry/mails/**/*.txt")
_MODULES: Final = "layers/consentry/consentry/**/*.py"
_JINJA: Final = {"trimmed": "true", "silent": "false", "trim_blocks": "true", "lstrip_blocks": "true"}
"""As `consentry.http.pages` reads templates, or the texts found here aren't those looked up there."""
_KEYWORDS: Final = {"_": None, "gettext": None, "ngettext": (1, 2)}
_NOTES: Final = ("Translators:",)

_PLACEHOLDER: Final = re.compile(r"%\(\w+\)s")
_UNSAFE: Final = re.compile(r"[<>&%]")
_NOISE: Final = re.compile(
    rb'^"(?:(?:POT-|PO-|Project-|Report-|Last-)\S+|Generated-By|Language-Team): .*\n', re.MULTILINE
)
"""Header fields that say nothing, or change with every run."""
_NO_DATE: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""When a compiled catalogue was made. With the time of the build, each would be a new layer, and new functions."""
_HEADER: Final = "# Texts of pages and mails. After a change: python -m consentry_build.catalogues update"


class CatalogueError(Exception):
    """A catalogue that can't be shipped; the message has a line for each fault."""


@cache
def extract() -> Catalog:
    """The texts in templates and code, without translations."""
    catalogue = Catalog(project=DOMAIN, charset="utf-8")
    paths = [path for pattern in (*_TEMPLATES, *_MAILS) for path in sorted(ROOT.glob(pattern))]
    for path in paths:
        _add(catalogue, path, babel_extract, _JINJA)
    for path in sorted(ROOT.glob(_MODULES)):
        _add(catalogue, path, "python", {})
    return catalogue


def update(*new: str) -> None:
    """Bring every catalogue in step with the sources: new texts come in untranslated, unused ones go.

    Args:
        new: languages to start a catalogue for.
    """
    found = extract()
    for language in (*languages()[1:], *new):
        path = locales.LOCALES / f"{language}.po"
        catalogue = _read(language) if path.exists() else Catalog(locale=language, project=DOMAIN)
        catalogue.update(found, no_fuzzy_matching=True, update_creation_date=False)
        catalogue.header_comment = _HEADER
        catalogue.fuzzy = False
        path.write_bytes(_written(catalogue))


def check() -> list[str]:
    """What is wrong with the catalogues, a line each; empty when they can be shipped."""
    found = extract()
    return [f"{language}: {fault}" for language in languages()[1:] for fault in _faults(found, _read(language))]


def compile_to(out_dir: Path) -> None:
    """Write `<out_dir>/locales/<language>/LC_MESSAGES/consentry.mo` for every language but English.

    Raises:
        CatalogueError: a page would show the wrong language, or break.
    """
    if faults := check():
        raise CatalogueError("\n".join(faults))
    for language in languages()[1:]:
        target = out_dir / "locales" / language.replace("-", "_") / "LC_MESSAGES" / f"{DOMAIN}.mo"
        target.parent.mkdir(parents=True, exist_ok=True)
        catalogue = _read(language)
        catalogue.creation_date = _NO_DATE
        with target.open("wb") as file:
            write_mo(file, catalogue)


def main(arguments: Sequence[str]) -> int:
    """The command line above. Answers the exit status: 1 if `check` found something, 2 for another command."""
    match arguments:
        case ["update", *new]:
            update(*new)
        case ["check"]:
            faults = check()
            sys.stdout.writelines(f"{fault}\n" for fault in faults)
            return 1 if faults else 0
        case _:
            sys.stderr.write("usage: python -m consentry_build.catalogues update [LANGUAGE...] | check\n")
            return 2
    return 0


def _add(catalogue: Catalog, path: Path, method: object, options: dict[str, str]) -> None:
    with path.open("rb") as file:
        for _, text, notes, _ in extract_messages(method, file, _KEYWORDS, _NOTES, options, strip_comment_tags=True):  # type: ignore[arg-type] # any callable of this shape, says Babel's documentation
            # No line numbers: they would change every catalogue whenever a template grows a line.
            catalogue.add(text, locations=[(path.relative_to(ROOT).as_posix(), 0)], auto_comments=notes)


def _read(language: str) -> Catalog:
    with (locales.LOCALES / f"{language}.po").open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN, abort_invalid=True)


def _written(catalogue: Catalog) -> bytes:
    file = io.BytesIO()
    write_po(file, catalogue, width=110, include_lineno=False, sort_by_file=True, ignore_obsolete=True)
    return _NOISE.sub(b"", file.getvalue())


def _faults(found: Catalog, catalogue: Catalog) -> Iterator[str]:
    wanted = {message.id for message in found if message.id}
    for known in catalogue:
        if known.id and known.id not in wanted:
            yield f"no longer used: {_quoted(known)}"
    for source in found:
        if not source.id:
            continue
        message = catalogue.get(source.id)
        if message is None or not _forms(message) or not all(_forms(message)):
            yield f"not translated: {_quoted(source)}"
        elif message.fuzzy:
            yield f"fuzzy: {_quoted(source)}"
        elif source.pluralizable and len(_forms(message)) != catalogue.num_plurals:
            yield f"needs {catalogue.num_plurals} plural forms: {_quoted(source)}"
        else:
            yield from (f"{fault}: {_quoted(source)}" for fault in _form_faults(source, message))


def _form_faults(source: Message, message: Message) -> Iterator[str]:
    original = source.id if isinstance(source.id, str) else source.id[-1]
    for form in _forms(message):
        if sorted(_PLACEHOLDER.findall(form)) != sorted(_PLACEHOLDER.findall(original)):
            yield "other placeholders than the source"
        if _UNSAFE.search(_PLACEHOLDER.sub("", form)):
            yield "holds <, >, & or %, which pages take for markup or a placeholder"
        if form != form.strip():
            yield "begins or ends with a space"
        if form.count(", ") != 11 and original.count(", ") == 11:  # noqa: PLR2004 - between twelve months
            yield "needs twelve months"


def _forms(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ())


def _quoted(message: Message) -> str:
    return repr(message.id if isinstance(message.id, str) else message.id[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
