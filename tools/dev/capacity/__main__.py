"""`python -m dev.capacity`: write the tables of docs/scale.md and docs/costs.md anew."""

from __future__ import annotations

from dev.capacity.pages import PAGES, computed

for page in PAGES:
    text = computed(page)
    if text != page.read_text("utf-8"):
        page.write_text(text, "utf-8")
        print(f"changed {page.name}")
