"""What minting links costs: a campaign of millions needs one or two for each email."""

from __future__ import annotations

import csv
import hmac
import os
import secrets
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks.figures import Figure
from benchmarks.surroundings import BRAND, TOPIC
from consentry.links.tokens import Link, Purpose
from dev.emulator import build
from dev.places import ROOT, VENV_PYTHON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.surroundings import Surroundings

ROUNDS: Final = 20
TOKENS: Final = 2_000
ROWS: Final = 1_000_000


def measure(around: Surroundings) -> Iterator[Figure]:
    """Tokens against a bare HMAC of the same bytes; and a million rows by the command line."""
    links = [Link(Purpose.UNSUBSCRIBE, BRAND, secrets.token_urlsafe(16), (TOPIC,)) for _ in range(TOKENS)]
    signed = [around.tokens.sign(link) for link in links]
    payloads = [token.rpartition(".")[0].encode() for token in signed]
    key = secrets.token_bytes(32)
    ours = bare = 0.0
    for _ in range(ROUNDS):
        began = time.process_time()
        for link in links:
            around.tokens.sign(link)
        between = time.process_time()
        for payload in payloads:
            hmac.digest(key, payload, "sha256")
        ours, bare = ours + between - began, bare + time.process_time() - between
    each = 1e6 / (ROUNDS * TOKENS)
    yield Figure("a link, cpu", ours * each, bare * each, "µs cpu", 8, "HMAC-SHA256 of the same bytes")
    yield from by_command(around, ours * each / 1e6 * ROWS)


def by_command(around: Surroundings, signing: float) -> Iterator[Figure]:
    """`consentry links mint` of a million rows, against the CPU time of its signatures alone."""
    with tempfile.TemporaryDirectory() as folder:
        source, made, keys = (Path(folder) / name for name in ("ids.csv", "links.csv", "keys.json"))
        with source.open("w", newline="") as stream:
            rows = csv.writer(stream)
            rows.writerow(["subscriber_id"])
            rows.writerows([secrets.token_urlsafe(16)] for _ in range(ROWS))
        environment = {
            **os.environ,
            **{name: value for name, value in around.environment.items() if name.startswith("AWS_ENDPOINT")},
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "local",
        }
        consentry = [VENV_PYTHON.with_name("consentry")]
        common = ["--brand", BRAND]
        keyring = around.environment["KEYRING_SECRET_ARN"]
        subprocess.run(  # noqa: S603 - our own command
            [*consentry, "keys", "export", *common, "--keyring", keyring, "--output", keys],
            env=environment, cwd=ROOT, stdout=subprocess.DEVNULL, check=True,
        )  # fmt: skip
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - our own command
            [
                *consentry, "links", "mint", *common, "--topic", TOPIC, "--base-url", "https://links.example.com",
                "--keys", keys, "--brands", build.BRANDS, source, "--output", made,
            ],
            env=environment, cwd=ROOT, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        if process.returncode:
            raise RuntimeError(f"`consentry links mint` ended with {process.returncode}")
        with made.open() as stream:
            assert sum(1 for _ in stream) == ROWS + 1
    cpu = usage.ru_utime + usage.ru_stime
    yield Figure("a million links by the command line, cpu", cpu, signing, "s cpu", None, "signing them once each")
    yield Figure("a million links by the command line, wall", wall, cpu, "s", None, "its CPU time")
