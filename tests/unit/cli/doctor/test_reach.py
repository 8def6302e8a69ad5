"""What the doctor sees of the DNS and of an address: real sockets, on this machine alone."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import dns.message
import dns.rcode
import dns.rrset
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from dns import resolver

from consentry_cli.doctor import reach

END = datetime.now(UTC).replace(microsecond=0) + timedelta(days=40)
KNOWN = {
    ("shop.example.", "MX"): ["10 Inbound-SMTP.eu-west-1.amazonaws.com."],
    ("_dmarc.shop.example.", "TXT"): ['"v=DMARC1; " "p=none"'],
    ("empty.example.", "TXT"): [],
}


class Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()
        self.wfile.write(b'{"status":"ok"}')

    def log_message(self, *_: object) -> None:
        """Quiet."""


@contextmanager
def serving(context: ssl.SSLContext | None = None) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that hangs up is expected
        if context:
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http{'s' if context else ''}://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture
def certified(tmp_path: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate for this machine, and a server's context that shows it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "here")])
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, datetime.now(UTC) - timedelta(days=1), END)
    built = built.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    built = built.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    file = tmp_path / "here.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(built.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM) + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return file, context


def test_an_address_tells_its_health_and_its_clock() -> None:
    with serving() as url:
        seen = reach.visit(f"{url}/healthz")
    assert (seen.status, seen.body, seen.certificate_until, seen.fault) == (200, '{"status":"ok"}', None, "")
    assert seen.date is not None
    assert abs((datetime.now(UTC) - seen.date).total_seconds()) < 60


def test_a_certificate_tells_its_end(certified: tuple[Path, ssl.SSLContext], monkeypatch: pytest.MonkeyPatch) -> None:
    file, context = certified
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with serving(context) as url:
        assert reach.visit(f"{url}/healthz").certificate_until == END


def test_a_certificate_that_nobody_trusts_is_said_to_be_so(certified: tuple[Path, ssl.SSLContext]) -> None:
    with serving(certified[1]) as url:
        seen = reach.visit(f"{url}/healthz")
    assert seen.status == 0
    assert "self-signed" in seen.fault


def test_an_address_where_nobody_is_is_an_os_error() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(OSError, match="refused"):
        reach.visit(f"{url}/healthz")


def test_what_isnt_http_is_an_os_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def babble() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        threading.Thread(target=babble, daemon=True).start()
        with pytest.raises(OSError, match="isn't HTTP"):
            reach.visit(f"http://127.0.0.1:{server.getsockname()[1]}/healthz")


@pytest.fixture
def name_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The DNS, which knows `KNOWN` and nothing else."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def serve() -> None:
            while True:
                try:
                    wire, who = server.recvfrom(1500)
                except OSError:
                    return
                query = dns.message.from_wire(wire)
                (asked,) = query.question
                kind = dns.rdatatype.to_text(asked.rdtype)
                answer = dns.message.make_response(query)
                found = KNOWN.get((str(asked.name), kind))
                if found is None:
                    answer.set_rcode(dns.rcode.SERVFAIL if "broken" in str(asked.name) else dns.rcode.NXDOMAIN)
                elif found:
                    answer.answer.append(dns.rrset.from_text_list(asked.name, 60, "IN", kind, found))
                server.sendto(answer.to_wire(), who)

        threading.Thread(target=serve, daemon=True).start()
        ours = resolver.Resolver(configure=False)
        ours.nameservers, ours.port = ["127.0.0.1"], server.getsockname()[1]
        monkeypatch.setattr(resolver, "default_resolver", ours)
        yield server


@pytest.mark.usefixtures("name_server")
def test_the_dns_tells_hosts_and_texts() -> None:
    assert reach.resolve("shop.example", "MX") == ["inbound-smtp.eu-west-1.amazonaws.com"]
    assert reach.resolve("_dmarc.shop.example", "TXT") == ["v=DMARC1; p=none"]
    assert reach.resolve("nobody.example", "TXT") == []
    assert reach.resolve("empty.example", "TXT") == []


@pytest.mark.usefixtures("name_server")
def test_a_dns_that_fails_isnt_taken_for_one_that_has_nothing() -> None:
    with pytest.raises(OSError, match="doesn't answer"):
        reach.resolve("broken.example", "TXT")
