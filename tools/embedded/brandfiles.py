"""The brand files as this machine needs them: every brand tells a receiver here what people decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from consentry_build.__main__ import build as compile_brands

if TYPE_CHECKING:
    from pathlib import Path

ENDPOINT = "local"
"""The receiver's id in the brand files."""


def install(source: Path, folder: Path, layer: Path, receiver: str) -> None:
    """Compile the brand files, with the receiver added, into a built layer.

    Args:
        source: the brand files.
        folder: where the changed copies go.
        layer: the built layer's folder.
        receiver: the receiver's URL.

    Raises:
        FaultyBrandsError: a brand file can't be used.
    """
    folder.mkdir(exist_ok=True)
    for file in source.glob("*.yaml"):
        brand: dict[str, Any] = yaml.safe_load(file.read_text("utf-8"))
        endpoint = {"id": ENDPOINT, "url": receiver, "private_network": True}
        brand["notifications"] = [*brand.get("notifications", []), endpoint]
        (folder / file.name).write_text(yaml.safe_dump(brand, allow_unicode=True, sort_keys=False), "utf-8")
    compile_brands(folder, layer / "python" / "consentry" / "compiled")
