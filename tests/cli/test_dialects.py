"""Files as programs write them: whatever separates, encodes and surrounds it, what a row says counts."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.actions.bulk.encodings import encoding_of, text_of
from consentry.actions.bulk.parts import Cutter
from consentry.actions.bulk.rows import CSV, NDJSON, Malformed, Reader, Row, UnusableInputError, unguarded
from consentry.table.gateway import StoreUnavailableError
from consentry.table.store import Store
from consentry_cli import importing
from support.deployments import rows_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from support.deployments import Deployment

IMPORT = ("import", "--brand", "demo")
HEADER = ("email", "name", "status", "topics")
ROWS = (("gil@example.com", "Gil, of Gill", "unsubscribed", "news"), ("hal@example.com", "", "bounced", ""))


def read(body: bytes, form: str = CSV, who: Sequence[str] = ("email", "subscriber_id")) -> list[Row | Malformed]:
    return list(Reader(text_of(io.BytesIO(body)), form, who=who))


def people(found: list[Row | Malformed]) -> list[str]:
    return [row.text("email") for row in found if isinstance(row, Row)]


def table(separator: str, end: str = "\n") -> str:
    rows = [separator.join(f'"{cell}"' if separator in cell else cell for cell in row) for row in (HEADER, *ROWS)]
    return end.join(rows) + end


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_whatever_separates_fields_and_lines(separator: str, end: str) -> None:
    found = read(table(separator, end).encode())
    assert [tuple(row.values.values()) for row in found if isinstance(row, Row)] == list(ROWS)
    assert [row.line for row in found] == [2, 3]


@pytest.mark.parametrize("said", ["utf-16", "UTF16", "utf_32"])
@pytest.mark.parametrize("is_in", ["utf-16", "utf-16-le", "utf-16-be"])
def test_an_encoding_that_wants_a_mark_is_read_without(deployment: Deployment, said: str, is_in: str) -> None:
    if "32" in said:
        is_in = is_in.replace("16", "32")
    source = deployment.write("left.csv", "email,status\ngil@example.com,unsubscribed\n".encode(is_in))
    done = deployment.run(*IMPORT, "--encoding", said, source)
    if is_in == "utf-32-be":  # nothing says it
        assert (done.exit_code, deployment.items()) == (2, [])
    else:
        assert (done.exit_code, deployment.status("gil@example.com")) == (0, "unsubscribed")


@pytest.mark.parametrize("name", ["base64", "rot13", "undefined", "klingon", "a\0b"])
def test_what_is_no_encoding_of_text_is_told(deployment: Deployment, name: str) -> None:
    done = deployment.run(*IMPORT, "--encoding", name, "-", stdin="email,status\n")
    assert done.exit_code == 2
    assert "no encoding of this name" in done.stderr


@pytest.mark.parametrize("length", [131_072, 200_000, 1_000_000])
def test_a_field_may_be_as_long_as_a_line(length: int) -> None:
    found = read(f'email,note\ngil@example.com,"{"x" * length}"\nhal@example.com,\n'.encode())
    assert people(found) == ["gil@example.com", "hal@example.com"]


def test_what_is_longer_than_a_line_may_be_is_told_so() -> None:
    found = read(f"email,note\ngil@example.com,{'x' * 1_100_000}\nhal@example.com,\n".encode())
    assert people(found) == ["hal@example.com"]
    assert "mebibyte" in next(row.reason for row in found if isinstance(row, Malformed))


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", b"\xef\xbb\xbf"),
        ("utf-16-le", b"\xff\xfe"),
        ("utf-16-be", b"\xfe\xff"),
        ("utf-16-le", b""),
        ("utf-16-be", b""),
        ("utf-32-le", b"\xff\xfe\x00\x00"),
        ("utf-32-be", b"\x00\x00\xfe\xff"),
    ],
)
def test_whatever_encodes_it(encoding: str, mark: bytes) -> None:
    text = "email;name;status\nzoë@example.com;Ζωή 🎈;unsubscribed\nhal@example.com;;bounced\n"
    found = read(mark + text.encode(encoding))
    assert people(found) == ["zoë@example.com", "hal@example.com"]
    assert isinstance(found[0], Row)
    assert found[0].values["name"] == "Ζωή 🎈"


@pytest.mark.parametrize(
    "before",
    ["sep=;\n", '"sep=;"\r\n', "SEP=;\n", "\n\n", "\r\n \r\n", ";;;\n", "sep=;\n\n"],
)
def test_what_stands_before_the_header(before: str) -> None:
    lines = len(before.replace("\r\n", "\n").split("\n")) - 1
    found = read(f"{before}email;status\nann@example.com;unsubscribed\n".encode())
    assert people(found) == ["ann@example.com"]
    assert found[0].line == lines + 2


def test_what_excel_is_told_of_the_separator_counts_more_than_how_the_header_looks() -> None:
    found = read(b"sep=|\nemail|a,b;c\nann@example.com|1,2;3\n")
    assert isinstance(found[0], Row)
    assert found[0].values == {"email": "ann@example.com", "a,b;c": "1,2;3"}


def test_a_separator_within_a_quoted_name_of_a_column_is_none() -> None:
    found = read(b'"name, first;given";email\nAnn;ann@example.com\n')
    assert people(found) == ["ann@example.com"]


@pytest.mark.parametrize("name", ["email", " Email ", "EMAIL", "\u00a0eMail\u00a0", "'email", "\ufeffemail"])
@pytest.mark.parametrize("form", [CSV, NDJSON])
def test_a_column_counts_whatever_the_case_of_its_name_and_the_blanks_around_it(form: str, name: str) -> None:
    text = f"x,{name}\n1,ann@example.com\n" if form == CSV else json.dumps({"x": 1, name: "ann@example.com"})
    assert people(read(text.encode(), form)) == ["ann@example.com"]


@pytest.mark.parametrize("form", [CSV, NDJSON])
def test_a_row_says_what_it_says_in_capitals_too(deployment: Deployment, form: str) -> None:
    rows = [{" Email": "dot@example.com", "STATUS ": "Unsubscribed", "Topics": "news"}]
    rows.append({" Email": "eli@example.com", "STATUS ": "", "Topics": "news"})
    text = "\n".join(json.dumps(row) for row in rows)
    if form == CSV:
        text = " Email,STATUS ,Topics\n" + "".join(",".join(row.values()) + "\n" for row in rows)
    done = deployment.run(*IMPORT, "--status", "subscribed", "--format", form, "-", stdin=text)
    assert done.exit_code == 0
    assert deployment.status("dot@example.com") == "unsubscribed"
    assert deployment.status("eli@example.com") == "subscribed"


@pytest.mark.parametrize("lines", [1, 3, 2_000])
def test_a_quote_that_is_left_open_costs_its_own_line(lines: int) -> None:
    """Also if another one is open further on, so that both make one field that looks closed."""
    rest = "".join(f"p{n}@example.com,P,unsubscribed,news\n" for n in range(lines))
    for second in ("", 'x@example.com,X",unsubscribed,news\n', 'x@example.com,"X,unsubscribed,news\n'):
        text = 'email,name,status,topics\nb@example.com,"open,unsubscribed,news\n' + rest + second + rest
        found = read(text.encode())
        bad = [row for row in found if isinstance(row, Malformed)]
        assert [(row.line, row.end) for row in bad][:1] == [(2, 2)]
        assert len(bad) == 1 + second.startswith('x@example.com,"')
        assert len(people(found)) == 2 * lines + second.startswith("x@example.com,X")
        assert "close it" in bad[0].reason


@pytest.mark.parametrize(
    ("header", "rest"), [("email,name,status", ",A,unsubscribed"), ("email", ""), ("status,name,email", "")]
)
def test_a_quote_that_is_left_open_around_an_address_costs_no_other_line(header: str, rest: str) -> None:
    """Also if another one closes what looks like one address of many lines."""
    before = "unsubscribed,A," if header.startswith("status") else ""
    lines = [f'{before}"a@example.com{rest}', f"{before}b@example.com{rest}", f'{before}c@example.com"{rest}']
    found = read("\n".join([header, *lines, f"{before}d@example.com{rest}"]).encode())
    assert [row.line for row in found if isinstance(row, Malformed)] == [2]
    assert [person.strip('"') for person in people(found)] == ["b@example.com", "c@example.com", "d@example.com"]


def test_a_field_of_several_lines_is_a_field() -> None:
    note = 'Hello,\nwrite to me@work.example,\n\n"quoted", and more\r\nbye'
    text = 'email,note,status\r\n"ann@example.com","{}",unsubscribed\r\nbob@example.com,,bounced\r\n'
    found = read(text.format(note.replace('"', '""')).encode())
    assert [(row.line, row.end) for row in found] == [(2, 6), (7, 7)]
    assert isinstance(found[0], Row)
    assert found[0].values["note"] == note


def test_a_field_of_several_lines_before_the_address_is_a_field() -> None:
    found = read(b'note,email\n"one\ntwo",ann@example.com\n')
    assert [(row.line, row.end) for row in found] == [(2, 3)]


@pytest.mark.parametrize(
    ("row", "exit_code", "register"),
    [
        ("gil@example.com,unsubscribed,news,,", 0, "out.news"),
        ("gil@example.com,unsubscribed,news,,,,,", 0, "out.news"),
        ("gil@example.com,unsubscribed,news", 0, "out.news"),
        ("gil@example.com,unsubscribed", 0, "out.*"),
        ("gil@example.com,subscribed,news,,,,", 0, "claim.news"),
        ("gil@example.com,subscribed,news", 1, ""),
        ("gil@example.com,unsubscribed,news,,,x", 1, ""),
        (",,,", 0, ""),
        (",,,,,,,", 0, ""),
    ],
)
def test_rows_that_are_shorter_or_longer_by_empty_fields(
    deployment: Deployment, row: str, exit_code: int, register: str
) -> None:
    text = f"email,status,topics,occurred_at,reference\n{row}\n"
    done = deployment.run(*IMPORT, "--report", "report.csv", "-", stdin=text)
    assert done.exit_code == exit_code
    assert list(deployment.consent("gil@example.com").registers) == ([register] if register else [])
    told = (deployment.folder / "report.csv").read_text().splitlines()[1:]
    assert len(told) == (0 if row.count(",") == 4 or not row.strip(",") else 1)


DOCUMENTS = (
    '{"Suppressions":[%s]}',
    "[%s]",
    '{"meta": {"total": 2, "links": [{"rel": "next"}]}, "data": {"people": [%s]}, "next": null}',
    '\n{\n  "items" : [\n    %s\n  ],\n  "paging": {"next": "https://api.example.com/"}\n}\n',
    '{"empty": [], "list": [%s], "tags": ["a", "b"]}',
)


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("between", [",", ",\n", " , "])
def test_a_document_with_a_list_in_it_is_rows(document: str, between: str) -> None:
    rows = [{"Email": f"p{n}@example.com", "why": 'a ] } { [ "quoted"', "more": [{"email": "x"}]} for n in range(1_000)]
    found = read((document % between.join(map(json.dumps, rows))).encode(), NDJSON)
    assert people(found) == [f"p{n}@example.com" for n in range(1_000)]
    assert [row.line for row in found] == list(range(1, 1_001))


def test_rows_of_ndjson_that_hold_lists_are_rows() -> None:
    rows = [{"email": f"p{n}@example.com", "lists": [{"email": "list@example.com"}]} for n in range(3)]
    for text in ("\n".join(map(json.dumps, rows)), json.dumps(rows[0])):
        assert people(read(text.encode(), NDJSON))[0] == "p0@example.com"


def test_a_broken_object_costs_itself() -> None:
    found = read(
        b'[{"email":"a@example.com"},{"email":nothing},{"email":"c@example.com"},7,{"email":"d@example.com"}]', NDJSON
    )
    assert people(found) == ["a@example.com", "c@example.com", "d@example.com"]
    assert [row.line for row in found if isinstance(row, Malformed)] == [2, 4]
    assert "object 2 of the list" in next(row.reason for row in found if isinstance(row, Malformed))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": [{"email": "a@example.com"}], "b": [{"email": "b@example.com"}]}', "another list"),
        ('{"Suppressions": [{"EmailAddress": "secret@example.com", "Origin": "x"}]}', "EmailAddress, Origin"),
        ('["secret@example.com"]', "one object a person"),
    ],
)
def test_a_document_whose_list_is_not_certain_is_refused(text: str, said: str) -> None:
    with pytest.raises(UnusableInputError, match=said) as refused:
        read(text.encode(), NDJSON)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"PK\x03\x04rest", "Excel workbook"),
        (b"\x1f\x8b\x08rest", "gzip"),
        (b"%PDF-1.7", "PDF"),
        (b'{"email":"a@example.com"}', "--format ndjson"),
        (b"<!doctype html><html>", "web page"),
        (b"", "empty"),
        (b"\xff\xfe", "empty"),
        (b"\n\n\n", "empty"),
    ],
)
def test_what_is_no_table_is_named_with_the_remedy(body: bytes, said: str) -> None:
    with pytest.raises(UnusableInputError, match=said):
        read(body)


def test_a_header_that_names_nobody_is_told_with_what_was_found(deployment: Deployment) -> None:
    done = deployment.run(*IMPORT, "-", stdin="\nE-Mail;City\nann@example.com;Ulm\n")
    assert done.exit_code == 2
    assert "line 2 has E-Mail, City" in done.stderr
    assert "--column email=NAME" in done.stderr
    mapped = (*IMPORT, "--column", "email=e-mail", "--status", "unsubscribed", "-")
    assert deployment.run(*mapped, stdin="\nE-Mail;City\nann@example.com;Ulm\n").exit_code == 0
    assert deployment.status("ann@example.com") == "unsubscribed"


@pytest.mark.parametrize(
    "row", ["ann@example.com,Secretname", "0301234567,Secretname", "AAAAAAAAAAAAAAAAAAAAAA,Secretname"]
)
def test_a_file_without_a_header_is_told_so_and_names_nobody(deployment: Deployment, row: str) -> None:
    done = deployment.run(*IMPORT, "--status", "unsubscribed", "-", stdin=f"{row}\n")
    assert done.exit_code == 2
    assert "line 1 has nothing that looks like names of columns" in done.stderr
    assert not [part for part in row.split(",") if part in done.output]


def test_an_address_in_another_encoding_is_told_or_read(deployment: Deployment) -> None:
    rows = "email,name,status\nzoë@example.com,Zoë,unsubscribed\nann@example.com,Jürgen,unsubscribed\n".encode("cp1252")
    told = deployment.run(*IMPORT, "-", stdin=rows)
    assert told.exit_code == 1
    assert told.stderr.startswith("line 2: email: not in UTF-8")
    assert deployment.status("ann@example.com") == "unsubscribed"
    assert deployment.run(*IMPORT, "--encoding", "windows-1252", "-", stdin=rows).exit_code == 0
    assert deployment.status("zoë@example.com") == "unsubscribed"
    assert deployment.run(*IMPORT, "--encoding", "klingon", "-", stdin=rows).exit_code == 2


@pytest.mark.parametrize(
    "command",
    [
        ("decide", "--brand", "demo", "--topic", "news"),
        ("links", "mint", "--brand", "demo", "--topic", "news", "--base-url", "https://links.example.com"),
    ],
    ids=["decide", "mint"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_every_command_that_reads_rows_reads_them_so(
    deployment: Deployment, command: tuple[str, ...], encoding: str
) -> None:
    lines = ["sep=;", "", "Name; E-MAIL ;EMAIL", "Zoë;x;Zoë <zoë@example.com>"]
    text = "\r\n".join([*lines, 'Ann;"x;ann@example.com', "Bob;;bob@example.com;;"])
    done = deployment.run(*command, deployment.write("people.csv", text.encode(encoding)))
    assert done.exit_code == 1
    assert done.stderr.startswith('line 5: a quote (") is opened')
    rows = rows_of(done.stdout_bytes.decode())
    assert [row["Name"] for row in rows] == ["Zoë", "Bob"]
    ids = [deployment.id_of(f"{who}@example.com") for who in ("zoë", "bob")]
    assert [unguarded(row["subscriber_id"]) for row in rows] == ids
    document = json.dumps({"people": [{"Email": "bob@example.com"}]}).encode(encoding)
    done = deployment.run(*command, deployment.write("people.json", document))
    assert json.loads(done.stdout)["subscriber_id"] == ids[1]


@pytest.mark.parametrize("form", ["csv", "json"])
def test_an_import_that_was_ended_goes_on_where_it_was(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    monkeypatch.setattr("consentry.actions.bulk.importing.PATIENCE", (0.001,))
    monkeypatch.setattr(importing, "BATCH", 10)
    rows = [{"email": f"p{n}@example.com", "status": "unsubscribed"} for n in range(40)]
    text = json.dumps({"list": rows})
    if form == "csv":
        lines = [";".join(row.values()) for row in rows]
        lines[12] = 'x@example.com;"unsubscribed'
        text = "\r\n".join(["sep=;", "Email;Status", *lines])
    source = deployment.write(f"people.{form}", text.encode("utf-16"))
    record, calls = Store.record, 0

    def failing(self: Store, *arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls > 25:
            raise StoreUnavailableError("unavailable")
        return record(self, *arguments, **named)  # type: ignore[arg-type]  # as it is called

    monkeypatch.setattr(Store, "record", failing)
    stopped = deployment.run(*IMPORT, source)
    assert stopped.exit_code == 2
    assert f"done up to line {22 if form == 'csv' else 20}" in stopped.stderr
    calls = -1_000
    assert deployment.run(*IMPORT, source).exit_code == (1 if form == "csv" else 0)
    assert len(deployment.events()) == (39 if form == "csv" else 40)
    assert len({event["occurred_at"]["N"] for event in deployment.events()}) == 1
    assert calls == -1_000 + 20


@pytest.mark.hypothesis
def test_a_table_is_read_in_any_encoding_and_in_parts_as_it_was_written() -> None:
    cell = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6)

    @given(
        rows=st.lists(st.tuples(cell, cell), max_size=8),
        separator=st.sampled_from(",;\t|"),
        encoding=st.sampled_from(["utf-8-sig", "utf-16", "utf-32"]),
        end=st.sampled_from(["\n", "\r\n"]),
        most=st.integers(1, 3),
    )
    def holds(rows: list[tuple[str, str]], separator: str, encoding: str, end: str, most: int) -> None:
        lines = [("email", "x"), *rows]
        text = "".join(separator.join('"' + field.replace('"', '""') + '"' for field in line) + end for line in lines)
        body = text.encode(encoding)
        assert [tuple(row.values.values()) for row in read(body) if isinstance(row, Row)] == rows
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("consentry.actions.bulk.parts.ROWS", most)
            cutter = Cutter(io.BytesIO(body), CSV)
            cut = list(cutter.parts(lambda _row: None))
        again: list[Row | Malformed] = []
        for part in cut:
            piece = text_of(io.BytesIO(body[part.start : part.end]), whole=False, encoding=cutter.encoding)
            columns, sep = cutter.reader.columns, cutter.reader.separator
            again += Reader(piece, CSV, header=columns, after=part.after, separator=sep)
        assert again == read(body)

    holds()


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_document_is_read_in_parts_as_it_is_in_one(
    monkeypatch: pytest.MonkeyPatch, document: str, encoding: str
) -> None:
    monkeypatch.setattr("consentry.actions.bulk.parts.ROWS", 3)
    rows = [json.dumps({"email": f"zoë{n}@example.com"}, ensure_ascii=False) for n in range(10)]
    body = (document % ", ".join([*rows, '{"email": broken}', *rows])).encode(encoding)
    cutter = Cutter(io.BytesIO(body), NDJSON)
    again: list[Row | Malformed] = []
    for part in cutter.parts(lambda _row: None):
        piece = text_of(io.BytesIO(body[part.start : part.end]), whole=False, encoding=cutter.encoding)
        again += Reader(piece, cutter.reader.form, header=(), after=part.after)
    assert again == read(body, NDJSON)
    assert len(people(again)) == 20


def test_a_long_document_of_one_line_is_read_in_little_memory() -> None:
    class Endless(io.RawIOBase):
        """A list of 20 MB on one line."""

        def __init__(self) -> None:
            self.left = 200_000

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: object) -> int:
            view = memoryview(buffer)  # type: ignore[arg-type]  # what io hands out
            some = b'{"list":[' if self.left == 200_000 else b""
            count = min(self.left, 500)
            self.left -= count
            some += b'{"email":"somebody@example.com","note":"%s"},' % (b"x" * 50) * count
            view[: len(some)] = some
            return len(some)

    reader = Reader(text_of(io.BufferedReader(Endless(), 1 << 17)), NDJSON)
    tracemalloc.start()
    assert sum(isinstance(row, Row) for row in reader) == 200_000
    assert tracemalloc.get_traced_memory()[1] < 8 << 20
    tracemalloc.stop()


def test_nothing_that_is_no_text_is_taken_for_utf_16() -> None:
    assert encoding_of(b"email,name\nann@example.com\x00\x00\x00,Ann\n").name == "utf-8"
    assert encoding_of(b"").name == "utf-8"
    assert encoding_of(b"a").name == "utf-8"
