"""The packages that ship, before PyPI's list of known vulnerabilities, by pip-audit.

A machine from which the list can't be reached is told so, and no more: what it can't know it can't fail for.
"""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any, Final

from audit.verdict import Verdict
from dev.places import AUDIT_VENV, LOCAL, ROOT

LOCK: Final = ROOT / "layers/vendor/requirements.txt"
_AWAY: Final = re.compile(r"Connection(Error|Reset)|Could not connect|Timeout|ServiceError|Max retries|SSLError")


def check() -> Verdict:
    """The lock file's verdict."""
    done = subprocess.run(  # noqa: S603 - our own words
        [
            AUDIT_VENV / "bin" / "pip-audit",
            *("--requirement", LOCK, "--require-hashes", "--disable-pip"),
            *("--format", "json", "--progress-spinner", "off", "--timeout", "10"),
            *("--cache-dir", LOCAL / "pip-audit"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    return verdict(done.stdout, done.stderr)


def verdict(output: str, errors: str) -> Verdict:
    """What pip-audit's answer comes to.

    Args:
        output: its JSON; empty when it failed.
        errors: what it said beside.
    """
    try:
        asked: list[dict[str, Any]] = json.loads(output)["dependencies"]
    except ValueError:
        if _AWAY.search(errors):
            return Verdict("not checked: the list of known vulnerabilities can't be reached from here", [])
        return Verdict("not checked", [f"pip-audit failed: {errors.strip().splitlines()[-1:]}"])
    unknown = sum("skip_reason" in each for each in asked)
    if not asked:
        return Verdict("not checked", [f"{LOCK.name} names no package"])
    if unknown == len(asked):
        return Verdict("not checked: the list of known vulnerabilities can't be reached from here", [])
    found = [
        f"{each['name']} {each['version']}: {fault['id']}, mended in {', '.join(fault['fix_versions']) or 'no version'}"
        for each in asked
        for fault in each.get("vulns", ())
    ]
    found += [f"{each['name']}: {each['skip_reason']}" for each in asked if "skip_reason" in each]
    return Verdict(f"{len(asked)} were looked up, {len(found)} findings", found)
