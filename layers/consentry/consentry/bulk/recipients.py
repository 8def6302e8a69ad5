"""Whom a row is about: by address or by subscriber id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consentry import addresses
from consentry.addresses import MalformedAddressError
from consentry.bulk.rows import UnusableInputError, UnusableRowError

if TYPE_CHECKING:
    from collections.abc import Callable

    from consentry.bulk.rows import Reader, Row

EMAIL: Final = "email"
SUBSCRIBER_ID: Final = "subscriber_id"


class Recipients:
    """Reads `subscriber_id`, or makes it from `email`."""

    def __init__(self, reader: Reader, pepper: Callable[[], bytes]) -> None:
        """`pepper` is only asked for at the first address.

        Raises:
            UnusableInputError: the header has neither column.
        """
        self._pepper = pepper
        self._email, self._id = reader.named(EMAIL), reader.named(SUBSCRIBER_ID)
        if reader.columns and not {self._email, self._id} & set(reader.columns):
            raise UnusableInputError("the header has neither email nor subscriber_id")

    def of(self, row: Row) -> str:
        """The subscriber id of a row; where both are given, the id counts.

        Raises:
            UnusableRowError: it names nobody.
        """
        given = row.id(self._id)
        if given:
            if addresses.is_subscriber_id(given):
                return given
            raise UnusableRowError("subscriber_id: 22 characters of base64url")
        email = row.text(self._email)
        if not email:
            raise UnusableRowError("neither email nor subscriber_id")
        try:
            return addresses.subscriber_id(self._pepper(), addresses.identify(email).address)
        except MalformedAddressError as exc:
            raise UnusableRowError(f"email: {exc}") from None
