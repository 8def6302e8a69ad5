"""The expanded template, and what each case makes of it, before cfn-lint and the schemas of every resource that it has.

cfn-lint over `template.yaml` itself passes over much of what SAM makes of it: it leaves out every circular dependency
that an `AWS::Serverless::…` is part of (E3004), and never sees the policies, aliases and deployment groups.
https://github.com/aws-cloudformation/cfn-lint/blob/main/docs/rules.md
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from audit.verdict import Verdict

if TYPE_CHECKING:
    from audit.cases import Case
    from audit.cloudformation import Template

LEFT_ASIDE: Final = {
    "I3011": "what has to outlive the stack is held to Retain by tests/template; the rest may go with it",
    "W7001": "SAM's translator alone reads the mapping, and leaves it in what it makes",
}
"""Rules of cfn-lint that aren't kept, each with the reason."""
_AT_ONCE: Final = 2
"""Processes: each takes as long as all rules over all its templates."""


def check(cases: list[Case]) -> Verdict:
    """The verdict on every template that differs from the others.

    Raises:
        ValueError: cfn-lint itself failed.
    """
    templates: dict[str, Template] = {}
    for case in cases:
        for name, template in ((f"{case.name}, expanded", case.expanded), (case.name, case.resolved)):
            if template not in templates.values():
                templates[name] = template
    return verdict(matches(templates), len(templates))


def matches(templates: dict[str, Template]) -> list[tuple[str, str, str]]:
    """What cfn-lint says of templates: the rule, the template's name, and what it is.

    Raises:
        ValueError: cfn-lint itself failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        names = dict(zip(map(str, range(len(templates))), templates, strict=True))
        for number, name in names.items():
            (Path(folder) / f"{number}.json").write_text(json.dumps(templates[name], indent=1), encoding="utf-8")
        files = [f"{number}.json" for number in names]
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            parts = [part for at in range(_AT_ONCE) if (part := files[at::_AT_ONCE])]
            told = [each for part in pool.map(lambda part: _linted(part, folder), parts) for each in part]
    return [
        (
            each["Rule"]["Id"],
            names[Path(each["Filename"]).stem],
            f"{'/'.join(map(str, each['Location'].get('Path') or []))}: {each['Message']}",
        )
        for each in told
    ]


def _linted(files: list[str], folder: str) -> list[dict[str, Any]]:
    linter = Path(sys.executable).with_name("cfn-lint")
    command: list[str | Path] = [linter, "--format", "json", "--include-checks", "I", "--", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)  # noqa: S603 - our own words
    try:
        told: list[dict[str, Any]] = json.loads(done.stdout)
    except ValueError:
        raise ValueError(f"cfn-lint failed: {done.stderr.strip()[-500:]}") from None
    return told


def verdict(told: list[tuple[str, str, str]], templates: int) -> Verdict:
    """What cfn-lint's matches come to: rules that are broken, and reasons that are no longer needed."""
    broken: dict[str, list[str]] = {}
    for rule, name, what in told:
        if rule not in LEFT_ASIDE:
            broken.setdefault(f"{rule} {what}", []).append(name)
    found = [f"{what} ({', '.join(names)})" for what, names in broken.items()]
    found += [
        f"{rule} is kept everywhere: take it out of LEFT_ASIDE"
        for rule in sorted(set(LEFT_ASIDE) - {rule for rule, _, _ in told})
    ]
    return Verdict(
        f"{templates} templates keep cfn-lint's rules; {len(LEFT_ASIDE)} are left aside, each for a reason", found
    )
