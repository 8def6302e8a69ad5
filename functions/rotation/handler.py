"""The rotation: gives every brand a new signing key, when Secrets Manager says that it is time."""

from __future__ import annotations

import time
from typing import Any

from consentry import telemetry
from consentry.aws import rotation
from consentry.deployment import Deployment
from consentry.settings import Settings

deployment = Deployment(Settings.read())


def handler(event: dict[str, Any], _context: object) -> None:
    """One of the four steps that Secrets Manager calls in order, and perhaps several times.

    Raises:
        ValueError: the event is about another secret, or a step that there isn't.
    """
    step, secret_id, version = (str(event.get(each)) for each in ("Step", "SecretId", "ClientRequestToken"))
    if secret_id != deployment.settings.keyring_secret_arn:
        raise ValueError("not our keyring")
    client, now = deployment.secrets_client, time.time_ns() // 1_000_000
    match step:
        case "createSecret":
            rotation.create(client, secret_id, version, [each.id for each in deployment.brands], now)
        case "setSecret":
            pass  # no other service has to learn the keys
        case "testSecret":
            rotation.test(client, secret_id, version)
        case "finishSecret":
            rotation.finish(client, secret_id, version, now)
        case _:
            raise ValueError("no step of a rotation")
    telemetry.logger().info("rotation", step=step)
