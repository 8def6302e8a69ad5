"""What Hypothesis draws: in the tests always the same, wherever and beside whatever else they run."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

ANEW: Final = "HYPOTHESIS_ANEW"
"""The environment variable that has every run draw something else, and more of it: `make properties` sets it."""


def settle() -> None:
    """Choose the profile, before any test module is imported.

    Hypothesis also draws constants of whatever local modules happen to be loaded, which differ between one test and all
    of them, and between workers: here it draws its own alone.
    """
    patient: Final = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
    settings.register_profile("same", derandomize=True, database=None, **patient)
    settings.register_profile("anew", **patient)
    settings.load_profile("anew" if os.environ.get(ANEW) else "same")
    if not os.environ.get(ANEW):
        none_of_ours = providers._local_constants  # there is no public way
        assert len(none_of_ours) == 0
        assert callable(providers._get_local_constants)
        providers._get_local_constants = lambda: none_of_ours
