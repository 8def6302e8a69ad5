"""Rules for the whole code: no regular expression can be made slow, and proofs are compared in constant time."""

from __future__ import annotations

import ast
import re
import time
import warnings
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # it imports Python's own parser by its old name
    from regexploit.ast.sre import SreOpParser
    from regexploit.redos import find

ROOT: Final = Path(__file__).parents[2]
SOURCES: Final = sorted([*(ROOT / "layers/consentry/consentry").rglob("*.py"), *(ROOT / "functions").rglob("*.py")])
LARGEST: Final = 64 * 1024
"""Characters that a page takes."""
SECONDS: Final = 1.0
"""Of this process's own time. In linear time it is a hundredth of that; in quadratic time, a minute."""

COMPARED_PLAINLY: Final = {
    ("tokens.py", "base64_encode(base64_decode(signature)).decode() != signature"): "both sides are the visitor's own",
    ("ledger.py", "sum((hash_event(key, event) for event in held.events)) != held.ledger_digest"): "nobody outside "
    "presents a digest: both sides are ours",
    (
        "ledger.py",
        "evidence is None or hash_evidence(key, event.event_id, evidence) == event.evidence_hash",
    ): "as above",
    ("archive.py", "_hash_head(key, now) == line['hash']"): "as above",
    (
        "rotation.py",
        "_PENDING not in client.describe_secret(SecretId=secret_id)['VersionIdsToStages'].get(version, ())",
    ): "labels of versions; Secrets Manager alone asks",
    ("rotation.py", "each['secret'] not in known"): "both are of the keyring; Secrets Manager alone asks",
    (
        "handler.py",
        "secret_id != deployment.settings.keyring_secret_arn",
    ): "the name of the secret, which is in every log of AWS",
}
_PROOF: Final = re.compile(r"signature|secret|password|digest|hash_|_hash|credential|presented|sha256|hmac|api_key\b")


SAID: Final = {
    ast.unparse(node.target): node.value
    for path in SOURCES
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.AnnAssign) and isinstance(node.value, (ast.Constant, ast.JoinedStr))
}
"""The constants of all files, by name: patterns are put together of those of others."""


def patterns() -> Iterator[tuple[str, int, str, int, tuple[str, ...]]]:
    """Every regular expression that stands in the code: file, line, pattern, flags, and the methods that use it."""
    for path in SOURCES:
        text = path.read_text()
        names = {
            node.value: ast.unparse(getattr(node, "target", None) or node.targets[0])
            for node in ast.walk(ast.parse(text))
            if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value
        }
        named = {ast.unparse(value): name for value, name in names.items()}
        for node in ast.walk(ast.parse(text)):
            is_one = isinstance(node, ast.Call) and re.fullmatch(r"re\.\w+", ast.unparse(node.func))
            given = _constant(node.args[0], names) if is_one and node.args else None
            if given is not None:
                flag = sum(each for each in (re.IGNORECASE, re.MULTILINE) if each.name in ast.unparse(node))
                name = named.get(ast.unparse(node), "re")
                uses = tuple(set(re.findall(rf"\b{name}\.(fullmatch|search|match|sub|split|finditer)\b", text)))
                yield path.name, node.lineno, given.decode() if isinstance(given, bytes) else given, flag, uses


def _constant(node: ast.expr, names: dict[ast.expr, str]) -> Any:
    """What stands there, under the name that stands there, or put together of such; None for anything else."""
    if isinstance(node, ast.Name):
        found = next((value for value, name in names.items() if name == node.id), SAID.get(node.id))
        return _constant(found, names) if found else None
    if isinstance(node, ast.JoinedStr):
        values = [each.value if isinstance(each, ast.FormattedValue) else each for each in node.values]
        parts = [_constant(each, names) for each in values]
        return "".join(map(str, parts)) if all(isinstance(part, (str, int)) for part in parts) else None
    return node.value if isinstance(node, ast.Constant) else None


PATTERNS: Final = list(patterns())


def ids(value: object) -> str:
    return str(value)[:30] if isinstance(value, (str, int)) else ""


def test_the_regular_expressions_are_found() -> None:
    assert len(PATTERNS) > 12
    assert {"web.py", "tokens.py", "addresses.py", "sns.py"} <= {file for file, *_ in PATTERNS}
    assert [uses for file, _, _, _, uses in PATTERNS if file == "tokens.py"] == [
        ("fullmatch",),
    ]


@pytest.mark.parametrize(("file", "line", "pattern"), [each[:3] for each in PATTERNS], ids=ids)
def test_no_input_makes_a_regular_expression_slow_on_paper(file: str, line: int, pattern: str) -> None:
    assert not [each.starriness for each in find(SreOpParser().parse_sre(pattern)) if each.starriness > 2], (file, line)


def test_a_regular_expression_that_can_be_made_slow_is_seen_on_paper() -> None:
    assert max(each.starriness for each in find(SreOpParser().parse_sre(r"(?:[a-z]+\s*)+;"))) > 2


@pytest.mark.parametrize(("file", "line", "pattern", "flags", "uses"), PATTERNS, ids=ids)
def test_no_input_makes_a_regular_expression_slow_in_fact(
    file: str, line: int, pattern: str, flags: int, uses: tuple[str, ...]
) -> None:
    compiled: Any = re.compile(pattern, flags)
    plain = re.sub(r"[\\\[\](){}?*+|^$]", "", pattern)
    pieces = {
        plain,
        *re.findall(r"[A-Za-z_:;=@.%/\"-]+", plain),
        "a",
        "0",
        "a.",
        "a@",
        '"',
        " ",
        "; ",
        "a-",
        "\n",
        "%40",
    }
    for piece in sorted(filter(None, pieces)):
        text = (piece * LARGEST)[:LARGEST] + "\0"
        began = time.process_time()
        for use in uses or ("fullmatch", "search"):  # a pattern that is passed on may be used in either way
            found = getattr(compiled, use)(*([""] if use == "sub" else []), text)
            deque(found if use == "finditer" else (), maxlen=0)
        assert time.process_time() - began < SECONDS, (file, line, piece)


def test_what_proves_something_is_compared_in_constant_time() -> None:
    plainly = {}
    for path in SOURCES:
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.Eq, ast.NotEq, ast.In, ast.NotIn)):
                text = ast.unparse(node)
                if _PROOF.search(text):
                    plainly[path.name, text] = node.lineno
    reviewed = {(file, text.rpartition(" or ")[2].rpartition(" and ")[2]) for file, text in COMPARED_PLAINLY}
    assert set(plainly) == reviewed


def test_constant_time_is_what_signatures_keys_and_tokens_get() -> None:
    """Tokens are itsdangerous', which compares with `hmac.compare_digest`."""
    users = {path.name for path in SOURCES if "compare_digest" in path.read_text()}
    assert users == {"archive.py", "opting_in.py", "keyring.py", "proof.py", "tokens.py", "web.py"}
    for path in sorted((ROOT / "layers/consentry/consentry/providers").glob("*.py")):
        if "def verify(" in path.read_text() and path.name != "__init__.py":
            text = path.read_text()
            assert "proof.require(" in text or "proof.matches(" in text or ".verify(" in text, path.name
