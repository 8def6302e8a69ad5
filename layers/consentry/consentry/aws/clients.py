"""How patient botocore's clients are, by what waits for their answers."""

from __future__ import annotations

from typing import Final

import botocore
from botocore.config import Config

IMPATIENT: Final = Config(
    connect_timeout=0.5,
    read_timeout=1.15,
    # This mode waits some 50 ms before the second try; `standard` waits up to a second.
    retries={"mode": "legacy", "total_max_attempts": 2},
    tcp_keepalive=True,
    # A fifth of a call's CPU time: botocore composes its user agent anew, and looks through what we made ourselves.
    user_agent=f"Botocore/{botocore.__version__} consentry",
    parameter_validation=False,
)
"""For what a person waits for: two tries and the spool come to less than 3 s when the table hangs."""

LAST_RESORT: Final = Config(
    connect_timeout=0.3,
    read_timeout=0.5,
    retries={"mode": "standard", "total_max_attempts": 1},
)
"""For the spool, when the table has hung: the answer still comes within 3 s."""

LAST_PATIENCE: Final = Config(
    connect_timeout=0.5,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 1},
)
"""For the spool, when its queue was slow as well: a late answer is better than an opt-out refused. What is queued twice
counts once."""

PATIENT: Final = Config(
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 4},
)
"""For queues and the archive: nobody waits, and what comes twice does no harm."""

MANY: Final = Config(
    connect_timeout=2,
    read_timeout=10,
    # Slows down by itself when the table throttles: what clicks need comes first.
    retries={"mode": "adaptive", "total_max_attempts": 6},
    max_pool_connections=16,
)
"""For jobs over millions of people."""

ONCE: Final = Config(
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 1},
)
"""For emails: SES may have taken one whose answer was a fault, or none, and would take it again."""
