"""Opt-outs by mail: whether they get here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from consentry_cli.doctor.findings import Check, fault, unseen, warning
from consentry_cli.wording import number

if TYPE_CHECKING:
    from collections.abc import Generator

    from consentry_cli.doctor.deployed import Deployed
    from consentry_cli.doctor.findings import Problem

_NONE: Final = "The stack takes no opt-outs by mail (InboundDomains is empty)."


def domains(deployed: Deployed) -> Generator[Problem, None, str]:
    """What the brand files promise, the stack receives; and the DNS leads there."""
    taken = deployed.listed("InboundDomains")
    promised = sorted({brand.inbound_domain for brand in deployed.brands if brand.inbound_domain})
    both = ",".join(dict.fromkeys([*taken, *promised]))
    for brand in deployed.brands:
        if brand.inbound_domain and brand.inbound_domain not in taken:
            yield fault(
                f"{brand.id} offers opt-outs by mail to {brand.inbound_domain}, which the stack doesn't receive.",
                f"`make deploy SET=InboundDomains={both}`, or take inbound_domain out of the brand file.",
            )
    host = f"inbound-smtp.{deployed.region}.amazonaws.com"
    for domain in taken:
        try:
            found = deployed.resolve(domain, "MX")
        except OSError as exc:
            yield unseen(f"The MX record of {domain} can't be looked up: {exc}.", "Try where there is a DNS.")
            continue
        if host not in found:
            yield fault(
                f"Mail to {domain} doesn't come here: its MX record is {', '.join(found) or 'missing'}.",
                f"Publish {domain} MX 10 {host}",
            )
        elif len(found) > 1:
            yield warning(
                f"{domain} has other MX records beside ours: {', '.join(each for each in found if each != host)}.",
                "Take them out: an opt-out that goes there is lost.",
            )
    return f"{number(len(taken), 'domain')}, whose mail comes here." if taken else _NONE


def rules(deployed: Deployed) -> Generator[Problem, None, str]:
    """SES's active rule set is the stack's, and its rule is on."""
    ours = deployed.outputs.get("InboundRuleSetName")
    if not ours:
        return _NONE
    described = deployed.client("ses").describe_active_receipt_rule_set()
    active = described.get("Metadata", {}).get("Name")
    if active != ours:
        yield fault(
            f"SES's active rule set is {active or 'none'}, not the stack's: opt-outs by mail bounce or go elsewhere.",
            f"aws ses set-active-receipt-rule-set --rule-set-name {ours}; move the rules of another one first.",
        )
        return ""
    bucket = deployed.outputs.get("InboundBucketName")
    storing = [
        rule
        for rule in described.get("Rules", ())
        if any(action.get("S3Action", {}).get("BucketName") == bucket for action in rule.get("Actions", ()))
    ]
    if not storing:
        yield fault(
            "The active rule set has no rule that stores emails in the stack's bucket.", "Deploy the stack anew."
        )
    elif not any(rule.get("Enabled") for rule in storing):
        yield fault("The rule that stores emails is turned off.", "Enable it in the SES console.")
    else:
        # A domain takes all of its addresses, and each has its own; a rule that names no recipient takes everything
        # (https://docs.aws.amazon.com/ses/latest/APIReference/API_ReceiptRule.html).
        taken = [rule.get("Recipients") for rule in storing if rule.get("Enabled")]
        covered = {domain for each in taken for domain in each or ()}
        missing = sorted(set(deployed.listed("InboundDomains")) - covered) if all(taken) else ()
        if missing:
            yield fault(f"No rule takes all mail of {', '.join(missing)}.", "Deploy with these InboundDomains.")
    return "The stack's rule set is the active one, and its rule is on."


_SEE: Final = "docs/deploying.md#6-opt-outs-by-mail"
CHECKS = (Check("inbound-domains", domains, _SEE), Check("inbound-rules", rules, _SEE))
