"""HTTP: whatever a mail provider, browser or scanner sends is read; what goes wrong becomes a page, never a trace."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from consentry import telemetry
from consentry.http import web
from consentry.http.web import ProblemError, Request, Response
from consentry.links.keyring import SecretUnavailableError
from consentry.links.tokens import ExpiredError, Link, NotOursError, Purpose
from consentry.table.gateway import StoreUnavailableError
from support import events

ADDRESS = "ann@example.com"
URL = "/u/some-token"
SITE = web.Site("https://links.example.com")
ONE_CLICK = {"List-Unsubscribe": ["One-Click"]}
MULTIPART = "multipart/form-data; boundary=XyZ"
BARE = "content-disposition: form-data; name={}"
TIGHT = 'Content-Type: text/plain\r\nContent-Disposition:form-data;name="{}"'
NESTED = "".join(f"--b{depth}\nContent-Type: multipart/mixed; boundary=b{depth + 1}\n\n" for depth in range(1_000))


def read(body: bytes | str | None = None, content_type: str | None = None, **how: Any) -> Request:
    headers = {} if content_type is None else {"content-type": content_type}
    return web.read(events.http("POST", URL, body=body, headers=headers, **how), SITE)


def part(name: str, value: str, *, header: str = 'Content-Disposition: form-data; name="{}"', eol: str = "\r\n") -> str:
    return f"--XyZ{eol}{header.format(name)}{eol}{eol}{value}{eol}"


def handle(respond: Any, event: dict[str, Any] | None = None, problem: Any = None) -> dict[str, Any]:
    """The answer of a handler with one route."""
    problem = problem or (lambda request, status, code: Response(status, f"page of {code}"))
    handler = web.router({"/u/{token+}": {"GET": respond, "POST": respond}, "/only": {"POST": respond}}, problem, SITE)
    return handler(event or events.http("GET", URL), None)


def raiser(exc: BaseException) -> Any:
    def respond(_request: Request) -> Response:
        raise exc

    return respond


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What is logged, by a logger like the real one."""
    stream = io.StringIO()
    logger = Logger(service=f"test-{id(stream)}", log_uncaught_exceptions=False, stream=stream)
    monkeypatch.setattr("consentry.telemetry.logger", lambda: logger)
    return stream


def logged(log: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.getvalue().splitlines()]


# --- faults --------------------------------------------------------------------------------------------------------

EXPIRED = ExpiredError(Link(Purpose.CONFIRM, "demo", "K9Xdq1X4AVefMXC3P9olGg"))


@pytest.mark.parametrize(
    ("exc", "status", "code"),
    [
        (NotOursError(), 404, "not_ours"),
        (EXPIRED, 410, "expired"),
        (StoreUnavailableError(ADDRESS), 503, "unavailable"),
        (SecretUnavailableError(ADDRESS), 503, "no_keys"),
        (ProblemError(400, "bad_choice"), 400, "bad_choice"),
        (ZeroDivisionError(ADDRESS), 500, "failed"),
    ],
)
def test_every_fault_has_its_page_and_status(exc: Exception, status: int, code: str, log: io.StringIO) -> None:
    answer = handle(raiser(exc))
    assert (answer["statusCode"], answer["body"]) == (status, f"page of {code}")
    assert bool(logged(log)) == (status >= 500)


@pytest.mark.parametrize("exc", [StoreUnavailableError(), SecretUnavailableError()])
def test_who_comes_while_we_are_away_is_told_when_to_come_back(exc: Exception) -> None:
    assert handle(raiser(exc))["headers"]["retry-after"] == "5"


@pytest.mark.parametrize("exc", [NotOursError(), EXPIRED, StoreUnavailableError(), ZeroDivisionError()])
def test_a_page_that_cant_be_made_leaves_a_line_of_text(exc: Exception, log: io.StringIO) -> None:
    """The page of an error must not become another error."""

    def broken(request: Request, status: int, code: str) -> Response:
        raise RuntimeError(ADDRESS)

    answer = handle(raiser(exc), problem=broken)
    assert answer["statusCode"] in {404, 410, 500, 503}
    assert answer["headers"]["content-type"].startswith("text/plain")
    assert logged(log)[-1]["kind"] == "RuntimeError"


def test_an_event_that_cant_be_read_is_answered_all_the_same(log: io.StringIO) -> None:
    event = events.http("GET", URL)
    del event["requestContext"]["domainName"]
    event["headers"] = [["not", "a mapping"]]
    answer = handle(lambda _request: Response(200, "fine"), event)
    assert (answer["statusCode"], answer["body"]) == (500, "failed\n")
    assert logged(log)[0]["kind"] == "AttributeError"


def test_a_fault_is_logged_with_its_place_and_without_its_words(log: io.StringIO) -> None:
    """Messages may quote an address or a token; so may the answer of AWS."""
    cause = ClientError({"Error": {"Code": "ThrottlingException", "Message": f"no {ADDRESS}"}}, ADDRESS)
    exc = StoreUnavailableError(f"can't write {ADDRESS}")
    exc.__cause__ = cause
    handle(raiser(exc), events.http("GET", f"/u/{'t' * 60}"))
    assert "ann@" not in log.getvalue()
    assert "tttt" not in log.getvalue()
    [line] = logged(log)
    assert (line["kind"], line["cause"], line["aws"]) == ("StoreUnavailableError", "ClientError", "ThrottlingException")
    assert line["route"] == "ANY /u/{token+}"
    assert line["where"][-1].startswith("respond:")


def test_a_fault_without_a_cause_is_logged_too(log: io.StringIO) -> None:
    telemetry.report(ValueError(ADDRESS), "ANY /u/{token}")
    line = logged(log)[0]
    assert (line["kind"], line["cause"], line["aws"], line["where"]) == ("ValueError", "", "", [])
    assert ADDRESS not in str(line)


def test_a_body_over_64_kib_is_not_looked_at() -> None:
    called: list[Request] = []

    def respond(request: Request) -> Response:
        called.append(request)
        return Response(200, "fine")

    assert handle(respond, events.http("POST", URL, body="x" * 65_537, as_base64=True))["statusCode"] == 413
    assert called == []
    assert handle(respond, events.http("POST", URL, body="x" * 65_536, as_base64=True))["statusCode"] == 200


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get"])
def test_any_other_method_is_refused_and_told_which_there_are(method: str) -> None:
    answer = handle(raiser(AssertionError()), events.http(method, URL))
    assert answer["statusCode"] == 405
    assert answer["headers"]["allow"] == "GET, POST, HEAD"


def test_head_is_no_way_around_a_route_that_only_posts() -> None:
    event = events.http("HEAD", URL)
    event["routeKey"] = "ANY /only"
    answer = handle(raiser(AssertionError()), event)
    assert answer["statusCode"] == 405
    assert answer["headers"]["allow"] == "POST"


def test_a_route_that_the_function_doesnt_have_is_refused() -> None:
    event = events.http("GET", URL)
    event["routeKey"] = "$default"
    assert handle(raiser(AssertionError()), event)["statusCode"] == 405


# --- answers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exc", [None, NotOursError(), ZeroDivisionError()])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_every_answer_carries_the_headers_that_keep_a_token_private(exc: Exception | None, method: str) -> None:
    headers = handle(raiser(exc) if exc else lambda _: web.text(200, "fine"), events.http(method, URL))["headers"]
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-robots-tag"] == "noindex, nofollow"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert int(headers["strict-transport-security"].partition("=")[2].partition(";")[0]) >= 31_536_000
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "unsafe" not in headers["content-security-policy"]
    assert not {"set-cookie", "location"} & {name.lower() for name in headers}


def test_head_is_answered_as_get_without_the_body() -> None:
    get, head = (
        handle(lambda request: Response(200, request.method), events.http(each, URL)) for each in ("GET", "HEAD")
    )
    assert get["body"] == "GET"
    assert head == {**get, "body": ""}


def test_an_answers_own_headers_come_first() -> None:
    answer = web.write(Response(200, "x", "text/css", {"content-security-policy": "default-src 'self'", "x-own": "1"}))
    assert answer["headers"]["content-security-policy"] == "default-src 'self'"
    assert answer["headers"]["x-own"] == "1"
    assert answer["headers"]["content-type"] == "text/css"


# --- forms ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("as_base64", [True, False])
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"),
        ("application/x-www-form-urlencoded; charset=UTF-8", "List-Unsubscribe=One-Click"),
        (None, "List-Unsubscribe=One-Click"),
        ("text/plain", "List-Unsubscribe=One-Click"),
        ("application/json", "List-Unsubscribe=One-Click"),
        ("", "List-Unsubscribe=One-Click"),
        (MULTIPART, part("List-Unsubscribe", "One-Click") + "--XyZ--\r\n"),
        (MULTIPART, "preamble\r\n" + part("List-Unsubscribe", "One-Click") + "--XyZ--\r\nepilogue"),
        (MULTIPART, part("List-Unsubscribe", "One-Click", eol="\n") + "--XyZ--\n"),
        (MULTIPART, part("List-Unsubscribe", "One-Click", header=BARE) + "--XyZ--"),
        (
            MULTIPART,
            part("List-Unsubscribe", "One-Click", header=TIGHT) + "--XyZ--",
        ),
        ('Multipart/Form-Data; charset=utf-8; Boundary="XyZ"', part("List-Unsubscribe", "One-Click") + "--XyZ--\r\n"),
        ("multipart/form-data;boundary=XyZ", part("List-Unsubscribe", "One-Click") + "--XyZ--\r\n"),
    ],
)  # fmt: skip
def test_a_form_is_read_however_it_is_sent(content_type: str | None, body: str, as_base64: bool) -> None:
    assert read(body, content_type, as_base64=as_base64).form() == ONE_CLICK


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (None, None),
        (None, b""),
        ("application/x-www-form-urlencoded", b""),
        ("application/x-www-form-urlencoded", b"f=" + bytes(web.MAX_BODY - 1)),
        ("multipart/form-data", part("a", "b").encode()),
        ("multipart/form-data; boundary=", part("a", "b").encode()),
        ("multipart/form-data; boundary=other", part("a", "b").encode()),
        (MULTIPART, b""),
        (MULTIPART, b"--XyZ"),
        (MULTIPART, b"--XyZ\r\n\r\n"),
        (MULTIPART, b"--XyZ--\r\n" + part("a", "b").encode()),
        (MULTIPART, part("a", "b", header="Content-Disposition: form-data").encode()),
        (MULTIPART, part("a", "b", header="X: y; name=a").encode()),
        (MULTIPART, part("a", "b", header='Content-Disposition: form-data; name="{}"; filename="x.txt"').encode()),
        (MULTIPART, part("a", "b", header="Content-Disposition: form-data; name={}; filename*=UTF-8''x").encode()),
        (MULTIPART, part("a", 'Content-Disposition: form-data; name="b"', header="X: y").encode()),
        (MULTIPART, (part("f", "x" * web.MAX_BODY)).encode()),
    ],
)
def test_what_is_no_form_has_no_fields(content_type: str | None, body: bytes | None) -> None:
    assert read(body, content_type, as_base64=True).form() == {}


def test_repeated_and_empty_fields_are_all_there() -> None:
    wanted = {"topics": ["news", "offers"], "lang": [""], "note": ["Grüße & more"]}
    urlencoded = "topics=news&lang=&topics=offers&note=Gr%C3%BC%C3%9Fe+%26+more"
    multipart = (
        part("topics", "news") + part("lang", "") + part("topics", "offers") + part("note", "Grüße & more") + "--XyZ--"
    )
    assert read(urlencoded).form() == wanted
    assert read(multipart, MULTIPART).form() == wanted
    assert read(multipart, MULTIPART, as_base64=True).form() == wanted


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", "&".join(f"f{number}=" for number in range(1_000))),
        (MULTIPART, "".join(part(f"f{number}", "") for number in range(1_000)) + "--XyZ--"),
    ],
)
def test_every_field_is_read_however_many_there_are(content_type: str, body: str) -> None:
    assert read(body, content_type).form() == {f"f{number}": [""] for number in range(1_000)}


def test_a_form_in_another_encoding_is_read_as_far_as_it_can_be() -> None:
    assert read("note=Grüße&scope=all".encode("latin-1"), as_base64=True).form()["scope"] == ["all"]


def test_a_form_that_was_cut_off_is_read_as_far_as_it_came() -> None:
    assert read(part("a", "1") + part("b", "2").rstrip(), MULTIPART).form() == {"a": ["1"], "b": ["2"]}


def test_a_value_may_hold_what_looks_like_a_border() -> None:
    body = part("a", "x --XyZ y\r\n-XyZ") + part("b", "2") + "--XyZ--"
    assert read(body, MULTIPART).form() == {"a": ["x --XyZ y\n-XyZ"], "b": ["2"]}


def test_bytes_that_are_no_text_dont_spoil_the_other_fields() -> None:
    body = part("a", "?").encode().replace(b"?", b"\xff") + part("b", "2").encode() + b"--XyZ--"
    assert read(body, MULTIPART, as_base64=True).form() == {"a": ["\ufffd"], "b": ["2"]}
    assert read(b"a=%FF&b=2").form() == {"a": ["\ufffd"], "b": ["2"]}


DEEP = "(" * 60_000


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (MULTIPART, part("a", "b", header=f"Content-Disposition: form-data; name={DEEP}")),
        (MULTIPART, part("a", "b", header=f"Content-Type: {DEEP}")),
        (MULTIPART, part("a", "b", header=f"Content-Transfer-Encoding: {DEEP}")),
        (MULTIPART, part("a", "b", header="Content-Disposition: form-data" + ";" * 60_000)),
        (MULTIPART, part("a", "b", header="Content-Disposition: form-data" + "; name=" * 8_000)),
        (MULTIPART, "--XyZ\r\n" + "Content-Type: message/rfc822\r\n\r\n" * 1_900),
        ("multipart/mixed; boundary=b0", NESTED),
        (MULTIPART + "; x=" + "(" * 8_000, part("a", "b")),
    ],
    ids=["name", "type", "encoding", "semicolons", "names", "messages", "nested", "header"],
)  # fmt: skip
def test_a_body_made_to_break_parsers_breaks_nothing(content_type: str, body: str) -> None:
    """The standard library's MIME parser recursed until it raised over some of these, or took ten seconds."""
    assert set(read(body, content_type).form()) <= {"a", DEEP, "name="}


@given(
    st.one_of(st.text(), st.sampled_from([MULTIPART, "multipart/form-data; boundary=\ud800", "application/json"])),
    st.one_of(st.text(), st.text('-XyZ\r\n:;=" abContent-Disposition: form-data; name')),
    st.booleans(),
)
@example(MULTIPART, "\ud800", False)
@example("text/plain", "\ud800", False)
@example("text/plain", "not base64!", True)
@example("text/plain", "YQ", True)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_is_posted_is_read_without_a_fault(content_type: str, body: str, is_base64: bool) -> None:
    event = events.http("POST", URL, headers={"content-type": content_type})
    event |= {"body": body, "isBase64Encoded": is_base64}
    assert isinstance(web.read(event, SITE).form(), dict)


@given(st.lists(st.sampled_from(["--XyZ", "\r\n", "--", "a", '"', ";", " name=", "Content-Disposition:"])))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_a_form_that_was_scrambled_is_read_without_a_fault(pieces: list[str]) -> None:
    for values in read("".join(pieces), MULTIPART).form().values():
        assert all(isinstance(value, str) for value in values)


# --- requests ------------------------------------------------------------------------------------------------------


def test_a_body_in_base64_is_unpacked_and_one_that_isnt_is_empty() -> None:
    assert read(b"\x00\xff", as_base64=True).body == b"\x00\xff"
    event = events.http("POST", URL) | {"isBase64Encoded": True}
    for broken in ("a", "é", "====", None):
        assert web.read(event | {"body": broken}, SITE).body == b""


def test_the_route_never_holds_the_token() -> None:
    request = web.read(events.http("GET", "/u/sekret?lang=de"), SITE)
    assert request.route == "ANY /u/{token+}"
    assert request.parameters == {"token": "sekret"}
    assert request.query == {"lang": "de"}


PROOF = "what CloudFront alone shows"
VISITOR = "198.51.100.10"


@pytest.mark.parametrize(
    ("headers", "ip"),
    [
        ({web.PROXY: PROOF, "cloudfront-viewer-address": f"{VISITOR}:46532"}, VISITOR),
        ({web.PROXY: f"older, {PROOF}", "cloudfront-viewer-address": f"{VISITOR}:46532"}, VISITOR),
        ({web.PROXY: PROOF, "cloudfront-viewer-address": "2001:db8::7:46532"}, "2001:db8::7"),
        ({web.PROXY: PROOF, "cloudfront-viewer-address": "[2001:db8::7]:46532"}, "2001:db8::7"),
        ({web.PROXY: PROOF}, "203.0.113.7"),
        ({web.PROXY: "guessed", "cloudfront-viewer-address": f"{VISITOR}:1"}, "203.0.113.7"),
        ({web.PROXY: "\ud800", "cloudfront-viewer-address": f"{VISITOR}:1"}, "203.0.113.7"),
        ({"cloudfront-viewer-address": f"{VISITOR}:1", "x-forwarded-for": VISITOR}, "203.0.113.7"),
    ],
)
def test_a_visitor_is_who_the_trusted_proxy_says_and_nobody_elses_word_counts(headers: dict[str, str], ip: str) -> None:
    site = web.Site(trusted_proxy=hashlib.sha256(PROOF.encode()).hexdigest()[:32])
    assert web.read(events.http("GET", URL, headers=headers), site).ip == ip


def test_without_a_trusted_proxy_no_header_names_the_visitor() -> None:
    headers = {web.PROXY: "", "cloudfront-viewer-address": f"{VISITOR}:46532"}
    assert web.read(events.http("GET", URL, headers=headers), SITE).ip == "203.0.113.7"


def test_a_request_without_headers_query_or_parameters_is_a_request() -> None:
    event = events.http("GET", URL)
    for name in ("headers", "pathParameters"):
        event[name] = None
    request = web.read(event, SITE)
    assert (request.headers, request.query, request.parameters, request.form()) == ({}, {}, {}, {})
    assert request.evidence == ("203.0.113.7", "")


def test_links_lead_to_the_public_address_or_to_where_the_visitor_came_in() -> None:
    event = events.http("GET", URL)
    event["requestContext"]["domainName"] = "abc.execute-api.us-east-1.amazonaws.com"
    assert web.read(event, SITE).base_url == "https://links.example.com"
    assert web.read(event, web.Site()).base_url == "https://abc.execute-api.us-east-1.amazonaws.com"


def test_evidence_is_bounded_and_can_be_stored() -> None:
    """Lone surrogates can't be encoded: with one in a user agent, hashing the evidence failed, and the opt-out."""
    request = web.read(events.http("POST", URL, headers={"user-agent": "\ud800" + "x" * 10_000}), SITE)
    assert request.evidence.user_agent == "?" + "x" * 511
    assert request.evidence.ip == "203.0.113.7"


def test_the_instant_of_a_request_is_in_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.time_ns", lambda: 1_800_000_000_123_999_999)
    assert web.read(events.http("GET", URL), SITE).now == 1_800_000_000_123


def test_a_line_of_text_ends_in_a_line_break() -> None:
    answer = web.text(200, "You are unsubscribed.", {"x-own": "1"})
    assert answer == (200, "You are unsubscribed.\n", "text/plain; charset=utf-8", {"x-own": "1"})
