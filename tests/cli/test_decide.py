"""`consentry decide`."""

from __future__ import annotations

import json

from consentry.actions.reports import ReportKind
from support.deployments import Deployment, rows_of

DECIDE = ("decide", "--brand", "demo")


def test_each_row_gets_its_decision(deployment: Deployment) -> None:
    deployment.report("ann@example.com", ReportKind.CLAIMED, 1_000, ("news",))
    deployment.report("bob@example.com", ReportKind.UNSUBSCRIBED, 1_000)
    text = "name,email\nAnn,ANN@example.com\nBob,bob@example.com\nCy,cy@example.com\n"
    done = deployment.run(*DECIDE, "--topic", "news", "-", stdin=text)
    assert done.exit_code == 0
    assert [(row["name"], row["allowed"], row["reason"], row["status"]) for row in rows_of(done.stdout)] == [
        ("Ann", "true", "subscribed", "subscribed"),
        ("Bob", "false", "unsubscribed", "unsubscribed"),
        ("Cy", "false", "none", "none"),
    ]


def test_only_those_whose_consent_ends_before_a_day_and_who_can_keep_it(deployment: Deployment) -> None:
    """A campaign that asks people to keep their emails."""
    rows = "email,status,topics,occurred_at,expires_at\n"
    ends = {"soon": "2099-02-01", "ended": "2024-02-01", "later": "2100-01-01", "never": "", "left": "2099-02-01"}
    ends |= {"spam": "2099-02-01", "spam-ended": "2024-02-01"}
    rows += "".join(f"{who}@example.com,subscribed,news,2024-01-01,{end}\n" for who, end in ends.items())
    rows += "".join(f"{who}@example.com,complained,,2024-01-02,\n" for who in ("spam", "spam-ended"))
    rows += "left@example.com,unsubscribed,news,2024-01-02,\n"
    assert deployment.run("import", "--brand", "demo", deployment.write("people.csv", rows)).exit_code == 0
    asked = "email\n" + "".join(f"{who}@example.com\n" for who in (*ends, "unknown"))
    done = deployment.run(*DECIDE, "--topic", "news", "--ending-before", "2099-03-01", "-", stdin=asked)
    assert done.exit_code == 0
    found = {row["email"].partition("@")[0]: row["expires_at"] for row in rows_of(done.stdout)}
    assert found == {"soon": "2099-02-01T00:00:00.000Z", "ended": "2024-02-01T00:00:00.000Z"}


def test_an_opt_out_topic_may_be_mailed_until_somebody_says_no(deployment: Deployment) -> None:
    deployment.report("bob@example.com", ReportKind.UNSUBSCRIBED, 1_000)
    lines = [json.dumps({"subscriber_id": deployment.id_of(email)}) for email in ("bob@example.com", "cy@example.com")]
    done = deployment.run(*DECIDE, "--topic", "product", "--format", "ndjson", "-", stdin="\n".join(lines))
    assert [json.loads(line)["allowed"] for line in done.stdout.splitlines()] == [False, True]


def test_more_than_a_batch_stays_in_order(deployment: Deployment) -> None:
    text = "email\n" + "".join(f"p{n}@example.com\n" for n in range(2_300)) + "nobody\n"
    done = deployment.run(*DECIDE, "--topic", "news", "-", stdin=text)
    assert done.exit_code == 1
    assert done.stderr == "line 2302: email: not a valid email address\n"
    assert [row["email"] for row in rows_of(done.stdout)] == [f"p{n}@example.com" for n in range(2_300)]


def test_somebody_whose_address_no_parser_likes_is_decided_on(deployment: Deployment) -> None:
    deployment.report("a..b@docomo.ne.jp", ReportKind.UNSUBSCRIBED, 1_000)
    done = deployment.run(*DECIDE, "--topic", "news", "-", stdin="email\nA..b@docomo.ne.jp\nAnn <ann@example.com>\n")
    assert done.exit_code == 0
    assert [row["status"] for row in rows_of(done.stdout)] == ["unsubscribed", "none"]


def test_a_table_that_is_not_there_is_said_in_a_line(deployment: Deployment) -> None:
    done = deployment.run(*DECIDE, "--topic", "news", "--table", "gone", "-", stdin="email\na@example.com\n")
    assert (done.exit_code, done.stdout) == (
        2,
        "email,subscriber_id,allowed,reason,status,frequency,paused_until,expires_at\n",
    )
    assert len(done.stderr.splitlines()) == 1
    assert "ResourceNotFoundException" in done.stderr
