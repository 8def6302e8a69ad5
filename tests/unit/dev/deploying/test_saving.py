"""What is left of a configuration file after an answer was changed, in each form that SAM reads; by SAM itself."""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any, Final

import pytest

from dev.places import ROOT, SAM_VENV

SCRIPT = """
import json, os, pathlib, sys
from dev.deploying import RefusedError, sam
for name, case in json.load(sys.stdin).items():
    os.makedirs(name, exist_ok=True)
    os.chdir(name)
    pathlib.Path("template.yaml").write_text("Resources: {}")
    pathlib.Path(case["file"]).write_text(case["text"])
    try:
        context = sam.options(case["arguments"])
        sam.saving(context, case["changed"]).flush()
        case["refused"] = ""
    except RefusedError as error:
        case["refused"] = str(error)
    case["left"] = pathlib.Path(case["file"]).read_text()
    case["read"] = sam.options(case["arguments"]).params["parameter_overrides"]
    os.chdir("..")
    print(json.dumps([name, case]))
"""
STACK: Final = 'version = 0.1\n[default.deploy.parameters]\nstack_name = "s" # mine\n'


def case(text: str, changed: dict[str, str], file: str = "samconfig.toml", *arguments: str) -> dict[str, Any]:
    return {"text": text, "file": file, "changed": changed, "arguments": arguments}


CASES: Final = {
    "text": case(f'{STACK}parameter_overrides = "A=1 B=\\"x, y\\" C=\\"\\""\n', {"A": "two words"}),
    "list": case(f'{STACK}parameter_overrides = ["A=1", # first\n  "B=\\"x, y\\" C=\\"\\""]\n', {"C": "3", "D": "4"}),
    "table": case(f'{STACK}parameter_overrides = {{ A = 1, B = "x, y" }} # mine\n', {"A": "2"}),
    "nothing": case(STACK, {"A": "2"}),
    "quotes": case(f'{STACK}parameter_overrides = "A=1"\n', {"A": "it's \"so\""}),
    "global": case(f'{STACK}[default.global.parameters]\nparameter_overrides = "A=1 B=2"\nregion = "eu-west-1"\n',
                   {"A": "2"}),
    "yaml": case("version: 0.1\ndefault:\n  deploy:\n    parameters:\n      stack_name: s # mine\n"
                 "      parameter_overrides:\n        A: 1\n", {"B": "2"}, "samconfig.yaml"),
    "other-file": case(f'{STACK}[test.deploy.parameters]\nstack_name = "t"\nparameter_overrides = "A=1"\n',
                       {"A": "2"}, "mine.toml", "--config-file", "mine.toml", "--config-env", "test"),
    "elsewhere": case(f'{STACK}parameter_overrides = "file://more.yaml"\n', {"A": "2"}),
    "backslash": case(f'{STACK}parameter_overrides = "A=1"\n', {"A": "ends with \\"}),
}  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("saving")
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere" / "more.yaml").write_text("A: 1\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(ROOT / "tools"),
        "SAM_CLI_TELEMETRY": "0",
    }
    ran = subprocess.run(  # noqa: S603 - ours
        [SAM_VENV / "bin" / "python", "-c", SCRIPT],
        cwd=folder, env=environment, input=json.dumps(CASES), text=True, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    return dict(json.loads(line) for line in ran.stdout.splitlines() if line.startswith("["))


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("text", {"A": "two words", "B": "x, y", "C": ""}),
        ("list", {"A": "1", "B": "x, y", "C": "3", "D": "4"}),
        ("table", {"A": "2", "B": "x, y"}),
        ("nothing", {"A": "2"}),
        ("quotes", {"A": 'it\'s "so"'}),
        ("global", {"A": "2", "B": "2"}),
        ("yaml", {"A": "1", "B": "2"}),
        ("other-file", {"A": "2"}),
    ],
)
def test_sam_reads_what_was_changed_and_what_was_not(done: dict[str, Any], name: str, read: dict[str, str]) -> None:
    assert done[name]["refused"] == ""
    assert done[name]["read"] == read


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("text", 'stack_name = "s" # mine\n'),
        ("list", '"A=1", # first\n'),
        ("table", 'B = "x, y" } # mine\n'),
        ("global", 'parameter_overrides = "A=1 B=2"\nregion = "eu-west-1"\n'),
        ("yaml", "stack_name: s # mine\n"),
        ("other-file", STACK),
    ],
)
def test_what_somebody_wrote_by_hand_stays(done: dict[str, Any], name: str, kept: str) -> None:
    assert kept in done[name]["left"]


@pytest.mark.parametrize(("name", "why"), [("elsewhere", "from another file"), ("backslash", "is there a backslash")])
def test_what_cannot_be_saved_is_refused_and_the_file_is_as_it_was(done: dict[str, Any], name: str, why: str) -> None:
    assert why in done[name]["refused"]
    assert done[name]["left"] == CASES[name]["text"]
