"""`python -m dev.audit`: a line for each check; exits with 1 if one found something."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from dev.audit import calls, cases, others, permissions, quotas
from dev.audit.verdict import Verdict
from dev.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable


def main() -> int:
    """Run the checks; the exit status."""
    try:
        rehearsed = cases.cases(ROOT / "template.yaml")
    except subprocess.CalledProcessError as exc:
        print(f"template.yaml: SAM's translator refuses it:\n  {exc.stderr.strip()}")
        return 1
    except ValueError as exc:
        print(f"template.yaml: {exc}")
        return 1
    checks: dict[str, Callable[[], Verdict]] = {
        "answers": partial(cases.check, rehearsed),
        "cfn-lint": partial(others.cfn_lint, rehearsed),
        "checkov": partial(others.checkov, rehearsed[0].expanded),
        "policies": partial(others.parliament, rehearsed),
        "permissions": partial(permissions.check, rehearsed),
        "calls": calls.check,
        "quotas": partial(quotas.check, rehearsed),
        "packages": others.pip_audit,
    }
    with ThreadPoolExecutor(max_workers=2) as pool:  # most of the time others' programs run
        verdicts = {name: pool.submit(_verdict, check) for name, check in checks.items()}
        failed = False
        for name, waiting in verdicts.items():
            verdict = waiting.result()
            failed |= bool(verdict.found)
            print("\n  ".join([f"{name}: {verdict.summary}", *verdict.found]), flush=True)
    return 1 if failed else 0


def _verdict(check: Callable[[], Verdict]) -> Verdict:
    """A check's verdict; one that can't be made is a finding."""
    try:
        return check()
    except (LookupError, OSError, ValueError) as exc:
        return Verdict("not checked", [str(exc)])


if __name__ == "__main__":
    sys.exit(main())
