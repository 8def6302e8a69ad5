"""`python -m fuzz TARGET [libFuzzer's options] [inputs]`: fuzz one target, or try one input; without any, list them.

Options: https://llvm.org/docs/LibFuzzer.html#options. A finding ends it with status 77, its traceback, and the input
that led there, in a file that can be given again as the only input.
"""

from __future__ import annotations

import json
import random
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import atheris

OURS = ["consentry", "consentry_build", "consentry_cli"]


ODD: list[Any] = [None, True, 0, -1, 1.5, 2**63, 10**400, "", " ", "\ud800", "x" * 300, [], {}, [[]], {"": None}]
"""JSON values that a place isn't made for."""


def changed(data: bytes, max_size: int, seed: int) -> bytes:
    """Another input: where one ends in JSON, half of the time the JSON is changed as such."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    found = re.search(rb"[\[{]", data)
    if found and chance.random() < 0.5:
        try:
            whole = json.loads(data[found.start() :])
        except (ValueError, RecursionError):
            pass
        else:
            other = json.dumps(_replaced(whole, chance)).encode()
            return data[: found.start()] + other
    return bytes(atheris.Mutate(data, max_size))


def _replaced(value: Any, chance: random.Random) -> Any:
    """The value, with one thing in it changed, taken away, or put in place of another."""
    inner = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    if not inner or chance.random() < 0.1:
        return chance.choice([*ODD, *(each for _, each in inner)])
    at, each = chance.choice(inner)
    value = value.copy()
    if chance.random() < 0.1:
        del value[at]
    else:
        value[at] = _replaced(each, chance)
    return value


def main() -> None:
    with atheris.instrument_imports(include=OURS):
        from fuzz.targets import TARGETS

        if len(sys.argv) < 2:
            sys.stdout.write("".join(f"{name}\n" for name in TARGETS))
            return
        if sys.argv[1] not in TARGETS:
            sys.exit(f"no such target; there are {', '.join(TARGETS)}")
        name = sys.argv.pop(1)
        target = TARGETS[name]()
        # The same folder each time: what was found to lead further is where the next run begins.
        inputs = Path(tempfile.gettempdir(), f"consentry-inputs-{name}")
        inputs.mkdir(exist_ok=True)
        for number, example in enumerate(target.examples()):
            (inputs / f"example-{number}").write_bytes(example)
            target(example)  # what is loaded at the first use is instrumented, too
    if not [each for each in sys.argv[1:] if Path(each).is_file()]:
        sys.argv.append(str(inputs))
    atheris.Setup(sys.argv, target, custom_mutator=changed)
    atheris.Fuzz()


main()
