"""Commands of a program that takes long to start, each in a process of its own that has its modules already.

    python fork_server.py SOCKET MODULE...

imports the modules, and forks for each command: it has the folder, environment, streams and exit code that it would
have of a start of its own, and nothing of another command. Where the command itself runs a module of `STARTED_AGAIN`,
in another process, that is forked, too.
"""

from __future__ import annotations

import importlib
import json
import os
import runpy
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

STARTED_AGAIN: Final = {"samcli"}


class Anew:
    """Commands that are started one by one."""

    def __init__(self, python: Path) -> None:
        self._python = python

    def start(
        self, module: str, arguments: Sequence[str], *, folder: Path, environ: Mapping[str, str], streams: list[int]
    ) -> None:
        """Start `python -m MODULE ARGUMENTS`; `streams` are its standard input, output and errors."""
        stdin, stdout, stderr = streams
        self._process = subprocess.Popen(  # noqa: S603 - our own words
            [self._python, "-m", module, *arguments],
            cwd=folder, env=environ, stdin=stdin, stdout=stdout, stderr=stderr,
        )  # fmt: skip

    def wait(self) -> int:
        """The exit code of what was started last."""
        return self._process.wait()


class Forked(Anew):
    """Commands that are forked off a process which has their modules. One runs at a time."""

    def __init__(self, python: Path, modules: Sequence[str], environ: Mapping[str, str]) -> None:
        super().__init__(python)
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._server = subprocess.Popen(  # noqa: S603 - our own words
                [python, __file__, str(theirs.fileno()), *modules], env=environ, pass_fds=[theirs.fileno()]
            )

    def start(
        self, module: str, arguments: Sequence[str], *, folder: Path, environ: Mapping[str, str], streams: list[int]
    ) -> None:
        asked = {"module": module, "arguments": arguments, "folder": str(folder), "environ": dict(environ)}
        socket.send_fds(self._channel, [b"."], streams)
        self._channel.sendall(json.dumps(asked).encode() + b"\n")

    def wait(self) -> int:
        return int(_line(self._channel))

    def stop(self) -> None:
        """End the process."""
        self._channel.close()
        assert self._server.wait() == 0


def _line(channel: socket.socket) -> bytes:
    """The next line; there is nothing behind it yet."""
    line = b""
    while not line.endswith(b"\n"):
        more = channel.recv(1 << 16)
        if not more:
            raise EOFError("the other process has ended")
        line += more
    return line


# --- the server -------------------------------------------------------------------------------------------------------


def serve(channel: socket.socket) -> dict[str, Any] | None:
    """Fork for each command until there are no more. In what is forked, return what it is to run."""
    while True:
        received, streams, *_ = socket.recv_fds(channel, 1, 3)
        if not received:
            return None
        asked: dict[str, Any] = json.loads(_line(channel))
        pid = os.fork()
        if not pid:
            channel.close()
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            return asked
        for stream in streams:
            os.close(stream)
        channel.sendall(b"%d\n" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def become(asked: dict[str, Any]) -> None:
    """Run a module as its command does, with what this process has."""
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environ"])
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - standard input
    sys.stdout = open(1, "w", buffering=1 if os.isatty(1) else -1, closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv = [asked["module"], *asked["arguments"]]
    sys.path.insert(0, asked["folder"])
    runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)


def run(command: list[str], **how: Any) -> Any:
    """As `subprocess.run`, forked where that is the same."""
    if command[:2] != [sys.executable, "-m"] or command[2] not in STARTED_AGAIN or set(how) != {"env", "check"}:
        return start_anew(command, **how)
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        code: Any = 1
        try:
            become({"module": command[2], "arguments": command[3:], "folder": str(Path.cwd()), "environ": how["env"]})
            code = 0
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            sys.stdout.flush()
            os._exit(code if isinstance(code, int) else 1)
    return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


if __name__ == "__main__":
    del sys.path[0]  # where this file is
    for each in sys.argv[2:]:
        importlib.import_module(each)
    start_anew, subprocess.run = subprocess.run, run  # type: ignore[assignment]
    told = serve(socket.socket(fileno=int(sys.argv[1])))
    if told:
        become(told)
