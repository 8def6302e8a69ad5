"""The rows of an import: what they are, as options say it, and how they are read."""

from __future__ import annotations

from contextlib import contextmanager
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from consentry.actions.bulk import presets
from consentry.actions.bulk.importing import check
from consentry.actions.bulk.rows import Reader, form_of
from consentry_cli.deployment import topics_option
from consentry_cli.options import encoding_option, format_option
from consentry_cli.records import reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from consentry.actions.bulk.presets import Meaning, Preset


class Rows(NamedTuple):
    """What the rows of an import are, and how they are written."""

    preset: str | None
    status: str | None
    topics: tuple[str, ...]
    mapped: dict[str, str]
    ignored: tuple[str, ...]
    words: dict[str, str]
    encoding: str
    form: str | None

    @property
    def chosen(self) -> Preset:
        """Whose export it is, and what its words mean.

        Raises:
            UnusableInputError: it has no words.
        """
        preset = presets.PRESETS[self.preset] if self.preset else presets.PLAIN
        return presets.in_their_words(preset, self.words)

    @contextmanager
    def of(self, source: str) -> Iterator[tuple[Reader, Meaning | None]]:
        """The rows of a file, and what it says of all of them.

        Raises:
            UnusableInputError: no import can be made of it.
        """
        with reading(source, self.encoding) as stream:
            reader = Reader(stream, form_of(source, self.form), who=self.chosen.who(), mapped=self.mapped)
            meaning = presets.of_file(self.chosen, source, reader.first, self.status)
            check(self.chosen, reader, meaning, self.ignored)
            yield reader, meaning


def _columns(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.partition("=") for value in values]
    if not all(name and column for name, _, column in pairs):
        raise click.BadParameter("NAME=COLUMN, as in email=E-Mail")
    return {name: column for name, _, column in pairs}


def _words(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    pairs = [value.rpartition("=") for value in values]
    known = (*presets.WORDS, presets.SAYS_NOTHING)
    if not all(word and status in known for word, _, status in pairs):
        raise click.BadParameter(f"WORD=STATUS, as in abgemeldet=unsubscribed; STATUS is one of {', '.join(known)}")
    return {word: status for word, _, status in pairs}


_ROWS: Final = (
    click.option("--preset", type=click.Choice(tuple(presets.PRESETS)), help="Whose export INPUT is."),
    click.option(
        "--status",
        type=click.Choice(tuple(presets.WORDS)),
        help="What every row says, where the file doesn't say it itself.",
    ),
    topics_option,
    click.option(
        "--column",
        "mapped",
        multiple=True,
        metavar="NAME=COLUMN",
        callback=_columns,
        help="What INPUT calls a column, as in email=E-Mail; can be repeated.",
    ),
    click.option(
        "--ignore-column",
        "ignored",
        multiple=True,
        metavar="COLUMN",
        help="A column that sounds of consent, and says nothing of it; can be repeated.",
    ),
    click.option(
        "--status-map",
        "words",
        multiple=True,
        metavar="WORD=STATUS",
        callback=_words,
        help="What a word in the status column means, as in abgemeldet=unsubscribed; can be repeated.",
    ),
    encoding_option,
    format_option,
)


def rows_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options of `Rows`, which the command gets as `rows`."""

    def packed(**given: Any) -> None:
        command(rows=Rows(*(given.pop(name) for name in Rows._fields)), **given)

    wrapped = update_wrapper(packed, command)
    for option in reversed(_ROWS):
        wrapped = option(wrapped)
    return wrapped
