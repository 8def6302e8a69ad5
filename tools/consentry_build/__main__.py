"""`python -m consentry_build BRANDS OUT`: compile brand files and catalogues into a folder of the layer."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from consentry_build import catalogues
from consentry_build.brandfile import FaultyBrandsError, compile_folder


def build(brands: Path, out: Path) -> None:
    """Write `brands.json` and `locales/` into `out`.

    Raises:
        FaultyBrandsError: a brand file can't be used; nothing was written.
        CatalogueError: a translation is missing or would break a page.
    """
    compiled = compile_folder(brands)
    out.mkdir(parents=True, exist_ok=True)
    (out / "brands.json").write_text(json.dumps(compiled, ensure_ascii=False), encoding="utf-8")
    catalogues.compile_to(out)


if __name__ == "__main__":
    try:
        build(Path(sys.argv[1]), Path(sys.argv[2]))
    except (FaultyBrandsError, catalogues.CatalogueError) as error:
        sys.exit(str(error))
