"""`python -m consentry_build BRANDS OUT`: compile brands, catalogues, emails and notices into a folder of the layer."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from consentry.rules.notices import FOLDER, write
from consentry_build import catalogues, mails, notices
from consentry_build.brandfile import FaultyBrandsError, compile_folder


def build(brands: Path, out: Path) -> None:
    """Write `brands.json`, `locales/`, `mails/` and `notices/` into `out`.

    Raises:
        FaultyBrandsError: a brand file can't be used; nothing was written.
        CatalogueError: a translation is missing or would break a page.
        MailError: an email can't be made of its MJML.
    """
    compiled = compile_folder(brands)
    out.mkdir(parents=True, exist_ok=True)
    catalogues.compile_to(out)
    mails.compile_to(out)
    shutil.rmtree(out / FOLDER, ignore_errors=True)
    (out / FOLDER).mkdir()
    for brand in compiled:
        brand["notice"], text = write(notices.notice(brand, out))
        (out / FOLDER / f"{brand['notice']}.json").write_bytes(text)
    (out / "brands.json").write_text(json.dumps(compiled, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    try:
        build(Path(sys.argv[1]), Path(sys.argv[2]))
    except (FaultyBrandsError, catalogues.CatalogueError, mails.MailError) as error:
        sys.exit(str(error))
