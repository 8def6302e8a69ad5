"""What functions find around them: a table, a keyring, layers as `sam build` made them, subscribers."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import subprocess
import tempfile
import threading
from contextlib import ExitStack, closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3

from benchmarks.lambdas import PYTHON, Code
from consentry.links.keyring import Keyring, hash_api_key
from consentry.links.tokens import Link, Purpose, Tokens
from consentry.rules import addresses
from consentry.rules.consent import Consent
from consentry.rules.ledger import Actor, Channel, Event, Kind, hash_event
from consentry.table import schema
from consentry.table.gateway import Gateway
from consentry.table.store import Store
from dev.emulator import aws, build
from dev.places import BENCH_VENV, BUILD_LOCK, LOCAL, ROOT
from support import dynamodb_local, tables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

BRAND: Final = "demo"
TOPIC: Final = "news"
TABLE: Final = "bench"
FLOORS: Final = Path(__file__).with_name("floors")
API_KEY: Final = "ck_benchmarks_0123456789abcdef"
KEYRING: Final = json.dumps(
    {
        "root": "a root of the benchmarks",
        "brands": {BRAND: {"api_keys": [{"id": "bench", "sha256": hash_api_key(API_KEY), "scopes": ["read"]}]}},
    }
)
"""The keyring's document."""


_A_WRITE: Final = 25
"""What BatchWriteItem takes."""


def client(url: str) -> Any:
    """A DynamoDB client."""
    return boto3.client(
        "dynamodb",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id="AKIDEXAMPLE",
        aws_secret_access_key="local",
    )


def built() -> tuple[Path, Path]:
    """The layers' folders, built anew when their sources changed."""
    from dev.terminal import only_one

    folder = LOCAL / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "samconfig.toml"
    config.write_text("version = 0.1\n")
    with only_one(BUILD_LOCK, "building"):
        build.build(env=aws.environment("http://127.0.0.1:9"), config=config, log=folder / "build.log")
    return build.BUILT / "ConsentryLayer" / "python", build.BUILT / "VendorLayer" / "python"


class Surroundings:
    """AWS as far as the functions see it."""

    def __init__(self, dynamodb_url: str, secrets_url: str) -> None:
        self.dynamodb_url = dynamodb_url
        self.dynamodb = client(dynamodb_url)
        self.keyring = Keyring(lambda: KEYRING)
        self.tokens = Tokens(self.keyring)
        self._layers = built()
        self.environment = {
            "AWS_ENDPOINT_URL_DYNAMODB": dynamodb_url,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": secrets_url,
            "TABLE_NAME": TABLE,
            "KEYRING_SECRET_ARN": "arn:aws:secretsmanager:us-east-1:123456789012:secret:keyring",
            "PUBLIC_URL": "https://links.example.com",
            "CONFIGURATION_SET": "mails",
            "POWERTOOLS_SERVICE_NAME": "consentry",
            "METRICS_NAMESPACE": "Consentry",
        }

    def function(self, name: str, **environment: str) -> Code:
        """One of ours."""
        return Code(ROOT / "functions" / name, self._layers, self.environment | environment)

    def floor(self, name: str, **environment: str) -> Code:
        """What it is measured against: its packages come whole, as pip installs them."""
        return Code(FLOORS / name, [], self.environment | environment)

    def populate(self, table: str, count: int) -> None:
        """Make a table of so many subscribers, each with a state as confirming leaves it."""
        self.create_table(table)
        pepper = self.keyring.pepper(BRAND)
        for first in range(0, count, _A_WRITE):
            states = [_state(pepper, number) for number in range(first, min(first + _A_WRITE, count))]
            request: Any = {table: [{"PutRequest": {"Item": state}} for state in states]}
            while request:
                request = self.dynamodb.batch_write_item(RequestItems=request)["UnprocessedItems"]

    def create_table(self, name: str = TABLE) -> Store:
        """An empty table as the template declares it."""
        tables.create(self.dynamodb, name)
        return Store(Gateway(self.dynamodb, name), self.keyring.ledger_key)

    @staticmethod
    def address(number: int) -> str:
        """A subscriber's address."""
        return f"person{number}@example.com"

    def subscriber_id(self, number: int) -> str:
        """A subscriber of the brand."""
        return addresses.subscriber_id(self.keyring.pepper(BRAND), addresses.parse(self.address(number)))

    def link(self, subscriber_id: str, purpose: Purpose = Purpose.UNSUBSCRIBE) -> str:
        """A token."""
        topics = (TOPIC,) if purpose is Purpose.UNSUBSCRIBE else ()
        return self.tokens.sign(Link(purpose, BRAND, subscriber_id, topics))


def _multiply(folder: Path, table: str, count: int) -> None:
    """Have a table of DynamoDB Local, which is a file of SQLite while nobody serves it, hold so many subscribers.

    By its own calls a million takes half an hour. The one subscriber who is there says what a row looks like.
    """
    pepper = Keyring(lambda: KEYRING).pepper(BRAND)
    with closing(sqlite3.connect(folder / "shared-local-instance.db")) as database:
        columns = "rangeKey, rangeValue, itemSize, hashKey, hashValue, ObjectJSON"
        ((sort_key, sort_value, size),) = database.execute(f'SELECT rangeKey, rangeValue, itemSize FROM "{table}"')  # noqa: S608 - a name of ours

        def rows() -> Iterator[tuple[object, ...]]:
            for number in range(1, count):
                state = _state(pepper, number)
                # What DynamoDB Local finds a row by in a scan: spread evenly, and asked for by nobody here.
                place = hashlib.sha1(state["pk"]["S"].encode(), usedforsecurity=False).digest()
                yield sort_key, sort_value, size, state["pk"]["S"].encode(), place, json.dumps(state).encode()

        database.executemany(f'INSERT INTO "{table}" ({columns}) VALUES (?, ?, ?, ?, ?, ?)', rows())  # noqa: S608 - as above
        database.commit()


def _state(pepper: bytes, number: int) -> dict[str, Any]:
    """The state item of somebody who asked and confirmed, of the size that it has in a real table."""
    who = addresses.subscriber_id(pepper, addresses.parse(Surroundings.address(number)))
    at, event_id = 1_750_000_000_000 + number, f"{number:032x}"
    confirmed = Event(
        event_id,
        Kind.CONFIRMED,
        BRAND,
        who,
        at,
        at,
        Actor.RECIPIENT,
        Channel.PAGE,
        Consent({f"in.{TOPIC}": at}),
        (TOPIC,),
    )
    return {
        **schema.key(confirmed.partition_key, schema.STATE),
        f"ask.{TOPIC}": schema.number(at),
        f"in.{TOPIC}": schema.number(at),
        "ledger_count": schema.number(2),
        "ledger_digest": schema.number(hash_event(b"bench", confirmed)),
        "last_event": schema.last_event(confirmed),
    }


def compile_floors() -> None:
    """Compile the packages that floors and peers run with, as ours are: a start that compiles is nobody's."""
    packages = BENCH_VENV / "lib"
    subprocess.run([PYTHON, "-m", "compileall", "-q", "-j", "0", packages], check=False)  # noqa: S603 - some are for tests of other Pythons


@contextmanager
def standing(crowds: Mapping[str, int] | None = None) -> Iterator[Surroundings]:
    """DynamoDB Local and a Secrets Manager of one secret, for the time of the block.

    The table is empty and in memory; with `crowds`, there are tables of these names with so many subscribers.
    """
    with ExitStack() as ending:
        secrets = ThreadingHTTPServer(("127.0.0.1", 0), _Secrets)
        ending.callback(secrets.server_close)
        ending.callback(secrets.shutdown)
        threading.Thread(target=secrets.serve_forever, daemon=True).start()
        secrets_url = f"http://127.0.0.1:{secrets.server_port}"
        folder = None
        if crowds:
            folder = Path(ending.enter_context(tempfile.TemporaryDirectory(dir=LOCAL)))
            with dynamodb_local.running(folder=folder, lasting=True) as url:
                for table in crowds:
                    Surroundings(url, secrets_url).populate(table, 1)
            for table, count in crowds.items():
                _multiply(folder, table, count)
        yield Surroundings(
            ending.enter_context(dynamodb_local.running(memory_mb=3_000, folder=folder, lasting=True)), secrets_url
        )


class _Secrets(BaseHTTPRequestHandler):
    """Answers whatever it is asked with the keyring."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        body = json.dumps({"Name": "keyring", "SecretString": KEYRING}).encode()
        self.send_response_only(200)
        self.send_header("content-type", "application/x-amz-json-1.1")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
