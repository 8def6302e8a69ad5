"""The brand files as this machine needs them.

Every brand notifies a receiver here what people decide, and limits are wider: all visitors share 127.0.0.1, and
people like to ask with addresses of one domain. The made-up site may post the first brand's form, and has a brand of
its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from consentry_build.__main__ import build as compile_brands
from dev.emulator import site

if TYPE_CHECKING:
    from pathlib import Path

COMPILED = "python/consentry/compiled"
"""Where a built layer has them."""
ENDPOINT = "local"
"""The receiver's id in the brand files."""
LIMITS = {"requests_an_hour_per_ip": 300, "mails_a_minute": 300, "mails_a_day_per_domain": 1_000_000}
"""For what a brand file leaves out."""


def ids(source: Path) -> list[str]:
    """Every brand that is deployed locally, `demo` before others; the first one is the console's and the site's."""
    return sorted((file.stem for file in site.files(source)), key=lambda brand: (brand != "demo", brand))


def install(source: Path, folder: Path, layer: Path, receiver: str, site_url: str) -> None:
    """Compile the brand files, with the receiver added and limits widened, into a built layer.

    Args:
        source: the brand files.
        folder: where the changed copies go.
        layer: the built layer's folder.
        receiver: the receiver's URL.
        site_url: where the made-up site is.

    Raises:
        FaultyBrandsError: a brand file can't be used.
    """
    folder.mkdir(exist_ok=True)
    for file in site.files(source):
        brand: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
        endpoint = {"id": ENDPOINT, "url": receiver, "private_network": True}
        brand["limits"] = {**LIMITS, **brand.get("limits", {})}
        brand["notifications"] = [*brand.get("notifications", []), endpoint]
        if file.stem == ids(source)[0]:
            brand["origins"] = [*brand.get("origins", []), site_url]
        if file == site.BRAND:
            brand["pages"] = {page: f"{site_url}/{file.stem}/{page}" for page in site.PAGES}
        (folder / file.name).write_text(yaml.safe_dump(brand, allow_unicode=True, sort_keys=False), "utf-8")
    compile_brands(folder, layer / COMPILED)
