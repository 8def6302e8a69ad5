"""The search of the end-to-end tests' logs finds what it looks for: it is tried on logs with a leak planted."""

from __future__ import annotations

import base64
import json
import time
from urllib.parse import quote_plus

import pytest

from support.logs import Noted

EMAIL = "anton+x@example.com"
TOKEN = "dXxkZW1vfEs5WGRxMVg0QVZlZk1YQzNQOW9sR2d8bmV3c3w." + "J3kq0" * 8 + "abc"
KEY = "ck_demo_0a1b2c3d_xyzxyzxyz"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def noted() -> Noted:
    found = Noted()
    found.note_all({"standard": SECRET, "several": [SECRET]})
    body = f"email={quote_plus(EMAIL)}&topics=news".encode()
    headers = {"Authorization": f"Bearer {KEY}", "X-Forwarded-For": "198.51.100.23", "accept": "text/html"}
    found.note_call(f"https://links.example.com/u/{TOKEN}?key=in-the-query", body, headers)
    return found


def test_all_that_a_call_holds_is_looked_for(noted: Noted) -> None:
    assert noted.secrets == {SECRET, EMAIL, TOKEN, KEY, "198.51.100.23", "in-the-query"}


def test_tokens_of_an_answer_are_looked_for() -> None:
    noted = Noted()
    noted.note_answer(f'<form action="/u/undo/{TOKEN}">')
    assert noted.secrets == {TOKEN}


def test_a_long_text_is_read_in_no_time() -> None:
    noted = Noted()
    spent = time.process_time()
    noted.note_call("https://links.example.com/s/demo", b"x" * 70_000 + f" {EMAIL}".encode(), {})
    assert time.process_time() - spent < 5, "seconds of CPU; in quadratic time it was a minute"
    assert any(EMAIL.endswith(each) for each in noted.secrets)


@pytest.mark.parametrize("secret", [EMAIL, TOKEN, KEY, SECRET, "198.51.100.23"])
@pytest.mark.parametrize(
    "spelling",
    [
        str,
        str.upper,
        quote_plus,
        json.dumps,
        lambda secret: json.dumps({"message": json.dumps({"email": secret})}),
        lambda secret: secret.encode().hex(),
        *(
            lambda secret, before=before, encode=encode: encode(f"{'x' * before}{secret}yz".encode()).decode()
            for before in range(4)
            for encode in (base64.b64encode, base64.urlsafe_b64encode)
        ),
    ],
)
def test_a_leak_is_found_in_whatever_spelling(noted: Noted, secret: str, spelling: object) -> None:
    assert callable(spelling)
    logs = {"quiet": "START RequestId: 1\n{}", "loud": f'{{"message": "about {spelling(secret)}"}}'}
    assert [each.partition(":")[0] for each in noted.found_in(logs)] == ["loud"]


def test_what_was_never_sent_is_not_found(noted: Noted) -> None:
    assert noted.found_in({"log": '{"kind": "fault", "route": "ANY /u/{token}", "to": "bob@example.com"}'}) == []


def test_the_emulators_own_line_about_a_mail_is_no_leak_and_what_stands_beside_it_is() -> None:
    noted = Noted()
    noted.note("ann@example.com")
    own = "2026-11-23 17:35:39 INFO [ses-v2] SESv2 SendEmail: MessageId=1 | hello@meadow.example -> ['ann@example.com']"
    assert noted.found_in({"emulator.log": f"{own}\n{{}}"}) == []
    assert noted.found_in({"emulator.log": f'{own}\n{{"to": "ann@example.com"}}'})
