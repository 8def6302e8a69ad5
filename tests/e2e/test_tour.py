"""The tour says what is so: from top to bottom each command is run against a stack, and Ann does what she is told to.

What is done with a block:

    sh          run by a shell, whose variables the next ones have; `make run` has been done by the stack
    json, text  what the block before printed; `…` stands for anything
    <!-- test: -->  what the paragraph before asks a person to do in the browser
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from dev.emulator import shell
from support.stack import Answer, Stack, standing
from support.waiting import eventually

ROOT: Final = Path(__file__).parents[2]
TOUR: Final = (ROOT / "docs/tour.md").read_text("utf-8")
STEP: Final = re.compile(r"^```(\w+)\n(.*?)^```$|^<!-- test: ([^\n]+) -->$", re.MULTILINE | re.DOTALL)
ADVERTISED: Final = "http://127.0.0.1:8080"
ANN: Final = "ann@example.com"


class Ann:
    """Somebody who sits at a browser and reads the tour."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.link = ""
        """The last one that was printed in the terminal."""

    def do(self, what: str) -> None:
        getattr(self, what.replace(" ", "_"))()

    def ask(self) -> None:
        page = self._open("/s/demo")
        assert "Newsletter" in page.text
        assert self.stack.call("POST", "/s/demo", form={"email": ANN, "topics": "news"}).status == 200
        self.stack.mail_to(ANN)

    def confirm(self) -> None:
        self._press(self._link(self.stack.mail_to(ANN)["html"], "/c/"))

    def _press(self, url: str) -> None:
        form = self._open(url).fields()
        # A form that comes back within a second is a machine's, so the page is read for as long as it asks to be.
        done = eventually(
            lambda: self.stack.call("POST", url, form=form), lambda done: 'name="answer"' not in done.text
        )
        assert done.status == 200

    def leave_and_undo(self) -> None:
        page = self._open(self.link)
        left = self.stack.call("POST", self.link, form=page.fields() | {"scope": "topic"})
        assert self.stack.status(ANN) == "unsubscribed"
        assert "Undo" in left.text
        assert self.stack.call("POST", self._link(left.text, "/u/undo/"), form={}).status == 200

    def choose(self) -> None:
        url = self._link(self._open(self.link).text, "/p/")
        page = self._open(url)
        assert "Once a month" in page.text
        form = page.fields() | {"topics": "news", "frequency.news": "monthly"}
        asked = self.stack.call("POST", url, form=form)
        assert "One more step" in asked.text
        assert self.stack.call("POST", url, form=asked.fields() | {"email": ANN}).status == 200
        self._press(self._link(self.stack.mail_to(ANN, 2)["html"], "/c/"))

    def _open(self, url: str) -> Answer:
        page = self.stack.call("GET", url)
        assert page.status == 200
        return page

    def _link(self, text: str, path: str) -> str:
        found = re.search(rf'(?:href|action)="([^"]*{path}[^"?]+)', text)
        assert found, f"no link to {path}"
        return found[1]


class Terminal:
    """A shell in a clone, which keeps its variables from one block to the next."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack, self.folder = stack, folder
        (folder / ".local").mkdir()
        (folder / ".local/stack.json").write_text(json.dumps(stack.told), "utf-8")
        (folder / ".local/env").write_text(shell.settings(stack.told), "utf-8")
        (folder / ".venv").symlink_to(ROOT / ".venv")
        (folder / "variables").touch()

    def run(self, commands: str) -> str:
        """What the commands print."""
        script = f"set -eua\n. ./variables\n{commands}\nexport -p > ./variables\n"
        done = subprocess.run(  # noqa: S603 - our own page
            ["bash", "-c", script],  # noqa: S607 - the reader's own shell, wherever it is
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )
        self.stack.noted.note_answer(done.stdout)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that nobody has used yet, as somebody who takes the tour has it."""
    with standing(tmp_path_factory.mktemp("tour")) as stack:
        yield stack


def test_whoever_takes_the_tour_sees_what_it_says(own: Stack, tmp_path: Path) -> None:
    ann, terminal, printed = Ann(own), Terminal(own, tmp_path), ""
    for language, text, act in STEP.findall(TOUR):
        if act:
            ann.do(act)
        elif language == "sh":
            printed = "" if text == "make run\n" else terminal.run(text)
            ann.link = printed.strip() if "/u/" in printed else ann.link
        elif language == "json":
            assert_shown(json.dumps(json.loads(text), ensure_ascii=False), json.dumps(json.loads(printed)), text)
        else:
            assert_shown(text.replace(ADVERTISED, own.base).strip(), printed.strip(), text)


def assert_shown(shown: str, printed: str, block: str) -> None:
    """What the tour shows is what was printed, but for `…`."""
    pattern = ".*".join(map(re.escape, shown.split("…")))
    assert re.fullmatch(pattern, printed, re.DOTALL), f"the tour shows\n{block}\nbut it is\n{printed}"


def test_the_tour_has_a_step_for_each_thing_that_it_promises() -> None:
    assert [act for _, _, act in STEP.findall(TOUR) if act] == ["ask", "confirm", "leave and undo", "choose"]
    assert sum(language in {"json", "text"} for language, _, _ in STEP.findall(TOUR)) > 8
