"""Calls to the endpoints of platforms: a notification signed, sent, and counted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from consentry import telemetry
from consentry.actions import notifications
from consentry.http import outgoing
from consentry.http.outgoing import UnreachableError

if TYPE_CHECKING:
    from consentry.actions.notifications import Notification
    from consentry.links.keyring import Keyring
    from consentry.rules.brands import Brand, Brands, Endpoint
    from consentry.table.store import Store


class EndpointCalls:
    """Calls endpoints."""

    def __init__(self, brands: Brands, keyring: Keyring, store: Store) -> None:
        """`store` has the address of somebody whose brand keeps it."""
        self._brands = brands
        self._keyring = keyring
        self._store = store

    def listening(self, notification: Notification) -> tuple[Brand, Endpoint] | None:
        """Whom it is for, if the brand file still has them."""
        brand = self._brands.get(notification.brand)
        if brand is None:
            return None
        return next(((brand, each) for each in brand.notifications if each.id == notification.endpoint), None)

    def call(self, notification: Notification) -> bool:
        """Send a notification; whether its endpoint took it.

        Raises:
            SecretUnavailableError, StoreUnavailableError: it couldn't be sent.
        """
        listening = self.listening(notification)
        status = self._post(notification, *listening) if listening else 0
        taken = 200 <= status < 300  # noqa: PLR2004 - Standard Webhooks: any 2xx is success
        counted: dict[str, float] = {"Notifications": 1}
        if taken:
            counted["NotificationDelay"] = max(0, _now() - notification.timestamp)
        telemetry.emit(
            "notification",
            counted,
            outcome="taken" if taken else "failed",
            brand=notification.brand,
            endpoint=notification.endpoint,
            status=status,
            event_id=notification.event_id,
        )
        return taken

    def unavailable(self, notification: Notification) -> None:
        """Count that the notification's endpoint turned out to be unavailable, or to be so still."""
        telemetry.emit(
            "endpoint unavailable", {"EndpointsAway": 1}, brand=notification.brand, endpoint=notification.endpoint
        )

    def _post(self, notification: Notification, brand: Brand, endpoint: Endpoint) -> int:
        """The endpoint's status; 0 if it can't be reached."""
        secrets = self._keyring.notification_secrets(brand.id, endpoint.id)
        email = ""
        if brand.keeps_address:
            contact = self._store.contact(brand.id, notification.subscriber_id)
            email = contact.address if contact else ""
        body, headers = notifications.sign(notification, secrets, _now(), email)
        if not secrets:
            telemetry.logger().error("endpoint without a secret", brand=brand.id, endpoint=endpoint.id)
            return 0
        try:
            return outgoing.post(endpoint.url, body, headers, private_network=endpoint.private_network)
        except UnreachableError as exc:
            telemetry.logger().warning("endpoint unreachable", endpoint=endpoint.id, why=str(exc))
            return 0


def _now() -> int:
    return time.time_ns() // 1_000_000
