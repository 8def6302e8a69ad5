"""What is fuzzed: at each place where bytes come in, what goes in, and what may come out.

A target is one class: `__call__` takes the bytes of one run. What its docstring allows may be raised and answered;
everything else is a finding, and so is a `Finding`. `examples` is where libFuzzer starts from, `functions` those
that are tried.
"""

from __future__ import annotations

import io
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from consentry import providers
from consentry.actions import spool
from consentry.actions.bulk import importing, presets
from consentry.actions.bulk.rows import CSV, NDJSON, Malformed, Reader, UnusableInputError, UnusableRowError, Writer
from consentry.actions.reports import InvalidReportError
from consentry.actions.spool import Spooled, Unverified
from consentry.http.batches import AllFailedError
from consentry.http.outgoing import UnreachableError
from consentry.http.web import ALWAYS, MAX_BODY, Request
from consentry.links.tokens import ExpiredError, Link, NotOursError, Purpose
from consentry.links.unsubscribe_addresses import local_part
from consentry.providers import Call, UnreadableError, UnsignedError
from consentry.rules import addresses, brands, languages
from consentry.rules.addresses import MalformedAddressError
from consentry.rules.brands import Webhook
from consentry.rules.consent import Choice, Consent
from consentry.rules.ledger import Actor, Channel, Event, Evidence, Kind
from consentry.table.checkpoints import Task
from consentry.table.schema import Contact, event_item, last_event
from consentry.table.store import Address
from consentry_build import brandfile
from fuzz.deployment import API_KEY, EMAIL, IP, NOW, ROOT, Deployment, Finding
from support import events, hooks, inbound_emails, ses
from support.memory import contact_image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PAGES: Final = {"s", "c", "u", "p", "healthz"}
"""How the paths of pages begin."""
SIGNS_ALL: Final = ("standard", "sendgrid", "customerio", "hubspot", "klaviyo")
"""Providers whose signature covers the whole body."""
CLAIMS_BASE64: Final = "x-fuzz-base64"
"""A made-up header: the event says that its body is base64, and it is (`yes`) or isn't (`no`)."""


class Tokens:
    """`Tokens.read` raises `NotOursError` or `ExpiredError`, or says what a token of ours says."""

    def __init__(self) -> None:
        self._deployment = Deployment()
        places = self._deployment.places()
        self._ours = {token for name, token in places.items() if name != "{id}"}

    def examples(self) -> Iterator[bytes]:
        for token in sorted(self._ours):
            yield token.encode()
            yield f".{token}".encode()  # as itsdangerous marks a compressed payload
            yield token[:-1].encode()
        yield b"x" * 2_000 + b"." + b"A" * 43

    def __call__(self, data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        for purpose in Purpose:
            try:
                link = self._deployment.tokens.read(purpose, text, NOW)
            except ExpiredError as exc:
                link = exc.link
            except NotOursError:
                continue
            if text not in self._ours or link.purpose is not purpose:
                raise Finding(f"forged: {link}")


class Forms:
    """`Request.form` raises nothing. The first line is the content type."""

    def examples(self) -> Iterator[bytes]:
        yield b"application/x-www-form-urlencoded\nList-Unsubscribe=One-Click&scope=all&topics=a&topics=b&x=%ff%00"
        yield b"multipart/form-data; boundary=x\n" + _MULTIPART
        yield b'multipart/form-data; boundary="a b"\r\n\n--a b\nContent-Disposition: form-data; name=q\n\n1\n--a b--'

    def __call__(self, data: bytes) -> None:
        content_type, _, body = data.partition(b"\n")
        headers = {"content-type": content_type.decode("utf-8", "replace")}
        form = Request("POST", "ANY /u/{token}", {}, {}, headers, body, "https://example.com", IP, NOW).form()
        for name, values in form.items():
            if not values:
                raise Finding("a field without a value")
            "".join([name, *values]).encode()


class Pages:
    """The functions raise nothing, and answer a page: never a fault of theirs.

    Looks like HTTP: method and path, header lines, an empty line, the body. `{confirm}` and the like, in path and
    body, stand for tokens of ours.
    """

    functions = ("subscribe", "confirm", "oneclick", "unsubscribe", "preferences")

    def __init__(self) -> None:
        self._deployment = Deployment()
        self._places = self._deployment.places()
        self._secrets = self._deployment.secrets()

    def examples(self) -> Iterator[bytes]:
        form = b"content-type: application/x-www-form-urlencoded\n"
        yield b"POST /s/demo\n" + form + b"\nemail=ann@example.com&topics=news&topics=offers&lang=de&website="
        yield b'POST /s/demo\naccept: application/json\n\n{"email": "ann@example.com", "topics": ["news"]}'
        yield b"OPTIONS /s/demo/\norigin: https://www.example.com\n\n"
        yield b"GET /s/demo/embed.js?v=1\n\n"
        yield b"GET /s/demo?lang=fr-CH\naccept-language: de-AT;q=0.8, ar, *;q=0\nuser-agent: x\n\n"
        yield b"POST /c/{confirm}\n" + form + b"\nstamp={stamp}&lang=es&answer=yes"
        yield b"POST /c/{expired}\n\naction=resend&answer=no"
        yield b"GET /c/{expired}\n\n"
        yield b"POST /u/{unsubscribe}\n" + form + b"\nList-Unsubscribe=One-Click"
        yield b"POST /u/{unsubscribe}\ncontent-type: multipart/form-data; boundary=x\n\n" + _MULTIPART
        yield b"POST /u/{unsubscribe}\nx-fuzz-base64: yes\n\nscope=pause&days=30&stamp={left}"
        yield b"POST /u/{unsubscribe}\nx-fuzz-base64: no\n\nscope=all%"
        yield b"GET /u/{unsubscribe}\n\n"
        yield b"GET /p/%3C{preferences}%3E.%20=%0D%0A\n\n"
        yield b"POST /u/undo/%253E{undo}/%E2%80%8B\n\n"
        yield b"HEAD /p/{preferences}?lang=ar\n\n"
        yield b"POST /u/undo/{undo}\n\nlang=de"
        yield b"POST /u/reason/{reason}\n" + form + b"\nlang=ar&reason=too_many"
        yield b"POST /u/{unsubscribe}\n" + form + b"\nscope=frequency&frequency=weekly&stamp={left}&lang=de"
        yield b"POST /p/{preferences}\n\ntopics=news&frequency.news=weekly&pause_days=90&locale=fr&shown=news"
        yield b"POST /k/{keep}\n" + form + b"\nstamp={kept}&lang=ja"
        yield b"PUT /healthz\n\n"

    def __call__(self, data: bytes) -> None:
        self._deployment.forget()
        event = _http(data, self._places)
        if event is None or event["rawPath"].split("/")[1] not in PAGES:
            return
        function = events.function(event["rawPath"], event["requestContext"]["http"]["method"])
        handler = self._deployment.function(function).handler
        answer = handler(event, None)
        _require_sound(answer, self._secrets)
        self._deployment.require_quiet()
        method, body = event["requestContext"]["http"]["method"], events_body(event)
        touched = any(self._deployment.store.events.values())
        if touched and method != "POST":
            raise Finding(f"{method} changed something")
        if event["rawPath"] == f"/u/{self._places['{unsubscribe}']}" and method == "POST" and len(body) <= MAX_BODY:
            if b"frequency" in body and answer["statusCode"] == 400:
                return
            if answer["statusCode"] != 200:
                raise Finding("an opt-out was refused")
            if not touched:
                raise Finding("an opt-out was lost")


class Api:
    """The API raises nothing, and answers JSON: never a fault of its own. Looks as for `Pages`; the key is added."""

    functions = ("api",)

    def __init__(self) -> None:
        self._deployment = Deployment()
        self._places = self._deployment.places()
        self._secrets = self._deployment.secrets()

    def examples(self) -> Iterator[bytes]:
        at = "2026-01-02T03:04:05Z"
        event = {"event_id": "1", "kind": "claimed", "email": EMAIL, "topics": ["news"], "occurred_at": at}
        other = {"event_id": "2", "kind": "bounced", "subscriber_id": "{id}", "occurred_at": at, "reference": "r"}
        recipients = [{"email": EMAIL, "reference": "r"}]
        for path, body in (
            ("subscriptions", {"email": EMAIL, "topics": ["news"], "locale": "de-AT", "reference": "r", "source": "s"}),
            ("subscriptions", {"email": EMAIL, "topics": ["news"], "visitor_ip": "2001:db8::7"}),
            ("links", {"topic": "news", "recipients": recipients}),
            ("decisions", {"topic": "news", "emails": [EMAIL, "bücher@bücher.example"]}),
            ("decisions", {"topic": "news", "subscriber_ids": ["{id}"]}),
            ("events", {"events": [event, other, {"kind": []}]}),
            ("subscribers/lookup", {"email": EMAIL}),
        ):
            yield f"POST /v1/{path}\n\n{json.dumps(body)}".encode()
        for call in ("GET {id}", "GET {id}/ledger?start=1", "GET {id}/record", "DELETE {id}"):
            method, _, rest = call.partition(" ")
            yield f"{method} /v1/subscribers/{rest}\n\n".encode()
        yield b"POST /v1/links\nx-fuzz-base64: no\nauthorization: Bearer ck_demo_x\n\n[[[[{}]]]]"

    def __call__(self, data: bytes) -> None:
        self._deployment.forget()
        event = _http(data, self._places)
        if event is None or not event["rawPath"].startswith("/v1/"):
            return
        event["headers"].setdefault("authorization", f"Bearer {API_KEY}")
        event["headers"].pop("idempotency-key", None)  # that is Powertools' and the table's
        answer = self._deployment.function("api").handler(event, None)
        _require_sound(answer, self._secrets)
        json.loads(answer["body"])
        self._deployment.require_quiet([API_KEY])


class Webhooks:
    """The webhook function raises nothing, and answers 200, 400 or 401 to signed calls; nothing forged is believed.

    The first line names the provider; then headers, an empty line, the body.
    """

    functions = ("webhook",)

    def __init__(self) -> None:
        self._deployment = Deployment()
        self._setup = Webhook(hooks.TOPICS, (hooks.ARN,))
        self._secrets = self._deployment.secrets()
        self._signed: set[bytes] = set()
        self._examples = list(self._made())

    def examples(self) -> Iterator[bytes]:
        yield from self._examples

    def __call__(self, data: bytes) -> None:
        self._deployment.forget()
        head, _, body = data.partition(b"\n\n")
        first, *lines = head.decode("utf-8", "replace").split("\n")
        name, _, query = first.partition("?")
        if name not in providers.NAMES:
            return
        headers = dict(_headers(lines))
        self._forged(name, query, headers, body)
        self._signed_anew(name, body)
        self._deployment.require_quiet()

    def _made(self) -> Iterator[bytes]:
        for name in providers.NAMES:
            for kind in ("unsubscribed", "claimed", "complained", "bounced"):
                try:
                    sent = hooks.send(name, hooks.saying(name, kind))
                except KeyError:
                    continue  # this provider doesn't say that
                query = sent.path.partition("?")[2]
                lines = "".join(f"{key.lower()}: {value}\n" for key, value in sent.headers.items())
                self._signed.add(sent.body)
                yield f"{name}?{query}\n{lines}\n".encode() + sent.body

    def _forged(self, name: str, query: str, headers: dict[str, str], body: bytes) -> None:
        url = f"https://links.example.com/hooks/demo/{name}"
        call = Call("POST", headers, {"key": query.removeprefix("key=")}, body, (url,))
        provider = providers.provider(name)
        try:
            provider.verify(call, self._setup, hooks.secrets_of(name), NOW)
        except (UnsignedError, UnreadableError, UnreachableError):
            return
        if name in SIGNS_ALL and body not in self._signed:
            raise Finding(f"a forged call of {name} was believed")

    def _signed_anew(self, name: str, body: bytes) -> None:
        sent = hooks.send(name, body)
        event = events.http("POST", sent.path, body=sent.body, headers=sent.headers, as_base64=True)
        answer = self._deployment.function("webhook").handler(event, None)
        _require_sound(answer, self._secrets)
        if answer["statusCode"] not in {200, 400, 401, 413}:
            raise Finding(f"{name} is answered {answer['statusCode']}")
        self._translated(name, body)

    def _translated(self, name: str, body: bytes) -> None:
        """Also what the function doesn't come to: bodies that carry their own signature."""
        try:
            reading = providers.provider(name).translate(Call("POST", {}, {}, body, ()), self._setup)
        except (UnreadableError, UnsignedError):
            return
        brand, reports = self._deployment.parts.brands.get("demo"), self._deployment.parts.reports
        assert brand
        reports.take_all(brand, reading.reports, Channel.WEBHOOK, NOW, name)
        for old, new in reading.moved:
            reports.move(brand, old, new, Channel.WEBHOOK, NOW, name)
        for email in reading.erase:
            reports.forget(brand, email, Channel.WEBHOOK, NOW)


class Rows:
    """Reading rows raises `UnusableInputError`, at any time; a row is read, or is `Malformed` and names nobody.

    The first line is the preset and the form.
    """

    def __init__(self) -> None:
        self._deployment = Deployment()
        self._brand = self._deployment.parts.brands.get("demo")

    def examples(self) -> Iterator[bytes]:
        files = sorted((ROOT / "tests/cli/samples").iterdir())
        for file in files:
            preset = next((name for name in presets.PRESETS if name in file.name), "mailchimp")
            form = CSV if file.suffix == ".csv" else NDJSON
            yield f"{preset} {form} {file.name}\n".encode() + file.read_bytes()
        yield b"plain csv x.csv\nemail,status,topics,occurred_at,reference\na@example.com,subscribed,all,1704067200,r\n"
        yield b'plain ndjson x.json\n{"email":"a@example.com","status":"bounced","topics":["news"],"occurred_at":1.5}\n'

    def __call__(self, data: bytes) -> None:
        first, _, rest = data.partition(b"\n")
        name, form, file = (*first.decode("utf-8", "replace").split(" "), "", "")[:3]
        preset = presets.PRESETS.get(name, presets.PLAIN)
        form = form if form in {CSV, NDJSON} else CSV
        stream = io.TextIOWrapper(io.BytesIO(rest), encoding="utf-8-sig", errors="surrogateescape", newline="")
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="surrogateescape", newline="")
        try:
            reader = Reader(stream, form, who=preset.who())
            said = presets.of_file(preset, file, reader.first, None)
            reports = self._deployment.parts.reports
            interpreter = importing.Interpreter(reports, self._brand, preset, reader, said, ("news",), NOW)
            writer = Writer(out, form, reader.columns, ())
            for row in reader:
                self._take(row, interpreter, writer)
        except UnusableInputError:
            return

    def _take(self, row: Any, interpreter: importing.Interpreter, writer: Writer) -> None:
        if isinstance(row, Malformed):
            return
        writer.row(row.values)
        try:
            fact = interpreter.fact(row)
        except (UnusableRowError, InvalidReportError) as exc:
            if len(str(exc)) > 200:
                raise Finding("a complaint that repeats what it is about") from exc
            return
        if fact:
            self._deployment.store.record(fact.event)


class Records:
    """Courier and notifier answer which records failed, or raise `AllFailedError`. The input is JSON: `dynamodb`."""

    functions = ("courier", "notifier")

    def __init__(self) -> None:
        self._deployment = Deployment()

    def examples(self) -> Iterator[bytes]:
        event = _event()
        key = {"pk": {"S": event.partition_key}}
        state = key | {"sk": {"S": "STATE"}, "in.news": {"N": "1"}, "last_event": last_event(event)}
        frequency = {"frequency.news": {"L": [{"N": "1"}, {"S": "e"}, {"S": "weekly"}]}}
        contact = contact_image(event, Contact(EMAIL, "de", ("news",), NOW, "e"))
        for new, old in ((state | frequency, {}), (state, state | {"complaint": {"N": "5"}}), (contact, {})):
            keys = {"pk": new["pk"], "sk": new["sk"]}
            yield json.dumps({"Keys": keys, "NewImage": new, "OldImage": old}).encode()

    def __call__(self, data: bytes) -> None:
        try:
            record = json.loads(data)
        except (ValueError, RecursionError):
            return
        if not isinstance(record, dict):
            return
        self._deployment.forget()
        self._deployment.store.contacts[self._deployment.subscriber_id] = Contact(EMAIL, "de", ("news",), NOW, "e", "r")
        record["SequenceNumber"] = "1"
        for function in ("courier", "notifier"):
            event = {"eventID": "1", "eventName": "MODIFY", "eventSource": "aws:dynamodb", "dynamodb": record}
            try:
                answer = self._deployment.function(function).handler({"Records": [event]}, None)
            except AllFailedError as exc:
                if str(exc) != "all 1 records failed":
                    raise Finding("an exception that tells more than how many") from exc
            else:
                if answer != {"batchItemFailures": []}:
                    raise Finding(f"an odd answer: {answer}")
        self._deployment.require_quiet()


class Messages:
    """Courier, notifier, drain and archive answer which messages failed. The first line names the function."""

    functions = ("courier", "notifier", "drain", "archive")

    def __init__(self) -> None:
        self._deployment = Deployment()

    def examples(self) -> Iterator[bytes]:
        event = _event()
        yield b"drain\n" + Spooled(event, Evidence(IP, "x"), 365, Address.FORGET).to_json().encode()
        yield b"drain\n" + Spooled(event._replace(topics=("*",), suspected_automation=True)).to_json().encode()
        token = self._deployment.token(Purpose.UNSUBSCRIBE)
        kept = Unverified(Purpose.UNSUBSCRIBE, token, NOW, Channel.PAGE, pause_days=30, evidence=Evidence(IP, "x"))
        yield b"drain\n" + kept.to_json().encode()
        yield b"drain\n" + kept._replace(pause_days=0, everything=True, locale="de").to_json().encode()
        yield b"archive\n" + Task("2026-10", "20261102T032000Z-0a1b2c3d", 0, 8).to_json().encode()
        yield b"courier\n" + json.dumps(["demo", event.subscriber_id, NOW]).encode()
        data = {"topics": {"news": {"status": "subscribed", "previous": "none"}}, "kind": "confirmed"}
        told = {"brand": "demo", "endpoint": "crm", "subscriber_id": event.subscriber_id, "event_id": "e"}
        yield b"notifier\n" + json.dumps({**told, "timestamp": NOW, "data": data}).encode()

    def __call__(self, data: bytes) -> None:
        function, _, body = data.partition(b"\n")
        if function.decode("ascii", "replace") not in self.functions:
            return
        self._deployment.forget()
        text = body.decode("utf-8", "replace")
        message = {"messageId": "1", "receiptHandle": "r", "body": text, "eventSource": "aws:sqs"}
        message["attributes"] = {"ApproximateReceiveCount": "1"}
        answer = self._deployment.function(function.decode()).handler({"Records": [message]}, None)
        if answer not in ({"batchItemFailures": []}, {"batchItemFailures": [{"itemIdentifier": "1"}]}):
            raise Finding(f"an odd answer: {answer}")
        self._deployment.require_quiet()
        self._as_spooled(text)

    def _as_spooled(self, text: str) -> None:
        """`spool.from_json` raises what it says, or reads what can be recorded and queued again."""
        try:
            waiting = spool.from_json(text)
        except (ValueError, TypeError, KeyError):
            return
        if isinstance(waiting, Spooled):
            event_item(waiting.event)
        if spool.from_json(waiting.to_json()) != waiting:
            raise Finding("an event that changes in the queue")


class Feedback:
    """The feedback answers which messages failed, and says nothing of what is in them."""

    functions = ("feedback",)

    def __init__(self) -> None:
        self._deployment = Deployment()

    def examples(self) -> Iterator[bytes]:
        for event in (
            ses.bounce(EMAIL, at=NOW, brand="demo"),
            ses.complaint(EMAIL, at=NOW, brand="demo"),
            ses.subscription(EMAIL, at=NOW, topics=[("news", "OptOut")]),
        ):
            yield json.dumps(event).encode()
        yield ses.HELLO.encode()

    def __call__(self, data: bytes) -> None:
        self._deployment.forget()
        text = data.decode("utf-8", "surrogateescape")
        message = {"messageId": "1", "receiptHandle": "r", "body": text, "eventSource": "aws:sqs"}
        message["attributes"] = {"ApproximateReceiveCount": "1"}
        answer = self._deployment.function("feedback").handler({"Records": [message]}, None)
        if answer not in ({"batchItemFailures": []}, {"batchItemFailures": [{"itemIdentifier": "1"}]}):
            raise Finding(f"an odd answer: {answer}")
        self._deployment.require_quiet()


class Mails:
    """The mailbox reads whatever comes in; no mail comes back.

    Only by a token of ours is anybody opted out, or complains; or they are the sender, and the ledger says so.
    """

    functions = ("mailbox",)

    def __init__(self) -> None:
        self._deployment = Deployment()
        self._token = self._deployment.token(Purpose.UNSUBSCRIBE)
        link = Link(Purpose.UNSUBSCRIBE, "demo", self._deployment.subscriber_id, ("news",))
        self._address = f"{local_part(self._deployment.tokens, link)}@reply.meadow.example"
        record = {"eventTime": "2027-01-15T08:00:00.000Z", "s3": {"bucket": {"name": "b"}, "object": {"key": "k"}}}
        body = json.dumps({"Records": [record]})
        self._message = {"messageId": "1", "receiptHandle": "r", "body": body, "eventSource": "aws:sqs"}
        self._message["attributes"] = {"ApproximateReceiveCount": "1"}

    def examples(self) -> Iterator[bytes]:
        head = f"From: Ann <{EMAIL}>\nTo: unsubscribe@reply.meadow.example\n"
        yield f"{head}Subject: {self._token}\n\n".encode()
        yield f"From: Ann <{EMAIL}>\nTo: Leave <{self._address}>\n\nGoodbye".encode()
        yield f"{head}Subject: =?utf-8?q?{self._token[:60]}?=\n =?utf-8?b?Zm9v?=\nAuto-Submitted: no\n\n".encode()
        parts = f"--x\nContent-Type: text/html\n\n<a href='https://e.example/u/{self._token}'>\n--x--\n"
        yield f"{head}MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n{parts}".encode()
        report = "Content-Type: multipart/report; report-type=delivery-status; boundary=x\nReturn-Path: <>\n"
        yield f"{head}{report}Subject: {self._token}\n\n--x\n\n--x--".encode()
        yield f"{head}Auto-Submitted: auto-replied\nX-Apple-Unsubscribe: true\nSubject: {self._token}\n\n".encode()
        yield f"{head}\nhttps://urldefense.com/v3/__https://e.example/u/{self._token}*x__;Pw!!a!b$".encode()
        yield f"{head}\nhttps://a.protection.sophos.com/?u=aHR0cHM6Ly9lLmV4YW1wbGUvdS8&i=x".encode()
        for encoding in ("base64", "quoted-printable", ""):
            yield inbound_emails.feedback_report(
                inbound_emails.marketing(f"<mailto:{self._address}>"), encoding=encoding
            )
        yield inbound_emails.signed(author=EMAIL)
        yield inbound_emails.signed(
            head="DKIM-Signature: d=example.com; h=from:to; l=1\n", results="dkim=pass; dmarc=pass"
        )

    def __call__(self, data: bytes) -> None:
        self._deployment.forget()
        self._deployment.inbox.raw = data
        answer = self._deployment.function("mailbox").handler({"Records": [self._message]}, None)
        if answer != {"batchItemFailures": []}:
            raise Finding(f"a mail comes back: {answer}")
        self._deployment.require_quiet()
        for person, told in self._deployment.store.events.items():
            if person != self._deployment.subscriber_id and {event.kind for event in told} - {Kind.SENDER}:
                raise Finding("somebody was opted out by a token that nobody signed")


class BrandFiles:
    """A brand file has faults, or is compiled into one that the functions can read."""

    def __init__(self) -> None:
        self._file = Path(tempfile.mkdtemp(prefix="consentry-fuzz-")) / "demo.yaml"

    def examples(self) -> Iterator[bytes]:
        # Short ones: YAML is read at some 30 KB/s.
        topics = b"topics: {news: {mode: opt_in, name: {en: N, de: M}, frequencies: [every, weekly]}}\n"
        yield b"name: A\nlanguages: [en, de]\nsender: a@a.example\npostal_address: Bath, UK\n" + topics
        theme = b"theme: {accent: '#2f6b3c', logo: '<svg viewBox=\"0 0 1 1\"><path d=\"M0 0\"/></svg>'}\n"
        hooked = b"webhooks: {sns: {arns: ['arn:aws:sns:us-east-1:000000000000:a'], topics: {n: [news]}}}\n"
        told = b"notifications: [{id: crm, url: 'http://127.0.0.1/', private_network: true}]\nevidence_days: 1\n"
        yield (
            b"name: A\nlanguages: [en, de]\nsender: a@a.example\npostal_address: Bath, UK\n"
            + topics
            + theme
            + hooked
            + told
        )
        yield b"name: 2001-99-99\n"
        yield b"sender: !!int x\nname: !!binary x\n? [a]\n: b"

    def __call__(self, data: bytes) -> None:
        self._file.write_bytes(data)
        found = brandfile.faults_of(self._file)
        if found:
            "\n".join(map(str, found)).encode()
            return
        (compiled,) = brandfile.compile_folder(self._file.parent)
        brand = brands.from_json(json.loads(json.dumps(compiled, ensure_ascii=False).encode()))
        if brand.id != "demo" or not brand.topics or not brand.languages:
            raise Finding("a brand that can't be used")


class Addresses:
    """`addresses.parse` and `identify` raise `MalformedAddressError`, which repeats nothing, or answer one mailbox.

    What both take is the same person.
    """

    def examples(self) -> Iterator[bytes]:
        for each in ("Ann.Smith@Example.COM", "ann@bücher.example", "информация@пример.рф", '"a b"@example.com'):
            yield each.encode()
        yield b"=?utf-8?q?a?=@example.com"
        yield b" ann+tag@xn--bcher-kva.example\r\nBcc: x@example.com"
        yield b'"Lee, Ann" <mailto:a..b@docomo.ne.jp>.'

    def __call__(self, data: bytes) -> None:
        text = data.decode("utf-8", "surrogateescape")
        known = self._identified(text)
        try:
            found = addresses.parse(text)
        except MalformedAddressError as exc:
            if len(text.strip()) > 3 and text.strip() in str(exc) and "@" in text:
                raise Finding("an error that repeats the address") from exc
            return
        if addresses.parse(found.deliverable).normalised != found.normalised:
            raise Finding("the same mailbox under two names")
        if not found.deliverable.isprintable() or any(each.isspace() for each in found.deliverable):
            raise Finding("an address that could break a header")
        addresses.subscriber_id(b"pepper", found)
        if not text.strip().startswith("'") and known != found.normalised:
            raise Finding("one person under two names")

    def _identified(self, text: str) -> str:
        try:
            known = addresses.identify(text).address
        except MalformedAddressError as exc:
            if len(text.strip()) > 3 and text.strip() in str(exc) and "@" in text:
                raise Finding("an error that repeats the address") from exc
            return ""
        addresses.subscriber_id(b"pepper", known)
        return known.normalised


class Languages:
    """`languages.negotiate` raises nothing, and answers a language that is offered. Lines: header, then wishes."""

    def examples(self) -> Iterator[bytes]:
        yield b"de-AT;q=0.8, fr;q=NaN, *;q=0, ar;q=1e309\nzh-Hant-TW\nEN_us"

    def __call__(self, data: bytes) -> None:
        header, *wishes = data.decode("utf-8", "replace").split("\n")
        if languages.negotiate(("en", "de", "ar"), *wishes, accept_language=header) not in {"en", "de", "ar"}:
            raise Finding("a language that isn't offered")


TARGETS: Final[dict[str, Callable[[], Any]]] = {
    "tokens": Tokens,
    "forms": Forms,
    "pages": Pages,
    "api": Api,
    "webhooks": Webhooks,
    "rows": Rows,
    "records": Records,
    "messages": Messages,
    "feedback": Feedback,
    "mails": Mails,
    "brandfiles": BrandFiles,
    "addresses": Addresses,
    "languages": Languages,
}
"""By name."""

_MULTIPART: Final = (
    b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x\r\n'
    b'Content-Disposition: form-data; name="f"; filename="g"\r\nContent-Type: text/plain\r\n\r\n1\r\n--x--\r\n'
)


def _event() -> Event:
    """An opt-out with everything in it."""
    chosen = {"pause": Choice(NOW, "e", str(NOW)), "locale": Choice(NOW, "e", "de")}
    effect = Consent({"out.news": NOW}, chosen)
    return Event(
        "e", Kind.UNSUBSCRIBED, "demo", "K9Xdq1X4AVefMXC3P9olGg", NOW, NOW, Actor.RECIPIENT, Channel.PAGE, effect,
        ("news",), "de", "1234567890ab", "spring", "", evidence_hash="",
    )  # fmt: skip


def _http(data: bytes, places: dict[str, str]) -> dict[str, Any] | None:
    """The event of a request; None if a gateway has no route for it."""
    head, _, body = data.partition(b"\n\n")
    first, *lines = head.decode("utf-8", "replace").split("\n")
    method, _, url = first.partition(" ")
    for name, token in places.items():
        url, body = url.replace(name, token), body.replace(name.encode(), token.encode())
    if not url.startswith("/"):
        return None
    headers = dict(_headers(lines))
    claims = headers.pop(CLAIMS_BASE64, "")
    event = events.http(method, url, body=body, headers=headers, ip=IP, as_base64=claims == "yes")
    if claims == "no":
        event["isBase64Encoded"] = True
    return None if event["routeKey"] == "ANY $default" else event


def events_body(event: dict[str, Any]) -> bytes:
    """The body of an event, at its largest: what claims to be base64 only gets shorter."""
    return str(event.get("body") or "").encode("utf-8", "surrogateescape")


def _headers(lines: list[str]) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, colon, value = line.partition(":")
        if colon and name.strip():
            yield name.strip().lower(), value.strip()


def _require_sound(answer: dict[str, Any], secrets: list[str]) -> None:
    """An answer that API Gateway takes, that is no fault of ours and gives nothing away."""
    status, body = answer["statusCode"], answer["body"]
    if not 200 <= status < 500:
        raise Finding(f"answered {status}")
    headers = {**{name: [str(value)] for name, value in (answer.get("headers") or {}).items()}}
    headers |= answer.get("multiValueHeaders") or {}
    for name, values in headers.items():
        if any("\r" in each or "\n" in each or not each.isascii() for each in (name, *values)):
            raise Finding(f"the header {name} is broken")
    if missing := set(ALWAYS) - {name.lower() for name in headers}:
        raise Finding(f"headers are missing: {missing}")
    body.encode()
    if "Traceback (most recent" in body:
        raise Finding("a stack trace")
    if any(each in body for each in secrets):
        raise Finding("an answer that holds a secret")
