"""SES: whether mail leaves, and whether providers believe whom it is from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from consentry_cli.doctor.deployed import is_gone
from consentry_cli.doctor.findings import Check, fault, unseen, warning
from consentry_cli.lint.signatures import organisation
from consentry_cli.wording import number

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from consentry_cli.doctor.deployed import Deployed
    from consentry_cli.doctor.findings import Problem

_NEARLY: Final = 0.8
_UNLIMITED: Final = -1
_SUPPRESSED: Final = frozenset({"BOUNCE", "COMPLAINT"})


def account(deployed: Deployed) -> Generator[Problem, None, str]:
    """The account may send, and to anybody."""
    described = deployed.client("sesv2").get_account()
    if not described.get("SendingEnabled", True):
        yield fault(
            "SES doesn't send for this account: sending is paused.", "The SES console says why, and what to do."
        )
    enforcement = described.get("EnforcementStatus", "HEALTHY")
    if enforcement not in {"HEALTHY", ""}:
        says = f"SES has this account under {enforcement}, because of its bounces or complaints."
        mend = "Read AWS's mail on it, fix the cause, and answer."
        yield fault(says, mend) if enforcement == "SHUTDOWN" else warning(says, mend)
    if not described.get("ProductionAccessEnabled", False):
        yield warning(
            "The account is in SES's sandbox: mail goes to verified addresses and SES's simulator alone.",
            "Ask SES for production access; it takes a day or so. Until then, verify each recipient, too.",
        )
    return "The account is out of the sandbox, and sends."


def quota(deployed: Deployed) -> Generator[Problem, None, str]:
    """The account's quota carries what the brands let through."""
    described = deployed.client("sesv2").get_account().get("SendQuota", {})
    most, sent, rate = (float(described.get(name, 0)) for name in ("Max24HourSend", "SentLast24Hours", "MaxSendRate"))
    mend = "Ask for a higher sending quota in the SES console, or lower `mails_a_minute` of the brands."
    if most != _UNLIMITED and sent >= _NEARLY * most:
        yield warning(f"{sent:.0f} of the {most:.0f} emails that SES allows a day were sent within 24 hours.", mend)
    wanted = sum(brand.limits.mails_a_minute for brand in deployed.brands)
    if rate * 60 < wanted:
        yield warning(
            f"The brands let {number(wanted, 'mail')} a minute through, SES takes {rate * 60:.0f}: more will wait.",
            mend,
        )
    return f"SES takes {rate:g} emails a second; {sent:.0f} were sent within 24 hours."


def senders(deployed: Deployed) -> Generator[Problem, None, str]:
    """Each sender may be used: by the stack's policy, which takes upper and lower case for the same, and by SES."""
    listed, asked = deployed.listed("SenderAddresses"), _senders(deployed)
    allowed = {each.lower() for each in listed}
    all_of_them = ",".join([*listed, *(each for each in asked if each.lower() not in allowed)])
    for address in asked:
        if address.lower() not in allowed:
            yield fault(
                f"{address} isn't among the stack's SenderAddresses: the courier may not send as it.",
                f"`make deploy SET=SenderAddresses={all_of_them}`",
            )
        described = _identity(deployed, address)
        if described is None:
            yield fault(
                f"SES has no identity for {address} in {deployed.region}.", "Create it, and publish its records."
            )
        elif not described.get("VerifiedForSendingStatus"):
            yield fault(f"SES hasn't verified the identity of {address}.", "Publish the records that SES shows.")
    return f"{number(len(asked), 'sender')}, all verified."


def dkim(deployed: Deployed) -> Generator[Problem, None, str]:
    """Mail is signed, with a key that is long enough."""
    for domain, described in _domains(deployed):
        signed = described.get("DkimAttributes", {})
        if signed.get("Status") != "SUCCESS":
            yield fault(
                f"DKIM of {domain} is {signed.get('Status', 'not set up')}: Gmail and Yahoo refuse or hide such mail.",
                "Publish the CNAME records that SES shows for the identity.",
            )
        elif not signed.get("SigningEnabled"):
            yield fault(f"Mail from {domain} isn't signed: DKIM is turned off.", "Turn it on at the identity.")
        if signed.get("CurrentSigningKeyLength") == "RSA_1024_BIT":
            yield warning(
                f"DKIM of {domain} has a key of 1024 bits.",
                "Change it to 2048: aws sesv2 put-email-identity-dkim-signing-attributes",
            )
    return "Mail is signed with DKIM."


def mail_from(deployed: Deployed) -> Generator[Problem, None, str]:
    """The envelope is the brand's own domain, so that SPF aligns, too."""
    for domain, described in _domains(deployed):
        own = described.get("MailFromAttributes", {})
        if not own.get("MailFromDomain"):
            yield warning(
                f"{domain} has no MAIL FROM domain: SPF passes for amazonses.com, and DMARC rests on DKIM alone.",
                "aws sesv2 put-email-identity-mail-from-attributes, and publish its MX and TXT records.",
            )
        elif own.get("MailFromDomainStatus") != "SUCCESS":
            yield warning(
                f"The MAIL FROM domain {own['MailFromDomain']} is {own.get('MailFromDomainStatus')}; SES uses its own.",
                "Publish the MX and TXT records that SES shows for it.",
            )
        elif organisation(own["MailFromDomain"]) != organisation(domain):
            yield warning(
                f"The MAIL FROM domain {own['MailFromDomain']} isn't below {organisation(domain)}: SPF doesn't align.",
                f"Use a subdomain of {organisation(domain)}.",
            )
    return "Every sender has a MAIL FROM domain of its own."


def dmarc(deployed: Deployed) -> Generator[Problem, None, str]:
    """Each sender's domain has a DMARC record, as Gmail and Yahoo ask of who sends in bulk."""
    domains = sorted({address.rpartition("@")[2].lower() for address in _senders(deployed)})
    for domain in domains:
        try:
            found = [
                record
                for name in dict.fromkeys((domain, organisation(domain)))
                for record in deployed.resolve(f"_dmarc.{name}", "TXT")
                if record.strip().lower().startswith("v=dmarc1")
            ]
        except OSError as exc:
            yield unseen(f"The DMARC record of {domain} can't be looked up: {exc}.", "Try where there is a DNS.")
            continue
        if not found:
            yield warning(
                f"{domain} has no DMARC record: Gmail and Yahoo ask for one of who sends in bulk.",
                f'Publish a TXT record at _dmarc.{domain}, to begin with "v=DMARC1; p=none".',
            )
    return f"{number(len(domains), 'domain')} with a DMARC record."


def suppression(deployed: Deployed) -> Generator[Problem, None, str]:
    """SES's own list keeps mail from addresses that bounced or complained."""
    ses = deployed.client("sesv2")
    reasons = set(ses.get_account().get("SuppressionAttributes", {}).get("SuppressedReasons", ()))
    try:
        own = ses.get_configuration_set(ConfigurationSetName=deployed.outputs.get("ConfigurationSetName", ""))
    except ClientError as exc:
        if not is_gone(exc):
            raise
        own = {}
    if "SuppressedReasons" in own.get("SuppressionOptions", {}):
        reasons = set(own["SuppressionOptions"]["SuppressedReasons"])
    if missing := sorted(_SUPPRESSED - reasons):
        yield warning(
            f"SES's suppression list doesn't take addresses after a {' or '.join(missing).lower()}.",
            "aws sesv2 put-account-suppression-attributes --suppressed-reasons BOUNCE COMPLAINT",
        )
    return "SES's suppression list is on for bounces and complaints."


def _senders(deployed: Deployed) -> list[str]:
    """The brands' senders; without brand files, those that the stack's parameter names."""
    return list(dict.fromkeys(brand.sender for brand in deployed.brands)) or deployed.listed("SenderAddresses")


def _domains(deployed: Deployed) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each sender's domain, with the identity that signs for it. An unknown one is reported by `senders`."""
    seen = set()
    for address in _senders(deployed):
        domain = address.rpartition("@")[2].lower()
        described = None if domain in seen else _identity(deployed, address)
        seen.add(domain)
        if described is not None:
            yield domain, described


def _identity(deployed: Deployed, address: str) -> dict[str, Any] | None:
    """SES's identity for an address: its own, else that of its domain, else of a domain above."""
    local, _, domain = address.rpartition("@")
    labels = domain.lower().split(".")
    names = [f"{local}@{domain.lower()}", *(".".join(labels[index:]) for index in range(len(labels) - 1))]
    for name in names:
        try:
            return dict(deployed.client("sesv2").get_email_identity(EmailIdentity=name))
        except ClientError as exc:
            if not is_gone(exc):
                raise
    return None


_SES: Final = "docs/deploying.md#2-ses"
CHECKS = (
    Check("ses-account", account, "docs/deploying.md#what-a-new-account-has-to-ask-for"),
    Check("ses-quota", quota, _SES),
    Check("senders", senders, _SES),
    Check("dkim", dkim, _SES),
    Check("mail-from", mail_from, _SES),
    Check("dmarc", dmarc, _SES),
    Check("suppression", suppression, "docs/deploying.md#bounces-and-complaints"),
)
