"""Functions as Lambda runs them: each a process under awslambdaric, fed by a Runtime API of ours.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, TYPE_CHECKING, Any, Final, NamedTuple

import psutil

from benchmarks.figures import Sample
from dev.places import BENCH_VENV

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

PYTHON: Final = BENCH_VENV / "bin" / "python"
_PATIENCE_S: Final = 60


class RuntimeApi:
    """Hands a function its events, one at a time, and takes the answers."""

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[float] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[bool, bytes]] = queue.SimpleQueue()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            wbufsize = -1  # otherwise head and body are two packets, and the second waits for the first

            def do_GET(self) -> None:
                api._asked.put(time.perf_counter())
                event = api._events.get()
                if event is None:
                    self.close_connection = True
                    return
                self.send_response_only(200)
                for name, value in api._headers():
                    self.send_header(name, value)
                self._finish(event)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", "0")))
                self.send_response_only(202)
                self._finish(b"")
                self.wfile.flush()
                api._answers.put((self.path.endswith("/response"), body))

            def _finish(self, body: bytes) -> None:
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """Functions are ended in the middle of a request."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @staticmethod
    def _headers() -> list[tuple[str, str]]:
        return [
            ("Lambda-Runtime-Aws-Request-Id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd"),
            ("Lambda-Runtime-Deadline-Ms", str(time.time_ns() // 1_000_000 + 29_000)),
            ("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:bench"),
            ("Content-Type", "application/json"),
        ]

    def ready(self) -> float:
        """Wait until the function asks for an event; when that was, by `time.perf_counter`."""
        return self._asked.get(timeout=_PATIENCE_S)

    def call(self, event: bytes) -> Any:
        """What the function answers. It is to have asked for an event."""
        self._events.put(event)
        good, body = self._answers.get(timeout=_PATIENCE_S)
        answer = json.loads(body)
        if not good:
            raise RuntimeError(f"the function failed: {answer}")
        return answer

    def close(self) -> None:
        """No more events."""
        self._events.put(None)
        self._server.shutdown()
        self._server.server_close()


class Code(NamedTuple):
    """A function's code, and what it is given."""

    folder: Path
    """Holds `handler.py`."""
    path: Sequence[Path]
    """The layers, in the order of `sys.path`."""
    environment: Mapping[str, str]


def command(code: Code, runtime_api: str) -> tuple[list[str], dict[str, str]]:
    """The command that Lambda starts a function by, and its environment."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "PYTHONPATH": os.pathsep.join(map(str, (code.folder, *code.path))),
        "PYTHONDONTWRITEBYTECODE": "1",  # Lambda's disk can't be written
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_LAMBDA_FUNCTION_NAME": "bench",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "bench",
        "AWS_LAMBDA_LOG_STREAM_NAME": "bench",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        "AWS_SESSION_TOKEN": "session" * 60,
        "LAMBDA_TASK_ROOT": str(code.folder),
        **code.environment,
    }
    return [str(PYTHON), "-m", "awslambdaric", "handler.handler"], environment


class Function:
    """A running function."""

    def __init__(self, process: subprocess.Popen[bytes], api: RuntimeApi) -> None:
        self._process = process
        self._api = api
        self._usage = psutil.Process(process.pid)

    def call(self, event: bytes) -> Any:
        """One invocation's answer. Returns when the function waits for the next."""
        answer = self._api.call(event)
        self._api.ready()
        return answer

    def cpu(self) -> float:
        """Seconds of CPU that the process used so far; its clock ticks in hundredths."""
        used = self._usage.cpu_times()
        return float(used.user + used.system)

    def run(self, events: Sequence[bytes]) -> Sample:
        """The cost of handling these, one after another."""
        cpu, began = self.cpu(), time.perf_counter()
        for event in events:
            self.call(event)
        return Sample(time.perf_counter() - began, self.cpu() - cpu)


@contextmanager
def running(code: Code) -> Iterator[Function]:
    """A function that waits for events, ended with the block."""
    api = RuntimeApi()
    argv, environment = command(code, api.address)
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(argv, env=environment, cwd=code.folder, stdout=said, stderr=said)  # noqa: S603 - ours
        try:
            _await(api, process, said)
            yield Function(process, api)
        finally:
            process.kill()
            process.wait()
            api.close()


def start(code: Code) -> Sample:
    """The cost of a start: from the process's beginning to its first request for an event."""
    api = RuntimeApi()
    argv, environment = command(code, api.address)
    with tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        process = subprocess.Popen(argv, env=environment, cwd=code.folder, stdout=said, stderr=said)  # noqa: S603 - ours
        try:
            ready = _await(api, process, said)
        finally:
            cpu = _end(process)
            api.close()
    return Sample(ready - began, cpu)


def start_plainly(script: str, environment: Mapping[str, str]) -> Sample:
    """The cost of a process that runs a script to its end, without any runtime."""
    began = time.perf_counter()
    process = subprocess.Popen([PYTHON, "-c", script], env={**os.environ, **environment})  # noqa: S603 - ours
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return Sample(time.perf_counter() - began, usage.ru_utime + usage.ru_stime)


def _await(api: RuntimeApi, process: subprocess.Popen[bytes], said: IO[bytes]) -> float:
    try:
        return api.ready()
    except queue.Empty:
        process.kill()
        said.seek(0)
        raise RuntimeError(f"the function didn't start: {said.read().decode(errors='replace')[-2_000:]}") from None


def _end(process: subprocess.Popen[bytes]) -> float:
    """End a process; seconds of CPU that it used."""
    process.kill()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = -9
    return usage.ru_utime + usage.ru_stime


def take_turns(
    contestants: Sequence[tuple[Function, Callable[[int], Sequence[bytes]]]], rounds: int, calls: int
) -> list[Sample]:
    """What one call of each costs on average, in turns, so that what else the machine does hits all of them.

    Each contestant is a function, and what makes so many events for it. A first round counts for nobody.
    """
    totals = [Sample(0, 0) for _ in contestants]
    for at_round in range(rounds + 1):
        for at, (function, make) in enumerate(contestants):
            took = function.run(make(calls))
            if at_round:
                totals[at] = Sample(totals[at].wall + took.wall, totals[at].cpu + took.cpu)
    return [Sample(each.wall / rounds / calls, each.cpu / rounds / calls) for each in totals]
