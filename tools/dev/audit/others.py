"""What others' programs say: cfn-lint, checkov and parliament of what is deployed, pip-audit of the packages that ship.

cfn-lint over `template.yaml` itself passes over much of what SAM makes of it, such as circles (E3004), policies and
aliases, and checkov trips over SAM's `Globals`; so they get what the translator makes of it. cfn-lint finds what names
something that isn't made, since it also gets each case decided.
https://github.com/aws-cloudformation/cfn-lint/blob/main/docs/rules.md
https://www.checkov.io/5.Policy%20Index/cloudformation.html, https://github.com/duo-labs/parliament
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dev.audit import physical
from dev.audit.verdict import CFN_LINT, CHECKOV, PARLIAMENT, Verdict, weighed
from dev.places import AUDIT_VENV, LOCAL, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dev.audit.cases import Case
    from dev.audit.cloudformation import Template

Document = dict[str, Any]

LOCK: Final = ROOT / "layers/vendor/requirements.txt"
_AWAY: Final = re.compile(r"Connection(Error|Reset)|Could not connect|Timeout|ServiceError|Max retries|SSLError")
_UNREACHED: Final = Verdict("not checked: the list of known vulnerabilities can't be reached from here", [])


def _asked(command: Sequence[str | Path], files: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """A program's answer; it gets files of JSON in the folder in which it runs."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("BC_", "PRISMA_"))}
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_text(json.dumps(content, indent=1), encoding="utf-8")
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own words


def _read(done: subprocess.CompletedProcess[str]) -> Any:
    """What a program answers in JSON.

    Raises:
        ValueError: it failed.
    """
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise ValueError(f"{Path(done.args[0]).name} failed: {done.stderr.strip()[-500:]}") from None


# --- cfn-lint ---------------------------------------------------------------------------------------------------------


def cfn_lint(cases: list[Case]) -> Verdict:
    """What cfn-lint says of every template that differs from the others.

    Raises:
        ValueError: cfn-lint itself failed.
    """
    templates: dict[str, Template] = {}
    for case in cases:
        for name, template in ((f"{case.name}, expanded", case.expanded), (case.name, case.resolved)):
            if template not in templates.values():
                templates[name] = template
    return weighed(f"{len(templates)} templates keep cfn-lint's rules", linted(templates), CFN_LINT)


def linted(templates: dict[str, Template]) -> list[tuple[str, str]]:
    """Rule and text of each remark, with the templates that it is about.

    Raises:
        ValueError: cfn-lint itself failed.
    """
    files = {f"{number}.json": name for number, name in enumerate(templates)}
    linter = Path(sys.executable).with_name("cfn-lint")
    command: list[str | Path] = [linter, "--format", "json", "--include-checks", "I", "--", *files]
    about: dict[tuple[str, str], list[str]] = {}
    for each in _read(_asked(command, dict(zip(files, templates.values(), strict=True)))):
        rule, place = each["Rule"]["Id"], "/".join(map(str, each["Location"].get("Path") or []))
        about.setdefault((rule, f"{rule} {place}: {each['Message']}"), []).append(files[Path(each["Filename"]).name])
    return [(rule, f"{text} ({', '.join(names)})") for (rule, text), names in about.items()]


# --- checkov ----------------------------------------------------------------------------------------------------------


def checkov(expanded: Template) -> Verdict:
    """What checkov says of a template that was expanded.

    Raises:
        ValueError: checkov itself failed.
    """
    options = ["--output", "json", "--compact", "--skip-download", "--soft-fail"]
    command: list[str | Path] = [AUDIT_VENV / "bin/checkov", "-f", "template.json", "--framework", "cloudformation"]
    return checked(_read(_asked([*command, *options], {"template.json": expanded})))


def checked(report: dict[str, Any]) -> Verdict:
    """What checkov's report comes to."""
    results = report["results"]
    passed = len(results["passed_checks"])
    said = [("", f"{each} could not be read by checkov") for each in results["parsing_errors"]]
    said += [("", "checkov checked nothing")] * (not passed)
    said += [
        (each["check_id"], f"{each['check_id']} {each['resource']}: {each['check_name']}")
        for each in results["failed_checks"]
    ]
    return weighed(f"{passed} of checkov's checks hold", said, CHECKOV)


# --- parliament -------------------------------------------------------------------------------------------------------


def parliament(cases: list[Case]) -> Verdict:
    """What parliament says of every statement: actions, resources and conditions that don't fit, which IAM would take.

    Raises:
        ValueError: parliament itself failed.
        LookupError: it isn't known what a policy's resource looks like.
    """
    statements = {name: each for case in cases for name, each in statements_of(case.resolved)}
    return weighed(f"parliament has read {len(statements)} statements", said_of(statements), PARLIAMENT)


def statements_of(template: Template) -> Iterator[tuple[str, Document]]:
    """Each statement of a resolved template's policies, as a policy of its own, by the resource and its `Sid`.

    Whom a role trusts isn't among them: parliament doesn't know policies without resources, and cfn-lint does.
    """
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        documents = {str(each["PolicyName"]): each["PolicyDocument"] for each in properties.get("Policies", ())}
        documents |= {part: properties[part] for part in ("PolicyDocument", "KeyPolicy") if part in properties}
        for title, document in documents.items():
            whole = physical.filled(document, template, physical.USUAL)
            for number, statement in enumerate(whole["Statement"]):
                yield f"{name}: {statement.get('Sid', f'{title} {number}')}", {**whole, "Statement": [statement]}


_PARLIAMENT: Final = """
import json, parliament, sys
options = {"ignore_private_auditors": True, "include_community_auditors": True}
json.dump([
    (name, found.issue, found.detail or found.location.get("string", ""))
    for name, document in json.load(open("policies.json")).items()
    for found in parliament.analyze_policy_string(json.dumps(document), **options).findings
], sys.stdout, default=str)
"""


def said_of(documents: dict[str, Document]) -> list[tuple[str, str]]:
    """Name with issue, and text, of what parliament finds in policies.

    Raises:
        ValueError: it failed.
    """
    done = _asked([AUDIT_VENV / "bin/python", "-W", "ignore", "-c", _PARLIAMENT], {"policies.json": documents})
    return [(f"{name}: {issue}", f"{name}: {issue} {detail}".rstrip()) for name, issue, detail in _read(done)]


# --- pip-audit --------------------------------------------------------------------------------------------------------


def pip_audit() -> Verdict:
    """Whether PyPI knows of vulnerabilities of what ships.

    A machine from which the list can't be reached gets a remark, and no more: what it can't know it can't fail for.
    """
    command: list[str | Path] = [
        AUDIT_VENV / "bin/pip-audit",
        "--requirement",
        LOCK,
        "--require-hashes",
        "--disable-pip",
    ]
    command += ["--format", "json", "--progress-spinner", "off", "--timeout", "10"]
    return looked_up(_asked([*command, "--cache-dir", LOCAL / "pip-audit"], {}))


def looked_up(done: subprocess.CompletedProcess[str]) -> Verdict:
    """What pip-audit's answer comes to."""
    if not done.stdout and _AWAY.search(done.stderr):
        return _UNREACHED
    try:
        asked: list[dict[str, Any]] = _read(done)["dependencies"]
    except ValueError as exc:
        return Verdict("not checked", [str(exc)])
    if not asked:
        return Verdict("not checked", [f"{LOCK.name} names no package"])
    if all("skip_reason" in each for each in asked):
        return _UNREACHED
    found = [
        f"{each['name']} {each['version']}: {fault['id']}, fixed in {', '.join(fault['fix_versions']) or 'no version'}"
        for each in asked
        for fault in each.get("vulns", ())
    ]
    found += [f"{each['name']}: {each['skip_reason']}" for each in asked if "skip_reason" in each]
    return Verdict(f"{len(asked)} were looked up, {len(found)} findings", found)
