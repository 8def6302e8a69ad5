"""How a command says that it can't go on: one line, exit status 2, no traceback."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click
from botocore.exceptions import BotoCoreError, ClientError

from consentry.actions.bulk.rows import UnusableInputError
from consentry.aws.object_store import ShelfUnavailableError
from consentry.links.keyring import SecretUnavailableError
from consentry.table.gateway import StoreUnavailableError
from consentry_build.brandfile import FaultyBrandsError

if TYPE_CHECKING:
    from collections.abc import Iterator

FOUND = 1
"""Exit status: the command ran, and found something that wants a look."""
CAN_NOT_RUN = 2


class CanNotRunError(click.ClickException):
    """The command can't run, or can't go on."""

    exit_code = CAN_NOT_RUN


@contextmanager
def plain_errors() -> Iterator[None]:
    """What commonly goes wrong outside, in one line."""
    try:
        yield
    except BrokenPipeError:
        # Whoever read our output has seen enough. Nothing may complain of it, not even the interpreter's last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(CAN_NOT_RUN) from None
    except KeyboardInterrupt:
        raise CanNotRunError("interrupted") from None
    except (StoreUnavailableError, SecretUnavailableError, ShelfUnavailableError) as exc:
        raise CanNotRunError(because(exc)) from exc
    except (BotoCoreError, ClientError, FaultyBrandsError, UnusableInputError) as exc:
        raise CanNotRunError(str(exc)) from exc
    except OSError as exc:
        raise CanNotRunError(f"{exc.filename}: {exc.strerror}" if exc.filename else str(exc)) from exc


def because(exc: BaseException) -> str:
    """The error and, where AWS is behind it, what AWS said."""
    return f"{exc}: {exc.__cause__}" if isinstance(exc.__cause__, (BotoCoreError, ClientError)) else str(exc)
