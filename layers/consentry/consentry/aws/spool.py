"""Where the spool's messages go: its queue, or, when that is unavailable too, the log, sealed."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from consentry import telemetry
from consentry.aws.clients import LAST_PATIENCE, LAST_RESORT
from consentry.aws.queues import Queue
from consentry.links import sealed_log
from consentry.links.keyring import SecretUnavailableError
from consentry.table.gateway import StoreUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.config import Config

    from consentry.links.keyring import Keyring


class SpoolSender:
    """Keeps what could not be recorded."""

    def __init__(self, client: Callable[[Config], Any], url: str, keyring: Keyring) -> None:
        """`client` builds one of SQS; each is built once, as whoever clicked waits while the table is unavailable."""
        self._client = cache(client)
        self._url = url
        self._keyring = keyring

    def keep(self, text: str) -> None:
        """Queue a text.

        Raises:
            StoreUnavailableError: only the log has it, if the keys could be had.
        """
        try:
            self._queue(text)
        except (BotoCoreError, ClientError, ValueError) as exc:  # a garbled answer reads as ValueError
            self._keep_in_log(text)
            raise StoreUnavailableError("neither table nor spool can be written") from exc
        fault = sys.exception()
        if fault is not None and not isinstance(fault, StoreUnavailableError):
            telemetry.report(fault, "spool")
        telemetry.logger().warning("spooled")

    def _queue(self, text: str) -> None:
        try:
            Queue(self._client(LAST_RESORT), self._url).send(text)
        except (BotoCoreError, ClientError, ValueError):
            Queue(self._client(LAST_PATIENCE), self._url).send(text)

    def _keep_in_log(self, text: str) -> None:
        try:
            letter = sealed_log.seal(self._keyring.dead_letter_key(), text)
        except SecretUnavailableError:
            telemetry.emit("opt-out not kept", {"OptOutsNotKept": 1})
            telemetry.logger().error("table, spool and keyring are unavailable: nothing could be kept")
            return
        telemetry.emit("opt-out kept in the log", {"OptOutsKeptInLog": 1})
        telemetry.logger().error("kept in the log alone", dead_letter=letter)
