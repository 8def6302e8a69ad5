"""The site of made-up brands, on a port of its own: what a brand's own site does with Consentry's form.

At `/` is the form of the first brand with its script. `juniper`, a brand that is made up beside `demo`, has its form at
`/juniper/` without a script, and pages of its own that people are sent to. Nothing here is part of a deployment.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from consentry.rules import languages
from consentry_cli.snippet import form
from dev.emulator import relay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.rules.brands import Brand

FOLDER: Final = Path(__file__).parent
BRAND: Final = FOLDER / "juniper.yaml"
"""The made-up brand's file."""
PAGES: Final = {
    "asked": ("Look in your inbox", "We’ve sent you an email. Tap the button in it, and our letters come to you."),
    "confirmed": ("Welcome", "You’re on our list. The next letter comes with the next roast."),
    "left": ("Goodbye", "We won’t write to you any more. The shop door stays open."),
}
"""Pages of its own, by their names in the brand file: heading and text."""
_SCRIPT: Final = re.compile(r"<script.*?</script>\n", re.DOTALL)
_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def files(source: Path) -> list[Path]:
    """The brand files of a folder; where `demo` is among them, the made-up brand's, too."""
    found = sorted(source.glob("*.yaml"))
    ids = {each.stem for each in found}
    return [*found, BRAND] if "demo" in ids and BRAND.stem not in ids else found


def application(brands: Mapping[str, Brand], first: str, base_url: str, port: int) -> web.Application:
    """The site.

    Args:
        brands: as they are deployed, by id.
        first: whose form is at `/`.
        base_url: scheme and host of the deployment.
        port: its own.
    """
    policy = (
        f"default-src 'none'; style-src 'self'; script-src {base_url}; connect-src {base_url}; "
        f"form-action 'self' {base_url}; base-uri 'none'; frame-ancestors 'none'"
    )
    shown = [("/", brands[first].name("en"))]
    if BRAND.stem in brands:
        shown += [(f"/{BRAND.stem}/", f"{brands[BRAND.stem].name('en')}, without a script")]

    def show(brand: Brand, title: str, text: str, snippet: str = "") -> web.Response:
        page = _TEMPLATES.get_template("page.html").render(
            name=brand.name("en"),
            title=title,
            text=text,
            form=Markup(snippet),  # noqa: S704 - our own, from the brand's file
            pages=shown,
        )
        return web.Response(text=page, content_type="text/html", headers={"Content-Security-Policy": policy})

    async def with_script(request: web.Request) -> web.Response:
        return show(
            brands[first], "Get our emails", "Sign up, and stay on this page.", _form(request, brands[first], base_url)
        )

    async def without_script(request: web.Request) -> web.Response:
        snippet = _SCRIPT.sub("", _form(request, brands[BRAND.stem], base_url))
        return show(brands[BRAND.stem], "Get our letters", "Sign up, and see where this site takes you.", snippet)

    async def afterwards(request: web.Request) -> web.Response:
        return show(brands[BRAND.stem], *PAGES[request.match_info["page"]])

    async def style(_: web.Request) -> web.FileResponse:
        return web.FileResponse(FOLDER / "site.css")

    site = web.Application(middlewares=[relay.guard(port)])
    site.router.add_get("/", with_script)
    site.router.add_get("/site.css", style)
    if BRAND.stem in brands:
        site.router.add_get(f"/{BRAND.stem}/", without_script)
        site.router.add_get(f"/{BRAND.stem}/{{page:{'|'.join(PAGES)}}}", afterwards)
    return site


def _form(request: web.Request, brand: Brand, base_url: str) -> str:
    """What the brand has to paste, in the language that `?lang=` asks for; a brand may have nothing to sign up for."""
    lang = languages.negotiate(brand.languages, request.query.get("lang"))
    return form(brand, lang, base_url) if brand.asked_for() else ""
