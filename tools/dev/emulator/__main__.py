"""``python -m dev.emulator``: what ``make run`` starts."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from dev import process
from dev.emulator import ministack
from dev.emulator.run import Options, run
from dev.places import LOCAL
from dev.terminal import Interrupted, StackError, complain, raise_on_signals, say

INTERRUPTED = 130
"""The shell's exit status for "ended by Ctrl-C"."""
HIGHEST_PORT = 65535


def options(arguments: list[str], environment: dict[str, str]) -> Options:
    """Read the command line and the environment.

    Raises:
        StackError: for a port that is none.
    """
    parser = argparse.ArgumentParser(prog="python -m dev.emulator", description="Run the whole stack on this machine.")
    parser.add_argument("--state-dir", type=Path, default=LOCAL, help="where stack.json goes (default: .local)")
    parser.add_argument(
        "--functions-environment",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="what the functions find in their environment beside their own, for tests; as often as needed",
    )
    parser.add_argument("--emulator", default=ministack.FILLED, help="the program that its Python runs, for tests")
    chosen = parser.parse_args(arguments)
    return Options(
        state_dir=chosen.state_dir.absolute(),
        port=_port(environment, "PORT"),
        aws_port=_port(environment, "AWS_PORT"),
        dynamodb_endpoint_url=environment.get("DYNAMODB_ENDPOINT_URL") or None,
        emulator=chosen.emulator,
        functions_environment=dict(chosen.functions_environment),
    )


def _pair(text: str) -> tuple[str, str]:
    """``NAME=VALUE``."""
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _port(environment: dict[str, str], name: str) -> int | None:
    """A port from the environment, where one is set."""
    text = environment.get(name)
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > HIGHEST_PORT:
        raise StackError(f"{name}={text} is no port")
    return int(text)


def main() -> int:
    """Run a stack; the exit status."""
    raise_on_signals()
    try:
        run(options(sys.argv[1:], dict(os.environ)), process.Make())
    except StackError as exc:
        complain(f"error: {exc}")
        return 1
    except Interrupted as exc:
        say(f"stopped by {exc} before it was ready")
        return INTERRUPTED
    say("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
