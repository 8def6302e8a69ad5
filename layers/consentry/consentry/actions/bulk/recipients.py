"""Whom a row is about: by address or by subscriber id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consentry.actions.bulk.records import UnusableRowError, garbled
from consentry.rules import addresses
from consentry.rules.addresses import MalformedAddressError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consentry.actions.bulk.rows import Reader, Row

EMAIL: Final = "email"
SUBSCRIBER_ID: Final = "subscriber_id"


def address_in(row: Row, columns: Iterable[str]) -> str:
    """The address of a row: what the first column holds that has something.

    Raises:
        UnusableRowError: it isn't in the file's encoding.
    """
    address = next((text for column in columns if (text := row.text(column))), "")
    if garbled(address):
        raise UnusableRowError("email: not in UTF-8: save the file as UTF-8, or say its encoding with --encoding")
    return address


class Recipients:
    """Reads `subscriber_id`, or makes it from `email`."""

    def __init__(self, reader: Reader, pepper: Callable[[], bytes]) -> None:
        """`pepper` is only asked for at the first address.

        Raises:
            UnusableInputError: the header has neither column.
        """
        self._pepper = pepper
        reader.need(EMAIL, SUBSCRIBER_ID)

    def of(self, row: Row) -> str:
        """The subscriber id of a row; where both are given, the id counts.

        Raises:
            UnusableRowError: it names nobody.
        """
        given = row.id(SUBSCRIBER_ID)
        if given:
            if addresses.is_subscriber_id(given):
                return given
            raise UnusableRowError("subscriber_id: 22 characters of base64url")
        email = address_in(row, (EMAIL,))
        if not email:
            raise UnusableRowError("neither email nor subscriber_id")
        try:
            return addresses.subscriber_id(self._pepper(), addresses.identify(email).address)
        except MalformedAddressError as exc:
            raise UnusableRowError(f"email: {exc}") from None
