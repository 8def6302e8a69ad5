"""A proxy between the functions and a service of the emulator: it passes calls on, refuses them, or loses answers."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

import urllib3

_OF_THE_CONNECTION: Final = frozenset(
    {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "expect"}
)
_PATIENCE_S: Final = 30


class Fault(StrEnum):
    """What the proxy does to a call."""

    THROTTLED = "throttled"
    """Not passed on: 429."""
    FAILED_AFTER = "failed after"
    """Passed on, and answered 500."""
    LOST_AFTER = "lost after"
    """Passed on, and then the connection breaks."""
    HANGS = "hangs"
    """Not passed on, and not answered."""


class FaultProxy:
    """Stands where functions expect a service; `target` says where it is."""

    def __init__(
        self, rng: random.Random, taken: Callable[[dict[str, Any]], None], change: Callable[[Any], None]
    ) -> None:
        """`taken` hears of each call that the service took; `change` may alter a call before it is passed on."""
        self.target = ""
        self.fired = 0
        self._rng = rng
        self._faults: tuple[Fault, ...] = ()
        self._probability = 0.0
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._http = urllib3.PoolManager(retries=False, timeout=_PATIENCE_S, maxsize=16)
        self._taken, self._change = taken, change
        fault_proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                fault_proxy.handle(self)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """Whoever asked may be killed in the middle of it: nothing to tell of."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def fail(self, *faults: Fault, probability: float = 1.0) -> None:
        """From now on, calls meet one of these."""
        with self._lock:
            self._faults, self._probability = faults, probability
            self._released.clear()

    def mend(self) -> None:
        """From now on, everything passes; what hangs breaks off."""
        with self._lock:
            self._faults, self._probability = (), 0.0
        self._released.set()

    def close(self) -> None:
        """No more."""
        self.mend()
        self._server.shutdown()
        self._server.server_close()

    def handle(self, call: BaseHTTPRequestHandler) -> None:
        """One call."""
        body = call.rfile.read(int(call.headers.get("content-length", "0")))
        fault = self._draw()
        if fault is Fault.HANGS:
            self._released.wait(_PATIENCE_S)
            call.close_connection = True
            return
        if fault is Fault.THROTTLED:
            said = b'{"__type":"TooManyRequestsException","message":"Maximum sending rate exceeded."}'
            self._answer(call, 429, [("x-amzn-errortype", "TooManyRequestsException")], said)
            return
        asked = json.loads(body)
        self._change(asked)
        headers = {name: value for name, value in call.headers.items() if name.lower() not in _OF_THE_CONNECTION}
        answer = self._http.request(
            call.command, self.target + call.path, body=json.dumps(asked).encode(), headers=headers, redirect=False
        )
        if answer.status == 200:
            self._taken(asked)
        if fault is Fault.LOST_AFTER:
            call.close_connection = True
            return
        if fault is Fault.FAILED_AFTER:
            self._answer(call, 500, [], b'{"message":"something went wrong"}')
            return
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _OF_THE_CONNECTION]
        self._answer(call, answer.status, kept, answer.data)

    def _draw(self) -> Fault | None:
        with self._lock:
            if not self._faults or self._rng.random() >= self._probability:
                return None
            self.fired += 1
            return self._rng.choice(self._faults)

    def _answer(self, call: BaseHTTPRequestHandler, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        with suppress(OSError):  # whoever asked may be gone
            call.send_response_only(status)
            for name, value in headers:
                call.send_header(name, value)
            call.send_header("content-length", str(len(body)))
            call.end_headers()
            call.wfile.write(body)


@contextmanager
def fault_proxy(
    rng: random.Random,
    taken: Callable[[dict[str, Any]], None],
    change: Callable[[Any], None] = lambda _: None,
) -> Iterator[FaultProxy]:
    """A proxy that passes everything on, for the time of the block; `target` is to be set."""
    made = FaultProxy(rng, taken, change)
    try:
        yield made
    finally:
        made.close()
