"""The one place that builds real things: settings, clients, keys, the store, the journeys.

Each is built on first use and kept for the container's life. `prepare` is what a function does on purpose in
Lambda's initialisation, which runs at full speed before the first request.
"""

from __future__ import annotations

import base64
import os
import random
import sys
import time
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import botocore
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from consentry import telemetry
from consentry.actions.recipients import Journeys
from consentry.actions.spool import Recorder
from consentry.links.keyring import Keyring, SecretUnavailableError
from consentry.links.tokens import Tokens
from consentry.rules import brands as brands_module
from consentry.table.gateway import Gateway, StoreUnavailableError
from consentry.table.limits import Limits
from consentry.table.store import Store

if TYPE_CHECKING:
    import logging

    from aws_lambda_powertools import Logger

    from consentry.actions.archiving import Archivist
    from consentry.actions.bulk.jobs import Jobs
    from consentry.actions.mails import Mail
    from consentry.actions.notifications import Notification, Waited
    from consentry.actions.replay import Replay
    from consentry.actions.reports import Intake
    from consentry.aws.mailbox import Mailbox
    from consentry.rules.brands import Brand, Brands
    from consentry.table.breaker import Breaker
    from consentry.table.endpoints import Endpoints
    from consentry.table.outbox import Outbox

_COMPILED: Final = Path(__file__).with_name("compiled")
"""Where `consentry_build` puts brands and catalogues when it builds the layer."""

_IMPATIENT: Final = Config(
    connect_timeout=0.5,
    read_timeout=1.15,
    # This mode waits some 50 ms before the second try; `standard` waits up to a second.
    retries={"mode": "legacy", "total_max_attempts": 2},
    tcp_keepalive=True,
    # A fifth of a call's CPU time: botocore composes its user agent anew, and looks through what we made ourselves.
    user_agent=f"Botocore/{botocore.__version__} consentry",
    parameter_validation=False,
)
"""For what a person waits for: two tries and the spool come to less than 3 s when the table hangs."""

_LAST_RESORT: Final = Config(
    connect_timeout=0.3,
    read_timeout=0.5,
    retries={"mode": "standard", "total_max_attempts": 1},
)
"""For the spool, when the table has hung: the answer still comes within 3 s."""

_LAST_PATIENCE: Final = Config(
    connect_timeout=0.5,
    read_timeout=2,
    retries={"mode": "standard", "total_max_attempts": 1},
)
"""For the spool, when its queue was slow as well: a late answer is better than an opt-out refused. What is queued twice
counts once."""

_PATIENT: Final = Config(
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 4},
)
"""For queues and the archive: nobody waits, and what comes twice does no harm."""

_MANY: Final = Config(
    connect_timeout=2,
    read_timeout=10,
    # Slows down by itself when the table throttles: what clicks need comes first.
    retries={"mode": "adaptive", "total_max_attempts": 6},
    max_pool_connections=16,
)
"""For jobs over millions of people."""

_ONCE: Final = Config(
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 1},
)
"""For mails: SES may have taken one whose answer was a fault, or none, and would take it again."""

_BULK_WRITERS: Final = 16
"""How many events a function that imports writes at once."""
_BUSY: Final = frozenset({"TooManyRequestsException", "ThrottlingException"})
"""SES's answers that say that it took nothing, and will in a moment."""
_MOST_OFFERS: Final = 4


class Settings(NamedTuple):
    """What the template tells a function, in its environment."""

    table: str
    keyring: str
    """ARN of the keyring's secret."""
    public_url: str
    """Scheme and host of links, no trailing slash; empty: whatever host the visitor used."""
    compiled: Path
    trusted_proxy: str = ""
    """Of what a CDN before the API proves itself by, the beginning of the SHA-256, hex; empty: none is believed."""


@cache
def settings() -> Settings:
    """Read once, on first use."""
    return Settings(
        table=os.environ["TABLE_NAME"],
        keyring=os.environ["KEYRING_SECRET_ARN"],
        public_url=os.environ.get("PUBLIC_URL", "").rstrip("/"),
        compiled=Path(os.environ.get("CONSENTRY_COMPILED") or _COMPILED),
        trusted_proxy=os.environ.get("TRUSTED_PROXY", ""),
    )


@cache
def logger() -> Logger:
    """JSON lines, without personal data: callers pass kinds and counts, never what somebody typed."""
    from aws_lambda_powertools import Logger  # noqa: PLC0415 - 47 ms, and a quiet request logs nothing

    made = Logger(service="consentry", log_uncaught_exceptions=False)
    made.addFilter(_correlated)
    return made


def _correlated(record: logging.LogRecord) -> bool:
    record.correlation_id = telemetry.correlation_id()
    return True


@cache
def brands() -> Brands:
    """Every brand of the deployment."""
    return brands_module.load(settings().compiled / "brands.json")


@cache
def keyring() -> Keyring:
    """Every secret of every brand."""
    return Keyring(_fetch_keyring)


@cache
def tokens() -> Tokens:
    """Signs and reads links."""
    return Tokens(keyring())


@cache
def table_client() -> Any:
    """DynamoDB."""
    return _client("dynamodb", _IMPATIENT)


@cache
def gateway() -> Gateway:
    """The table."""
    return Gateway(table_client(), settings().table)


@cache
def store() -> Store:
    """Consent in the table."""
    return Store(
        gateway(),
        keyring().ledger_key,
        noted=telemetry.recorded,
        correlation_id=telemetry.correlation_id,
        ahead=telemetry.clock_ahead,
    )


@cache
def outbox() -> Outbox:
    """The mails that are due."""
    from consentry.table.outbox import Outbox  # noqa: PLC0415 - no click sends a mail

    return Outbox(gateway())


@cache
def recorder() -> Recorder:
    """Records what must not be lost."""
    return Recorder(store(), _spool, telemetry.spooled)


@cache
def replay() -> Replay:
    """Makes count what had to wait."""
    from consentry.actions.replay import Replay  # noqa: PLC0415 - a click replays nothing

    return Replay(store(), tokens(), brands(), queued_journeys())


@cache
def journeys() -> Journeys:
    """What a person can do."""
    return Journeys(store(), tokens(), recorder(), limits())


@cache
def limits() -> Limits:
    """What may be done how often."""
    return Limits(gateway(), keyring().limit_key)


@cache
def breaker() -> Breaker:
    """Holds confirmation mails back when there are too many."""
    from consentry.table.breaker import Breaker  # noqa: PLC0415 - no click sends a mail

    def opened(brand: str) -> None:
        telemetry.emit("breaker open", {"BreakerOpened": 1}, brand=brand)
        logger().error("breaker open", brand=brand)

    return Breaker(gateway(), opened)


@cache
def intake() -> Intake:
    """What others report."""
    from consentry.actions.reports import Intake  # noqa: PLC0415 - no click reports anything

    return Intake(store(), keyring().pepper, recorder())


@cache
def queued_intake() -> Intake:
    """What others report, out of a queue: while the table is away it comes back from there, and needs no spool."""
    from consentry.actions.reports import Intake  # noqa: PLC0415 - as above

    return Intake(store(), keyring().pepper, Recorder(store()))


@cache
def queued_journeys() -> Journeys:
    """What a person can do, out of a queue: as above."""
    return Journeys(store(), tokens(), Recorder(store()), limits())


@cache
def mailbox() -> Mailbox:
    """The mails that came in."""
    from consentry.aws.mailbox import Mailbox  # noqa: PLC0415 - no click reads a mail

    return Mailbox(_bucket_client())


def send_mail(brand: Brand, mail: Mail, recipient: str, raw: bytes) -> None:
    """Hand a mail to SES; see `mails.send`."""
    from consentry.actions import mails  # noqa: PLC0415 - a click sends no mail, and needs no mail library

    mails.send(_mail_client(), brand, mail, recipient, raw, os.environ["CONFIGURATION_SET"])


def put_off(reference: str, seconds: int) -> None:
    """Queue a mail's reference for later.

    Raises:
        botocore's errors: it isn't queued.
    """
    _queue_client().send_message(
        QueueUrl=os.environ["MAIL_QUEUE_URL"], MessageBody=reference, DelaySeconds=seconds, **_correlation()
    )


def mail_queue() -> str:
    """The name of the queue of mails that were put off."""
    return os.environ["MAIL_QUEUE_URL"].rpartition("/")[2]


@cache
def archivist() -> Archivist:
    """Copies the ledger to the archive."""
    from consentry.actions.archiving import Archivist  # noqa: PLC0415 - one function needs it, once a month
    from consentry.table.checkpoints import Checkpoints  # noqa: PLC0415 - as above

    patient = Gateway(_client("dynamodb", _PATIENT), settings().table)
    store = Store(patient, keyring().ledger_key)
    return Archivist(store, Checkpoints(patient), _put_archive, keyring(), _send_archive)


def start_archive(month: str, now: int) -> str:
    """Begin to archive a month, and answer the run's name; see `archivist.start`.

    Raises:
        ValueError: the month isn't one, or hasn't begun.
        botocore's errors: not all is queued; start again.
    """
    from consentry.actions import archiving as module  # noqa: PLC0415 - as above

    return module.start(_send_archive, month, int(os.environ["ARCHIVE_SEGMENTS"]), now)


@cache
def bulk() -> Jobs:
    """Does the steps of jobs over millions of people."""
    from consentry.actions.bulk.jobs import Jobs  # noqa: PLC0415 - one function needs it
    from consentry.aws.object_store import Shelf  # noqa: PLC0415 - as above

    client = _client("dynamodb", _MANY)
    return Jobs(
        Shelf(_client("s3", _MANY), os.environ["BULK_BUCKET"]),
        Store(Gateway(client, settings().table), keyring().ledger_key),
        keyring(),
        brands(),
        writers=_BULK_WRITERS,
        concurrency=int(os.environ["BULK_CONCURRENCY"]),
        table_bytes=lambda: int(client.describe_table(TableName=settings().table)["Table"]["TableSizeBytes"]),
        clock=lambda: time.time_ns() // 1_000_000,
    )


def prepare() -> None:
    """Build, in Lambda's initialisation, what the first click needs: the table's client, brands, and keys.

    Outside Lambda it does nothing. A keyring that can't be read now is asked for again by the first request.
    """
    if "AWS_LAMBDA_FUNCTION_NAME" not in os.environ:
        return
    journeys()
    brands()
    try:
        keyring().signing_keys("")
    except SecretUnavailableError:
        logger().warning("keyring unavailable in initialisation")
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        # Lambda's own: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
        from snapshot_restore_py import register_after_restore  # noqa: PLC0415 - only there, and only then

        register_after_restore(wake_up)


def wake_up() -> None:
    """Renew what a snapshot of the initialisation holds, when a container starts from it, perhaps days later.

    Connections are dead, the keyring may have changed (a key that was revoked must not come back to life), and every
    container would have the same random numbers: those of `random`, that is. `secrets` asks the system each time.
    """
    random.seed()
    table_client().close()  # only its connections: the next call opens one
    if not keyring().renew():
        logger().warning("keyring unavailable after a restore")


@cache
def endpoints() -> Endpoints:
    """How the platforms' endpoints stand."""
    from consentry.http import web  # noqa: PLC0415 - one function needs it
    from consentry.table.endpoints import Endpoints  # noqa: PLC0415 - as above

    return Endpoints(gateway(), lambda exc: web.report(exc, "endpoints"))


def queue_notifications(notifications: list[Notification]) -> None:
    """Queue what endpoints are told.

    Raises:
        botocore's errors: not all are queued.
    """
    for each in notifications:
        _send_notification("NOTIFICATION_QUEUE_URL", each, _correlation())


WAITED: Final = "waited"
"""The attribute of a message that says how its notification waited so far. Not in its body: the version before, beside
which a deployment runs for some minutes, knows nothing of it, and needn't."""


def put_off_notification(notification: Notification, waited: Waited, seconds: int) -> None:
    """Queue a notification again, for so many seconds from now.

    Raises:
        botocore's errors: the message that was received comes back.
    """
    attributes = {
        **_correlation().get("MessageAttributes", {}),
        WAITED: {"DataType": "String", "StringValue": waited.to_json()},
    }
    delayed = {"MessageAttributes": attributes, "DelaySeconds": seconds}
    _send_notification("NOTIFICATION_QUEUE_URL", notification, delayed)


def notification_queue() -> str:
    """The name of the queue of notifications."""
    return os.environ["NOTIFICATION_QUEUE_URL"].rpartition("/")[2]


def give_up_notification(notification: Notification) -> None:
    """Put a notification among the dead letters, as a message of its own: SQS would count its 14 days from the change.

    It says nothing of how it waited: who puts it back into the queue has it tried from the start.

    Raises:
        botocore's errors: it comes back.
    """
    _send_notification("NOTIFICATION_DEAD_LETTERS_URL", notification, _correlation())


def _send_notification(queue: str, notification: Notification, more: dict[str, Any]) -> None:
    """The group keeps an endpoint whose calls take long from delaying the others (SQS fair queues)."""
    _queue_client().send_message(
        QueueUrl=os.environ[queue],
        MessageBody=notification.to_json(),
        MessageGroupId=f"{notification.brand}/{notification.endpoint}",
        **more,
    )


def put_off_spooled(receipt_handle: str, seconds: int) -> None:
    """Let the spool bring a message back after so many seconds.

    Raises:
        botocore's errors: it comes back at another time.
    """
    _put_off(os.environ["SPOOL_QUEUE_URL"], receipt_handle, seconds)


def _put_off(queue: str, receipt_handle: str, seconds: int) -> None:
    _queue_client().change_message_visibility(QueueUrl=queue, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds)


def put_off_feedback(receipt_handle: str, seconds: int) -> None:
    """Let the queue bring an event of SES back after so many seconds.

    Raises:
        botocore's errors: it comes back sooner.
    """
    _put_off(os.environ["FEEDBACK_QUEUE_URL"], receipt_handle, seconds)


@cache
def _session() -> botocore.session.Session:
    # botocore alone: boto3 adds 130 ms of imports for resources and transfers that nothing here uses.
    return botocore.session.get_session()


@cache
def _mail_client() -> Any:
    client = _client("sesv2", _ONCE)
    client.meta.events.register("needs-retry.sesv2.SendEmail", _when_to_offer_again)
    return client


def _when_to_offer_again(response: tuple[object, dict[str, Any]] | None, attempts: int, **_: object) -> float | None:
    """Seconds after which botocore offers a mail to SES again; None: it doesn't."""
    code = response[1].get("Error", {}).get("Code") if response else None
    if code not in _BUSY or attempts >= _MOST_OFFERS:
        return None
    return float(random.uniform(0.25, 0.5) * 2**attempts)  # noqa: S311 - jitter, not a secret


@cache
def _queue_client() -> Any:
    return _client("sqs", _PATIENT)


def _correlation() -> dict[str, Any]:
    """What tells whoever takes a message out of a queue which request it follows from; `batches` reads it."""
    said = telemetry.correlation_id()
    return {"MessageAttributes": {"correlation_id": {"DataType": "String", "StringValue": said}}} if said else {}


def _send_archive(text: str) -> None:
    _queue_client().send_message(QueueUrl=os.environ["ARCHIVE_QUEUE_URL"], MessageBody=text, **_correlation())


@cache
def _bucket_client() -> Any:
    return _client("s3", _PATIENT)


def _put_archive(key: str, body: bytes, sha256: bytes) -> None:
    from consentry.actions.archiving import ArchiveUnavailableError  # noqa: PLC0415 - as above

    try:
        _bucket_client().put_object(
            Bucket=os.environ["ARCHIVE_BUCKET"],
            Key=key,
            Body=body,
            ChecksumAlgorithm="SHA256",  # S3 asks for it by name where objects are locked
            ChecksumSHA256=base64.b64encode(sha256).decode(),
        )
    except (BotoCoreError, ClientError) as exc:
        raise ArchiveUnavailableError("the archive can't be written") from exc


@cache
def _spool_client(config: Config) -> Any:
    # One of its own: whoever clicked waits for it, and the table has used up most of their time.
    return _client("sqs", config)


def _send_to_spool(text: str) -> None:
    message = {"QueueUrl": os.environ["SPOOL_QUEUE_URL"], "MessageBody": text, **_correlation()}
    try:
        _spool_client(_LAST_RESORT).send_message(**message)
    except (BotoCoreError, ClientError, ValueError):  # a garbled answer reads as ValueError
        _spool_client(_LAST_PATIENCE).send_message(**message)


def _spool(text: str) -> None:
    try:
        _send_to_spool(text)
    except (BotoCoreError, ClientError, ValueError, KeyError) as exc:
        _keep_in_log(text)
        raise StoreUnavailableError("neither table nor spool can be written") from exc
    fault = sys.exception()
    if fault is not None and not isinstance(fault, StoreUnavailableError):
        from consentry.http import web  # noqa: PLC0415 - it imports this module

        web.report(fault, "spool")
    logger().warning("spooled")


def _keep_in_log(text: str) -> None:
    from consentry.links import sealed_log  # noqa: PLC0415 - for a day when nearly everything is away

    try:
        letter = sealed_log.seal(keyring().dead_letter_key(), text)
    except SecretUnavailableError:
        telemetry.emit("opt-out not kept", {"OptOutsNotKept": 1})
        logger().error("table, spool and keyring are away: nothing could be kept")
        return
    telemetry.emit("opt-out kept in the log", {"OptOutsKeptInLog": 1})
    logger().error("kept in the log alone", dead_letter=letter)


def _client(service: str, config: Config) -> Any:
    return _session().create_client(service, config=config)


@cache
def secrets_client() -> Any:
    """Secrets Manager, for who changes the keyring."""
    return _client("secretsmanager", _PATIENT)


def _fetch_keyring() -> str:
    try:
        client = _client("secretsmanager", _IMPATIENT)
        got = client.get_secret_value(SecretId=settings().keyring, VersionStage="AWSCURRENT")
        return str(got["SecretString"])
    except (BotoCoreError, ClientError, ValueError) as exc:  # a garbled answer reads as ValueError
        raise SecretUnavailableError("the keyring can't be read") from exc
