"""Exports of other platforms, read by their presets. Columns and words are from their documentation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from consentry.actions.bulk.presets import PRESETS, instant
from support.deployments import ROOT

if TYPE_CHECKING:
    from support.deployments import Deployment

GHOST = """\
id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,labels,tiers
1,in@example.com,In,,true,false,,2024-01-15T10:00:00.000Z,,,
2,out@example.com,Out,,false,false,,2024-01-15T10:00:00.000Z,,,
3,gone@example.com,Gone,,true,false,,2024-01-15T10:00:00.000Z,2024-02-15T10:00:00.000Z,,
"""
SUBSTACK = """\
email,active_subscription,expiry,plan,email_disabled,created_at,first_payment_at
in@example.com,false,,other,false,2024-01-15T10:00:00.000Z,
out@example.com,true,2027-01-01T00:00:00.000Z,yearly,true,2024-01-15T10:00:00.000Z,2024-02-01T00:00:00.000Z
"""
KLAVIYO = """\
Email,First Name,Email Marketing Consent,Email Marketing Consent Timestamp,Email Suppressions
in@example.com,In,SUBSCRIBED,2024-01-15 10:00:00,[]
out@example.com,Out,UNSUBSCRIBED,2024-01-15 10:00:00,[]
none@example.com,None,NEVER_SUBSCRIBED,,
bounced@example.com,B,SUBSCRIBED,2024-01-15 10:00:00,['HARD_BOUNCE']
complained@example.com,C,SUBSCRIBED,2024-01-15 10:00:00,['SPAM_COMPLAINT']
held@example.com,D,SUBSCRIBED,2024-01-15 10:00:00,['USER_SUPPRESSED']
"""
BREVO = """\
EMAIL;LASTNAME;EMAIL_BLACKLISTED;ADDED_TIME;MODIFIED_TIME
out@example.com;Out;Yes;15-01-2024 10:00;16-01-2024 10:00
none@example.com;None;No;15-01-2024 10:00;16-01-2024 10:00
"""
BREVO_JSON = {
    "contacts": [
        {"email": "out@example.com", "emailBlacklisted": True, "modifiedAt": "2024-01-16T10:00:00.000+01:00"},
        {"email": "left@example.com", "emailBlacklisted": False, "listIds": [2], "listUnsubscribed": [3]},
        {"email": "none@example.com", "emailBlacklisted": False, "listUnsubscribed": []},
    ],
    "count": 3,
}
KIT = {
    "subscribers": [
        {"id": 1, "email_address": "in@example.com", "state": "active", "created_at": "2024-01-15T10:00:00Z"},
        {"id": 2, "email_address": "out@example.com", "state": "cancelled", "created_at": "2024-01-15T10:00:00Z"},
        {"id": 3, "email_address": "none@example.com", "state": "inactive", "created_at": "2024-01-15T10:00:00Z"},
        {"id": 4, "email_address": "bounced@example.com", "state": "bounced", "created_at": "2024-01-15T10:00:00Z"},
        {"id": 5, "email_address": "complained@example.com", "state": "complained", "created_at": "2024-01-15"},
    ],
    "pagination": {"has_next_page": False, "per_page": 500},
}
ACTIVECAMPAIGN = """\
Email,First Name,Status
in@example.com,In,Active
out@example.com,Out,Unsubscribed
none@example.com,None,Unconfirmed
bounced@example.com,B,Bounced
"""
KEILA = """\
Email,First name,Last name,Data,Status
in@example.com,In,,{},active
out@example.com,Out,,{},unsubscribed
bounced@example.com,B,,{},unreachable
"""
HUBSPOT = """\
Email,Portal Bounce,Portal Unsubscribe,Portal Spam Report,Global Bounce,Marketing Information
out@example.com,,TRUE,,,
left@example.com,,,,,TRUE
bounced@example.com,MAILBOX_FULL,,,,
complained@example.com,,TRUE,TRUE,,
none@example.com,FALSE,FALSE,FALSE,FALSE,FALSE
"""
HUBSPOT_CONTACTS = """\
Record ID,Email,Unsubscribed from all email,Email hard bounce reason
1,out@example.com,Yes,
2,bounced@example.com,,UNKNOWN_USER
3,none@example.com,No,
"""
HUBSPOT_TYPES = """\
Record ID,Email,Unsubscribed from all email,Opted out of email: Newsletter,Opted out of email: One to One
1,out@example.com,Yes,,
2,left@example.com,,,true
3,none@example.com,No,false,
"""
BEEHIIV = """\
email,status,created_at
in@example.com,active,2024-01-15 10:00:00 UTC
out@example.com,inactive,2024-01-15 10:00:00 UTC
none@example.com,pending,2024-01-15 10:00:00 UTC
"""
MAILGUN = {
    "items": [{"address": "out@example.com", "tags": ["*"], "created_at": "Fri, 21 Oct 2011 11:02:55 GMT"}],
    "paging": {"next": "https://api.mailgun.net/v3/x?page=next"},
}
MAILGUN_BOUNCES = 'address,code,error,created_at\nbounced@example.com,550,"No, such","Fri, 21 Oct 2011 11:02:55 UTC"\n'
SES = {
    "SuppressedDestinationSummaries": [
        {"EmailAddress": "bounced@example.com", "Reason": "BOUNCE", "LastUpdateTime": "2024-01-15T10:00:00.5+00:00"},
        {"EmailAddress": "complained@example.com", "Reason": "COMPLAINT", "LastUpdateTime": 1705312800.5},
    ]
}
IN = {"claim.news": 1_705_312_800_000}
NOW = None
CASES = [
    ("ghost", GHOST, {"in": IN, "out": {"out.news": NOW}, "gone": {}}),
    ("substack", SUBSTACK, {"in": IN, "out": {"out.news": NOW}}),
    (
        "klaviyo",
        KLAVIYO,
        {
            "in": IN,
            "out": {"out.*": 1_705_312_800_999},
            "none": {},
            "bounced": {"bounce": 1_705_312_800_999},
            "complained": {"complaint": 1_705_312_800_999},
            "held": {"out.*": 1_705_312_800_999},
        },
    ),
    ("brevo", BREVO, {"out": {"out.*": 1_705_399_259_999}, "none": {}}),
    ("brevo", BREVO_JSON, {"out": {"out.*": 1_705_395_600_000}, "left": {"out.news": NOW}, "none": {}}),
    (
        "kit",
        KIT,
        {"in": IN, "out": {"out.*": NOW}, "none": {}, "bounced": {"bounce": NOW}, "complained": {"complaint": NOW}},
    ),
    (
        "activecampaign",
        ACTIVECAMPAIGN,
        {"in": {"claim.news": NOW}, "out": {"out.news": NOW}, "none": {}, "bounced": {"bounce": NOW}},
    ),
    ("keila", KEILA, {"in": {"claim.news": NOW}, "out": {"out.news": NOW}, "bounced": {"bounce": NOW}}),
    (
        "hubspot",
        HUBSPOT,
        {
            "out": {"out.*": NOW},
            "left": {"out.news": NOW},
            "bounced": {"bounce": NOW},
            "complained": {"complaint": NOW},
            "none": {},
        },
    ),
    ("hubspot", HUBSPOT_CONTACTS, {"out": {"out.*": NOW}, "bounced": {"bounce": NOW}, "none": {}}),
    ("hubspot", HUBSPOT_TYPES, {"out": {"out.*": NOW}, "left": {"out.news": NOW}, "none": {}}),
    ("beehiiv", BEEHIIV, {"in": IN, "out": {"out.news": NOW}, "none": {}}),
    ("mailgun", MAILGUN, {"out": {"out.news": 1_319_194_975_999}}),
    ("mailgun", MAILGUN_BOUNCES, {"bounced": {"bounce": 1_319_194_975_999}}),
    ("ses", SES, {"bounced": {"bounce": 1_705_312_800_500}, "complained": {"complaint": 1_705_312_800_500}}),
]


@pytest.mark.parametrize(("preset", "export", "expected"), CASES, ids=[preset for preset, *_ in CASES])
def test_an_export_says_what_it_says(
    deployment: Deployment, preset: str, export: str | dict[str, object], expected: dict[str, dict[str, int | None]]
) -> None:
    name, text = ("export.csv", export) if isinstance(export, str) else ("export.json", json.dumps(export))
    source = deployment.write(name, text)
    done = deployment.run("import", "--brand", "demo", "--preset", preset, "--topic", "news", source)
    assert (done.exit_code, done.stderr) == (0, "")
    for person, registers in expected.items():
        found = dict(deployment.consent(f"{person}@example.com").registers)
        assert {register: at if registers.get(register) else None for register, at in found.items()} == registers


@pytest.mark.parametrize(
    ("preset", "export"), [("brevo", BREVO), ("hubspot", HUBSPOT_CONTACTS), ("hubspot", HUBSPOT_TYPES)]
)
def test_who_did_not_leave_is_no_claim_until_somebody_says_so(deployment: Deployment, preset: str, export: str) -> None:
    source = deployment.write("export.csv", export)
    claims = ("import", "--brand", "demo", "--preset", preset, "--topic", "news", "--status", "subscribed")
    assert deployment.run(*claims, source).exit_code == 0
    assert deployment.status("none@example.com") == "subscribed"
    assert deployment.status("out@example.com") == "unsubscribed"


@pytest.mark.parametrize(
    ("preset", "export"), [(preset, export) for preset, export, _ in CASES], ids=[preset for preset, *_ in CASES]
)
def test_a_word_that_is_not_known_is_no_claim(deployment: Deployment, preset: str, export: object) -> None:
    """Each word of an export, one after the other, becomes another one."""
    words = ("true", "false", "SUBSCRIBED", "Yes", "No", "active", "Active", "TRUE", "BOUNCE")
    text = export if isinstance(export, str) else json.dumps(export)
    odd = text
    for word in words:
        odd = odd.replace(f",{word},", ",perhaps,").replace(f";{word};", ";perhaps;").replace(f'"{word}"', '"perhaps"')
    if odd == text:
        return
    source = deployment.write("export.csv" if isinstance(export, str) else "export.json", odd)
    done = deployment.run("import", "--brand", "demo", "--preset", preset, "--topic", "news", source)
    assert "new claims: 0" in done.stdout


def test_a_file_that_speaks_of_types_of_subscription_alone_is_certain(deployment: Deployment) -> None:
    source = deployment.write("export.csv", "Email,Opted out of email: News\nout@example.com,true\nin@example.com,\n")
    done = deployment.run("import", "--brand", "demo", "--preset", "hubspot", "--topic", "news", source)
    assert (done.exit_code, done.stderr) == (0, "")
    assert deployment.status("out@example.com") == "unsubscribed"
    assert deployment.status("in@example.com") == "none"


def test_each_preset_is_on_the_page() -> None:
    page = (ROOT / "docs/moving-here.md").read_text()
    for preset in PRESETS:
        assert f"--preset {preset}" in page, preset


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("15-01-2024 10:00", 1_705_312_800_000, 1_705_312_859_999),
        ("01/15/2024", 1_705_276_800_000, 1_705_363_199_999),
        ("15.01.2024 10:00:01", 1_705_312_801_000, 1_705_312_801_999),
        ("1/15/2024 10:00 PM", 1_705_356_000_000, 1_705_356_059_999),
        ("2024/01/15 10:00", 1_705_312_800_000, 1_705_312_859_999),
        ("2024/1/15", 1_705_276_800_000, 1_705_363_199_999),
        ("2024/1/15 9:00", 1_705_309_200_000, 1_705_309_259_999),
        ("2024-1-15 9:00:00", 1_705_309_200_000, 1_705_309_200_999),
        ("2024年1月15日 10:00", 1_705_312_800_000, 1_705_312_859_999),
        ("2024. 1. 15.", 1_705_276_800_000, 1_705_363_199_999),
        ("2024/01/15 19:00:00 +0900", 1_705_312_800_000, 1_705_312_800_999),
        ("Mon Jan 15 2024 11:00:00 GMT+0100 (CET)", 1_705_312_800_000, 1_705_312_800_999),
        ("Mon Jan 15 2024 05:00:00 GMT-0500 (Eastern Standard Time)", 1_705_312_800_000, 1_705_312_800_999),
        ("2024-01-15 10:00:00 UTC", 1_705_312_800_000, 1_705_312_800_999),
        ("Mon, 15 Jan 2024 10:00:00 GMT", 1_705_312_800_000, 1_705_312_800_999),
        ("Mon, 15 Jan 2024 11:00:00 +0100", 1_705_312_800_000, 1_705_312_800_999),
        ("Jan 15, 2024", 1_705_276_800_000, 1_705_363_199_999),
        ("15 January 2024", 1_705_276_800_000, 1_705_363_199_999),
        ("January 15, 2024 10:00 AM", 1_705_312_800_000, 1_705_312_859_999),
        # The second of January, or the first of February: nobody knows, so both are meant.
        ("02/01/2024", 1_704_153_600_000, 1_706_831_999_999),
    ],
)
def test_dates_as_exports_write_them(text: str, first: int, last: int) -> None:
    found = instant(text)
    assert (int(found), found.last) == (first, last)


@pytest.mark.parametrize("text", ["32-01-2024", "13/13/2024", "0/0/2024", "15-01/2024", "tomorrow", "Jan 2024", ""])
def test_what_is_no_date_is_none(text: str) -> None:
    with pytest.raises((ValueError, OverflowError)):
        instant(text)
