"""`python -m consentry_build.services LAYER`: leave of botocore's descriptions of AWS what the functions use.

botocore reads a service's description when a client is made: all its operations, with their documentation, packed;
and where every service of AWS has its endpoints. A cold start waits for that. Here, an operation stays when the
sources mention its method or its name at all; so one that is called by name can't be missing.
"""

from __future__ import annotations

import ast
import gzip
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import botocore
from botocore import xform_name

if TYPE_CHECKING:
    from collections.abc import Iterable

SERVICES: Final = ("dynamodb", "s3", "secretsmanager", "sesv2", "sqs")
"""Those that are called: botocore describes four hundred."""

_ROOT: Final = Path(__file__).parents[2]
CALLERS: Final = (_ROOT / "layers" / "consentry" / "consentry", _ROOT / "functions")
"""Who calls them."""

ALWAYS: Final = {"HeadBucket"}
"""What botocore itself calls: S3's client, to learn a bucket's region."""


def trim(data: Path, sources: Iterable[Path]) -> None:
    """Trim `botocore/data`, in place.

    Args:
        data: the folder.
        sources: Python files, and folders of them, that call the services.
    """
    words = mentioned(sources)
    for folder in data.iterdir():
        if folder.is_dir() and folder.name not in SERVICES:
            shutil.rmtree(folder)
    prefixes = set()
    for packed in sorted(data.glob("*/*/service-2.json*")):
        model = trim_model(json.loads(_read(packed)), words)
        prefixes.add(model["metadata"]["endpointPrefix"])
        packed.unlink()
        _write(packed.parent / "service-2.json", model)
    for packed in sorted(data.glob("*/*/*.json.gz")):
        _write(packed.with_suffix(""), json.loads(_read(packed)))
        packed.unlink()
    for examples in data.glob("*/*/examples-1.json"):
        examples.unlink()
    endpoints = json.loads(_read(data / "endpoints.json"))
    for partition in endpoints["partitions"]:
        partition["services"] = {name: each for name, each in partition["services"].items() if name in prefixes}
    _write(data / "endpoints.json", endpoints)


def called() -> dict[str, list[str]]:
    """The operations of each service that our own code mentions: when they change, so must the layer."""
    words = mentioned(CALLERS)
    data = Path(botocore.__file__).parent / "data"
    models = {name: max(data.glob(f"{name}/*/service-2.json*")) for name in SERVICES}
    return {name: sorted(_operations(json.loads(_read(model)), words)) for name, model in models.items()}


def mentioned(sources: Iterable[Path]) -> set[str]:
    """Every name, attribute and text in these files: what is called is among them, however it is called."""
    files = [file for each in sources for file in (sorted(each.rglob("*.py")) if each.is_dir() else [each])]
    words = set()
    for file in files:
        for node in ast.walk(ast.parse(file.read_bytes())):
            if isinstance(node, ast.Attribute):
                words.add(node.attr)
            elif isinstance(node, ast.Name):
                words.add(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.add(node.value)
    return words


def trim_model(model: dict[str, Any], words: set[str]) -> dict[str, Any]:
    """A service's description: the operations that are mentioned, with the shapes that they need, undocumented."""
    operations = _operations(model, words)
    shapes: dict[str, Any] = {}
    wanted = list(_references(operations))
    while wanted:
        name = wanted.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            wanted.extend(_references(shapes[name]))
    # No further: of the settings of a service's rules, such as S3's, botocore reads the documentation at each call.
    return {**model, "operations": _undocumented(operations), "shapes": _undocumented(shapes)}


def _operations(model: dict[str, Any], words: set[str]) -> dict[str, Any]:
    return {
        name: each
        for name, each in model["operations"].items()
        if name in ALWAYS or name in words or xform_name(name) in words
    }


def _references(part: Any) -> list[str]:
    """The shapes that a part of a description names."""
    if isinstance(part, list):
        return [name for each in part for name in _references(each)]
    if not isinstance(part, dict):
        return []
    own = [part["shape"]] if isinstance(part.get("shape"), str) else []  # a member may be called "shape", too
    return own + [name for each in part.values() for name in _references(each)]


def _undocumented(part: Any) -> Any:
    if isinstance(part, list):
        return [_undocumented(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {  # a member may be called "documentation", too: it is a dict then
        name: _undocumented(each)
        for name, each in part.items()
        if not (name in {"documentation", "documentationUrl"} and isinstance(each, str))
    }


def _read(file: Path) -> bytes:
    packed = file.read_bytes()
    return gzip.decompress(packed) if file.suffix == ".gz" else packed


def _write(file: Path, document: Any) -> None:
    file.write_text(json.dumps(document, separators=(",", ":")), encoding="utf-8")


if __name__ == "__main__":
    trim(Path(sys.argv[1]) / "botocore" / "data", CALLERS)
