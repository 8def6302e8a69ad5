"""The whole stack, started once: the real template on the embedded AWS, spoken to over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from embedded.stack import running
from support.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running(tmp_path_factory.mktemp("stack")) as told:
        yield Stack(told)
