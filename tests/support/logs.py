"""What went through a deployment and may stand in no log: addresses, tokens, keys, secrets, IP addresses, devices."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus, urlsplit

ADDRESS: Final = re.compile(r"[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
"""No more before the @ than an address may have: in a long text without one, more would take a minute."""
TOKEN: Final = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])")
_SENT_ALONG: Final = ("x-forwarded-for", "user-agent")
_CREDENTIALS: Final = ("authorization", "idempotency-key")
_SHORTEST: Final = 6
"""Characters; anything shorter would be found by chance."""
_NO_LANGUAGE: Final = 10
"""Characters of a value in a query that may be a secret."""
_EMULATORS_OWN: Final = re.compile(r"^\S+ \S+ INFO \[ses(?:-v2)?\] .*$", re.MULTILINE)
"""What the emulator's SES says of the emails that it takes, with their recipients. No function wrote it."""


class Noted:
    """Secrets, as they become known."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()

    def note(self, *secrets: str) -> None:
        """These may stand in no log, in whatever spelling."""
        self.secrets |= {each.strip() for each in secrets if len(each.strip()) >= _SHORTEST}

    def note_all(self, value: Any) -> None:
        """Every text in a document, such as a deployment's secrets."""
        if isinstance(value, Mapping):
            self.note_all(list(value.values()))
        elif isinstance(value, str):
            self.note(value)
        elif isinstance(value, Iterable):
            for each in value:
                self.note_all(each)

    def note_call(self, url: str, body: bytes | None, headers: Mapping[str, str]) -> None:
        """What a request holds: tokens and addresses wherever they stand, credentials, and whose device it was."""
        parts = urlsplit(url)
        told = body.decode("utf-8", "replace") if body else ""
        for text in (url, unquote_plus(url), told, unquote_plus(told)):
            self.note(*ADDRESS.findall(text), *TOKEN.findall(text))
        self.note(*(value for _, value in parse_qsl(parts.query) if len(value) >= _NO_LANGUAGE))
        for name, value in headers.items():
            if name.lower() in _SENT_ALONG:
                self.note(value)
            if name.lower() in _CREDENTIALS:
                self.note(value.rpartition(" ")[2])

    def note_answer(self, text: str) -> None:
        """What an answer holds: tokens. Addresses in it are examples, brands' own, or were sent before."""
        self.note(*TOKEN.findall(text))

    def found_in(self, logs: Mapping[str, str]) -> list[str]:
        """Where something stands that may not: the log and the line, with the secret in the spelling that was found."""
        found = []
        for log, text in logs.items():
            searched = _EMULATORS_OWN.sub("", text)
            folded = searched.casefold()
            for secret in sorted(self.secrets):
                spelt = next((each for each in _plain(secret) if each.casefold() in folded), None)
                spelt = spelt or next((each for each in _encoded(secret) if each in searched), None)
                if spelt is not None:
                    at = folded.index(spelt.casefold())
                    found.append(f"{log}: {spelt!r} in {searched[max(0, at - 100) : at + len(spelt) + 20]!r}")
        return found


def _plain(secret: str) -> set[str]:
    """The spellings in which case means little: as it is, in JSON, in a URL, in hexadecimal."""
    once, twice = json.dumps(secret)[1:-1], json.dumps(json.dumps(secret))[3:-3]
    return {secret, once, twice, quote(secret), quote(secret, safe=""), quote_plus(secret), secret.encode().hex()}


def _encoded(secret: str) -> set[str]:
    """Base64, wherever in a longer text it begins: what surrounds it changes the first and last letters alone."""
    found = set()
    for before in range(3):
        raw = bytes(before) + secret.encode()
        letters = base64.b64encode(raw).decode().rstrip("=")
        inner = letters[(0, 2, 3)[before] : len(raw) * 8 // 6]
        found |= {inner, inner.replace("+", "-").replace("/", "_")}
    return found


def written_by(told: Mapping[str, Any], client: Any) -> dict[str, str]:
    """Every log of a running stack, by name: what each function wrote, and the files of the stack itself.

    Args:
        told: the content of its `stack.json`.
        client: of CloudWatch Logs there.
    """
    logs = {}
    for page in client.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            events = client.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            lines = [event["message"] for each in events for event in each["events"]]
            logs[group["logGroupName"]] = "\n".join(lines)
    folder = Path(told["log"]).parent
    for file in (*folder.glob("*.log"), *folder.parents[1].glob("*.log")):
        logs[file.name] = file.read_text("utf-8", "replace")
    return logs
