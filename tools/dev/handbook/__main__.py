"""`python -m handbook`: make the documentation site, and check it; `serve` shows it then."""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from dev.handbook import checking, pages
from dev.handbook.pages import HandbookError
from dev.places import DIAGRAMS, DOCS_VENV, LOCAL, ROOT

HERE = Path(__file__).parent
SITE = LOCAL / "site"


def put_together(folder: Path) -> None:
    """Write what the generator makes the site of into a folder."""
    docs, drawn = folder / "docs", DIAGRAMS.exists()
    shutil.copytree(ROOT / "docs", docs, ignore=shutil.ignore_patterns("*.md"))
    shown, sources = {}, set()
    for path in pages.documents(ROOT):
        text, linked = pages.rewritten(ROOT, path, diagrams=drawn)
        sources |= linked
        shown[path] = pages.with_diagrams(text, pages.place(path)) if drawn else text
    for path, text in {**shown, **{path: pages.source(ROOT, path) for path in sources}}.items():
        there = docs / pages.place(path)
        there.parent.mkdir(parents=True, exist_ok=True)
        there.write_text(text, "utf-8")
    for asset, name in ((HERE / "handbook.css", "handbook.css"), *([(DIAGRAMS, "mermaid.js")] if drawn else [])):
        shutil.copy(asset, docs / name)
    settings = (HERE / "zensical.toml").read_text("utf-8")
    for several, files in (("decisions/*.md", "decisions/[0-9]*.md"), ("runbooks/*Alarm.md", "runbooks/*Alarm.md")):
        listed = [f'"{each.relative_to(ROOT / "docs")}"' for each in sorted((ROOT / "docs").glob(files))]
        settings = settings.replace(f'"{several}"', ", ".join(listed))
    (folder / "zensical.toml").write_text(settings, "utf-8")


def build() -> None:
    """Make the site, and put it in place of the one before.

    Raises:
        HandbookError: when something is wrong with the documents.
    """
    folder = LOCAL / "handbook"
    shutil.rmtree(folder, ignore_errors=True)
    put_together(folder)
    made = subprocess.run(  # noqa: S603 - our own command, no shell
        [DOCS_VENV / "bin" / "zensical", "build", "--strict", "--clean"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        raise HandbookError(f"{made.stdout}{made.stderr}".strip())
    found = checking.faults(folder / "site")
    if found:
        raise HandbookError("\n".join(found))
    shutil.rmtree(SITE, ignore_errors=True)
    (folder / "site").rename(SITE)


def serve(port: int) -> None:
    """Show the site to this machine until Ctrl-C."""
    with ThreadingHTTPServer(("127.0.0.1", port), partial(SimpleHTTPRequestHandler, directory=SITE)) as server:
        print(f"http://127.0.0.1:{server.server_port}/  (Ctrl-C ends)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print()


def main() -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="make docs ARGS=", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["build", "serve"], default="build")
    parser.add_argument("--port", type=int, default=8000, help="where to serve; 0 for any")
    chosen = parser.parse_args()
    try:
        build()
    except HandbookError as exc:
        print(f"error: the documentation site can't be built:\n{exc}", file=sys.stderr)
        return 1
    print(f"documentation: {SITE / 'index.html'}")
    if chosen.what == "serve":
        serve(chosen.port)
    return 0


sys.exit(main())
