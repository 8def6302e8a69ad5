"""What tests of the layer's modules share."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unit", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("unit")
