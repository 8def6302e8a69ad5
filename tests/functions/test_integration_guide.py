"""The integration guide says what is so: each of its blocks is run, from top to bottom, in one deployment.

What is done with a block:

    http    sent to the function that answers it, which has to like it; or, to the endpoint's URL: what that got last
    json    the answer to the block before; `…` stands for anything
    python  run; what it defines is there for the steps after it
    sh      run, a command a line
    yaml    put into the brand's file
    csv     a file
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import Any, Final

import boto3
import pytest
import standardwebhooks.webhooks
import yaml
from aws_lambda_powertools.utilities.batch.exceptions import BatchProcessingError
from click.testing import CliRunner

from consentry.actions import notifications
from consentry.http import outgoing
from consentry.rules.consent import EVERY_TOPIC, opt_out
from consentry.rules.ledger import Kind
from consentry_cli import deployment
from consentry_cli.main import main
from support.world import NOW, World

ROOT: Final = Path(__file__).parents[2]
GUIDE: Final = (ROOT / "docs/integrating.md").read_text("utf-8")
BLOCK: Final = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINKS: Final = "https://links.example.com"


class Clock(dt.datetime):
    """What the receiver's package takes for now."""

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return dt.datetime.fromtimestamp(NOW / 1000, tz)


class Platform:
    """Somebody who does what the guide says, and whose endpoint is where the guide says."""

    def __init__(self, world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world, self.folder, self.monkeypatch = world, folder, monkeypatch
        self.sqs = boto3.client("sqs")
        self.key = self.secret = self.endpoint = self.unsubscribe_url = ""
        self.answer: Any = None
        self.defined: dict[str, Any] = {}
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.seen: set[str] = set()
        self.work: list[Any] = []
        for name in ("QUEUE", "DEAD_LETTERS"):
            monkeypatch.setenv(name, self.sqs.create_queue(QueueName=name)["QueueUrl"])
        world.deploy(notification_queue_url=os.environ["QUEUE"])
        monkeypatch.setattr(outgoing, "post", self.called)
        monkeypatch.setattr(standardwebhooks.webhooks, "datetime", Clock)
        monkeypatch.setattr(deployment, "WRITERS", 1)  # moto can't be written to by several threads
        shutil.copytree(ROOT / "tests/brands", folder / "brands")
        monkeypatch.chdir(folder)

    def follow(self, language: str, name: str, text: str) -> None:
        """Do what one block says."""
        getattr(self, f"_{language}")(text, name)

    def called(self, url: str, body: bytes, headers: dict[str, str], **_: Any) -> int:
        """The platform's endpoint."""
        assert url == self.endpoint
        self.got.append((headers, body))
        status: int = self.defined["receive"](headers, body, self.secret, self.seen, self.work)
        return status

    def _http(self, text: str, _: str) -> None:
        head, _, body = text.rstrip("\n").partition("\n\n")
        (method, url), *lines = (line.split(" ", 1) for line in head.split("\n"))
        headers = {name.rstrip(":").lower(): value for name, value in lines}
        if url == self.endpoint:
            sent, got = self.got[-1]
            assert_fits(headers, {name: sent[name] for name in headers})
            assert_fits(json.loads(body), json.loads(got))
            return
        if url.endswith("/u/…"):
            url = self.unsubscribe_url
        headers = {name: value.replace("KEY", self.key) for name, value in headers.items()}
        before = self.world.items()
        for _again in range(2 if "idempotency-key" in headers else 1):
            had, self.answer = self.answer, self.world.send(method, url.removeprefix(LINKS), body=body, headers=headers)
            assert self.answer.status // 100 == 2, self.answer.body
        assert "idempotency-key" not in headers or had.body == self.answer.body
        if url == "/v1/links":
            self.unsubscribe_url = self.answer.json["links"][0]["unsubscribe_url"]
        self._notify(before)

    def _json(self, text: str, _: str) -> None:
        assert_fits(json.loads(text), self.answer.json)

    def _python(self, text: str, _: str) -> None:
        exec(text, self.defined)  # noqa: S102 - our own page

    def _sh(self, text: str, _: str) -> None:
        for line in text.splitlines():
            if line.startswith(". .local/env"):
                continue  # here the world is set already
            name, *words = shlex.split(os.path.expandvars(line))
            assert name == "consentry"
            done = CliRunner().invoke(main, words, input="user:a-long-password\n")
            assert done.exit_code == 0, done.output
            self.key = done.stdout.strip() if words[0] == "api-keys" else self.key
            self.secret = done.stdout.strip() if "add-secret" in words else self.secret
        self.world.deploy()  # as in a container that was just started

    def _yaml(self, text: str, _: str) -> None:
        path = self.folder / "brands/demo.yaml"
        path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text("utf-8")) | yaml.safe_load(text)), "utf-8")
        brand = deployment.brand(None, "demo")
        self.monkeypatch.setattr(self.world.deployment.brands, "_brands", {"demo": brand})
        (self.endpoint,) = (each.url for each in brand.notifications)

    def _csv(self, text: str, name: str) -> None:
        (self.folder / name).write_text(text, "utf-8")

    def _notify(self, before: list[dict[str, Any]]) -> None:
        """What AWS does with a change: from the table's stream to the notifier, to the queue, and back to it."""
        old = {(item["pk"]["S"], item["sk"]["S"]): item for item in before}
        records = []
        for item in self.world.items():
            image = {"Keys": {"pk": item["pk"], "sk": item["sk"]}, "NewImage": item, "SequenceNumber": "1"}
            was = old.get((item["pk"]["S"], item["sk"]["S"]))
            if was != item:
                records.append({"eventSource": "aws:dynamodb", "dynamodb": image | ({"OldImage": was} if was else {})})
        notifier = self.world.function("notifier").handler
        if records:
            assert notifier({"Records": records}, None) == {"batchItemFailures": []}
        for each in self.sqs.receive_message(QueueUrl=os.environ["QUEUE"], MaxNumberOfMessages=10).get("Messages", []):
            message = {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": {"ApproximateReceiveCount": "1"},
                "eventSource": "aws:sqs",
            }
            try:
                notifier({"Records": [message]}, None)
            except BatchProcessingError:
                continue  # the queue would bring it back
            self.sqs.delete_message(QueueUrl=os.environ["QUEUE"], ReceiptHandle=each["ReceiptHandle"])


def assert_fits(shown: Any, got: Any) -> None:
    """What the guide shows is what there is, but for `…`."""
    if isinstance(shown, dict):
        assert list(shown) == list(got)
        for name in shown:
            assert_fits(shown[name], got[name])
    elif isinstance(shown, list):
        assert len(shown) == len(got)
        for one, other in zip(shown, got, strict=True):
            assert_fits(one, other)
    elif isinstance(shown, str) and "…" in shown:
        assert re.fullmatch(".+".join(map(re.escape, shown.split("…"))), got), (shown, got)
    else:
        assert shown == got


@pytest.fixture
def platform(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    """One that did all that the guide says."""
    world.subscribed("news")
    left = {opt_out(EVERY_TOPIC): world.now - 1000}
    world.happened(left, email="bob@example.com", kind=Kind.UNSUBSCRIBED)
    platform = Platform(world, tmp_path, monkeypatch)
    for language, name, text in BLOCK.findall(GUIDE):
        platform.follow(language, name, text)
    return platform


def test_a_platform_that_does_what_the_guide_says_hears_of_everything_once_and_believes_nothing_else(
    platform: Platform,
) -> None:
    told = [(event["data"]["kind"], event["data"]["subscriber_id"]) for event in platform.work]
    who = {name: platform.world.subscriber_id(f"{name}@example.com") for name in ("ann", "bob", "cem", "dora", "eve")}
    assert sorted(told) == sorted(
        [
            ("unsubscribed", who["ann"]),
            ("asked", who["dora"]),
            ("unsubscribed", who["cem"]),
            ("bounced", who["bob"]),
            ("claimed", who["eve"]),
            ("erased", who["dora"]),
        ]
    )

    headers, body = platform.got[-1]
    receive = platform.defined["receive"]
    for forged in ((headers, body + b" "), ({**headers, "webhook-id": "another"}, body), ({}, body)):
        assert receive(*forged, platform.secret, platform.seen, platform.work) == 401
    assert receive(headers, body, platform.secret, platform.seen, platform.work) == 204
    assert len(platform.work) == len(told)


def test_a_platform_that_does_what_the_guide_says_makes_mails_with_headers_unbroken(platform: Platform) -> None:
    decided, linked = ((platform.folder / name).read_text("utf-8") for name in ("decided.csv", "linked.csv"))
    assert re.findall(r"(ann|bob)@.*,(true|false)", decided) == [("ann", "true"), ("bob", "false")]
    ann, bob = csv.DictReader(linked.splitlines())
    for row in (ann, bob):
        listed = row["list_unsubscribe"]
        assert row["unsubscribe_url"] in listed
        mail = platform.defined["make_mail"]({"List-Unsubscribe": listed})
        assert f"List-Unsubscribe: {listed}\r\n".encode() in mail.as_bytes()


def test_the_guide_tells_the_waits_between_tries() -> None:
    def told(seconds: int) -> str:
        unit, name = next((unit, name) for unit, name in ((3600, "h"), (60, "min"), (1, "s")) if seconds >= unit)
        rest = seconds % unit // 60
        return f"{seconds // unit} {name}" + (f" {rest} min" if rest else "")

    assert f"tried again after {', '.join(map(told, notifications.WAITS.waits_s))}:" in GUIDE
