"""A deployment: everything that is built of its settings, each thing on first use; handlers make one each."""

from __future__ import annotations

import random
import time
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

import botocore.session

from consentry import telemetry
from consentry.actions.opting_out import OptOuts
from consentry.actions.spool import Recorder
from consentry.aws import clients
from consentry.aws.secrets import keyring_text
from consentry.http.web import Site
from consentry.links.keyring import Keyring, SecretUnavailableError
from consentry.links.tokens import Tokens
from consentry.rules import brands
from consentry.table.gateway import Gateway
from consentry.table.limits import Limits
from consentry.table.store import Store

if TYPE_CHECKING:
    from botocore.config import Config

    from consentry.actions.archiving import Archivist
    from consentry.actions.bulk.jobs import Jobs
    from consentry.actions.choosing import Choices
    from consentry.actions.courier import Courier
    from consentry.actions.forms import Forms
    from consentry.actions.notices import Notices
    from consentry.actions.notifier import Notifier
    from consentry.actions.opting_in import OptIns
    from consentry.actions.own_links import OwnLinks
    from consentry.actions.replay import Replay
    from consentry.actions.reports import Reports
    from consentry.aws.archive import ArchiveBucket
    from consentry.aws.email import Mailer
    from consentry.aws.mailbox import Mailbox
    from consentry.aws.notifications import NotificationQueue
    from consentry.aws.queues import Queue
    from consentry.aws.spool import SpoolSender
    from consentry.http.leaving import UnsubscribePages
    from consentry.http.pages import Pages
    from consentry.rules.brands import Brands
    from consentry.settings import Settings
    from consentry.table.breaker import Breaker
    from consentry.table.endpoints import Endpoints
    from consentry.table.outbox import Outbox

_BULK_WRITERS: Final = 16
"""How many events a function that imports writes at once."""


class Deployment:
    """What functions are made of. Whatever is assigned in a test takes the place of what would be built."""

    def __init__(self, settings: Settings, session: botocore.session.Session | None = None) -> None:
        """`session` makes the clients of AWS; botocore's own alone: boto3 would add 130 ms of imports."""
        self.settings = settings
        self._session = session or botocore.session.get_session()

    def prepare(self, *, pages: bool = False) -> None:
        """Build what the first request needs in Lambda's initialisation, which runs at full speed; elsewhere, nothing.

        A keyring that can't be read now is asked for again by the first request.
        """
        if not self.settings.aws_lambda_function_name:
            return
        _ = self.opt_outs, self.tokens, self.brands, (self.pages, self.forms, self.opt_ins) if pages else None
        try:
            self.keyring.signing_keys("")
        except SecretUnavailableError:
            telemetry.logger().warning("keyring unavailable in initialisation")
        if self.settings.aws_lambda_initialization_type == "snap-start":
            # Lambda's own: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
            from snapshot_restore_py import register_after_restore  # noqa: PLC0415 - only there, and only then

            register_after_restore(self.wake_up)

    def wake_up(self) -> None:
        """Renew what a snapshot of the initialisation holds, when a container starts from it, perhaps days later.

        Connections are dead, the keyring may have changed (a key that was revoked must not come back to life), and all
        would have the same random numbers: those of `random`, that is. `secrets` asks the system each time.
        """
        random.seed()
        self.table_client.close()  # only its connections: the next call opens one
        if not self.keyring.renew():
            telemetry.logger().warning("keyring unavailable after a restore")

    @cached_property
    def brands(self) -> Brands:
        """Every brand of the deployment."""
        return brands.load(self.settings.consentry_compiled / "brands.json")

    @cached_property
    def keyring(self) -> Keyring:
        """Every secret of every brand."""
        build = partial(self._client, "secretsmanager", clients.IMPATIENT)
        return Keyring(partial(keyring_text, build, self.settings.keyring_secret_arn))

    @cached_property
    def tokens(self) -> Tokens:
        """Signs and reads links."""
        return Tokens(self.keyring)

    @cached_property
    def table_client(self) -> Any:
        """DynamoDB."""
        return self._client("dynamodb", clients.IMPATIENT)

    @cached_property
    def gateway(self) -> Gateway:
        """The table."""
        return Gateway(self.table_client, self.settings.table_name)

    @cached_property
    def store(self) -> Store:
        """Consent in the table."""
        noted, correlation_id, ahead = telemetry.recorded, telemetry.correlation_id, telemetry.clock_ahead
        return Store(self.gateway, self.keyring.ledger_key, noted=noted, correlation_id=correlation_id, ahead=ahead)

    @cached_property
    def limits(self) -> Limits:
        """What may be done how often."""
        return Limits(self.gateway, self.keyring.limit_key)

    @cached_property
    def recorder(self) -> Recorder:
        """Records what must not be lost."""
        return Recorder(self.store, self._spool, telemetry.spooled)

    def _spool(self, text: str) -> None:
        self.spool.keep(text)  # built when it is needed

    @cached_property
    def opt_outs(self) -> OptOuts:
        """What recipients leave, pause, and take back."""
        return OptOuts(self.store, self.recorder, self.limits)

    @cached_property
    def opt_ins(self) -> OptIns:
        """What recipients ask for and confirm."""
        from consentry.actions.opting_in import OptIns  # noqa: PLC0415 - one click opts nobody in

        return OptIns(self.store, self.limits)

    @cached_property
    def choices(self) -> Choices:
        """What recipients choose."""
        from consentry.actions.choosing import Choices  # noqa: PLC0415 - one click chooses nothing

        return Choices(self.store, self.recorder, self.limits)

    @cached_property
    def forms(self) -> Forms:
        """The forms that pages show."""
        from consentry.actions.forms import Forms  # noqa: PLC0415 - one click comes from no page

        return Forms(self.store, self.tokens)

    @property
    def site(self) -> Site:
        """What is to be known of this deployment to read a request."""
        return Site(self.settings.public_url, self.settings.trusted_proxy)

    @cached_property
    def pages(self) -> Pages:
        """Renders pages."""
        from consentry.http.pages import Pages  # noqa: PLC0415 - one click renders nothing

        return Pages(self.settings.consentry_compiled / "locales", self.tokens, self.brands)

    @cached_property
    def unsubscribe_pages(self) -> UnsubscribePages:
        """The pages with the unsubscribe options."""
        from consentry.http.leaving import UnsubscribePages  # noqa: PLC0415 - as above

        return UnsubscribePages(self.pages, self.tokens, self.brands, self.opt_outs, self.forms, self.recorder)

    @cached_property
    def reports(self) -> Reports:
        """What others report."""
        from consentry.actions.reports import Reports  # noqa: PLC0415 - no click reports anything

        return Reports(self.store, self.keyring.pepper, self.recorder)

    @cached_property
    def queued_reports(self) -> Reports:
        """Reports out of a queue: they come back from there while the table is unavailable, and need no spool."""
        from consentry.actions.reports import Reports  # noqa: PLC0415 - as above

        return Reports(self.store, self.keyring.pepper, Recorder(self.store))

    @cached_property
    def queued_opt_outs(self) -> OptOuts:
        """Opt-outs out of a queue: as above."""
        return OptOuts(self.store, Recorder(self.store), self.limits)

    @cached_property
    def feedback_queue(self) -> Queue:
        """SES's events."""
        return self._queue(self.settings.feedback_queue_url)

    @cached_property
    def mailbox(self) -> Mailbox:
        """The emails that came in."""
        from consentry.aws.mailbox import Mailbox  # noqa: PLC0415 - no click reads an email

        return Mailbox(self._client("s3", clients.PATIENT))

    @cached_property
    def spool(self) -> SpoolSender:
        """Keeps what could not be recorded."""
        from consentry.aws.spool import SpoolSender  # noqa: PLC0415 - only while the table is unavailable

        return SpoolSender(lambda how: self._client("sqs", how), self.settings.spool_queue_url, self.keyring)

    @cached_property
    def spool_queue(self) -> Queue:
        """What waits in the spool."""
        return self._queue(self.settings.spool_queue_url)

    @cached_property
    def replay(self) -> Replay:
        """Makes count what had to wait."""
        from consentry.actions.replay import Replay  # noqa: PLC0415 - a click replays nothing

        return Replay(self.store, self.tokens, self.brands, self.queued_opt_outs, self.forms)

    @cached_property
    def own_links(self) -> OwnLinks:
        """Requests of whoever lost their emails."""
        from consentry.actions.own_links import OwnLinks  # noqa: PLC0415 - few ask for it

        return OwnLinks(self.outbox, self.limits, telemetry.correlation_id)

    @cached_property
    def outbox(self) -> Outbox:
        """The emails that are due."""
        from consentry.table.outbox import Outbox  # noqa: PLC0415 - no click sends an email

        return Outbox(self.gateway)

    @cached_property
    def breaker(self) -> Breaker:
        """Holds confirmation emails back when there are too many."""
        from consentry.table.breaker import Breaker  # noqa: PLC0415 - as above

        return Breaker(self.gateway, telemetry.breaker_opened)

    @cached_property
    def mailer(self) -> Mailer:
        """Hands emails to SES."""
        from consentry.aws.email import Mailer  # noqa: PLC0415 - as above

        return Mailer(self._client("sesv2", clients.ONCE), self.settings.configuration_set)

    @cached_property
    def courier(self) -> Courier:
        """Sends the emails that are due."""
        from consentry.actions.courier import Courier  # noqa: PLC0415 - as above
        from consentry.http.letters import Letters  # noqa: PLC0415 - as above

        templates = self.settings.consentry_compiled / "mails"
        letters = Letters(self.tokens, self.pages, templates, self.settings.public_url)
        return Courier(self.store, self.outbox, self.brands, letters, self.mailer, self.breaker)

    @cached_property
    def mail_queue(self) -> Queue:
        """The emails that wait for another try."""
        return self._queue(self.settings.mail_queue_url)

    @cached_property
    def endpoints(self) -> Endpoints:
        """How the platforms' endpoints stand."""
        from consentry.table.endpoints import Endpoints  # noqa: PLC0415 - one function needs it

        return Endpoints(self.gateway, lambda exc: telemetry.report(exc, "endpoints"))

    @cached_property
    def notification_queue(self) -> Queue:
        """What endpoints are to be sent."""
        return self._queue(self.settings.notification_queue_url)

    @cached_property
    def notification_dead_letters(self) -> Queue:
        """What they could not be."""
        return self._queue(self.settings.notification_dead_letters_url)

    @cached_property
    def notifications(self) -> NotificationQueue:
        """Both of these, of notifications."""
        from consentry.aws.notifications import NotificationQueue  # noqa: PLC0415 - one function needs it

        return NotificationQueue(self.notification_queue, self.notification_dead_letters)

    @cached_property
    def notifier(self) -> Notifier:
        """Sends platforms what changed."""
        from consentry.actions.notifier import Notifier  # noqa: PLC0415 - one function needs it
        from consentry.http.endpoints import EndpointCalls  # noqa: PLC0415 - as above

        calls = EndpointCalls(self.brands, self.keyring, self.store)
        return Notifier(self.endpoints, calls, self.notifications, lambda: time.time_ns() // 1_000_000)

    @cached_property
    def archivist(self) -> Archivist:
        """Copies the ledger to the archive."""
        from consentry.actions.archiving import Archivist  # noqa: PLC0415 - one function needs it, once a month
        from consentry.table.checkpoints import Checkpoints  # noqa: PLC0415 - as above
        from consentry.table.scan import Scan  # noqa: PLC0415 - as above

        patient = Gateway(self._client("dynamodb", clients.PATIENT), self.settings.table_name)
        put = self._archived().put
        return Archivist(Scan(patient), Checkpoints(patient), put, self.keyring, self.archive_queue.send)

    @cached_property
    def notices(self) -> Notices:
        """The words that people read."""
        from consentry.actions.notices import Notices  # noqa: PLC0415 - no click asks for them

        archived = self._archived() if self.settings.archive_bucket else None
        return Notices(self.settings.consentry_compiled, archived)

    def _archived(self) -> ArchiveBucket:
        from consentry.aws.archive import ArchiveBucket  # noqa: PLC0415 - as above

        return ArchiveBucket(self._client("s3", clients.PATIENT), self.settings.archive_bucket)

    @cached_property
    def archive_queue(self) -> Queue:
        """The segments of the archive's runs."""
        return self._queue(self.settings.archive_queue_url)

    @cached_property
    def bulk(self) -> Jobs:
        """Does the steps of jobs over millions of people."""
        from consentry.actions.bulk.jobs import Jobs  # noqa: PLC0415 - one function needs it
        from consentry.aws.object_store import ObjectStore  # noqa: PLC0415 - as above

        client, table = self._client("dynamodb", clients.MANY), self.settings.table_name
        return Jobs(
            ObjectStore(self._client("s3", clients.MANY), self.settings.bulk_bucket),
            Store(Gateway(client, table), self.keyring.ledger_key),
            self.keyring,
            self.brands,
            writers=_BULK_WRITERS,
            concurrency=self.settings.bulk_concurrency,
            table_bytes=lambda: int(client.describe_table(TableName=table)["Table"]["TableSizeBytes"]),
            clock=lambda: time.time_ns() // 1_000_000,
        )

    @cached_property
    def secrets_client(self) -> Any:
        """Secrets Manager, for the rotation of keys."""
        return self._client("secretsmanager", clients.PATIENT)

    def _client(self, service: str, how: Config) -> Any:
        return self._session.create_client(service, config=how)

    @cached_property
    def _queue_client(self) -> Any:
        return self._client("sqs", clients.PATIENT)

    def _queue(self, url: str) -> Queue:
        from consentry.aws.queues import Queue  # noqa: PLC0415 - a click queues nothing, unless the table is unavailable

        return Queue(self._queue_client, url)
