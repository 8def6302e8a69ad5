"""`consentry restore merge`: what an operator sees of it."""

from __future__ import annotations

from consentry.actions.reports import ReportKind
from support.deployments import TABLE, Deployment

COPY = "consentry-restored"
MERGE = ("restore", "merge", "--brand", "demo", "--from-table", COPY)
ANN, BOB = "ann@example.com", "bob@example.com"
T = 1_704_067_200_000


def restore(deployment: Deployment) -> None:
    """What point-in-time recovery does: a second table with what is in the first one now."""
    deployment.dynamodb.create_table(
        TableName=COPY,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
    )
    for item in deployment.items():
        deployment.dynamodb.put_item(TableName=COPY, Item=item)


def lose(deployment: Deployment, email: str) -> None:
    """Remove a person from the table."""
    for item in deployment.items():
        if item["pk"]["S"].endswith(deployment.id_of(email)):
            deployment.dynamodb.delete_item(TableName=TABLE, Key={name: item[name] for name in ("pk", "sk")})


def test_a_copy_of_itself_is_refused(deployment: Deployment) -> None:
    done = deployment.run("restore", "merge", "--brand", "demo", "--from-table", TABLE)
    assert (done.exit_code, "same table" in done.stderr) == (2, True)


def test_a_copy_that_is_not_there_is_told_in_one_line(deployment: Deployment) -> None:
    done = deployment.run(*MERGE)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1


def test_the_drill_brings_back_who_was_lost_and_keeps_who_left_since(deployment: Deployment) -> None:
    for person in (ANN, BOB):
        deployment.report(person, ReportKind.CLAIMED, T, ("news",))
    deployment.report(BOB, ReportKind.UNSUBSCRIBED, T + 1, ("news",))
    restore(deployment)
    deployment.report(ANN, ReportKind.UNSUBSCRIBED, T + 2, ("news",))
    lose(deployment, BOB)
    tried = deployment.run(*MERGE, "--dry-run")
    assert (tried.exit_code, tried.stderr) == (0, "1 had all of it, 1 merged; nothing was written\n")
    assert deployment.status(BOB) == "none"
    done = deployment.run(*MERGE)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "1 had all of it, 1 merged\n")
    assert deployment.status(ANN) == deployment.status(BOB) == "unsubscribed"
    assert deployment.run("ledger", "verify", "--brand", "demo").exit_code == 0


def test_who_is_not_intact_in_the_copy_is_told_by_id_and_left_alone(deployment: Deployment) -> None:
    deployment.report(ANN, ReportKind.CLAIMED, T, ("news",))
    restore(deployment)
    (event,) = deployment.events()
    deployment.dynamodb.put_item(TableName=COPY, Item={**event, "arrived_at": {"N": str(T + 9)}})
    lose(deployment, ANN)
    done = deployment.run(*MERGE)
    assert (done.exit_code, done.stdout) == (1, f"{deployment.id_of(ANN)}\tnot intact in the copy\n")
    assert deployment.items() == []
