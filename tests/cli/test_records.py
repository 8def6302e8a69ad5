"""Rows: whatever a file holds, each of its lines is read or told of, and what was read can be written."""

from __future__ import annotations

import io
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.actions.bulk.rows import CSV, NDJSON, Malformed, Reader, Row, UnusableInputError, Writer

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
noise = st.lists(st.sampled_from(['"', ",", "\n", "\r\n", "\r", "a", "é", "{", "}", ":", "null", "\0", "\udc80"]))


def read(form: str, text: str) -> list[Row | Malformed]:
    return list(Reader(io.StringIO(text, newline=""), form))


@pytest.mark.hypothesis
@pytest.mark.parametrize("form", [CSV, NDJSON])
def test_a_file_of_noise_is_read_or_told_of_line_by_line(form: str) -> None:
    @given(noise.map("".join))
    def holds(text: str) -> None:
        with suppress(UnusableInputError):  # no header
            found = read(form, f"email,status\n{text}" if form == CSV else text)
            assert [row.line for row in found] == sorted({row.line for row in found})
            assert all(row.end >= row.line for row in found)
            assert all(isinstance(row, Malformed) or isinstance(row.values, dict) for row in found)

    holds()


@pytest.mark.hypothesis
@pytest.mark.parametrize("form", [CSV, NDJSON])
def test_what_is_written_is_read_as_it_was(form: str) -> None:
    @given(st.lists(st.fixed_dictionaries({"email": texts, "reference": texts}), max_size=4))
    def holds(rows: list[dict[str, Any]]) -> None:
        out = io.StringIO(newline="")
        writer = Writer(out, form, ["email", "reference"], ())
        for row in rows:
            writer.row(row)
        found = read(form, out.getvalue())
        assert [row.values for row in found if isinstance(row, Row)] == rows

    holds()


def test_a_line_that_is_not_used_is_not_repeated() -> None:
    for row in read(CSV, 'email,status\n"ann@example.com"x,y\nann@example.com,a,b,c\n'):
        assert isinstance(row, Malformed)
        assert "ann" not in row.reason
