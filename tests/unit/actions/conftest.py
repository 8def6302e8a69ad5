"""Recipients over a store in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support import people

if TYPE_CHECKING:
    pass
from support.recipient import Ann


@pytest.fixture
def ann() -> Ann:
    return Ann(people.brand())
