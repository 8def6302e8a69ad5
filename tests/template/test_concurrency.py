"""How many functions run at once, and who gets which share."""

from __future__ import annotations

from support.template import ACCOUNTS, ALARMS, FUNCTIONS, PARAMETERS, QUEUES, ROOT, at_once, measured

NEW, SHARDS, CALLS_A_SECOND = 10, 4, 10
"""Functions at once in a new account, shards of a new table's stream, and calls a second for each function at once:
https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html"""


def workers(account: str) -> dict[str, int]:
    """The most that each function behind queues and the stream runs of at once, but for the archive."""
    found: dict[str, int] = {}
    for name in set(FUNCTIONS) - {"ArchiveFunction"}:
        for event in FUNCTIONS[name].get("Events", {}).values():
            if event["Type"] in {"SQS", "DynamoDB"}:
                shards = SHARDS if event["Type"] == "DynamoDB" else 1
                found[name] = found.get(name, 0) + shards * at_once(event["Properties"], account)
    return found


def test_no_kind_of_work_takes_all_that_an_account_may_run_at_once() -> None:
    """Opt-outs are answered by what is left. With ten, all kinds together can take it: Lambda takes no less than 2."""
    assert set(ACCOUNTS) == set(PARAMETERS["AccountConcurrency"]["AllowedValues"])
    for account in ACCOUNTS:
        assert all(at_most <= int(account) * 0.6 for at_most in workers(account).values()), account
    assert sum(workers("1000").values()) < 1000 / 2


def test_the_runbooks_say_how_much_work_there_is_at_once_and_when_it_is_given_up() -> None:
    read = {
        name: (ROOT / f"docs/runbooks/{name}.md").read_text("utf-8")
        for name in ("ThrottlesAlarm", "WorkerThrottlesAlarm")
    }
    by_hand = PARAMETERS["BulkConcurrency"]["Default"] + PARAMETERS["ArchiveSegments"]["Default"]
    small, large = (sum(workers(account).values()) + by_hand for account in ("10", "1000"))
    assert f"takes {small} at the most, instead of {large}" in read["ThrottlesAlarm"]
    hours = {
        name: QUEUES[name]["RedrivePolicy"]["maxReceiveCount"] * QUEUES[name]["VisibilityTimeout"] / 3600
        for name in ("NotificationQueue", "MailQueue", "SpoolQueue")
    }
    assert [round(each, 1) for each in hours.values()] == [3.3, 2.5, 7.2]
    said = " ".join(read["WorkerThrottlesAlarm"].split())
    assert "for three hours is [given up](NotificationDeadLettersAlarm.md), an email after two and a half hours" in said
    assert "an opt-out in the spool after seven hours" in said


def test_a_deployment_with_nothing_but_defaults_leaves_a_new_account_room_for_opt_outs() -> None:
    default = {name: each.get("Default") for name, each in PARAMETERS.items()}
    assert default["AccountConcurrency"] == str(NEW)
    assert set(ACCOUNTS[str(NEW)].values()) == {1, 2}, "the least that Lambda takes, of a shard and of a queue"
    assert default["BulkConcurrency"] + default["ArchiveSegments"] < NEW / 2
    assert default["RequestsPerSecond"] <= NEW * CALLS_A_SECOND / 2
    assert (default["StartMode"], default["OneClickReservedConcurrency"]) == ("none", 0)


def test_one_click_has_its_share_of_the_account_where_somebody_asks_for_it() -> None:
    """A new account has nothing to reserve: a deployment that asks for it by itself would fail there."""
    reserved = {name: each.get("ReservedConcurrentExecutions") for name, each in FUNCTIONS.items()}
    asked = {"Fn::If": ["ReservesOneClick", {"Ref": "OneClickReservedConcurrency"}, {"Ref": "AWS::NoValue"}]}
    assert reserved == dict.fromkeys(FUNCTIONS) | {"OneClickFunction": asked}
    assert PARAMETERS["OneClickReservedConcurrency"]["Default"] == 0


def test_refused_starts_of_what_takes_opt_outs_from_people_wake_somebody() -> None:
    watched = {each["Dimensions"][0]["Value"]["Ref"] for each in measured(ALARMS["OptOutThrottlesAlarm"])}
    assert watched == {"OneClickFunction", "UnsubscribeFunction", "PreferencesFunction"}
    assert ALARMS["OneClickErrorsAlarm"]["Dimensions"] == [
        {"Name": "FunctionName", "Value": {"Ref": "OneClickFunction"}}
    ]
