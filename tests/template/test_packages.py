"""What ships with the functions, and what they import."""

from __future__ import annotations

import ast
import re
import sys
import tomllib

from consentry_build.services import SERVICES
from support.template import ALLOWED_IMPORTS, ROOT, sources


def shipped() -> dict[str, str]:
    """The packages that the vendor layer asks for, with their versions."""
    lines = (ROOT / "layers/vendor/requirements.in").read_text().splitlines()
    pairs = [line.strip().partition("==")[::2] for line in lines if line.strip() and not line.startswith("#")]
    return dict(pairs)


def test_what_ships_is_what_the_project_depends_on_but_for_the_command_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["functions"]]
    wanted = dict(each.partition("==")[::2] for each in asked)
    assert all(wanted.values())
    for_the_command_line = {"click", "dkimpy", "dnspython", "jsonschema", "publicsuffixlist", "pyyaml"}
    assert {name: version for name, version in wanted.items() if name not in for_the_command_line} == shipped()


def test_the_layer_imports_nothing_that_does_not_ship() -> None:
    modules = {name.replace("-", "_") for name in shipped()} | {"botocore", "markupsafe", "urllib3", "consentry"}
    modules |= {"snapshot_restore_py"}  # part of Lambda's runtime
    for path in sorted((ROOT / "layers/consentry/consentry").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for top in {name.partition(".")[0] for name in names}:
                assert top in modules or top in sys.stdlib_module_names, (path, top)


def test_every_service_that_is_called_ships_with_its_description() -> None:
    called = set(re.findall(r'_client\("(\w+)"', (ROOT / "layers/consentry/consentry/deployment.py").read_text()))
    assert called == set(SERVICES)


def test_every_package_that_ships_is_pinned_by_version_and_hash() -> None:
    locked = (ROOT / "layers/vendor/requirements.txt").read_text().replace("\\\n", " ")
    entries = [line for line in locked.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    for entry in entries:
        assert re.match(r"[a-z0-9._-]+(\[[a-z,-]+\])?==[0-9][^\s]*\s+.*--hash=sha256:[0-9a-f]{64}", entry), entry
    names = {re.split(r"[\[=]", entry)[0].lower(): entry.split()[0].partition("==")[2] for entry in entries}
    assert shipped().items() <= names.items()
    assert "--require-hashes" in (ROOT / "layers/vendor/Makefile").read_text()


def test_functions_import_the_layer_powertools_pydantic_and_the_standard_library_alone() -> None:
    for path, tree in sources():
        for node in ast.walk(tree):
            modules = []
            if isinstance(node, ast.Import):
                modules = [each.name for each in node.names]
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, path
                modules = [node.module or ""]
            for module in modules:
                top = module.partition(".")[0]
                assert top in ALLOWED_IMPORTS or top in sys.stdlib_module_names, (path, module)
