"""Letters: our emails put into words, in the subscriber's language, ready to send."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from consentry.actions import mails
from consentry.actions.mails import Body, Letter, Mail

if TYPE_CHECKING:
    from pathlib import Path

    from consentry.http.pages import Pages
    from consentry.links.tokens import Tokens
    from consentry.rules.brands import Brand
    from consentry.table.schema import Contact


class Letters:
    """Writes emails."""

    def __init__(self, tokens: Tokens, pages: Pages, templates: Path, base_url: str) -> None:
        """`templates` is the folder of the compiled emails; links begin with `base_url`."""
        self._tokens = tokens
        self._pages = pages
        self._templates = templates
        self._base_url = base_url

    def write(
        self, mail: Mail, brand: Brand, subscriber_id: str, contact: Contact, now: int, paused_until: int = 0
    ) -> bytes:
        """An email as RFC 5322 wants it.

        Args:
            mail: which.
            brand: whose.
            subscriber_id: to whom its links belong.
            contact: where it goes, and what was asked for, or left.
            now: epoch ms; links of which something lasts for a day begin then.
            paused_until: when a running pause ends, epoch ms; 0: there is none.
        """
        who = self._tokens, brand, subscriber_id
        if mail in {Mail.CONFIRMATION, Mail.RETURN}:
            links = mails.confirmation_links(*who, contact, self._base_url)
        else:
            # To somebody who left something it offers to leave the rest.
            topics = () if mail is Mail.GOODBYE else contact.topics
            links = mails.choosing_links(*who, topics, self._base_url, now)
        letter = Letter(mail, contact.locale, contact.topics, contact.asked_at, links, paused_until)
        return mails.compose(brand, contact, links, self.body(brand, letter))

    def body(self, brand: Brand, letter: Letter) -> Body:
        """Its subject and texts."""
        values = {
            "topics": letter.topics,
            "at": datetime.fromtimestamp(letter.at / 1000, UTC),
            "link": letter.links.confirm or letter.links.preferences,
            "unsubscribe": letter.links.unsubscribe,
            "paused_until": letter.paused_until,
        }

        def render(part: str, **more: str) -> str:
            name = f"{letter.mail}{part}"
            return self._pages.render_text(self._templates, name, brand, letter.locale, **values, **more)

        subject = render(".subject.txt").strip()
        return Body(subject, mails.wrapped(render(".txt")), render(".html", subject=subject))
