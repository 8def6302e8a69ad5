"""Where this machine has a Chromium, for the tests that open the pages as people do."""

from __future__ import annotations

import shutil

from dev.places import BROWSERS

COMMANDS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_DOWNLOADED = ("chromium-*/chrome-linux*/chrome", "chromium-*/chrome-mac*/*.app/Contents/MacOS/*")
"""Where Playwright puts its own."""


def find() -> str | None:
    """The program: one on PATH, or else what Playwright downloaded."""
    for command in COMMANDS:
        if found := shutil.which(command):
            return found
    return next((str(file) for pattern in _DOWNLOADED for file in BROWSERS.glob(pattern)), None)
