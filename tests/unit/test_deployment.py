"""A deployment: real things are built once, from its settings, and Lambda's initialisation is made use of."""

from __future__ import annotations

import json
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ConnectTimeoutError, ReadTimeoutError
from botocore.hooks import HierarchicalEmitter

from consentry import settings, telemetry
from consentry.actions.mails import Mail, NotSentError
from consentry.actions.notifications import Notification, Waited
from consentry.aws import clients, email
from consentry.deployment import Deployment
from consentry.links.keyring import SecretUnavailableError, hash_api_key
from consentry.settings import Settings, SettingsError
from consentry.table.gateway import StoreUnavailableError
from support import people

KEYRING_ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:keyring"
SETTINGS = Settings("consentry-test", KEYRING_ARN, "https://links.example.com")


_OF_DYNAMODB: Final = {"ResponseMetadata": {"HTTPHeaders": {"content-type": "application/x-amz-json-1.0"}}}
_ANSWERS: Final[dict[str, Any]] = {"send_message": {"MessageId": "m-1"}}


class Aws:
    """Clients that note their calls; each call answers, or raises, what was set for it."""

    def __init__(self) -> None:
        self.built: list[tuple[str, Any]] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {}
        self.meta = SimpleNamespace(events=HierarchicalEmitter())

    def create_client(self, service: str, config: Any) -> Any:
        self.built.append((service, config))
        return self

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.calls.append((operation, arguments))
            answer = self.answers.get(operation, _ANSWERS.get(operation, _OF_DYNAMODB))
            if isinstance(answer, list):
                answer = answer.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


@pytest.fixture
def aws() -> Aws:
    fake = Aws()
    fake.answers["get_secret_value"] = {"SecretString": json.dumps({"root": "r"})}
    return fake


@pytest.fixture
def deployment(aws: Aws) -> Deployment:
    """One whose clients are all the same."""
    return deployed(aws)


def deployed(aws: Any, **more: Any) -> Deployment:
    return Deployment(SETTINGS._replace(consentry_compiled=Settings.read().consentry_compiled, **more), aws)


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The warnings in the log."""
    found: list[str] = []
    monkeypatch.setattr(telemetry, "logger", type("Log", (), {"warning": lambda _, text: found.append(text)}))
    return found


# --- faults --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue"),
        ConnectTimeoutError(endpoint_url="x"),
    ],
)
def test_a_keyring_that_cant_be_read_is_a_fault_of_ours(aws: Aws, deployment: Deployment, fault: Exception) -> None:
    aws.answers["get_secret_value"] = fault
    with pytest.raises(SecretUnavailableError) as caught:
        deployment.keyring.signing_keys("demo")
    assert caught.value.__cause__ is fault


def test_a_function_without_its_settings_says_which_and_does_not_start(
    monkeypatch: pytest.MonkeyPatch, load_function: Callable[[str], Any]
) -> None:
    monkeypatch.delenv("TABLE_NAME")
    monkeypatch.setenv("MAIL_QUEUE_URL", "")
    with pytest.raises(SettingsError, match=r": TABLE_NAME$"):
        load_function("confirm")
    with pytest.raises(SettingsError, match=r": TABLE_NAME, MAIL_QUEUE_URL$"):
        load_function("courier")


def test_a_setting_that_is_no_number_is_said_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BULK_CONCURRENCY", "many")
    with pytest.raises(SettingsError, match="BULK_CONCURRENCY has to be a number"):
        Settings.read("BULK_CONCURRENCY")


# --- settings ------------------------------------------------------------------------------------------------------


def test_settings_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://links.example.com/")
    monkeypatch.setenv("CONSENTRY_COMPILED", "/somewhere")
    monkeypatch.setenv("TRUSTED_PROXY", "00ff")
    monkeypatch.setenv("ARCHIVE_SEGMENTS", "12")
    found = Settings.read()
    assert found[:5] == ("consentry-test", KEYRING_ARN, "https://links.example.com", Path("/somewhere"), "00ff")
    assert found.archive_segments == 12
    assert Deployment(found).site == ("https://links.example.com", "00ff")


def test_brands_come_with_the_layer_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONSENTRY_COMPILED")
    assert Settings.read().consentry_compiled == Path(settings.__file__).with_name("compiled")
    assert Settings.read().public_url == ""


# --- building ------------------------------------------------------------------------------------------------------


def test_everything_is_built_once(aws: Aws, deployment: Deployment) -> None:
    for part in ("brands", "keyring", "tokens", "store", "opt_ins", "opt_outs", "choices", "forms", "reports"):
        assert getattr(deployment, part) is getattr(deployment, part)
    assert deployment.opt_ins._store is deployment.opt_outs._store is deployment.store
    assert [service for service, _ in aws.built] == ["dynamodb"]
    assert telemetry.logger() is telemetry.logger()


def test_two_deployments_share_nothing(aws: Aws) -> None:
    one, other = deployed(aws), deployed(aws, table_name="another")
    assert one.store is not other.store
    assert one.keyring is not other.keyring


def test_a_person_waits_no_longer_than_three_seconds_for_a_table_that_hangs(aws: Aws, deployment: Deployment) -> None:
    _ = deployment.store
    [(_, config)] = aws.built
    waits = [
        each.retries["total_max_attempts"] * max(each.connect_timeout, each.read_timeout)
        for each in (config, clients.LAST_RESORT)
    ]
    assert sum(waits) < 3
    assert config.retries["mode"] == "legacy", "it waits 50 ms between the tries, `standard` up to a second"
    with_a_slow_queue = sum(waits) + clients.LAST_PATIENCE.read_timeout
    assert with_a_slow_queue < 6, "well before the function's own end"


@pytest.mark.parametrize(("answers", "kept"), [(["slow", {"MessageId": "m-1"}], True), (["slow", "slow"], False)])
def test_a_slow_queue_is_asked_again_before_an_opt_out_is_refused(aws: Aws, answers: list[Any], kept: bool) -> None:
    deployment = deployed(aws, spool_queue_url="https://sqs/spool")
    slow = ReadTimeoutError(endpoint_url="x")
    aws.answers["send_message"] = [slow if answer == "slow" else answer for answer in answers]
    with nullcontext() if kept else pytest.raises(StoreUnavailableError):
        deployment.spool.keep("an event")
    sent = [arguments["MessageBody"] for operation, arguments in aws.calls if operation == "send_message"]
    assert sent == ["an event", "an event"]
    first, second = [config.read_timeout for service, config in aws.built if service == "sqs"]
    assert first < second


def test_whoever_leaves_while_the_table_is_away_waits_for_no_new_client(aws: Aws) -> None:
    deployment = deployed(aws, spool_queue_url="https://sqs/spool")
    for text in ("an event", "another"):
        deployment.spool.keep(text)
    assert [service for service, _ in aws.built] == ["sqs"]


def test_the_keyring_is_the_secret_that_the_template_names(aws: Aws, deployment: Deployment) -> None:
    deployment.keyring.pepper("demo")
    assert aws.calls == [("get_secret_value", {"SecretId": KEYRING_ARN, "VersionStage": "AWSCURRENT"})]


def test_a_mail_goes_through_ses(aws: Aws) -> None:
    deployment = deployed(aws, configuration_set="consentry-test")
    deployment.mailer.send(people.brand(), Mail.CONFIRMATION, "ann@example.com", b"raw")
    assert [service for service, _ in aws.built] == ["sesv2"]
    [(operation, arguments)] = aws.calls
    assert operation == "send_email"
    assert arguments["Destination"] == {"ToAddresses": ["ann@example.com"]}
    assert arguments["ConfigurationSetName"] == "consentry-test"
    aws.answers["send_email"] = ClientError({"Error": {"Code": "MessageRejected"}}, "SendEmail")
    with pytest.raises(NotSentError):
        deployment.mailer.send(people.brand(), Mail.CONFIRMATION, "ann@example.com", b"raw")
    assert len(aws.built) == 1


class Ses(HTTPServer):
    """A server in SES's place, which gives its answers in turn, and the last one from then on."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), SesCall)
        self.answers: list[tuple[int, str]] = []
        self.asked = 0


class SesCall(BaseHTTPRequestHandler):
    server: Ses

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        status, code = self.server.answers[min(self.server.asked, len(self.server.answers) - 1)]
        self.server.asked += 1
        if not status:
            return  # the connection breaks
        self.send_response(status)
        self.send_header("x-amzn-errortype", code)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def ses(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ses]:
    with Ses() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def hand_over() -> None:
    """One email, by the client that the courier's emails go through."""
    Deployment(SETTINGS).mailer._client.send_email(
        FromEmailAddress="hello@meadow.example",
        Destination={"ToAddresses": ["ann@example.com"]},
        Content={"Raw": {"Data": b"raw"}},
    )


@pytest.mark.parametrize(
    ("status", "code"), [(500, "InternalFailure"), (503, "ServiceUnavailable"), (0, "")], ids=["500", "503", "silence"]
)
def test_a_mail_that_ses_may_have_taken_is_not_handed_over_again(ses: Ses, status: int, code: str) -> None:
    ses.answers = [(status, code)]
    with pytest.raises((ClientError, ConnectionClosedError)):
        hand_over()
    assert ses.asked == 1


def test_a_mail_that_ses_is_too_busy_to_take_is_offered_again(ses: Ses) -> None:
    ses.answers = [(429, "TooManyRequestsException"), (400, "ThrottlingException"), (200, "")]
    hand_over()
    assert ses.asked == 3


def test_a_mail_that_ses_stays_too_busy_for_is_left_to_the_queue(ses: Ses, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(email.random, "uniform", lambda *_: 0.0)
    ses.answers = [(429, "TooManyRequestsException")]
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        hand_over()
    assert ses.asked == 4


def test_a_mail_that_has_to_wait_does_so_in_the_queue(aws: Aws) -> None:
    queue = deployed(aws, mail_queue_url="https://sqs/mails").mail_queue
    queue.send("reference", seconds=60)
    assert [service for service, _ in aws.built] == ["sqs"]
    asked = {"QueueUrl": "https://sqs/mails", "MessageBody": "reference", "DelaySeconds": 60}
    assert aws.calls == [("send_message", asked)]
    assert queue.name == "mails"


@pytest.fixture
def notifier(aws: Aws, load_function: Callable[[str], Any]) -> Any:
    """The notifier, with a queue to itself."""
    module = load_function("notifier")
    settings = {
        "notification_queue_url": "https://sqs/notifications",
        "notification_dead_letters_url": "https://sqs/dead",
    }
    module.deployment = deployed(aws, **settings)
    return module


def test_notifications_wait_in_their_queue_each_endpoint_by_itself(aws: Aws, notifier: Any) -> None:
    """An endpoint that fails must not delay the others."""
    told = [Notification(*of, "ann", "event", 1, {}) for of in (("demo", "crm"), ("demo", "shop"), ("other", "crm"))]
    for each in told:
        notifier.deployment.notifications.add(each)
    sent = [(call["QueueUrl"], call["MessageBody"], call["MessageGroupId"]) for _, call in aws.calls]
    assert sent == [
        ("https://sqs/notifications", each.to_json(), group)
        for each, group in zip(told, ("demo/crm", "demo/shop", "other/crm"), strict=True)
    ]


def test_a_notification_that_waits_is_a_new_message_and_says_how_it_waited(aws: Aws, notifier: Any) -> None:
    """In flight it would count among 120,000; and in the body the version before wouldn't know what to make of it."""
    told, waited = Notification("demo", "crm", "ann", "event", 1, {}), Waited(2, 1, 5)
    notifier.deployment.notifications.defer(told, waited, 60)
    assert aws.calls == [
        (
            "send_message",
            {
                "QueueUrl": "https://sqs/notifications",
                "MessageBody": told.to_json(),
                "MessageGroupId": "demo/crm",
                "DelaySeconds": 60,
                "MessageAttributes": {"waited": {"DataType": "String", "StringValue": waited.to_json()}},
            },
        )
    ]
    assert notifier.deployment.notification_queue.name == "notifications"


@pytest.mark.parametrize("name", ["spool_queue", "feedback_queue"])
def test_what_cannot_be_recorded_yet_goes_on_waiting_in_its_queue(aws: Aws, name: str) -> None:
    getattr(deployed(aws, **{f"{name}_url": "https://sqs/queue"}), name).hide("receipt", 900)
    asked = {"QueueUrl": "https://sqs/queue", "ReceiptHandle": "receipt", "VisibilityTimeout": 900}
    assert aws.calls == [("change_message_visibility", asked)]


def test_an_open_breaker_is_logged_with_its_brand_and_nothing_else(
    aws: Aws, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, dict[str, str]]] = []
    logger = type("Log", (), {"error": lambda _, text, **more: told.append((text, more))})
    monkeypatch.setattr(telemetry, "logger", logger)
    aws.answers["query"] = {"Items": [], **_OF_DYNAMODB}
    monkeypatch.setattr(deployment.breaker, "_count", lambda *_: False)
    assert deployment.breaker.holds(people.brand(), 1) > 0
    assert told == [("breaker open", {"brand": "demo"})]


def test_reports_of_others_go_into_the_same_table(aws: Aws, deployment: Deployment) -> None:
    _ = deployment.reports, deployment.queued_reports
    assert [service for service, _ in aws.built] == ["dynamodb"]


def test_real_clients_come_from_botocore_alone() -> None:
    client = Deployment(SETTINGS)._client("sqs", clients.PATIENT)
    assert client.meta.service_model.service_name == "sqs"


# --- initialisation ------------------------------------------------------------------------------------------------


def started(aws: Aws, how: str = "on-demand") -> Deployment:
    """One whose function Lambda has just initialised."""
    deployment = deployed(aws, aws_lambda_function_name="unsubscribe", aws_lambda_initialization_type=how)
    deployment.prepare(pages=True)
    return deployment


def test_outside_lambda_nothing_is_prepared(aws: Aws, deployment: Deployment) -> None:
    deployment.prepare()
    assert aws.built == aws.calls == []


def test_the_first_click_finds_table_brands_pages_and_keys_ready(aws: Aws) -> None:
    deployment = started(aws)
    assert [operation for operation, _ in aws.calls] == ["get_secret_value"]
    assert {"brands", "opt_ins", "opt_outs", "forms", "tokens", "pages"} <= vars(deployment).keys()
    deployment.keyring.signing_keys("demo")
    assert len(aws.calls) == 1


def test_a_keyring_that_is_away_in_initialisation_is_asked_for_again(aws: Aws, warned: list[str]) -> None:
    """A function that fails to start would refuse opt-outs that could have been taken a second later."""
    answer = aws.answers["get_secret_value"]
    aws.answers["get_secret_value"] = ConnectTimeoutError(endpoint_url="x")
    deployment = started(aws)
    assert warned == ["keyring unavailable in initialisation"]
    aws.answers["get_secret_value"] = answer
    assert deployment.keyring.signing_keys("demo")


class Hooks:
    """Lambda's module of hooks, as its Python runtime has it: `run` is what happens when a snapshot is restored."""

    def __init__(self) -> None:
        self.after_restore: list[Callable[[], None]] = []
        self.deployment: Any = None

    def register_after_restore(self, hook: Callable[[], None]) -> None:
        self.after_restore.append(hook)

    def run(self) -> None:
        for hook in self.after_restore:
            hook()


@pytest.fixture
def snapshot(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Hooks:
    """A function of which Lambda has just taken a snapshot."""
    hooks = Hooks()
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", hooks)  # type: ignore[arg-type]  # all of it that is used
    hooks.deployment = started(aws, "snap-start")
    return hooks


def test_a_key_that_was_revoked_after_the_snapshot_is_refused_by_what_starts_from_it(aws: Aws, snapshot: Hooks) -> None:
    """No time has passed in a snapshot, so its clock doesn't tell that the keyring is old."""
    stored = {"id": "k1", "sha256": hash_api_key("ck_demo_k1_key"), "scopes": ["read"]}
    aws.answers["get_secret_value"] = {
        "SecretString": json.dumps({"root": "r", "brands": {"demo": {"api_keys": [stored]}}})
    }
    snapshot.run()
    assert snapshot.deployment.keyring.api_key("ck_demo_k1_key")
    aws.answers["get_secret_value"] = {"SecretString": json.dumps({"root": "r"})}
    snapshot.run()
    assert snapshot.deployment.keyring.api_key("ck_demo_k1_key") is None


def test_an_opt_out_is_taken_though_the_keyring_is_away_when_a_snapshot_wakes_up(
    aws: Aws, snapshot: Hooks, warned: list[str]
) -> None:
    aws.answers["get_secret_value"] = ConnectTimeoutError(endpoint_url="x")
    snapshot.run()
    assert warned == ["keyring unavailable after a restore"]
    assert snapshot.deployment.keyring.signing_keys("demo")


def test_two_containers_of_one_snapshot_wait_differently_and_share_no_connection(aws: Aws, snapshot: Hooks) -> None:
    asleep = random.getstate()
    drawn = set()
    for _ in range(2):
        random.setstate(asleep)
        snapshot.run()
        drawn.add(random.getstate())
    assert len(drawn) == 2
    assert [operation for operation, _ in aws.calls].count("close") == 2


def test_a_function_that_starts_by_itself_needs_no_hooks(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are part of Lambda's newer runtimes alone."""
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)
    assert started(aws).keyring.signing_keys("demo")
