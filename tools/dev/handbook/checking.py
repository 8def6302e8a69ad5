"""What is wrong with a site that was built: links to nowhere, and what would be fetched from elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from pathlib import Path

FETCHED: Final = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src", "video": "src"}
"""Elements that a browser fetches something for, without being asked by the reader."""
LOADS: Final = {"stylesheet", "icon", "preload", "preconnect", "prefetch", "modulepreload", "dns-prefetch"}


class Page(HTMLParser):
    """What one page links to, fetches and can be linked at."""

    def __init__(self, text: str) -> None:
        """Read the page."""
        super().__init__()
        self.links: list[str] = []
        self.fetched: list[str] = []
        self.anchors: set[str] = set()
        self.undescribed = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        """Note an element."""
        has = dict(attrs)
        self.anchors |= {has[name] for name in ("id", "name") if has.get(name)}
        if tag == "a" and has.get("href"):
            self.links.append(has["href"])
        if tag == "img" and not has.get("alt"):
            self.undescribed += 1
        loads = tag != "link" or LOADS & set((has.get("rel") or "").split())
        if loads and has.get(FETCHED.get(tag, "")):
            self.fetched.append(has[FETCHED[tag]])


def faults(site: Path) -> list[str]:
    """A line for each fault of the site in a folder."""
    pages = {path.resolve(): Page(path.read_text("utf-8")) for path in site.rglob("*.html") if path.name != "404.html"}
    found = []
    for path, page in pages.items():
        where = path.relative_to(site.resolve())
        found += [f"{where}: a picture without a description"] * page.undescribed
        found += [f"{where}: fetches {url}" for url in page.fetched if urlsplit(url).netloc]
        for url in (*page.links, *page.fetched):
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            there = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            there = there / "index.html" if there.is_dir() else there
            if not there.exists():
                found.append(f"{where}: leads to nothing: {url}")
            elif parts.fragment and there in pages and unquote(parts.fragment) not in pages[there].anchors:
                found.append(f"{where}: no such place: {url}")
    return sorted(set(found))
