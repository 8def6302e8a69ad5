"""The whole stack, started once: the real template on the embedded AWS, spoken to over HTTP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.stack import Stack, standing


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with standing(tmp_path_factory.mktemp("stack")) as stack:
        yield stack
