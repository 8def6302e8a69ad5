"""`python -m consentry_build BRANDS OUT`: compile brand files, catalogues and emails into a folder of the layer."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from consentry_build import catalogues, mails
from consentry_build.brandfile import FaultyBrandsError, compile_folder


def build(brands: Path, out: Path) -> None:
    """Write `brands.json`, `locales/` and `mails/` into `out`.

    Raises:
        FaultyBrandsError: a brand file can't be used; nothing was written.
        CatalogueError: a translation is missing or would break a page.
        MailError: an email can't be made of its MJML.
    """
    compiled = compile_folder(brands)
    out.mkdir(parents=True, exist_ok=True)
    (out / "brands.json").write_text(json.dumps(compiled, ensure_ascii=False), encoding="utf-8")
    catalogues.compile_to(out)
    mails.compile_to(out)


if __name__ == "__main__":
    try:
        build(Path(sys.argv[1]), Path(sys.argv[2]))
    except (FaultyBrandsError, catalogues.CatalogueError, mails.MailError) as error:
        sys.exit(str(error))
