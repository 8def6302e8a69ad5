"""What the doctor says."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from consentry_cli.doctor.deployed import Deployed


class Verdict(StrEnum):
    """How well it is; the worst first."""

    FAULT = "fault"
    """Something doesn't work, or an opt-out, an email or a proof is waiting for somebody."""
    WARNING = "warning"
    """It works, and won't for ever; or works less well than it could."""
    COULD_NOT_LOOK = "could not look"
    """AWS, the DNS or the network didn't let us."""
    OK = "ok"


class Finding(NamedTuple):
    """What a check says of a stack."""

    check: str
    """Its name, stable: what a script can rely on."""
    verdict: Verdict
    says: str
    """How it is, in a sentence."""
    mend: str = ""
    """What to do about it; empty where there is nothing to do."""
    see: str = ""
    """The section that says more: a page of this project and its anchor."""


class Problem(NamedTuple):
    """What a check has found; `checking` makes a `Finding` of it."""

    verdict: Verdict
    says: str
    mend: str


if TYPE_CHECKING:
    Look = Callable[[Deployed], Generator[Problem, None, str]]
    """Yields problems, and returns how it is when nothing was."""


class Check(NamedTuple):
    """One thing that is looked at."""

    name: str
    look: Look
    see: str
    """The section of the docs that says how it should be."""


def fault(says: str, mend: str) -> Problem:
    """Something that doesn't work."""
    return Problem(Verdict.FAULT, says, mend)


def warning(says: str, mend: str) -> Problem:
    """Something that could be better."""
    return Problem(Verdict.WARNING, says, mend)


def unseen(says: str, mend: str) -> Problem:
    """Something that couldn't be looked at."""
    return Problem(Verdict.COULD_NOT_LOOK, says, mend)
