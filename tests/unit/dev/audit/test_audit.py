"""What the checks make of what others say, the bad news above all."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from dev.audit import others
from dev.audit.verdict import CFN_LINT, CHECKOV, PARLIAMENT, Verdict, weighed

CLEAN = {"name": "jinja2", "version": "3.1.6", "vulns": []}
FAULTY = {"name": "urllib3", "version": "1.0", "vulns": [{"id": "PYSEC-2027-1", "fix_versions": ["2.8.1"]}]}
UNKNOWN = {"name": "six", "skip_reason": "Dependency not found on PyPI and could not be audited: six (1.17.0)"}
ACCEPTED = [{"check_id": rule, "resource": "R", "check_name": "…"} for rule in CHECKOV]


def asked(*packages: dict[str, Any]) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def looked_up(output: str, errors: str = "") -> Verdict:
    return others.looked_up(subprocess.CompletedProcess(["pip-audit"], 1, output, errors))


def report(*failed: dict[str, str], passed: int = 1, errors: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"results": {"passed_checks": [{}] * passed, "failed_checks": failed, "parsing_errors": errors}}


def test_a_known_vulnerability_is_told_with_the_version_that_mends_it() -> None:
    assert looked_up(asked(CLEAN, FAULTY)).found == ["urllib3 1.0: PYSEC-2027-1, fixed in 2.8.1"]


def test_packages_without_one_are_fine() -> None:
    assert looked_up(asked(CLEAN)) == ("1 were looked up, 0 findings", [])


def test_a_package_that_the_list_does_not_know_is_told() -> None:
    assert len(looked_up(asked(CLEAN, UNKNOWN)).found) == 1


@pytest.mark.parametrize(
    ("output", "errors"),
    [
        (asked(UNKNOWN, UNKNOWN), ""),
        ("", "requests.exceptions.ConnectionError: HTTPSConnectionPool(host='pypi.org', port=443)"),
        ("", "ERROR:pip_audit._cli:Could not connect to PyPI's vulnerability feed"),
    ],
)
def test_a_machine_that_can_not_reach_the_list_is_told_so_in_a_line_and_does_not_fail(output: str, errors: str) -> None:
    summary, found = looked_up(output, errors)
    assert "can't be reached" in summary
    assert not found


@pytest.mark.parametrize(("output", "errors"), [("", "invalid requirements input"), (asked(), ""), ("", "")])
def test_a_check_that_fails_otherwise_is_no_success(output: str, errors: str) -> None:
    assert looked_up(output, errors).found


def test_a_rule_that_the_template_breaks_is_told() -> None:
    broken = {"check_id": "CKV_AWS_260", "resource": "AWS::EC2::SecurityGroup.Open", "check_name": "No open port 80"}
    assert others.checked(report(*ACCEPTED, broken)).found == [
        "CKV_AWS_260 AWS::EC2::SecurityGroup.Open: No open port 80"
    ]


def test_rules_that_are_left_aside_for_a_reason_are_not_told() -> None:
    assert others.checked(report(*ACCEPTED)).found == []
    assert all(len(reason) > 20 for reasons in (CFN_LINT, CHECKOV, PARLIAMENT) for reason in reasons.values())


@pytest.mark.parametrize("reasons", [CFN_LINT, CHECKOV, PARLIAMENT])
def test_a_reason_that_is_no_longer_needed_is_told(reasons: dict[str, str]) -> None:
    said = [(pattern.replace("*", "X"), "…") for pattern in reasons]
    assert weighed("it", said, reasons).found == []
    (found,) = weighed("it", said[1:], reasons).found
    assert found.startswith(f"{next(iter(reasons))} isn't said any more: take it out")


@pytest.mark.parametrize("odd", [report(*ACCEPTED, passed=0), report(*ACCEPTED, errors=("template.json",))])
def test_a_template_that_was_not_checked_is_no_success(odd: dict[str, Any]) -> None:
    assert others.checked(odd).found
