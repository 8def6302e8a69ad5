"""The one place that builds real things: settings, clients, keys, the store, the journeys.

Each is built on first use and kept for the container's life. `prepare` is what a function does on purpose in
Lambda's initialisation, which runs at full speed before the first request.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from consentry import brands as brands_module
from consentry.journeys import Journeys
from consentry.keyring import Keyring, SecretUnavailableError
from consentry.limits import Limits
from consentry.spool import Recorder
from consentry.store import Store, StoreUnavailableError
from consentry.tokens import Tokens

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from consentry.brands import Brands
    from consentry.breaker import Breaker
    from consentry.intake import Intake
    from consentry.notifications import Notification

_COMPILED: Final = Path(__file__).with_name("compiled")
"""Where `consentry_build` puts brands and catalogues when it builds the layer."""

_IMPATIENT: Final = Config(
    connect_timeout=0.5,
    read_timeout=1.15,
    # This mode waits some 50 ms before the second try; `standard` waits up to a second.
    retries={"mode": "legacy", "total_max_attempts": 2},
    tcp_keepalive=True,
)
"""For what a person waits for: two tries and the spool come to less than 3 s when the table hangs."""

_LAST_RESORT: Final = Config(
    connect_timeout=0.3,
    read_timeout=0.5,
    retries={"mode": "standard", "total_max_attempts": 1},
)
"""For the spool, when the table has hung: the answer still comes within 3 s."""

_PATIENT: Final = Config(
    connect_timeout=2,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 4},
)
"""For mails: nobody waits, and a throttled call is worth waiting for."""


class Settings(NamedTuple):
    """What the template tells a function, in its environment."""

    table: str
    keyring: str
    """ARN of the keyring's secret."""
    public_url: str
    """Scheme and host of links, no trailing slash; empty: whatever host the visitor used."""
    compiled: Path


@cache
def settings() -> Settings:
    """Read once, on first use."""
    return Settings(
        table=os.environ["TABLE_NAME"],
        keyring=os.environ["KEYRING_SECRET_ARN"],
        public_url=os.environ.get("PUBLIC_URL", "").rstrip("/"),
        compiled=Path(os.environ.get("CONSENTRY_COMPILED") or _COMPILED),
    )


@cache
def logger() -> Logger:
    """JSON lines, without personal data: callers pass kinds and counts, never what somebody typed."""
    from aws_lambda_powertools import Logger  # noqa: PLC0415 - 47 ms, and a quiet request logs nothing

    return Logger(service="consentry", log_uncaught_exceptions=False)


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
def store() -> Store:
    """The table."""
    return Store(table_client(), settings().table, keyring().ledger_key)


@cache
def recorder() -> Recorder:
    """Records what must not be lost."""
    return Recorder(store(), _spool)


@cache
def journeys() -> Journeys:
    """What a person can do."""
    return Journeys(store(), tokens(), recorder(), limits())


@cache
def limits() -> Limits:
    """What may be done how often."""
    return Limits(table_client(), settings().table, keyring().limit_key)


@cache
def breaker() -> Breaker:
    """Holds confirmation mails back when there are too many."""
    from consentry.breaker import Breaker  # noqa: PLC0415 - no click sends a mail

    def opened(brand: str) -> None:
        logger().error("breaker open", brand=brand)  # the template's metric filter looks for these words

    return Breaker(table_client(), settings().table, limits(), opened)


@cache
def intake() -> Intake:
    """What others report."""
    from consentry.intake import Intake  # noqa: PLC0415 - no click reports anything

    return Intake(store(), keyring().pepper, recorder())


def send_mail(sender: str, recipient: str, raw: bytes) -> None:
    """Hand a mail to SES; see `mails.send`."""
    from consentry import mails  # noqa: PLC0415 - a click sends no mail, and needs no mail library

    mails.send(_mail_client(), sender, recipient, raw)


def put_off(reference: str, seconds: int) -> None:
    """Queue a mail's reference for later.

    Raises:
        botocore's errors: it isn't queued.
    """
    _queue_client().send_message(QueueUrl=os.environ["MAIL_QUEUE_URL"], MessageBody=reference, DelaySeconds=seconds)


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


def queue_notifications(notifications: list[Notification]) -> None:
    """Queue what endpoints are told.

    Raises:
        botocore's errors: not all are queued.
    """
    for each in notifications:
        # The group keeps an endpoint that fails from delaying the others (SQS fair queues).
        _queue_client().send_message(
            QueueUrl=os.environ["NOTIFICATION_QUEUE_URL"], MessageBody=each.to_json(), MessageGroupId=each.endpoint
        )


def put_off_notification(receipt_handle: str, seconds: int) -> None:
    """Let the queue bring a message back after so many seconds.

    Raises:
        botocore's errors: it comes back sooner.
    """
    _queue_client().change_message_visibility(
        QueueUrl=os.environ["NOTIFICATION_QUEUE_URL"], ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
    )


@cache
def _session() -> botocore.session.Session:
    # botocore alone: boto3 adds 130 ms of imports for resources and transfers that nothing here uses.
    return botocore.session.get_session()


@cache
def _mail_client() -> Any:
    return _client("sesv2", _PATIENT)


@cache
def _queue_client() -> Any:
    return _client("sqs", _PATIENT)


def _spool(text: str) -> None:
    try:
        # A client of its own: whoever clicked waits for it, and the table has used up most of their time.
        client = _client("sqs", _LAST_RESORT)
        client.send_message(QueueUrl=os.environ["SPOOL_QUEUE_URL"], MessageBody=text)
    except (BotoCoreError, ClientError, KeyError) as exc:
        raise StoreUnavailableError("neither table nor spool can be written") from exc
    logger().warning("spooled")


def _client(service: str, config: Config) -> Any:
    return _session().create_client(service, config=config)


def _fetch_keyring() -> str:
    try:
        client = _client("secretsmanager", _IMPATIENT)
        return str(client.get_secret_value(SecretId=settings().keyring)["SecretString"])
    except (BotoCoreError, ClientError) as exc:
        raise SecretUnavailableError("the keyring can't be read") from exc
