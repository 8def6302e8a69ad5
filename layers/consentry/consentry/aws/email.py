"""SES: emails go out, each at most once."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from consentry import telemetry
from consentry.actions.mails import BRAND_TAG, KIND_TAG, NotSentError, UnknownFateError

if TYPE_CHECKING:
    from consentry.actions.mails import Mail
    from consentry.rules.brands import Brand

_SURELY_NOT_SENT: Final = frozenset(
    {
        "TooManyRequestsException",
        "LimitExceededException",
        "SendingPausedException",
        "AccountSuspendedException",
        "MailFromDomainNotVerifiedException",
        "MessageRejected",
        "NotFoundException",
        "BadRequestException",
        "AccessDeniedException",
        "ThrottlingException",
    }
)
"""SES's answers (API reference, SendEmail) that say that it has not taken the email."""
_BUSY: Final = frozenset({"TooManyRequestsException", "ThrottlingException"})
"""Those of them that say that it will in a moment."""
_MOST_OFFERS: Final = 4


class Mailer:
    """Hands emails to SES."""

    def __init__(self, client: Any, configuration_set: str) -> None:
        """`client` is one of SES's, and by itself tries nothing again."""
        self._client = client
        self._configuration_set = configuration_set
        client.meta.events.register("needs-retry.sesv2.SendEmail", _when_to_offer_again)

    def send(self, brand: Brand, mail: Mail, recipient: str, raw: bytes) -> str:
        """Hand an email to SES, and not again when it may have been taken; SES's message id.

        SES reports what becomes of it as the configuration set says, and repeats the tags when it does.

        Raises:
            NotSentError: it wasn't taken.
            UnknownFateError: we can't know.
        """
        outcome, code = "unknown", ""
        try:
            message_id = self._offer(brand, mail, recipient, raw)
            outcome = "sent"
        except (NotSentError, UnknownFateError) as exc:
            outcome = "not_sent" if isinstance(exc, NotSentError) else outcome
            code = telemetry.aws_code(exc.__cause__)
            raise
        finally:
            telemetry.emit("mail", {"Mails": 1}, mail=mail, outcome=outcome, brand=brand.id, aws=code)
        return message_id

    def _offer(self, brand: Brand, mail: Mail, recipient: str, raw: bytes) -> str:
        try:
            answer = self._client.send_email(
                FromEmailAddress=brand.sender,
                Destination={"ToAddresses": [recipient]},
                Content={"Raw": {"Data": raw}},
                ConfigurationSetName=self._configuration_set,
                EmailTags=[{"Name": BRAND_TAG, "Value": brand.id}, {"Name": KIND_TAG, "Value": mail}],
            )
        except ClientError as exc:
            if exc.response.get("Error", {}).get("Code") in _SURELY_NOT_SENT:
                raise NotSentError from exc
            raise UnknownFateError from exc
        except (BotoCoreError, ValueError) as exc:  # a garbled answer reads as ValueError
            raise UnknownFateError from exc
        return str(answer.get("MessageId", ""))


def _when_to_offer_again(response: tuple[object, dict[str, Any]] | None, attempts: int, **_: object) -> float | None:
    """Seconds after which botocore offers an email to SES again; None: it doesn't."""
    code = response[1].get("Error", {}).get("Code") if response else None
    if code not in _BUSY or attempts >= _MOST_OFFERS:
        return None
    return float(random.uniform(0.25, 0.5) * 2**attempts)  # noqa: S311 - jitter, not a secret
