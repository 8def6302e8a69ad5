"""Every kind of event that a provider publishes has its meaning, or the reason why it has none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

from consentry import providers
from consentry.actions.reports import ReportKind
from consentry.providers import NAMES, meanings
from consentry.providers.meanings import Nothing, Several
from consentry.rules.brands import Webhook
from support import hooks
from support.hook_events import provider_event

ROOT: Final = Path(__file__).parents[3]
EVENTS: Final = [(name, event) for name in NAMES for event in providers.provider(name).EVENTS]
SETUP: Final = Webhook(hooks.TOPICS, (hooks.ARN,))

PUBLISHED: Final = {
    # https://postmarkapp.com/developer/webhooks/webhooks-overview, and `BounceType` of
    # https://unpkg.com/browse/postmark@4.0.5/dist/client/models/bounces/Bounce.d.ts
    "postmark": """
        Delivery, Open, Click, SpamComplaint, Inbound, SMTPApiError,
        SubscriptionChange ManualSuppression, SubscriptionChange SpamComplaint, SubscriptionChange HardBounce,
        Bounce HardBounce, Bounce Transient, Bounce Unsubscribe, Bounce Subscribe, Bounce AutoResponder,
        Bounce AddressChange, Bounce DnsError, Bounce SpamNotification, Bounce OpenRelayTest, Bounce Unknown,
        Bounce SoftBounce, Bounce VirusNotification, Bounce ChallengeVerification, Bounce BadEmailAddress,
        Bounce SpamComplaint, Bounce ManuallyDeactivated, Bounce Unconfirmed, Bounce Blocked, Bounce SMTPApiError,
        Bounce InboundError, Bounce DMARCPolicy, Bounce TemplateRenderingFailed""",
    # https://documentation.mailgun.com/docs/mailgun/user-manual/events/event-types
    "mailgun": """
        accepted, rejected, delivered, opened, clicked, unsubscribed, complained, stored,
        list_member_uploaded, list_member_upload_error, list_uploaded,
        failed permanent, failed temporary, failed old, failed espblock,
        failed suppress-bounce, failed suppress-unsubscribe, failed suppress-complaint""",
    # https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
    "sendgrid": """
        processed, deferred, delivered, bounce, bounce blocked, dropped, open, click, spamreport, unsubscribe,
        group_unsubscribe, group_resubscribe, account_status_change, dropped Unsubscribed Address,
        dropped Bounced Address, dropped Spam Reporting Address, dropped Invalid""",
    # https://mailchimp.com/developer/marketing/guides/sync-audience-data-webhooks/
    "mailchimp": """
        subscribe, unsubscribe, unsubscribe abuse, profile, upemail, cleaned, cleaned hard, cleaned abuse, campaign""",
    # https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
    "sns": """
        Delivery, Send, Reject, Open, Click, Rendering Failure, DeliveryDelay, Subscription,
        Bounce Permanent, Bounce Transient, Bounce Undetermined, Complaint abuse, Complaint auth-failure,
        Complaint fraud, Complaint not-spam, Complaint other, Complaint virus""",
    # https://docs.customer.io/integrations/data-out/connections/webhooks/, without the channel before each
    "customerio": """
        subscribed, unsubscribed, cio_subscription_preferences_changed, drafted, attempted, sent, delivered, opened,
        clicked, converted, bounced, dropped, deferred, spammed, failed, undeliverable""",
    # The enumeration `eventType` of https://developers.hubspot.com/docs/api-reference/webhooks-webhooks-v3/guide
    "hubspot": """
        company.associationChange, company.creation, company.deletion, company.merge, company.propertyChange,
        company.restore, contact.associationChange, contact.creation, contact.deletion, contact.merge,
        contact.privacyDeletion, contact.propertyChange, contact.restore, conversation.creation,
        conversation.deletion, conversation.newMessage, conversation.privacyDeletion, conversation.propertyChange,
        deal.associationChange, deal.creation, deal.deletion, deal.merge, deal.propertyChange, deal.restore,
        event.completed, line_item.associationChange, line_item.creation, line_item.deletion, line_item.merge,
        line_item.propertyChange, line_item.restore, object.associationChange, object.creation, object.deletion,
        object.merge, object.propertyChange, object.restore, product.creation, product.deletion, product.merge,
        product.propertyChange, product.restore, ticket.associationChange, ticket.creation, ticket.deletion,
        ticket.merge, ticket.propertyChange, ticket.restore""",
    # https://developers.klaviyo.com/en/docs/working_with_system_webhooks#common-webhook-topics
    "klaviyo": """
        bounced_email, clicked_email, dropped_email, subscribed_to_email_marketing,
        unsubscribed_from_email_marketing, manually_suppressed_from_email_marketing,
        manually_unsuppressed_from_email_marketing, received_email, marked_email_as_spam, opened_email,
        updated_email_preferences, clicked_sms, failed_to_deliver_automated_response_sms, failed_to_deliver_sms,
        received_automated_response_sms, received_sms, sent_sms, subscribed_to_sms_marketing,
        unsubscribed_from_sms_marketing, received_push, bounced_push, opened_push, ready_to_review,
        submitted_rating, submitted_review""",
    "standard": "consent.unsubscribed, consent.claimed, consent.complained, consent.bounced",
}
"""What each provider's own pages list."""


@pytest.mark.parametrize("provider", NAMES)
def test_every_kind_that_a_provider_publishes_is_in_its_table(provider: str) -> None:
    published = {" ".join(each.split()) for each in PUBLISHED[provider].split(",")}
    assert published - set(providers.provider(provider).EVENTS) == set()


@pytest.mark.parametrize("provider", NAMES)
def test_an_operator_reads_what_each_kind_of_event_means(provider: str) -> None:
    """The provider's page has the module's table, whatever is the same in one row."""
    page = (ROOT / f"docs/webhooks/{provider}.md").read_text("utf-8")
    _, _, section = page.partition("\n## Every kind of event\n")
    section, _, _ = section.partition("\n## ")
    told = {
        name: says
        for names, says in re.findall(r"^\| (`.+`) \| (.+) \|$", section, re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", names)
    }
    assert told == {name: meanings.words(each) for name, each in providers.provider(provider).EVENTS.items()}


@pytest.mark.parametrize(("provider", "event"), EVENTS)
def test_each_kind_of_event_does_what_its_table_says(desk: Any, provider: str, event: str) -> None:
    meaning = providers.provider(provider).EVENTS[event]
    reading = desk.read(provider, provider_event(provider, event))
    assert (reading.unclear, reading.unknown) == (0, 0)
    if isinstance(meaning, ReportKind):
        (report,) = reading.reports
        assert (report.kind, report.email) == (meaning, "ann@example.com")
        return
    assert {report.kind for report in reading.reports} == (
        {ReportKind.UNSUBSCRIBED, ReportKind.CLAIMED} if meaning is Several.CHOICES else set()
    )
    assert bool(reading.moved) is (meaning is Several.MOVED)
    assert bool(reading.erase) is (meaning is Several.ERASED)
    assert reading.ignored == isinstance(meaning, Nothing)


@pytest.mark.parametrize(
    ("provider", "event"),
    [(name, event) for name, event in EVENTS if not isinstance(providers.provider(name).EVENTS[event], Nothing)],
)
def test_whatever_means_something_and_names_nobody_is_told(desk: Any, provider: str, event: str) -> None:
    """Without an address it is a report of nobody, or counted as unclear: never passed over in silence."""
    reading = desk.read(provider, provider_event(provider, event, email=""))
    nobodys = [report for report in reading.reports if not report.email and not report.subscriber_id]
    assert reading.unclear or (nobodys and nobodys == reading.reports)


@pytest.mark.parametrize("provider", NAMES)
def test_a_kind_that_no_table_has_is_counted_as_unknown(desk: Any, provider: str) -> None:
    reading = desk.read(provider, provider_event(provider, "something-new"))
    assert (reading.reports, reading.ignored, reading.unknown) == ([], 1, 1)


@pytest.mark.parametrize("provider", NAMES)
def test_each_page_tells_how_to_set_it_up_and_what_to_expect(provider: str) -> None:
    page = (ROOT / f"docs/webhooks/{provider}.md").read_text("utf-8")
    setup, *parts = re.split(r"^## ", page, flags=re.MULTILINE)
    assert f"`https://<your API>/hooks/demo/{provider}" in setup
    assert f"{provider}:" in setup
    secrets = providers.provider(provider).SECRETS
    assert all(re.search(rf"webhooks set --brand demo {provider} {name}=-", setup) for name in secrets)
    assert secrets or "There is no secret" in setup
    told = {heading: text.strip() for heading, _, text in (part.partition("\n") for part in parts)}
    assert "`unreadable address`" in told["Events that aren't clear"]
    assert "again" in told["Tries and repetitions"]
    assert list(told)[-1] == "Every kind of event"
