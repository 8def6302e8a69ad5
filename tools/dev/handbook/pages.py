"""What the site shows of the repository: its documents, and each file that they link to."""

from __future__ import annotations

import ast
import os
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

TOP = ("README.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md")
"""Documents that a forge wants at the repository's top."""

CODE = re.compile(r"^( *)(```|~~~).*?^\1\2$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r'(?P<before>\[`(?P<name>\w+)`\]\(|\]\(|\b(?:src|href)=")(?P<target>[^)\s"]+)')
LANGUAGES = {".py": "python", ".yaml": "yaml", ".yml": "yaml", ".json": "json", ".toml": "toml", ".sh": "sh"}
FENCE = "~" * 8
"""Longer than any that stands in our files."""


class HandbookError(Exception):
    """The site can't be made; says what to fix."""


def place(path: PurePosixPath) -> PurePosixPath:
    """Where on the site a file of the repository stands; both from their tops."""
    if path.is_relative_to("docs"):
        return path.relative_to("docs")
    if str(path) in TOP:
        return PurePosixPath(path.name.lower())
    return PurePosixPath("source", f"{path}.md")


def documents(root: Path) -> list[PurePosixPath]:
    """The documents of a repository, from its top."""
    below = (path.relative_to(root).as_posix() for path in (root / "docs").rglob("*.md"))
    return sorted(map(PurePosixPath, (*TOP, *below)))


def rewritten(root: Path, path: PurePosixPath, *, diagrams: bool) -> tuple[str, set[PurePosixPath]]:
    """A document with its links as the site has them, and the files that it links to and the site has as source.

    Links to a test, whose text is the test's name, lead to that test. Without `diagrams` their text is shown.

    Raises:
        HandbookError: for a link that leads to no file.
    """
    linked: set[PurePosixPath] = set()

    def moved(match: re.Match[str]) -> str:
        target, _, anchor = match["target"].partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return match[0]
        there = PurePosixPath(os.path.normpath(path.parent / target))
        if not (root / there).is_file():
            raise HandbookError(f"{path}: no file {target}")
        if place(there).parts[0] == "source":
            linked.add(there)
            anchor = anchor or match["name"] or ""
        url = os.path.relpath(place(there), place(path).parent) + (f"#{anchor}" if anchor else "")
        return match["before"] + url

    text = (root / path).read_text("utf-8")
    pieces, end = [], 0
    for block in CODE.finditer(text):
        shown = block[0] if diagrams else re.sub(r"^( *```)mermaid$", r"\1text", block[0], count=1, flags=re.MULTILINE)
        pieces += [LINK.sub(moved, text[end : block.start()]), shown]
        end = block.end()
    return "".join([*pieces, LINK.sub(moved, text[end:])]), linked


def with_diagrams(text: str, there: PurePosixPath) -> str:
    """A page with the script that draws diagrams, if it has any: 2.5 MB that other pages can do without."""
    if "```mermaid" not in text:
        return text
    return f'{text}\n<script src="{os.path.relpath("mermaid.js", there.parent)}"></script>\n'


def source(root: Path, path: PurePosixPath) -> str:
    """A page that shows a file; of Python each function and class by itself, so that one can link to it."""
    text = (root / path).read_text("utf-8")
    language = LANGUAGES.get(path.suffix, "text")
    head = f"---\nsearch:\n  exclude: true\nhide:\n  - toc\n---\n\n# `{path}`\n"
    parts = _definitions(text) if language == "python" else [("", text)]
    for name, lines in parts:
        head += f"\n## `{name}` {{#{name}}}\n" if name else ""
        head += f"\n{FENCE}{language}\n{lines.strip(chr(10))}\n{FENCE}\n" if lines.strip() else ""
    return head


def _definitions(text: str) -> list[tuple[str, str]]:
    """The name and lines of each function and class of a module, in order; what stands before has no name."""
    lines = text.splitlines()
    begins = [
        (node.name, min([node.lineno, *(each.lineno for each in node.decorator_list)]) - 1)
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    ends = [*(begin for _, begin in begins), len(lines)]
    parts = [("", "\n".join(lines[: ends[0]]))]
    for (name, begin), end in zip(begins, ends[1:], strict=True):
        parts.append((name, "\n".join(lines[begin:end])))
    return parts
