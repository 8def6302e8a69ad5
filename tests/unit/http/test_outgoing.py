"""Calls to other people's servers, against real servers on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from consentry.http import outgoing
from consentry.http.outgoing import UnreachableError, post

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def server(answer: Answer) -> Iterator[tuple[str, list[tuple[str, dict[str, str], bytes]]]]:
    """A server that answers as told, and what it got."""
    got: list[tuple[str, dict[str, str], bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    thread = threading.Thread(target=listener.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}", got
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


def says(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"content-length": str(len(body)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://10.0.0.1/",
        "https://192.168.1.1/",
        "https://172.16.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[2002:7f00:1::]/",
        "https://[2002:808:808::]/",
        "https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
        "https://[64:ff9b::a9fe:a9fe]/",
        "https://[64:ff9b::127.0.0.1]/",
        "https://[64:ff9b::10.0.0.1]/",
        "https://[64:ff9b:1::8.8.8.8]/",
        "https://[::127.0.0.1]/",
        "https://[::8.8.8.8]/",
        "https://[fec0::1]/",
        "https://[fe80::1]/",
        "https://[ff02::1]/",
        "https://[100::1]/",
        "https://[2001:db8::1]/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https:///nowhere",
    ],
)
def test_an_endpoint_that_is_not_public_https_is_never_called(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "_pool", lambda *_: pytest.fail("it connected"))
    with pytest.raises(UnreachableError):
        post(url, b"{}", {})


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
)
def test_a_public_endpoint_is_called_from_whatever_network(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also from one without IPv4, which reaches an IPv4 address through NAT64."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(10, 1, 6, "", (address, 443, 0, 0))])
    assert outgoing._resolve("hooks.example.com", 443, private_network=False) == address


def test_a_name_that_has_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(2, 1, 6, "", (address, 443)) for address in ("93.184.216.34", "10.1.2.3")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(outgoing, "_pool", lambda *_: pytest.fail("it connected"))
    with pytest.raises(UnreachableError, match="not public"):
        post("https://hooks.example.com/", b"{}", {})


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that changes its mind between check and call can't lead inward: it is resolved once."""
    asked = []

    def resolve(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        return [(2, 1, 6, "", ("93.184.216.34", 443))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    pool = outgoing._pool(
        "https", "hooks.example.com", outgoing._resolve("hooks.example.com", 443, private_network=False), 443
    )
    assert (pool.host, asked) == ("93.184.216.34", ["hooks.example.com"])
    assert pool.conn_kw["server_hostname"] == "hooks.example.com"
    assert pool.assert_hostname == "hooks.example.com"  # type: ignore[attr-defined]


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    with server(says(200)) as (inner, reached), server(says(302, {"location": f"{inner}/inside"})) as (url, _):
        assert post(url, b"{}", {}, private_network=True) == 302
    assert reached == []


def test_a_dead_endpoint_is_said_to_be_unreachable_without_naming_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
        with pytest.raises(UnreachableError) as caught:
            post(f"http://127.0.0.1:{taken.getsockname()[1]}/", b"{}", {}, private_network=True)
    assert "127.0.0.1" not in str(caught.value)


def test_an_endless_answer_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = 0

    def endless(handler: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        handler.send_response(200)
        handler.end_headers()
        try:
            while sent < 64 * 1024 * 1024:
                handler.wfile.write(b"x" * 4096)
                sent += 4096
        except OSError:
            pass

    with server(endless) as (url, _):
        assert post(url, b"{}", {}, private_network=True) == 200
    assert sent < 16 * 1024 * 1024  # what fits into buffers on the way, and no more


def test_a_silent_endpoint_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(outgoing, "TOTAL_S", 0.3)
    with server(lambda _: release.wait(20) and None) as (url, _):
        with pytest.raises(UnreachableError):
            post(url, b"{}", {}, private_network=True)
        release.set()


def test_body_headers_path_and_query_arrive_as_given() -> None:
    with server(says(204)) as (url, got):
        assert post(f"{url}/hook?a=b%20c", b'{"x":1}', {"webhook-id": "m"}, private_network=True) == 204
    path, headers, body = got[0]
    assert (path, body, headers["webhook-id"]) == ("/hook?a=b%20c", b'{"x":1}', "m")
    assert headers["host"] == url.removeprefix("http://")
