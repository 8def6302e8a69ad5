"""A running stack, and what a person, a platform and an operator can do with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import boto3
import urllib3

from dev.emulator.deploy import STACK
from dev.emulator.stack import running
from dev.preview.forms import forms_in
from support import logs
from support.waiting import eventually

VISITOR: Final = {"x-forwarded-for": "198.51.100.23", "user-agent": "Mozilla/5.0 (a device like no other, 5f3a9c)"}
"""Who calls, unless a test says otherwise: easy to find in a log."""

_FUNCTIONS: Final = {
    "s": "Subscribe",
    "c": "Confirm",
    "u": "Unsubscribe",
    "p": "Preferences",
    "v1": "Api",
    "hooks": "Webhook",
}


@contextmanager
def standing(folder: Path, **how: Any) -> Iterator[Stack]:
    """A stack of one's own, whose logs are searched before it ends for all that went through it; see `running`."""
    with running(folder, **how) as told:
        stack = Stack(told)
        yield stack
        stack.require_quiet_logs()


class Answer(NamedTuple):
    """An HTTP answer."""

    status: int
    headers: Any
    text: str

    def json(self) -> Any:
        return json.loads(self.text)

    def fields(self, number: int = 0) -> dict[str, str]:
        """What one of the page's forms sends if nobody touches it."""
        return dict(forms_in(self.text)[number].fields)


class Stack:
    """What a person, a platform and an operator can do with a running stack."""

    def __init__(self, told: dict[str, Any]) -> None:
        self.told = told
        self.base: str = told["base_url"]
        self.noted = logs.Noted()
        self.called: set[str] = set()
        """The functions that answered, by the first segment of the path."""
        self.noted.note_all([told["api_keys"], told["webhook_secrets"]])
        self._http = urllib3.PoolManager(retries=False, timeout=60, maxsize=16)
        self.dynamodb = self.client("dynamodb")

    def client(self, service: str) -> Any:
        """An operator's client of the embedded AWS."""
        credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(  # type: ignore[call-overload]  # the service is a variable here
            service, endpoint_url=self.told["aws_endpoint_url"], region_name=self.told["region"], **credentials
        )

    def output(self, name: str) -> str:
        """One of the template's outputs."""
        (stack,) = self.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
        return next(str(each["OutputValue"]) for each in stack["Outputs"] if each["OutputKey"] == name)

    def call(
        self,
        method: str,
        path: str,
        *,
        form: dict[str, str] | list[tuple[str, str]] | None = None,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        url = path if path.startswith("http") else self.base + path
        sent = VISITOR | {name.lower(): value for name, value in (headers or {}).items()}
        if form is not None:
            body = urlencode(form).encode()
            sent["content-type"] = "application/x-www-form-urlencoded"
        self.noted.note_call(url, body, sent)
        answer = self._http.request(method, url, body=body, headers=sent, redirect=False)
        function = _FUNCTIONS.get(urlsplit(url).path.split("/")[1])
        if function and answer.status < 400:
            self.called.add(function)
        text = answer.data.decode()
        self.noted.note_answer(text)
        return Answer(answer.status, answer.headers, text)

    def api(self, method: str, path: str, body: Any = None, *, brand: str = "demo", **headers: str) -> Answer:
        sent = {
            "authorization": f"Bearer {self.told['api_keys'][brand]}",
            "content-type": "application/json",
            **headers,
        }
        return self.call(method, path, body=None if body is None else json.dumps(body).encode(), headers=sent)

    def mails_to(self, address: str) -> list[dict[str, Any]]:
        outbox = self.call("GET", self.told["outbox_url"]).json()
        return [mail for mail in outbox if mail["to"] == address]

    def mail_to(self, address: str, number: int = 1) -> dict[str, Any]:
        """The `number`th mail to an address, once it is there."""
        mails = eventually(lambda: self.mails_to(address), lambda mails: len(mails) >= number)
        return mails[number - 1]

    def status(self, address: str, topic: str = "news", brand: str = "demo") -> str:
        answer = self.api("POST", "/v1/subscribers/lookup", {"email": address}, brand=brand)
        return str(answer.json()["topics"][topic]["status"])

    def require_quiet_logs(self) -> None:
        """No log names anybody that the tests dealt with, or holds a token, key or secret; and there are logs."""
        credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        client = boto3.client(
            "logs", endpoint_url=self.told["aws_endpoint_url"], region_name=self.told["region"], **credentials
        )
        written = logs.written_by(self.told, client)
        logged = {name for name, text in written.items() if "START RequestId" in text}
        for function in {"Unsubscribe", *self.called}:  # readiness was asked of /healthz
            assert any(name.endswith(f"/{function}Logs") for name in logged), (
                f"no log of {function} was found: {logged}"
            )
        assert "Lambda worker spawned" in written["emulator.log"]
        assert "ready " in written["stack.log"]
        assert self.noted.secrets
        found = self.noted.found_in(written)
        assert not found, "logs hold what they may not:\n" + "\n".join(found[:10])

    def items(self, subscriber_id: str) -> list[dict[str, Any]]:
        """Everything that the table holds on a subscriber."""
        found: list[dict[str, Any]] = self.dynamodb.query(
            TableName=self.told["table_name"],
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": f"S#demo#{subscriber_id}"}},
        )["Items"]
        return found
