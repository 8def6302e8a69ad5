"""What functions find around them: a table, a keyring, layers as `sam build` made them, subscribers."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import boto3

from benchmarks.lambdas import PYTHON, Code
from consentry import addresses, items
from consentry.consent import Consent
from consentry.keyring import Keyring, hash_api_key
from consentry.ledger import Actor, Channel, Event, Kind, hash_event
from consentry.store import Store
from consentry.tokens import Link, Purpose, Tokens
from embedded import aws, build
from embedded.places import BENCH_VENV, BUILD_LOCK, LOCAL, ROOT
from support import dynamodb_local, tables

if TYPE_CHECKING:
    from collections.abc import Iterator

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


_WRITERS: Final = 2
_PART: Final = 2_500
"""Subscribers that one process puts into the table at a time."""


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
    from embedded.locks import only_one

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
        """Have a table with so many subscribers, each with a state as confirming leaves it; what is there stays."""
        try:
            held = int(self.dynamodb.describe_table(TableName=table)["Table"]["ItemCount"])
        except self.dynamodb.exceptions.ResourceNotFoundException:
            self.create_table(table)
            held = 0
        if held >= count:
            return
        starts = range(held, count, _PART)
        with multiprocessing.get_context("spawn").Pool(_WRITERS) as pool:
            pool.starmap(_fill, [(self.dynamodb_url, table, at, min(at + _PART, count)) for at in starts], chunksize=1)

    def create_table(self, name: str = TABLE) -> Store:
        """An empty table as the template declares it."""
        tables.create(self.dynamodb, name)
        return Store(self.dynamodb, name, self.keyring.ledger_key)

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


def _fill(url: str, table: str, start: int, stop: int) -> None:
    """Put the subscribers with these numbers into a table, 25 at a time, which is what BatchWriteItem takes."""
    dynamodb, pepper = client(url), Keyring(lambda: KEYRING).pepper(BRAND)
    for first in range(start, stop, 25):
        states = [_state(pepper, number) for number in range(first, min(first + 25, stop))]
        request: Any = {table: [{"PutRequest": {"Item": state}} for state in states]}
        while request:
            request = dynamodb.batch_write_item(RequestItems=request)["UnprocessedItems"]


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
        **items.key(confirmed.partition_key, items.STATE),
        f"ask.{TOPIC}": items.number(at),
        f"in.{TOPIC}": items.number(at),
        "ledger_count": items.number(2),
        "ledger_digest": items.number(hash_event(b"bench", confirmed)),
        "last_event": items.last_event(confirmed),
    }


def compile_floors() -> None:
    """Compile the packages that floors and peers run with, as ours are: a start that compiles is nobody's."""
    packages = BENCH_VENV / "lib"
    subprocess.run([PYTHON, "-m", "compileall", "-q", "-j", "0", packages], check=False)  # noqa: S603 - some are for tests of other Pythons


@contextmanager
def standing() -> Iterator[Surroundings]:
    """DynamoDB Local, empty and in memory, and a Secrets Manager of one secret, for the time of the block."""
    with ExitStack() as ending:
        dynamodb_url = ending.enter_context(dynamodb_local.running(memory_mb=6_000))
        secrets = ThreadingHTTPServer(("127.0.0.1", 0), _Secrets)
        ending.callback(secrets.server_close)
        ending.callback(secrets.shutdown)
        threading.Thread(target=secrets.serve_forever, daemon=True).start()
        yield Surroundings(dynamodb_url, f"http://127.0.0.1:{secrets.server_port}")


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
