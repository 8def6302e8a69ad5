"""An archive's bucket, and what lies in it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from consentry.actions import archiving
from consentry.actions.archiving import Archivist
from consentry.links.keyring import Keyring
from consentry.table.checkpoints import Checkpoints
from consentry.table.gateway import Gateway
from consentry.table.scan import Scan
from consentry.table.store import Store

BUCKET: Final = "consentry-archive"


def create_bucket(s3: Any) -> None:
    """A bucket as the template declares it, as far as it matters."""
    s3.create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)
    s3.put_object_lock_configuration(
        Bucket=BUCKET,
        ObjectLockConfiguration={
            "ObjectLockEnabled": "Enabled",
            "Rule": {"DefaultRetention": {"Mode": "GOVERNANCE", "Years": 6}},
        },
    )


def objects(s3: Any, bucket: str = BUCKET) -> dict[str, bytes]:
    """What the archive holds, by key."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [each["Key"] for page in pages for each in page.get("Contents", ())]
    return {key: s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}


def manifests(held: dict[str, bytes]) -> list[dict[str, Any]]:
    """The manifests among the objects."""
    return [json.loads(body) for key, body in sorted(held.items()) if key.endswith("/manifest.json")]


def lines(held: dict[str, bytes], kind: str = "event") -> list[dict[str, Any]]:
    """The events (or the heads) that the manifests' parts hold."""
    parts = [part["key"] for manifest in manifests(held) for part in manifest["parts"]]
    told = [json.loads(line) for key in parts for line in gzip.decompress(held[key]).splitlines()]
    return [each for each in told if each["line"] == kind]


def make(
    store: Store,
    dynamodb: Any,
    table: str,
    keys: Keyring,
    put: Callable[[str, bytes, bytes], None],
    month: str,
    *,
    now: int,
    segments: int = 2,
) -> str:
    """A whole run, its queue in memory; answers the run."""
    waiting: list[str] = []
    run = archiving.start(waiting.append, month, segments, now)
    working = Archivist(Scan(store.gateway), Checkpoints(Gateway(dynamodb, table)), put, keys, waiting.append)
    while waiting:
        working.go_on(archiving.task_from_json(waiting.pop(0)), now)
    return run


def into(folder: Path) -> Callable[[str, bytes, bytes], None]:
    """Puts objects into a folder, as a copy of the bucket has them."""

    def put(key: str, body: bytes, _sha256: bytes) -> None:
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)

    return put
