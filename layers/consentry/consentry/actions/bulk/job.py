"""What a job over millions of people is asked to do, and whether that can be meant."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from consentry.actions.bulk import exporting, presets
from consentry.actions.bulk.records import WHO, UnusableInputError
from consentry.actions.bulk.rows import CSV, NDJSON, form_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.actions.bulk.presets import Preset
    from consentry.rules.brands import Brand, Brands

IMPORT: Final = "import"
SCREEN: Final = "screen"
EXPORT: Final = "export"
INPUTS: Final = "inputs/"
MOST_AT_ONCE: Final = 1_000
"""Lambda runs no more functions at once in an account, unless AWS was asked for more."""
_KEY: Final = re.compile(r"inputs/[A-Za-z0-9._-]{1,200}")


class Job(NamedTuple):
    """What is to be done."""

    work: str
    """`import`, `screen` or `export`."""
    brand: str
    input: str = ""
    """The key of the object to read."""
    form: str = ""
    """`csv` or `ndjson`; else the input's suffix says it."""
    topics: tuple[str, ...] = ()
    """To screen: the one topic. To import: of rows that name none."""
    preset: str = ""
    status: str = ""
    what: str = exporting.CONSENTS
    dry_run: bool = False
    for_spreadsheets: bool = False
    """To screen: no text of the result is computed by a spreadsheet, in the input's columns either."""
    columns: tuple[str, ...] = ()
    """To import: `NAME=COLUMN`, for what is called otherwise there."""
    ignore_columns: tuple[str, ...] = ()
    """To import: columns that sound of consent, and say nothing of it."""
    status_map: tuple[str, ...] = ()
    """To import: `WORD=STATUS`, for words of the input's own."""
    concurrency: int = 0
    """How many parts are done at once; 0: as the template says."""


_WANTED: Final[Mapping[str, type]] = {
    **dict.fromkeys(("work", "brand", "input", "form", "preset", "status", "what"), str),
    **dict.fromkeys(("topics", "columns", "ignore_columns", "status_map"), list),
    **dict.fromkeys(("dry_run", "for_spreadsheets"), bool),
    "concurrency": int,
}


def job_of(document: object, brands: Brands) -> tuple[Job, Brand]:
    """The job that somebody wants.

    Raises:
        UnusableInputError: it isn't one; says why, and repeats nothing but names of fields.
    """
    if not isinstance(document, dict) or not all(isinstance(document.get(name), str) for name in ("work", "brand")):
        raise UnusableInputError("a job is an object with work and brand")
    for name, value in document.items():
        if name not in _WANTED:
            raise UnusableInputError(f"a job has no other fields than {', '.join(_WANTED)}")
        if type(value) is not _WANTED[name]:
            raise UnusableInputError(f"{name}: not {'an' if name == 'input' else 'a'} {_WANTED[name].__name__}")
    job = job_from(document)
    brand = brands.get(job.brand)
    if brand is None:
        raise UnusableInputError("brand: the deployment has none of this name")
    _check(job, brand)
    return job._replace(form=job.form or (CSV if job.work == EXPORT else form_of(job.input, None))), brand


def job_from(document: Mapping[str, Any]) -> Job:
    """The job that was checked and written down."""
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in document.items()
    }
    return Job(**given)


def mapped(job: Job) -> dict[str, str]:
    """What the input calls columns, by their names here."""
    return dict(each.split("=", 1) for each in job.columns)


def preset_of(job: Job) -> Preset:
    """How the rows of an import are read.

    Raises:
        UnusableInputError: they have no column for words of their own.
    """
    chosen = presets.PRESETS.get(job.preset, presets.PLAIN)
    return presets.in_their_words(
        chosen, {word: status for word, _, status in (each.rpartition("=") for each in job.status_map)}
    )


def who(job: Job) -> tuple[str, ...]:
    """The columns, one of which says whom a row is about."""
    return preset_of(job).who() if job.work == IMPORT else WHO


def _check(job: Job, brand: Brand) -> None:
    choices = {
        "work": (job.work, (IMPORT, SCREEN, EXPORT)),
        "form": (job.form, ("", CSV, NDJSON)),
        "preset": (job.preset, ("", *presets.PRESETS)),
        "status": (job.status, ("", *presets.WORDS)),
        "what": (job.what, exporting.WHAT),
    }
    for name, (value, known) in choices.items():
        if value not in known:
            raise UnusableInputError(f"{name}: one of {', '.join(each for each in known if each)}")
    if not all(isinstance(topic, str) and topic in brand.topics for topic in job.topics):
        raise UnusableInputError(f"topics: the brand has {', '.join(brand.topics)}")
    named = (*job.columns, *job.ignore_columns, *job.status_map)
    if not all(isinstance(each, str) for each in named) or not all(
        "=" in each for each in (*job.columns, *job.status_map)
    ):
        raise UnusableInputError("columns: NAME=COLUMN; ignore_columns: names; status_map: WORD=STATUS")
    if not {each.rpartition("=")[2] for each in job.status_map} <= {*presets.WORDS, presets.SAYS_NOTHING}:
        raise UnusableInputError(f"status_map: WORD=STATUS, of {', '.join((*presets.WORDS, presets.SAYS_NOTHING))}")
    preset_of(job)
    if job.work == SCREEN and len(job.topics) != 1:
        raise UnusableInputError("topics: an audience is screened for one")
    if (job.work != EXPORT) != bool(_KEY.fullmatch(job.input)):
        raise UnusableInputError("input: the key of an object under inputs/; an export has none")
    if not 0 <= job.concurrency <= MOST_AT_ONCE:
        raise UnusableInputError(f"concurrency: at most {MOST_AT_ONCE}")
