"""The documentation site: what it makes of the repository's documents, and what it finds wrong with itself."""

from __future__ import annotations

import tomllib
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from dev.handbook import checking, pages
from dev.handbook.pages import HandbookError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A small repository."""
    files = {
        "README.md": '# R\n\n[a](docs/a.md#one) <img src="docs/p.png">\n\n```sh\ncat [x](nowhere.md)\n```\n',
        "SECURITY.md": "# S\n\n[`test_it`](tests/t.py), [the file](tests/t.py)\n",
        "CONTRIBUTING.md": "# C\n",
        "CHANGELOG.md": "# V\n",
        "docs/a.md": "# A\n\n## One\n\n[up](../SECURITY.md#s), [out](https://example.com/), [here](#one)\n\n"
        "```mermaid\nflowchart LR\n```\n",
        "docs/deep/b.md": "# B\n\n[a](../a.md)\n",
        "docs/p.png": "",
        "tests/t.py": '"""T."""\n\nimport os\n\n\n@os.fspath\ndef test_it():\n    """```"""\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    return tmp_path


def rewritten(clone: Path, name: str) -> str:
    return pages.rewritten(clone, PurePosixPath(name), diagrams=True)[0]


def test_a_link_to_nowhere_stops_the_site(clone: Path) -> None:
    (clone / "docs/a.md").write_text("[x](gone.md)", "utf-8")
    with pytest.raises(HandbookError, match=r"docs/a\.md: no file gone\.md"):
        rewritten(clone, "docs/a.md")


def test_links_between_documents_lead_to_where_the_site_has_them(clone: Path) -> None:
    assert "[a](a.md#one)" in rewritten(clone, "README.md")
    assert '<img src="p.png">' in rewritten(clone, "README.md")
    assert "[up](security.md#s), [out](https://example.com/), [here](#one)" in rewritten(clone, "docs/a.md")
    assert "[a](../a.md)" in rewritten(clone, "docs/deep/b.md")


def test_what_stands_in_code_is_no_link(clone: Path) -> None:
    assert "cat [x](nowhere.md)" in rewritten(clone, "README.md")


def test_a_reader_who_follows_a_tests_name_sees_that_test(clone: Path) -> None:
    text, linked = pages.rewritten(clone, PurePosixPath("SECURITY.md"), diagrams=True)
    assert text.endswith("[`test_it`](source/tests/t.py.md#test_it), [the file](source/tests/t.py.md)\n")
    (path,) = linked
    shown = pages.source(clone, path)
    head, _, below = shown.partition("## `test_it` {#test_it}")
    assert "import os" in head
    assert below.split() == ["~~~~~~~~python", "@os.fspath", "def", "test_it():", '"""```"""', "~~~~~~~~"]


def test_a_diagram_that_cannot_be_drawn_is_shown_as_text(clone: Path) -> None:
    drawn = rewritten(clone, "docs/a.md")
    assert pages.with_diagrams(drawn, PurePosixPath("a.md")).endswith('<script src="mermaid.js"></script>\n')
    assert "mermaid" not in pages.rewritten(clone, PurePosixPath("docs/a.md"), diagrams=False)[0]


def test_a_page_without_diagrams_does_not_fetch_what_draws_them(clone: Path) -> None:
    assert "<script" not in pages.with_diagrams(rewritten(clone, "docs/deep/b.md"), PurePosixPath("deep/b.md"))


@pytest.mark.parametrize(
    ("element", "fault"),
    [
        ('<a href="../gone/">x</a>', "leads to nothing: ../gone/"),
        ('<a href="../b/#gone">x</a>', "no such place: ../b/#gone"),
        ('<a href="#gone">x</a>', "no such place: #gone"),
        ('<script src="https://cdn.example/x.js"></script>', "fetches https://cdn.example/x.js"),
        ('<link rel="stylesheet" href="//fonts.example/x.css">', "fetches //fonts.example/x.css"),
        ('<img src="../b/index.html">', "a picture without a description"),
    ],
)
def test_what_is_wrong_with_a_page_is_told(tmp_path: Path, element: str, fault: str) -> None:
    for name, text in (("a", element), ("b", '<h2 id="there">')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(text, "utf-8")
    assert checking.faults(tmp_path) == [f"a/index.html: {fault}"]


def test_of_a_page_without_fault_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<p id="x"><a href="#x">x</a><a href="https://example.com/">y</a><img src="a.html" alt="z">'
        '<link rel="canonical" href="https://example.com/a">',
        "utf-8",
    )
    assert checking.faults(tmp_path) == []


def test_a_reader_finds_every_document_in_the_navigation() -> None:
    settings = tomllib.loads((ROOT / "tools/dev/handbook/zensical.toml").read_text("utf-8"))

    def listed(entry: Any) -> list[str]:
        if isinstance(entry, str):
            return [entry]
        return [page for each in (entry.values() if isinstance(entry, dict) else entry) for page in listed(each)]

    there = {str(pages.place(path)) for path in pages.documents(ROOT)}
    several = {name for name in there if name.startswith("decisions/0") or name.endswith("Alarm.md")}
    assert {*listed(settings["project"]["nav"])} - {"decisions/*.md", "runbooks/*Alarm.md"} == there - several
