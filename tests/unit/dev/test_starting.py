"""How the embedded stack takes its settings, its ports and its leave."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from dev import process
from dev.emulator import ports
from dev.emulator.__main__ import options
from dev.terminal import StackError


@pytest.mark.parametrize("text", ["http", "-1", "65536", "80 80", "８０"])
def test_a_port_that_is_none_is_named(text: str) -> None:
    with pytest.raises(StackError, match=r"^AWS_PORT=.* is no port$"):
        options([], {"AWS_PORT": text})


def test_without_settings_ports_are_free_to_choose() -> None:
    chosen = options([], {"PORT": "", "DYNAMODB_ENDPOINT_URL": ""})
    assert (chosen.port, chosen.aws_port, chosen.dynamodb_endpoint_url) == (None, None, None)


def test_functions_find_in_their_environment_what_a_test_puts_there() -> None:
    chosen = options(["--functions-environment=A=1", "--functions-environment=B=x=y"], {})
    assert chosen.functions_environment == {"A": "1", "B": "x=y"}


@pytest.mark.parametrize("text", ["A", "=1"])
def test_what_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(SystemExit):
        options([f"--functions-environment={text}"], {})


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    chosen = options(["--state-dir", str(tmp_path)], {"PORT": "8123", "DYNAMODB_ENDPOINT_URL": "http://127.0.0.1:1"})
    assert (chosen.state_dir, chosen.port) == (tmp_path, 8123)
    assert chosen.dynamodb_endpoint_url == "http://127.0.0.1:1"


def test_a_taken_port_is_told_in_one_line() -> None:
    with ports.listen(0) as taken:
        port = ports.port_of(taken)
        with pytest.raises(StackError, match=f"^port {port} is taken: choose another with PORT=N, or leave PORT out$"):
            ports.listen_from(port, exactly=True, name="PORT")


def test_a_wished_port_that_is_taken_gives_the_next() -> None:
    with ExitStack() as held:
        taken = held.enter_context(ports.listen(0))
        got = held.enter_context(ports.listen_from(ports.port_of(taken), exactly=False, name="PORT"))
        assert ports.port_of(got) > ports.port_of(taken)


def test_a_failed_step_says_why_and_where(tmp_path: Path) -> None:
    log = tmp_path / "step.log"
    with pytest.raises(StackError, match=r"^the step failed: no such table \(log: .*step\.log\)$"):
        process.run(
            ["sh", "-c", "echo 'Error: no such table'; exit 3"],
            env=os.environ,
            log=log,
            cwd=tmp_path,
            doing="the step",
        )


def test_stopping_takes_the_children_along(tmp_path: Path) -> None:
    started = process.start(
        ["sh", "-c", "sleep 60 & echo $!; wait"], env=os.environ, log=tmp_path / "log", cwd=tmp_path
    )
    child = _await_number(tmp_path / "log")
    process.stop(started, grace=0)
    assert _is_gone(child)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's promise is Linux's")
def test_even_a_killed_parent_leaves_nothing_behind(tmp_path: Path) -> None:
    program = (
        "import os, sys, time; from pathlib import Path; from dev import process; "
        "here = Path(sys.argv[1]); "
        "started = process.start(['sleep', '60'], env=os.environ, log=here / 'log', cwd=here); "
        "print(started.pid, flush=True); time.sleep(60)"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(process.__file__).parents[1])}
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, env=env)  # noqa: S603 - ours
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert _is_gone(child)


def _await_number(file: Path) -> int:
    for _ in range(100):
        if file.exists() and file.read_text().strip():
            return int(file.read_text())
        time.sleep(0.05)
    raise AssertionError("nothing was written")


def _is_gone(pid: int) -> bool:
    for _ in range(100):
        try:
            status = Path(f"/proc/{pid}/stat").read_text()
        except FileNotFoundError:
            return True
        if status.rpartition(")")[2].split()[0] == "Z":  # dead, and nobody has asked for its exit status
            return True
        time.sleep(0.05)
    return False
