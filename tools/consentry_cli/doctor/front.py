"""Where links lead: whether it answers, for how long it will, and by which clock."""

from __future__ import annotations

import json
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from consentry_cli.doctor import keys
from consentry_cli.doctor.findings import Check, fault, unseen, warning
from consentry_cli.wording import number

if TYPE_CHECKING:
    from collections.abc import Generator
    from datetime import datetime

    from consentry_cli.doctor.deployed import Deployed
    from consentry_cli.doctor.findings import Problem
    from consentry_cli.doctor.reach import Visit

_HEALTH: Final = "/healthz"
_RENEWED_DAYS: Final = 30
"""ACM renews 60 days before the end, other tools 30; who comes later has failed."""
_LAST_DAYS: Final = 7
_OFF_S: Final = 5
"""A Date header has whole seconds, and takes a moment to get here."""
_WRONG_S: Final = 60
_MEND_CLOCK: Final = "Let the machine keep time by NTP: links and API calls that it signs carry its time."


def address(deployed: Deployed) -> Generator[Problem, None, str]:
    """The address of all links answers, and it is this stack that does."""
    url = deployed.outputs.get("Url", "")
    try:
        answered = _visit(deployed)
    except OSError as exc:
        yield fault(f"{url} doesn't answer: {exc}. Every link that was mailed leads there.", _lead(deployed, url))
        return ""
    if answered.fault:
        return f"{url} has a certificate that isn't trusted; see the check `certificate`."
    if odd := _odd(deployed, url, answered):
        yield fault(
            odd, "Does the domain lead to the stack's ApiId, stage $default, with an empty path, and nowhere else?"
        )
    if not url.startswith("https://"):
        yield warning(
            "Links begin with http:// and can be read on their way; mail providers want https for one-click.",
            "`make deploy SET=PublicUrl=https://…`, with what answers there over TLS.",
        )
    return f"{url} answers."


def domain(deployed: Deployed) -> Generator[Problem, None, str]:
    """A domain that links don't use yet is ready for them."""
    name, url = deployed.parameters.get("DomainName", ""), deployed.outputs.get("Url", "")
    if not name:
        return "The stack has no DomainName."
    if url == f"https://{name}":
        return f"Links are made with {name}; see the check `address`."
    try:
        answered = deployed.visit(f"https://{name}{_HEALTH}")
    except OSError as exc:
        yield warning(f"{name} doesn't answer: {exc}. No link is made with it yet.", _publish(deployed, name))
        return ""
    if answered.fault:
        yield warning(f"{name} has a certificate that isn't trusted: {answered.fault}.", "Renew it, for this name.")
    elif odd := _odd(deployed, f"https://{name}", answered):
        yield warning(odd, _publish(deployed, name))
    return f"{name} answers. Links are made with it after `make deploy SET=PublicUrl=`."


def _odd(deployed: Deployed, url: str, answered: Visit) -> str:
    """What is wrong with an answer, if anything is: not Consentry's, or of another deployment of it.

    Only who has the keyring distinguishes a token that has expired (410) from one that isn't theirs (404).
    """
    if answered.status != HTTPStatus.OK or not _is_well(answered.body):
        return f"{url}{_HEALTH} answers {answered.status}, and not as Consentry does."
    token = keys.expired_token(deployed)
    try:
        if token and deployed.visit(f"{url}/c/{token}").status == HTTPStatus.NOT_FOUND:
            return f"{url} answers as Consentry does, but doesn't know this stack's links: it is another deployment."
    except OSError:
        pass  # it answered a moment ago
    return ""


def _lead(deployed: Deployed, url: str) -> str:
    """How to have an address answer that links were made with."""
    name = deployed.parameters.get("DomainName", "")
    if not name or url != f"https://{name}":
        return "Look at the DNS record of the name, and at what answers there."
    own = f"https://{deployed.outputs.get('ApiId')}.execute-api.{deployed.region}.amazonaws.com"
    return f"{_publish(deployed, name)} Until it is there, `make deploy SET=PublicUrl={own}`: new links work then."


def _publish(deployed: Deployed, name: str) -> str:
    return f"Publish {name} CNAME {deployed.outputs.get('DomainTarget')} in the DNS."


def certificate(deployed: Deployed) -> Generator[Problem, None, str]:
    """The certificate is trusted, and lasts."""
    if not deployed.outputs.get("Url", "").startswith("https://"):
        return "There is no certificate: links begin with http://."
    try:
        answered = _visit(deployed)
    except OSError as exc:
        yield unseen(f"The certificate can't be seen: {exc}.", "See the check `address`.")
        return ""
    if answered.fault or answered.certificate_until is None:
        yield fault(
            f"The certificate isn't trusted: {answered.fault or 'none was shown'}.",
            "Renew it, for the name in PublicUrl.",
        )
        return ""
    left = (answered.certificate_until - deployed.now().astimezone(UTC)).days
    says = f"The certificate ends in {number(left, 'day')}."
    mend = "Renewal has failed: in ACM, look at the certificate's status and its CNAME record."
    if left < _LAST_DAYS:
        yield fault(says, mend)
    elif left < _RENEWED_DAYS:
        yield warning(says, mend)
    return says


def clock(deployed: Deployed) -> Generator[Problem, None, str]:
    """This machine, AWS and the functions agree on the time."""
    seen = deployed.client("cloudformation").describe_stacks(StackName=deployed.name)
    aws = seen["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
    yield from _differs(deployed.now(), parsedate_to_datetime(aws) if aws else None, "AWS's")
    try:
        answered = _visit(deployed)
    except OSError as exc:
        yield unseen(f"The clock of the API can't be read: {exc}.", "See the check `address`.")
        return ""
    if not answered.fault:
        yield from _differs(deployed.now(), answered.date, "the API's")
    return f"This machine's clock is less than {_OFF_S} seconds from AWS's."


def _differs(here: datetime, there: datetime | None, whose: str) -> Generator[Problem]:
    if there is None:
        yield unseen(f"What {whose} clock says can't be seen: its answer has no Date.", "Nothing, with an emulator.")
        return
    off = abs((here.astimezone(UTC) - there.astimezone(UTC)).total_seconds())
    if off >= _WRONG_S:
        yield fault(f"This machine's clock is {number(round(off), 'second')} from {whose}.", _MEND_CLOCK)
    elif off >= _OFF_S:
        yield warning(f"This machine's clock is {number(round(off), 'second')} from {whose}.", _MEND_CLOCK)


def _is_well(body: str) -> bool:
    try:
        return bool(json.loads(body)["status"] == "ok")
    except (ValueError, KeyError, TypeError):
        return False


def _visit(deployed: Deployed) -> Visit:
    return deployed.visit(deployed.outputs.get("Url", "") + _HEALTH)


_SEE: Final = "docs/deploying.md#5-your-own-domain"
CHECKS = (
    Check("address", address, _SEE),
    Check("domain", domain, _SEE),
    Check("certificate", certificate, _SEE),
    Check("clock", clock, "docs/doctor.md#the-clock"),
)
