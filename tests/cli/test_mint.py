"""`consentry links mint` and `consentry keys export`."""

from __future__ import annotations

import base64
import hmac
import json
import stat
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from consentry.links import unsubscribe_addresses
from consentry.links.tokens import MINTED, Link, NotOursError, Purpose, Tokens
from consentry.rules.brands import Brands
from consentry_cli import key_files
from support import people
from support.deployments import Deployment, rows_of

BASE = "https://links.example.com"
MINT = ("links", "mint", "--brand", "demo", "--topic", "news", "--base-url", BASE)
ID = "AAAAAAAAAAAAAAAAAAAAAA"
NOW = 1_800_000_000_000


def test_each_row_gets_links_that_the_deployment_accepts(deployment: Deployment) -> None:
    source = deployment.write("people.csv", 'email,name,reference\nAnn@Example.com,"Ann, A.",c-1\n')
    done = deployment.run(*MINT, source, "-o", "out.csv")
    assert (done.exit_code, done.stderr) == (0, "")
    (row,) = rows_of(Path("out.csv").read_text())
    assert (row["email"], row["name"], row["reference"]) == ("Ann@Example.com", "Ann, A.", "c-1")
    assert row["subscriber_id"] == deployment.id_of("ann@example.com")
    tokens = Tokens(deployment.keyring)
    leave = tokens.read(Purpose.UNSUBSCRIBE, row["unsubscribe_url"].removeprefix(f"{BASE}/u/"), 0)
    assert (leave.brand, leave.subscriber_id, leave.topics, leave.reference) == (
        "demo",
        row["subscriber_id"],
        ("news",),
        "c-1",
    )
    choose = tokens.read(Purpose.PREFERENCES, row["preferences_url"].removeprefix(f"{BASE}/p/"), 0)
    assert choose.subscriber_id == row["subscriber_id"]
    web, mailto = row["list_unsubscribe"].split(", ")
    assert web == f"<{row['unsubscribe_url']}>"
    assert mailto.endswith("@reply.meadow.example?subject=unsubscribe>")
    (code,) = unsubscribe_addresses.find(mailto)
    left = unsubscribe_addresses.read(tokens, Brands([people.brand()]), code)
    assert left == Link(Purpose.UNSUBSCRIBE, "demo", row["subscriber_id"], ("news",))
    assert row["list_unsubscribe_post"] == "List-Unsubscribe=One-Click"


def test_a_row_gets_a_link_to_keep_where_that_is_asked_for(deployment: Deployment) -> None:
    done = deployment.run(*MINT, "--keep", "-", stdin="email,reference\nann@example.com,c-1\n")
    (row,) = rows_of(done.stdout)
    kept = Tokens(deployment.keyring).read(Purpose.KEEP, row["keep_url"].removeprefix(f"{BASE}/k/"), 0)
    assert kept == Link(Purpose.KEEP, "demo", deployment.id_of("ann@example.com"), ("news",), "c-1")


def test_a_key_file_of_before_there_were_links_to_keep_mints_all_others(deployment: Deployment) -> None:
    deployment.run("keys", "export", "--brand", "demo", "-o", "demo.keys")
    document = json.loads(Path("demo.keys").read_text())
    for each in document["minting"]:
        del each["keys"]["k"]
    Path("demo.keys").write_text(json.dumps(document))
    text = "email\nann@example.com\n"
    assert deployment.run(*MINT, "--keys", "demo.keys", "-", stdin=text).exit_code == 0
    refused = deployment.run(*MINT, "--keep", "--keys", "demo.keys", "-", stdin=text)
    assert refused.exit_code == 2
    assert "consentry keys export" in refused.stderr


def test_ndjson_comes_back_as_ndjson(deployment: Deployment) -> None:
    given: dict[str, Any] = {"subscriber_id": ID, "nested": {"a": [1, None]}, "name": "Ä\ud800"}
    source = deployment.write(
        "people.ndjson", json.dumps(given) + "\n\n" + json.dumps({"email": "b@example.com"}) + "\n"
    )
    done = deployment.run(*MINT, source)
    assert done.exit_code == 0
    first, second = map(json.loads, done.stdout.splitlines())
    assert {name: first[name] for name in given} == given
    assert second["subscriber_id"] == deployment.id_of("b@example.com")


def test_lines_that_can_not_be_used_are_told_by_number_and_left_out(deployment: Deployment) -> None:
    lines = [
        b"\xef\xbb\xbfemail,subscriber_id,reference,note",  # a byte-order mark, as Excel writes it
        b"ann@example.com,,,caf\xe9",  # not UTF-8: passes through
        b"secret-person at example.com,,,",
        b",not-an-id,,",
        b",,,",
        b"bob@example.com,,",
        b"bob@example.com,,,,",
        b"bob@example.com,," + b"r" * 65 + b",",
        b"",
        b"b\x00b@example.com,,,",
        b"b\xff@example.com,,,",
        b"x@example.com,,," + b"h" * 1_100_000,
        b'bob@example.com,,,"a note\nof two lines"',
        b"ann@example.com," + ID.encode() + b",,the id counts",
    ]
    done = deployment.run(*MINT, "-", stdin=b"\r\n".join(lines))
    assert done.exit_code == 1
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [
        f"line {n}" for n in (3, 4, 5, 8, 10, 11, 12)
    ]
    assert "secret-person" not in done.stderr
    written = rows_of(done.stdout_bytes.decode("utf-8", "surrogateescape"))
    assert [row["note"] for row in written] == ["caf\udce9", "", "", "a note\nof two lines", "the id counts"]
    assert written[-1]["subscriber_id"] == ID


def test_an_address_in_place_of_a_mark_makes_no_link(deployment: Deployment) -> None:
    lines = ["email,reference", "ann@example.com,ann@example.com", "bob@example.com,bob%40example.com"]
    done = deployment.run(*MINT, "-", stdin="\n".join([*lines, "cy@example.com,c-1"]))
    assert done.exit_code == 1
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["line 2", "line 3"]
    assert "ann" not in done.stderr
    assert [row["email"] for row in rows_of(done.stdout)] == ["cy@example.com"]


def test_a_quote_that_is_never_closed_does_not_swallow_the_rest(deployment: Deployment) -> None:
    text = 'email\n"ann@example.com\n' + "bob@example.com\n" * 20_000
    done = deployment.run(*MINT, "-", stdin=text)
    assert done.exit_code == 1
    assert done.stderr.startswith('line 2: a quote (") is opened and not closed')
    assert len(done.stdout.splitlines()) == 20_001


def test_bad_json_is_told_by_number(deployment: Deployment) -> None:
    lines = ["nonsense", "[1]", "{}", '{"email": 5}', '{"email": ["a@b.com"]}', "[" * 100_000, "9" * 5_000]
    lines += ['{"a":"' + "x" * 2_000_000 + '"}', '{"email":"a@example.com"}']
    done = deployment.run(*MINT, "-", "--format", "ndjson", stdin="\n".join(lines))
    assert done.exit_code == 1
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == [f"line {n}" for n in range(1, 9)]
    assert len(done.stdout.splitlines()) == 1


def test_many_bad_lines_are_counted(deployment: Deployment) -> None:
    done = deployment.run(*MINT, "-", stdin="email\n" + "nobody\n" * 100)
    assert len(done.stderr.splitlines()) == 21
    assert "80 more malformed lines" in done.stderr


def test_added_columns_that_are_there_already_are_renewed(deployment: Deployment) -> None:
    once = deployment.run(*MINT, "-", stdin="email\nann@example.com\n").stdout
    assert deployment.run(*MINT, "-", stdin=once).stdout == once


@pytest.mark.parametrize(
    ("arguments", "stdin", "said"),
    [
        ((*MINT, "-"), "", "the input is empty"),
        ((*MINT, "-"), "name\nAnn\n", "neither email nor subscriber_id"),
        ((*MINT, "missing.csv"), None, "missing.csv"),
        (
            (*MINT[:4], "--topic", "newz", *MINT[6:], "-"),
            "email\n",
            "demo has no topic newz; it has news, offers, product",
        ),
        (("links", "mint", "--brand", "nobody", *MINT[4:], "-"), "email\n", "no brand nobody"),
        ((*MINT[:6], "--base-url", "links.example.com", "-"), "email\n", "--base-url"),
        ((*MINT, "--keyring", "gone", "-"), "email\na@example.com\n", "the keyring can't be read"),
    ],
)
def test_what_can_not_run_says_so_in_a_line(
    deployment: Deployment, arguments: tuple[str, ...], stdin: str | None, said: str
) -> None:
    done = deployment.run(*arguments, stdin=stdin)
    assert done.exit_code == 2
    assert said in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.output


def test_an_output_that_is_not_finished_does_not_appear(deployment: Deployment) -> None:
    Path("out.csv").write_text("what was there")
    source = deployment.write("people.csv", "email\na@example.com\n")
    assert deployment.run(*MINT, "--keyring", "gone", source, "-o", "out.csv").exit_code == 2
    assert Path("out.csv").read_text() == "what was there"
    assert not list(Path().glob(".out*"))


def test_exported_keys_mint_the_same_links_without_aws(deployment: Deployment) -> None:
    text = "email\nann@example.com\n"
    online = deployment.run(*MINT, "-", stdin=text)
    assert deployment.run("keys", "export", "--brand", "demo", "-o", "demo.keys").exit_code == 0
    assert stat.S_IMODE(Path("demo.keys").stat().st_mode) == 0o600
    document = json.loads(Path("demo.keys").read_text())
    assert set(document) == {"brand", "pepper", "minting"}
    assert [set(each["keys"]) for each in document["minting"]] == [{"u", "p", "k"}]
    deployment.environment = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    offline = deployment.run(*MINT, "--keys", "demo.keys", "-", stdin=text)
    assert (offline.exit_code, offline.stdout) == (0, online.stdout)
    assert unsubscribe_addresses.find(offline.stdout)


def test_from_exported_keys_nobody_makes_a_link_that_only_we_make(deployment: Deployment) -> None:
    """Neither asked to, nor by putting whatever the file holds to another use."""
    deployment.run("keys", "export", "--brand", "demo", "-o", "demo.keys")
    held = key_files.load(Path("demo.keys"), "demo")
    document = json.loads(Path("demo.keys").read_text())
    secrets = [base64.b64decode(text) for text in (document["pepper"], *document["minting"][0]["keys"].values())]
    tokens = Tokens(deployment.keyring)
    assert not set(secrets) & set(deployment.keyring.signing_keys("demo"))
    ours = [Link(purpose, "demo", ID, ("news",), at=NOW, ours=True) for purpose in MINTED]
    others = [Link(purpose, "demo", ID, ("news",), at=NOW) for purpose in set(Purpose) - set(MINTED)]
    for wanted in (*ours, *others):
        good = tokens.sign(wanted)
        assert tokens.read(wanted.purpose, good, NOW).purpose is wanted.purpose
        with pytest.raises(ValueError, match="no key for"):
            held.sign(wanted)
        payload = good.partition(".")[0]
        for secret in secrets:
            plain = base64.urlsafe_b64encode(hmac.digest(secret, payload.encode(), "sha256")).rstrip(b"=").decode()
            for forged in (Tokens(Alone(secret)).sign(wanted), f"{payload}.{plain}"):
                with pytest.raises(NotOursError):
                    tokens.read(wanted.purpose, forged, NOW)


class Alone(NamedTuple):
    """One secret, taken for a signing key."""

    secret: bytes

    def signing_keys(self, _brand: str) -> tuple[bytes, ...]:
        return (self.secret,)

    def retired_keys(self, _brand: str) -> tuple[bytes, ...]:
        return ()

    def refresh(self) -> bool:
        return False


def test_without_brand_files_links_are_minted_all_the_same(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.folder.joinpath("elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    done = deployment.run(*MINT, "-", stdin="email\nann@example.com\n")
    assert done.exit_code == 0
    assert "mailto" not in done.stdout
    assert "no brand files" in done.stderr


def test_keys_of_another_brand_are_refused(deployment: Deployment) -> None:
    assert deployment.run("keys", "export", "--brand", "other", "-o", "other.keys").exit_code == 0
    done = deployment.run(*MINT, "--keys", "other.keys", "-", stdin="email\na@example.com\n")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "of other, not of demo" in done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"brand":"demo","pepper":"","minting":[{"signs_from":0,"keys":{"u":"?","p":"a2V5"}}]}',
        '{"brand":"demo","pepper":"","minting":[{"signs_from":0,"keys":{"u":"a2V5"}}]}',
        '{"brand":"demo","pepper":"","signing_keys":["a2V5"]}',
        "\xff",
    ],
)
def test_a_file_that_holds_no_keys_is_refused(deployment: Deployment, text: str) -> None:
    source = deployment.write("bad.keys", text.encode("latin-1"))
    done = deployment.run(*MINT, "--keys", source, "-", stdin="email\na@example.com\n")
    assert done.exit_code == 2
    assert "no file of `consentry keys export`" in done.stderr


def test_a_file_without_a_key_is_refused(deployment: Deployment) -> None:
    source = deployment.write("bad.keys", '{"brand":"demo","pepper":"","minting":[]}')
    done = deployment.run(*MINT, "--keys", source, "-", stdin="email\na@example.com\n")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "holds no key" in done.stderr
