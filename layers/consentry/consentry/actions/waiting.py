"""Waiting: what can't be done now, and how long it is until the next try."""

from __future__ import annotations

from typing import Final, NamedTuple

LONGEST_DELAY_S: Final = 900
"""SQS's own limit for a message: what waits for longer is sent again, as often as it takes.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""


class LaterError(Exception):
    """It can't be done now, as was to be expected, and is to be tried again after `seconds`."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"to be tried again in {seconds} s")
        self.seconds = seconds


class Schedule(NamedTuple):
    """How long to wait between one try and the next."""

    waits_s: tuple[int, ...]
    """Seconds; the last of them again and again."""

    def after(self, tries: int) -> int:
        """Seconds until the next try, after so many that failed (1 or more)."""
        return self.waits_s[min(tries, len(self.waits_s)) - 1]


def doubling(first_s: int, longest_s: int) -> Schedule:
    """A schedule of waits that double up to the longest: soon at first, and then patiently."""
    waits = [first_s]
    while waits[-1] < longest_s:
        waits.append(min(2 * waits[-1], longest_s))
    return Schedule(tuple(waits))
