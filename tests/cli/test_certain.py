"""Nothing is a claim because nobody says otherwise: what isn't certain is refused, with the remedy."""

from __future__ import annotations

import json
import unicodedata
from typing import TYPE_CHECKING

import pytest

from consentry.actions.bulk.presets import sounding

if TYPE_CHECKING:
    from support.deployments import Deployment

IMPORT = ("import", "--brand", "demo")
CLAIMS = (*IMPORT, "--topic", "news", "--status", "subscribed")


@pytest.mark.parametrize(
    ("options", "name", "header"),
    [
        ((), "people.csv", "email,name"),
        ((), "subscribed_people.csv", "email,name"),
        (("--preset", "mailchimp"), "Copy of unsubscribed_audience.csv", '"Email Address","First Name"'),
        (("--preset", "mailchimp"), "audience.csv", '"Email Address",MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME,EUID'),
        (("--preset", "sendgrid"), "list.csv", "email,created"),
        (("--preset", "mailgun"), "list.csv", "address,created_at"),
        (("--preset", "ghost"), "members.csv", "id,email,name"),
        (("--preset", "substack"), "email_list.csv", "email,plan"),
        (("--preset", "klaviyo"), "list.csv", "Email,First Name"),
        (("--preset", "brevo"), "list.csv", "EMAIL;LASTNAME"),
        (("--preset", "kit"), "confirmed.csv", "email,first_name"),
        (("--preset", "listmonk"), "subscribers.csv", "email,name"),
        (("--preset", "postmark"), "suppressions.csv", "EmailAddress,Origin"),
        (("--preset", "ses"), "suppressed.csv", "EmailAddress,LastUpdateTime"),
        (("--preset", "keila"), "contacts.csv", "Email,First name"),
        (("--preset", "beehiiv"), "subscribers.csv", "email,created_at"),
        (("--preset", "hubspot"), "contacts.csv", "Email,First Name"),
        (("--preset", "activecampaign"), "contacts.csv", "Email,First Name"),
    ],
)
def test_a_file_whose_kind_is_not_certain_is_refused_and_asks_for_status(
    deployment: Deployment, options: tuple[str, ...], name: str, header: str
) -> None:
    columns = header.replace(";", ",").count(",") + 1
    row = ",".join(["ann@example.com", *["x"] * (columns - 1)]).replace(",", ";" if ";" in header else ",")
    if "id," in header[:3]:
        row = "1,ann@example.com,x"
    done = deployment.run(*IMPORT, "--topic", "news", *options, deployment.write(name, f"{header}\n{row}\n"))
    assert done.exit_code == 2
    assert "--status" in done.stderr
    assert deployment.items() == []
    said = deployment.run(*IMPORT, *options, "--status", "unsubscribed", deployment.folder / name)
    assert said.exit_code == 0
    assert deployment.status("ann@example.com") == "unsubscribed"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("unsubscribed", "true"),
        ("unsubscribed_at", "2026-01-01"),
        ("opted out", "yes"),
        ("Do Not Email", "TRUE"),
        ("bounced", "1"),
        ("complained", "yes"),
        ("Email Marketing Consent", "NEVER_SUBSCRIBED"),
        ("opt_in", "no"),
        ("Newsletter", "0"),
        ("Abgemeldet am", "01.01.2026"),
        ("List Status", "Unsubscribed"),
    ],
)
@pytest.mark.parametrize("form", ["csv", "ndjson"])
def test_a_row_that_says_subscribed_and_elsewhere_that_somebody_left_is_no_claim(
    deployment: Deployment, column: str, value: str, form: str
) -> None:
    row = {"email": "ann@example.com", "status": "subscribed", column: value}
    text = ",".join(row) + "\n" + ",".join(row.values()) if form == "csv" else json.dumps(row)
    source = deployment.write(f"people.{form}", text + "\n")
    done = deployment.run(*IMPORT, "--topic", "news", source)
    assert (done.exit_code, f"{column} may say that somebody left" in done.stderr) == (1, True)
    assert deployment.items() == []
    waved = deployment.run(*IMPORT, "--topic", "news", "--ignore-column", column, "--restart", source)
    assert (waved.exit_code, deployment.status("ann@example.com")) == (0, "subscribed")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("unsubscribed", "false"),
        ("unsubscribed_at", ""),
        ("unsubscribed_at", "0000-00-00 00:00:00"),
        ("Do Not Email", "No"),
        ("bounces", "0"),
        ("Email Marketing Consent", "SUBSCRIBED"),
        ("opt_in", "2024-01-01"),
        ("optin_ip", "192.0.2.1"),
        ("Newsletter", "yes"),
        ("Newsletter", "weekly"),
        ("List Status", "active"),
        ("Abgemeldet", "nein"),
    ],
)
def test_a_row_that_says_subscribed_and_nothing_else_is_a_claim(
    deployment: Deployment, column: str, value: str
) -> None:
    source = deployment.write("people.csv", f"email,status,{column}\nann@example.com,subscribed,{value}\n")
    assert deployment.run(*IMPORT, "--topic", "news", source).exit_code == 0
    assert deployment.status("ann@example.com") == "subscribed"


COLUMNS = (
    "subscribed_to_emails",
    "email_disabled",
    "Email Marketing Consent",
    "EMAIL_BLACKLISTED",
    "emailBlacklisted",
    "Unsubscribed from all email",
    "OptOut",
    "opt-in date",
    "do_not_email",
    "Hard bounces",
    "List Status",
    "Member_Status",
    "accepts_marketing",
    "Newsletter",
    "unsubscribe_reason",
    "GDPR",
    "Abgemeldet am",
    "Désabonné",
    "De\u0301sabonne\u0301",
    "emailoptout",
    "isunsubscribed",
    "CONTACTSTATUS",
    "Newsletterabmeldung",
    "banned",
    "mail_ok",
    "配信停止",
    "Подписка",
    "수신거부",
    "退订",
)


@pytest.mark.parametrize(
    ("column", "form"), [*((name, "csv") for name in COLUMNS), ("OptOut", "ndjson"), ("email_disabled", "json")]
)
def test_a_column_that_may_say_that_somebody_left_must_be_read_or_waved_away(
    deployment: Deployment, column: str, form: str
) -> None:
    row = {"email": "ann@example.com", "city": "Ulm", column: "yes"}
    text = {
        "csv": ",".join(row) + "\n" + ",".join(row.values()) + "\n",
        "ndjson": json.dumps(row),
        "json": json.dumps({"people": [row]}, indent=1),
    }[form]
    source = deployment.write(f"people.{form}", text)
    done = deployment.run(*CLAIMS, source)
    assert done.exit_code == 2
    assert unicodedata.normalize("NFC", column) in done.stderr
    assert "--ignore-column" in done.stderr
    assert deployment.items() == []
    assert deployment.run(*CLAIMS, "--ignore-column", column.upper(), "--restart", source).exit_code == 0
    assert deployment.status("ann@example.com") == "subscribed"


def test_a_later_row_may_have_such_a_column_too(deployment: Deployment) -> None:
    rows = [{"email": "ann@example.com"}, {"email": "bob@example.com", "optedOut": True}, {"email": "cy@example.com"}]
    done = deployment.run(*CLAIMS, "--format", "ndjson", "-", stdin="\n".join(map(json.dumps, rows)))
    assert done.exit_code == 1
    assert done.stderr.startswith("line 2: optedOut may say that somebody left")
    assert [deployment.status(f"{who}@example.com") for who in ("ann", "bob", "cy")] == [
        "subscribed",
        "none",
        "subscribed",
    ]


def test_such_a_column_matters_to_claims_alone(deployment: Deployment) -> None:
    text = "email,email_disabled\nann@example.com,false\n"
    assert deployment.run(*IMPORT, "--status", "unsubscribed", "-", stdin=text).exit_code == 0
    assert deployment.status("ann@example.com") == "unsubscribed"


def test_a_column_may_be_mapped(deployment: Deployment) -> None:
    text = "mail,Abo Status,Thema\nann@example.com,subscribed,news\nbob@example.com,unsubscribed,news\n"
    columns = [f"--column={each}" for each in ("email=Mail", "status=abo status", "topics=Thema")]
    assert deployment.run(*IMPORT, "--status", "subscribed", *columns, "-", stdin=text).exit_code == 0
    assert deployment.status("ann@example.com") == "subscribed"
    assert deployment.status("bob@example.com") == "unsubscribed"


@pytest.mark.parametrize("second", ["status", "Status", " STATUS "])
def test_two_columns_of_one_name_are_refused(deployment: Deployment, second: str) -> None:
    text = f"email,status,{second}\nann@example.com,subscribed,unsubscribed\n"
    done = deployment.run(*IMPORT, "--topic", "news", "-", stdin=text)
    assert done.exit_code == 2
    assert "more than one column is called status" in done.stderr


def test_two_columns_of_addresses_are_refused_by_every_command(deployment: Deployment) -> None:
    text = "email,Email\nann@example.com,bob@example.com\n"
    for command in (("decide", "--brand", "demo", "--topic", "news", "-"), ("erase", "--brand", "demo", "-")):
        assert deployment.run(*command, stdin=text).exit_code == 2


def test_names_of_an_object_that_differ_by_case_alone_make_no_subscriber(deployment: Deployment) -> None:
    rows = [{"email": "ann@example.com", "status": "subscribed", "topics": "news"}]
    rows.append({"email": "bob@example.com", "status": "subscribed", "Status": "unsubscribed", "topics": "news"})
    done = deployment.run(*IMPORT, "--format", "ndjson", "-", stdin="\n".join(map(json.dumps, rows)))
    assert (done.exit_code, deployment.status("bob@example.com")) == (1, "none")


@pytest.mark.parametrize(
    ("header", "preset"),
    [
        ("EMAIL;EMAIL_BLACKLISTED", "brevo"),
        ("email;subscribed_to_emails", "ghost"),
        ("Email;Email Marketing Consent", "klaviyo"),
        ("email;MEMBER_RATING", "mailchimp"),
        ("Email Address;CLEAN_TIME", "mailchimp"),
        ("EmailAddress;SuppressionReason", "postmark"),
    ],
)
def test_a_refusal_names_the_preset_whose_columns_these_are(deployment: Deployment, header: str, preset: str) -> None:
    text = f"{header}\nann@example.com;Yes\n"
    for options in ((), ("--status", "subscribed", "--topic", "news")):
        done = deployment.run(*IMPORT, *options, "-", stdin=text)
        if options and header.endswith("MEMBER_RATING"):
            continue  # which says nothing of consent
        assert done.exit_code == 2
        assert f"--preset {preset}" in done.stderr


def test_a_word_that_is_not_known_is_told_and_a_name_is_not(deployment: Deployment) -> None:
    text = "email,status\nann@example.com,Active\nbob@example.com,Robert\ncy@example.com,\n"
    done = deployment.run(*IMPORT, "-", stdin=text)
    assert done.exit_code == 1
    told = [line.rpartition("bounced")[2].partition(";")[0] for line in done.stderr.splitlines()]
    assert told == [", but active", "", ", but empty"]
    assert "Robert" not in done.output.title()


def test_many_malformed_lines_are_counted_by_what_is_wrong(deployment: Deployment) -> None:
    rows = ["nobody,unsubscribed"] * 30 + ["ann@example.com,happy"] * 40 + ["dan@example.com,unsubscribed"]
    done = deployment.run(*IMPORT, "-", stdin="email,status\n" + "\n".join(rows))
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 22
    assert "and 40 more malformed lines: status: must be one of" in done.stderr
    assert "and 10 more malformed lines: email: not a valid email address" in done.stderr
    assert "malformed lines: 70" in done.stdout


@pytest.mark.parametrize(
    ("preset", "name", "header"),
    [
        ("mailchimp", "unsubscribed_audience.csv", "Email Address"),
        ("mailchimp", "cleaned.csv", "Email Address,CLEAN_TIME"),
        ("mailchimp", "nonsubscribed_audience.csv", "Email Address"),
        ("mailchimp", "subscribed_audience.csv", "Email Address,UNSUB_TIME"),
        ("sendgrid", "suppression_bounces.csv", "email"),
        ("mailgun", "x.csv", "address,tags"),
    ],
)
def test_status_can_not_make_subscribers_of_a_file_of_people_who_left(
    deployment: Deployment, preset: str, name: str, header: str
) -> None:
    text = f"{header}\nann@example.com{',' * header.count(',')}\n"
    done = deployment.run(*CLAIMS, "--preset", preset, deployment.write(name, text))
    assert (done.exit_code, deployment.items()) == (2, [])


@pytest.mark.parametrize(
    "names",
    [
        ("subscriber_id", "First Name", "Email Format", "State", "Marital", "Country", "Optician", "Latitude"),
        ("Purchases", "LTV", "created_at", "IP", "Company", "Tags", "Notes", "birthday", "options", "topical"),
        ("Description", "Adoption", "Subscriber", "Descrição", "Straße", "会社名", "Город", "이름", "discriminator"),
    ],
)
def test_columns_that_say_nothing_of_consent_are_let_be(names: tuple[str, ...]) -> None:
    assert sounding(names) == []


def test_a_subscriber_without_a_topic_is_told_how_to_give_one(deployment: Deployment) -> None:
    done = deployment.run(*IMPORT, "-", stdin="email,status\nann@example.com,subscribed\n")
    assert done.exit_code == 1
    assert "say --topic" in done.stderr


def test_the_preset_that_was_chosen_is_not_recommended(deployment: Deployment) -> None:
    text = "Email Address,OPTIN_TIME,CONFIRM_TIME\nann@example.com,,\n"
    assert "look like --preset mailchimp" in deployment.run(*IMPORT, "-", stdin=text).stderr
    done = deployment.run(*IMPORT, "--preset", "mailchimp", "-", stdin=text)
    assert done.exit_code == 2
    assert "look like" not in done.stderr


@pytest.mark.parametrize("column", ["配信停止", "abonn\u00e9"])
@pytest.mark.parametrize("encoding", ["cp932", "cp1252"])
def test_names_of_columns_in_another_encoding_make_no_subscriber(
    deployment: Deployment, column: str, encoding: str
) -> None:
    text = f"email,{column}\nann@example.com,x\n".encode(encoding, "replace")
    if text.isascii():
        return
    done = deployment.run(*CLAIMS, deployment.write("people.csv", text))
    assert (done.exit_code, deployment.items()) == (2, [])
    assert "--encoding" in done.stderr
    said = deployment.run(*CLAIMS, "--encoding", encoding, deployment.folder / "people.csv")
    assert (said.exit_code, deployment.items()) == (2, [])
    assert column in said.stderr


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("csv", "Unsubscribed"),
        ("csv", " cancelled "),
        ("ndjson", "bounced"),
        ("ndjson", {"emails": {"unsubscribed": True}}),
        ("json", [{"list": "news", "is": "Bounced"}]),
    ],
)
def test_a_row_whose_unread_cells_say_that_somebody_left_makes_no_subscriber(
    deployment: Deployment, form: str, value: object
) -> None:
    rows = [{"email": "ann@example.com", "group": ""}, {"email": "bob@example.com", "group": value}]
    text = {
        "csv": f"email,group\nann@example.com,\nbob@example.com,{value}\n",
        "ndjson": "\n".join(map(json.dumps, rows)),
        "json": json.dumps(rows),
    }[form]
    source = deployment.write(f"people.{form}", text)
    done = deployment.run(*CLAIMS, source)
    assert done.exit_code == 1
    assert "group may say that somebody left" in done.stderr
    assert (deployment.status("ann@example.com"), deployment.status("bob@example.com")) == ("subscribed", "none")
    assert deployment.run(*CLAIMS, "--restart", "--ignore-column", "group", source).exit_code == 0


@pytest.mark.parametrize(
    ("preset", "header"),
    [
        ("sendgrid", "status,reason,email,created"),
        ("mailgun", "address,created_at"),
        ("postmark", "EmailAddress,SuppressionReason"),
        ("ses", "EmailAddress,LastUpdateTime"),
    ],
)
def test_a_list_of_suppressed_people_makes_no_subscriber(deployment: Deployment, preset: str, header: str) -> None:
    row = ",".join("ann@example.com" if "ddress" in name or name == "email" else "" for name in header.split(","))
    done = deployment.run(*CLAIMS, "--preset", preset, "-", stdin=f"{header}\n{row}\n")
    assert (done.exit_code, deployment.items()) == (2, [])
    assert "aren't to be mailed" in done.stderr


def test_klaviyos_consent_alone_makes_no_subscriber(deployment: Deployment) -> None:
    text = "Email,Email Marketing Consent\nann@example.com,SUBSCRIBED\nbob@example.com,UNSUBSCRIBED\n"
    done = deployment.run(*IMPORT, "--topic", "news", "--preset", "klaviyo", "-", stdin=text)
    assert done.exit_code == 1
    assert "Email Suppressions" in done.stderr
    assert (deployment.status("ann@example.com"), deployment.status("bob@example.com")) == ("none", "unsubscribed")


def test_accents_of_a_name_count_however_they_are_written(deployment: Deployment) -> None:
    text = "email,E\u0301tat\nann@example.com,unsubscribed\n"
    done = deployment.run(*IMPORT, "--column", "status=\u00c9tat", "-", stdin=text)
    assert (done.exit_code, deployment.status("ann@example.com")) == (0, "unsubscribed")


@pytest.mark.parametrize(
    ("preset", "row"),
    [
        ("listmonk", {"status": "enabled", "lists": [{"id": 1, "subscription_status": "unsubscribed"}]}),
        ("kit", {"status": "active", "state": "cancelled"}),
        ("beehiiv", {"status": "active", "custom_fields": [{"name": "old", "value": "Unsubscribed"}]}),
    ],
)
def test_a_row_that_says_both_makes_no_subscriber(deployment: Deployment, preset: str, row: dict[str, object]) -> None:
    text = json.dumps({"data": [{"email": "ann@example.com", "created_at": "2024-01-01", **row}]})
    deployment.run(*IMPORT, "--topic", "news", "--preset", preset, "--format", "ndjson", "-", stdin=text)
    assert deployment.status("ann@example.com") in {"none", "unsubscribed"}


@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_a_name_that_an_object_has_twice_makes_no_subscriber(deployment: Deployment, form: str) -> None:
    text = '{"email": "ann@example.com", "status": "unsubscribed", "status": "subscribed", "topics": "news"}'
    source = deployment.write(f"people.{form}", text if form == "ndjson" else f"[{text}]")
    deployment.run(*IMPORT, source)
    assert deployment.status("ann@example.com") != "subscribed"


@pytest.mark.parametrize(
    ("yes", "no"),
    [("WAHR", "FALSCH"), ("VRAI", "FAUX"), ("VERO", "FALSO"), ("VERDADERO", "FALSO"), ("WAAR", "ONWAAR")],
)
def test_yes_and_no_as_spreadsheets_write_them_elsewhere(deployment: Deployment, yes: str, no: str) -> None:
    text = f"EMAIL;EMAIL_BLACKLISTED\nann@example.com;{yes}\nbob@example.com;{no}\n"
    assert deployment.run(*IMPORT, "--preset", "brevo", "-", stdin=text).exit_code == 0
    text = f"Email;Portal Unsubscribe;Newsletter\ncy@example.com;{no};{yes}\ndan@example.com;{no};{no}\n"
    assert deployment.run(*IMPORT, "--preset", "hubspot", "-", stdin=text).exit_code == 0
    stand = [deployment.status(f"{who}@example.com") for who in ("ann", "bob", "cy", "dan")]
    assert stand == ["unsubscribed", "none", "unsubscribed", "none"]


def test_a_name_that_is_not_found_for_its_encoding_is_told_so(deployment: Deployment) -> None:
    source = deployment.write("left.csv", "email;L\u00e4ndle\nann@example.com;unsubscribed\n".encode("cp1252"))
    done = deployment.run(*IMPORT, "--column", "status=L\u00e4ndle", source)
    assert done.exit_code == 2
    assert "--encoding" in done.stderr
    done = deployment.run(*IMPORT, "--column", "status=L\u00e4ndle", "--encoding", "cp1252", source)
    assert (done.exit_code, deployment.status("ann@example.com")) == (0, "unsubscribed")


def test_a_file_of_subscribers_by_its_name_is_not_said_to_be_so_by_an_option(deployment: Deployment) -> None:
    text = "Email Address,Marketing Permissions\nann@example.com,x\n"
    done = deployment.run(
        *IMPORT, "--topic", "news", "--preset", "mailchimp", deployment.write("subscribed_a.csv", text)
    )
    assert done.exit_code == 2
    assert "Marketing Permissions may say" in done.stderr
    assert "with --status" not in done.stderr
