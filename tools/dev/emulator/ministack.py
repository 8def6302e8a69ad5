"""The AWS emulator (ministack): one process, everything in memory, IAM enforced."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dev import process
from dev.emulator import inside
from dev.emulator.aws import NO_PROXY, SECRET
from dev.emulator.ports import LOOK_AHEAD, LOOPBACK, is_free
from dev.places import MINISTACK_VENV
from dev.terminal import StackError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DEFAULT_PORT = 4566
READY_WITHIN = 30.0
"""Seconds; it usually takes half of one."""
FILLED: Final = inside.__file__
"""What its Python runs: the emulator, with what it lacks made up for."""


@dataclass(frozen=True, kw_only=True)
class Emulator:
    """A running emulator."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def endpoint(self) -> str:
        """What boto3 calls ``endpoint_url``."""
        return f"http://{LOOPBACK}:{self.port}"

    def stop(self) -> None:
        """End it and every function's worker, at once: nothing in it outlives a run."""
        process.stop(self.process, grace=0)


def start(
    folder: Path,
    *,
    port: int | None = None,
    enforce_iam: bool,
    functions_environment: Mapping[str, str],
    program: str | Path = FILLED,
) -> Emulator:
    """Start an emulator on ``port``, or on a free one.

    Its Lambda workers inherit its environment; ``functions_environment`` adds to that. With ``enforce_iam`` a
    permission that the template lacks fails here, and not first in the account. But the emulator then checks
    signatures, too, and those don't survive a proxy that changes the Host header. Tests name another `program`.

    Raises:
        StackError: when the port is taken, or the emulator doesn't come up.
    """
    if port is not None and not is_free(port):
        raise StackError(f"port {port} is taken: choose another with AWS_PORT=N, or leave AWS_PORT out")
    log = folder / "emulator.log"
    for candidate in [port] if port is not None else _free_ports():
        settings = {"AUTH": str(enforce_iam).lower(), **functions_environment}
        emulator = _try_start(folder, log, candidate, settings, program)
        if emulator is not None:
            return emulator
    raise StackError("the AWS emulator didn't start", log)


def _free_ports() -> Iterator[int]:
    """Ports to try, in order: each is free when looked at, and may be gone when used."""
    return (port for port in range(DEFAULT_PORT, DEFAULT_PORT + LOOK_AHEAD) if is_free(port))


def _try_start(folder: Path, log: Path, port: int, settings: Mapping[str, str], program: str | Path) -> Emulator | None:
    """An emulator on ``port``, or nothing when another process was quicker to take it."""
    badge = uuid.uuid4().hex
    scratch = folder / "tmp"
    scratch.mkdir(exist_ok=True)
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(folder),
        "TMPDIR": str(scratch),
        "LANG": "C.UTF-8",
        "NO_PROXY": NO_PROXY,
        "BIND_HOST": LOOPBACK,  # all interfaces otherwise
        "GATEWAY_PORT": str(port),
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "MINISTACK_EDITION": badge,  # on its health page: distinguishes ours from others on the same port
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "S3_DATA_DIR": str(scratch / "s3"),
        "STATE_DIR": str(scratch / "state"),
        **settings,
    }
    started = process.start([MINISTACK_VENV / "bin" / "python", "-P", program], env=env, log=log, cwd=folder)
    emulator = Emulator(port=port, process=started)
    try:
        deadline = time.monotonic() + READY_WITHIN
        while started.poll() is None and time.monotonic() < deadline:
            if _badge(port) == badge:
                return emulator
            time.sleep(0.05)
    except BaseException:
        emulator.stop()
        raise
    emulator.stop()
    return None


def _badge(port: int) -> str | None:
    """The badge of the emulator that answers on ``port``, if one does."""
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/_ministack/health", timeout=2) as answer:
            badge = json.load(answer).get("edition")
    except (OSError, ValueError):
        return None
    return str(badge)
