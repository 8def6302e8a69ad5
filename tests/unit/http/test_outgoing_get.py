"""Fetching what a provider's call refers to: at most 64 KiB, within 3 seconds, and from nowhere else."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
import urllib3

from consentry.http import outgoing
from consentry.http.outgoing import UnreachableError

if TYPE_CHECKING:
    from collections.abc import Iterator

asked: list[str] = []


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked.append(self.path)
        self.send_response(302 if self.path == "/elsewhere" else 200)
        self.send_header("location", "/found")
        self.end_headers()
        if self.path == "/large":
            self.wfile.write(b"x" * (outgoing.MAX_ANSWER + 1))
        for _ in range(20 if self.path == "/slow" else 1):
            self.wfile.write(b"PEM")
            self.wfile.flush()
            time.sleep(0.1 if self.path == "/slow" else 0)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def _server(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stands for the https server of the URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    port = int(server.server_address[1])
    monkeypatch.setattr(outgoing, "_resolve", lambda *_, **__: "127.0.0.1")
    monkeypatch.setattr(outgoing, "_pool", lambda *_: urllib3.HTTPConnectionPool("127.0.0.1", port, maxsize=1))
    asked.clear()
    yield
    server.shutdown()
    server.server_close()


@pytest.mark.usefixtures("_server")
def test_what_lies_there_is_answered() -> None:
    assert outgoing.get("https://sns.us-east-1.amazonaws.com/a.pem?x=1") == (200, b"PEM")
    assert asked == ["/a.pem?x=1"]


@pytest.mark.usefixtures("_server")
def test_a_redirect_is_not_followed() -> None:
    assert outgoing.get("https://sns.us-east-1.amazonaws.com/elsewhere")[0] == 302
    assert asked == ["/elsewhere"]


@pytest.mark.usefixtures("_server")
def test_too_much_is_not_taken() -> None:
    with pytest.raises(UnreachableError, match="large"):
        outgoing.get("https://sns.us-east-1.amazonaws.com/large")


@pytest.mark.usefixtures("_server")
def test_a_trickle_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "SHORT_S", 0.3)
    with pytest.raises(UnreachableError):
        outgoing.get("https://sns.us-east-1.amazonaws.com/slow")


@pytest.mark.parametrize("url", ["http://example.com/a.pem", "file:///etc/passwd", "ftp://example.com/a", ""])
def test_only_https_is_fetched(url: str) -> None:
    with pytest.raises(UnreachableError, match="https"):
        outgoing.get(url)
