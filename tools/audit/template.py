"""`template.yaml`, as SAM expands it, before checkov (https://www.checkov.io/5.Policy%20Index/cloudformation.html).

checkov expands SAM's `Globals` itself, and trips over a variable that a function overrides; so it gets what the
translator makes of the template, roles and policies included.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any, Final

from audit.verdict import Verdict
from dev.places import AUDIT_VENV

ACCEPTED: Final = {
    "CKV_AWS_18": "CloudTrail's data events tell who reads the buckets; a bucket of logs would need one, too",
    "CKV_AWS_21": "a mail that is removed is to be gone; the archive's bucket is versioned (tests/template)",
    "CKV_AWS_27": "queues are encrypted, with SQS's own key (SqsManagedSseEnabled, held to by tests/template)",
    "CKV_AWS_115": "a function's share of concurrency is the account's to deal out; the API is throttled",
    "CKV_AWS_116": "what comes asynchronously comes by streams and queues, which have dead letters of their own",
    "CKV_AWS_117": "nothing that the functions reach lies in a VPC",
    "CKV_AWS_119": "the table is encrypted, with a key that DynamoDB owns: with any other, opt-outs wait for KMS",
    "CKV_AWS_149": "the keyring is encrypted, with Secrets Manager's own key, which no other account can use",
    "CKV_AWS_158": "logs are encrypted by CloudWatch, and hold nobody's data",
    "CKV_AWS_173": "the environment is encrypted, with Lambda's own key, and holds no secret",
}
"""Rules of checkov that the template doesn't keep, each with the reason."""


def check(expanded: dict[str, Any]) -> Verdict:
    """The verdict on a template that was expanded.

    Raises:
        subprocess.CalledProcessError, ValueError: checkov itself failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "template.json"
        file.write_text(json.dumps(expanded))
        command: list[str | Path] = [AUDIT_VENV / "bin" / "checkov", "-f", file, "--framework", "cloudformation"]
        options = ["--output", "json", "--compact", "--skip-download", "--soft-fail"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("BC_", "PRISMA_"))}
        done = subprocess.run(  # noqa: S603 - our own words
            [*command, *options], capture_output=True, text=True, check=True, cwd=folder, env=environment
        )
    return verdict(json.loads(done.stdout))


def verdict(report: dict[str, Any]) -> Verdict:
    """What checkov's report comes to: rules that are broken, and reasons that are no longer needed."""
    results = report["results"]
    broken = {each["check_id"] for each in results["failed_checks"]}
    found = [f"{each} could not be read by checkov" for each in results["parsing_errors"]]
    found += sorted(
        f"{each['check_id']} {each['resource']}: {each['check_name']}"
        for each in results["failed_checks"]
        if each["check_id"] not in ACCEPTED
    )
    found += [f"{rule} is kept everywhere: take it out of ACCEPTED" for rule in sorted(set(ACCEPTED) - broken)]
    if not results["passed_checks"]:
        found.append("checkov checked nothing")
    passed = len(results["passed_checks"])
    return Verdict(f"{passed} of checkov's checks hold; {len(ACCEPTED)} rules are left aside, each for a reason", found)
