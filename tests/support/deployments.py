"""A deployment to run the command on: a table and a keyring, in this process or behind a port."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import boto3
from click.testing import CliRunner, Result

from consentry.actions.reports import Report, ReportKind, Reports
from consentry.actions.spool import Recorder
from consentry.links.keyring import Keyring
from consentry.rules import addresses
from consentry.rules import consent as rules
from consentry.rules.brands import Brand
from consentry.rules.ledger import Channel
from consentry.table.gateway import Gateway
from consentry.table.store import Store
from consentry_cli.deployment import brand
from consentry_cli.main import main

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "tests/cli/samples"
TABLE = "consentry-test"
COMMAND = "from consentry_cli.main import main; main(prog_name='consentry')"
DOCUMENT = json.dumps({"root": "not so random", "brands": {}})


@cache
def demo() -> Brand:
    """The brand that its commands work on."""
    return brand(ROOT / "tests/brands", "demo")


class Deployment:
    """A table and a keyring, and the command that works on them."""

    def __init__(self, folder: Path, endpoint: str | None = None) -> None:
        self.folder = folder
        self.endpoint = endpoint
        self.dynamodb: Any = boto3.client("dynamodb", endpoint_url=endpoint)
        secrets: Any = boto3.client("secretsmanager", endpoint_url=endpoint)
        self.dynamodb.create_table(
            TableName=TABLE,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        )
        self.keyring_arn = secrets.create_secret(Name="keyring", SecretString=DOCUMENT)["ARN"]
        self.keyring = Keyring(lambda: DOCUMENT)
        self.store = Store(Gateway(self.dynamodb, TABLE), self.keyring.ledger_key)
        self.brand = demo()
        self.environment = {"TABLE_NAME": TABLE, "KEYRING_SECRET_ARN": self.keyring_arn}
        shutil.copytree(ROOT / "tests/brands", folder / "brands")

    def run(self, *arguments: str | Path, stdin: str | bytes | None = None) -> Result:
        """Run the command in this process, in the deployment's folder."""
        return CliRunner().invoke(main, [str(each) for each in arguments], input=stdin, env=self.environment)

    def spawn(self, *arguments: str | Path, code: str = COMMAND, **how: Any) -> subprocess.Popen[bytes]:
        """Run the command in a process of its own."""
        environment = self.process_environment()
        piped = dict.fromkeys(("stdout", "stderr"), subprocess.PIPE) | how
        command = [sys.executable, "-c", code, *map(str, arguments)]
        return subprocess.Popen(command, cwd=self.folder, env=environment, **piped)  # noqa: S603 - our own

    def process_environment(self) -> dict[str, str]:
        """What a process of its own needs to find this deployment."""
        return {
            **os.environ,
            **self.environment,
            "PYTHONPATH": os.pathsep.join([str(ROOT / "layers/consentry"), str(ROOT / "tools")]),
            **({"AWS_ENDPOINT_URL": self.endpoint} if self.endpoint else {}),
        }

    def write(self, name: str, text: str | bytes) -> Path:
        path = self.folder / name
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    def id_of(self, email: str) -> str:
        return addresses.subscriber_id(self.keyring.pepper("demo"), addresses.identify(email).address)

    def report(self, email: str, kind: ReportKind, at: int, topics: tuple[str, ...] = ()) -> None:
        """Put something on record."""
        reports = Reports(self.store, self.keyring.pepper, Recorder(self.store))
        reports.take(self.brand, Report(kind, at, email, topics=topics), Channel.API, max(at, 1_700_000_000_000))

    def consent(self, email: str) -> rules.Consent:
        return self.store.read("demo", self.id_of(email))

    def status(self, email: str, topic: str = "news") -> str:
        return rules.status(self.consent(email), topic).value

    def items(self) -> list[dict[str, Any]]:
        """Everything in the table, in order, without what differs from attempt to attempt."""
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=TABLE)
        found = [
            {name: value for name, value in item.items() if name != "attempt"}
            for page in pages
            for item in page["Items"]
        ]
        return sorted(found, key=lambda item: (item["pk"]["S"], item["sk"]["S"]))

    def events(self) -> list[dict[str, Any]]:
        return [item for item in self.items() if item["sk"]["S"].startswith("E#")]


def rows_of(text: str) -> list[dict[str, str]]:
    """CSV as rows."""
    return list(csv.DictReader(io.StringIO(text, newline="")))
