"""The whole stack, started once: the real template on the embedded AWS, spoken to over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from support.stack import Stack, standing


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with standing(tmp_path_factory.mktemp("stack")) as stack:
        yield stack


FIGURES: Final = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Keep a line for the end of pytest's output, where it is seen of tests that pass, too."""
    return pytestconfig.stash.setdefault(FIGURES, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What tests measured."""
    lines = config.stash.get(FIGURES, [])
    if lines:
        terminalreporter.section("figures")
        for line in lines:
            terminalreporter.write_line(line)
