"""Who may call what listens on this machine: its own programs, and its own pages. No other site's.

A site can have a visitor's browser call 127.0.0.1: under a name of the site's own that leads there (DNS rebinding), and
then the browser lets it read what comes; or with a form, unread. The first shows in Host, the second in Origin, which
browsers send with whatever isn't GET or HEAD (Fetch standard, "HTTP extensions", Origin).

The standard library alone: the emulator's own Python loads this file, too.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

_LOCAL: Final = r"(?:127\.0\.0\.1|localhost|\[::1\])(?::([0-9]{1,5}))?"
_HOST: Final = re.compile(_LOCAL, re.IGNORECASE)
_ORIGIN: Final = re.compile(f"http://{_LOCAL}", re.IGNORECASE)
_SAFE: Final = frozenset({"GET", "HEAD"})


def refusal(method: str, host: str, origin: str | None, *, port: int | None, public: bool = False) -> HTTPStatus | None:
    """Why a request is refused; None if it isn't.

    Args:
        method: its method.
        host: its Host.
        origin: its Origin, if it has one.
        port: ours; None: whatever Host and Origin say.
        public: other sites may call it, as they may call the deployed API.
    """
    if not _is_ours(_HOST, host, port):
        return HTTPStatus.MISDIRECTED_REQUEST
    if not public and method not in _SAFE and origin is not None and not _is_ours(_ORIGIN, origin, port):
        return HTTPStatus.FORBIDDEN
    return None


def _is_ours(pattern: re.Pattern[str], text: str, port: int | None) -> bool:
    found = pattern.fullmatch(text)
    return found is not None and (port is None or int(found[1] or "80") == port)
