"""How a command says that it can't go on: one line, exit status 2, no traceback."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from consentry.actions.bulk.records import UnusableInputError

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
    except (click.ClickException, SystemExit):
        raise
    except UnusableInputError as exc:
        raise CanNotRunError(str(exc)) from exc
    except _unavailable() as exc:
        raise CanNotRunError(because(exc)) from exc
    except (*_of_aws(), *_of_brands()) as exc:
        raise CanNotRunError(str(exc)) from exc
    except OSError as exc:
        raise CanNotRunError(f"{exc.filename}: {exc.strerror}" if exc.filename else str(exc)) from exc


def because(exc: BaseException) -> str:
    """The error and, where AWS is behind it, what AWS said."""
    return f"{exc}: {exc.__cause__}" if isinstance(exc.__cause__, _of_aws()) else str(exc)


# Imported when something was raised: most commands need only some of these libraries, and lint needs none.


def _unavailable() -> tuple[type[Exception], ...]:
    from consentry.aws.object_store import ObjectStoreUnavailableError  # noqa: PLC0415 - as above
    from consentry.links.keyring import SecretUnavailableError  # noqa: PLC0415 - as above
    from consentry.table.gateway import StoreUnavailableError  # noqa: PLC0415 - as above

    return StoreUnavailableError, SecretUnavailableError, ObjectStoreUnavailableError


def _of_aws() -> tuple[type[Exception], ...]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

    return BotoCoreError, ClientError


def _of_brands() -> tuple[type[Exception], ...]:
    from consentry_build.brandfile import FaultyBrandsError  # noqa: PLC0415 - as above

    return (FaultyBrandsError,)
