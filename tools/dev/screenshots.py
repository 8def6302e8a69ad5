"""``python -m dev.screenshots``: pictures of the real pages.

Those few that the documents show go to ``docs/pictures``. With ``--all``, every page in every state, in three
languages, two widths and both colour schemes goes to ``.local/pictures``, with a contact sheet of each kind.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.request
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from PIL import Image
from playwright.sync_api import sync_playwright

from dev import browsers
from dev.emulator.stack import running
from dev.places import LOCAL, ROOT
from dev.terminal import StackError, complain, say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser

DOCUMENTS = ROOT / "docs" / "pictures"
EVERYTHING = LOCAL / "pictures"
LARGEST = 56 * 1024
"""Bytes of a picture that the documents show."""
COLOURS = 64
BRAND = "demo"
LANGUAGES = ("en", "de", "ar")
SCHEMES = ("light", "dark")
WIDTHS = (320, 1280)
SHEET = """<!doctype html><meta charset="utf-8"><title>Contact sheet</title><style>
body { background: #888; display: grid; font: 11px sans-serif; gap: 12px; grid-template-columns: repeat(8, 300px); }
figure { margin: 0 } img { width: 100% }
</style>"""


class Shot(NamedTuple):
    """One picture."""

    name: str
    path: str
    """Below the preview."""
    language: str = "en"
    scheme: str = "light"
    width: int = 800


CHOSEN = (
    Shot("subscribe", f"{BRAND}/subscribe"),
    Shot("mail", f"{BRAND}/mail/confirmation", width=640),
    Shot("confirm", f"{BRAND}/confirm"),
    Shot("unsubscribe", f"{BRAND}/unsubscribe"),
    Shot("unsubscribe-phone", f"{BRAND}/unsubscribe", width=375),
    Shot("unsubscribe-dark", f"{BRAND}/unsubscribe", scheme="dark"),
    Shot("left", f"{BRAND}/left-topic"),
    Shot("preferences", f"{BRAND}/preferences"),
    Shot("preferences-ar", f"{BRAND}/preferences", language="ar"),
)
"""What the documents show."""


def main() -> int:
    """Take pictures; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m dev.screenshots", description=__doc__)
    parser.add_argument("--all", action="store_true", help="every page in every state, too")
    parser.add_argument("--stack", metavar="URL", help="of a stack that runs already; otherwise one is started")
    chosen = parser.parse_args()
    program = browsers.find()
    if program is None:
        complain("error: there is no Chromium or Chrome on PATH (Debian: apt-get install chromium)")
        return 1
    try:
        if chosen.stack:
            _take(chosen.stack.rstrip("/"), program, everything=chosen.all)
        else:
            with running(LOCAL / "pictures-stack") as about:
                _take(about["base_url"], program, everything=chosen.all)
    except StackError as exc:
        complain(f"error: {exc}")
        return 1
    return 0


def _take(base: str, program: str, *, everything: bool) -> None:
    """Take what was asked for.

    Raises:
        StackError: a picture for the documents is too large.
    """
    with sync_playwright() as playwright:
        sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=program, args=sandbox)
        DOCUMENTS.mkdir(exist_ok=True)
        for shot, picture in _taken(browser, base, list(CHOSEN)):
            file = DOCUMENTS / f"{shot.name}.png"
            picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)
            if file.stat().st_size > LARGEST:
                raise StackError(f"{file} has {file.stat().st_size} bytes, more than {LARGEST}")
            say(f"{file.relative_to(ROOT)}  {file.stat().st_size / 1024:.0f} KiB")
        if everything:
            _take_everything(browser, base)
        browser.close()


def _take_everything(browser: Browser, base: str) -> None:
    with urllib.request.urlopen(f"{base}/_local/preview/index.json") as answer:  # noqa: S310 - our own stack
        index: list[dict[str, Any]] = json.load(answer)
    states = [entry for entry in index if entry["brand"] == BRAND and entry["kind"] != "line"]
    for language in LANGUAGES:
        shots = [
            Shot(
                f"{entry['state']}-{language}-{scheme}-{width}",
                entry["path"].split("/preview/")[1],
                language,
                scheme,
                width,
            )
            for entry in states
            for scheme in SCHEMES
            for width in WIDTHS
        ]
        EVERYTHING.mkdir(parents=True, exist_ok=True)
        sheets: dict[str, list[str]] = {}
        for shot, picture in _taken(browser, base, shots):
            picture.save(EVERYTHING / f"{shot.name}.png")
            sheets.setdefault(f"sheet-{language}-{shot.scheme}-{shot.width}", []).append(shot.name)
        for sheet, names in sheets.items():
            _take_sheet(browser, EVERYTHING / f"{sheet}.html", names)
            say(f"{(EVERYTHING / sheet).relative_to(ROOT)}.png  {len(names)} pictures")


def _take_sheet(browser: Browser, file: Path, names: list[str]) -> None:
    """Show pictures that lie beside `file` in rows, with their names, and take a picture of that."""
    shown = (f'<figure><figcaption>{each}</figcaption><img src="{each}.png" alt=""></figure>' for each in names)
    file.write_text(SHEET + "".join(shown), "utf-8")
    page = browser.new_page(viewport={"width": 2520, "height": 480})
    page.goto(file.as_uri())
    page.screenshot(path=file.with_suffix(".png"), full_page=True)
    page.close()


def _taken(browser: Browser, base: str, shots: list[Shot]) -> Iterator[tuple[Shot, Image.Image]]:
    """Each shot, of the whole page. One that differs from the last in looks alone isn't played again."""
    page = browser.new_context(reduced_motion="reduce").new_page()
    opened = ""
    for shot in shots:
        page.set_viewport_size({"width": shot.width, "height": 480})
        page.emulate_media(color_scheme="dark" if shot.scheme == "dark" else "light")
        url = f"{base}/_local/preview/{shot.path}?lang={shot.language}"
        if url != opened:
            page.goto(url)
            opened = url
        yield shot, Image.open(BytesIO(page.screenshot(full_page=True)))
    page.context.close()


if __name__ == "__main__":
    sys.exit(main())
