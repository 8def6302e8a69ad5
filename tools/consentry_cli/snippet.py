"""The sign-up form of a brand as HTML, to paste into its own site: `consentry brands snippet`."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from consentry.http import embed
from consentry.rules import languages
from consentry_build import locales

if TYPE_CHECKING:
    from consentry.rules.brands import Brand


def form(brand: Brand, lang: str, base_url: str) -> str:
    """What the brand's subscribe page asks, in one of its languages; it works with its script, and without.

    Args:
        brand: whose form it is.
        lang: one of its languages.
        base_url: scheme and host of the deployment, no trailing slash.
    """
    translated = locales.texts(lang)

    def say(text: str) -> str:
        return escape((translated[text] if translated else text) % {"brand": brand.name(lang)})

    accepted = say(
        "If this address can receive emails from %(brand)s, we’ve just sent one, or did so a few minutes ago. "
        "Open it and tap the button to confirm."
    )
    promise = say(
        "We’ll email you a link. You won’t be signed up until you click it. "
        "You can unsubscribe at any time with the link in every email."
    )
    lines = [
        f'<form data-consentry action="{escape(base_url)}/s/{brand.id}" method="post"',
        f'  lang="{lang}" dir="{languages.direction(lang)}" data-accepted="{accepted}">',
        f'  <input type="hidden" name="lang" value="{lang}">',
        f"  <div><label>{say('Your email address')}",
        '    <input type="email" name="email" autocomplete="email" maxlength="254" dir="ltr" required></label></div>',
        *_topics(brand, lang, say("Which emails would you like?")),
        f'  <div hidden><label>{say("Leave this empty")} <input name="website" autocomplete="off"></label></div>',
        f"  <p>{promise}</p>",
        *_privacy(brand, lang, say("How we handle your data")),
        f"  <button>{say('Email me the link')}</button>",
        '  <p role="status"></p>',
        "</form>",
        f'<script src="{escape(base_url)}{embed.path(brand.id)}" integrity="{embed.integrity()}"',
        '  crossorigin="anonymous" defer></script>',
    ]
    return "".join(f"{line}\n" for line in lines)


def _topics(brand: Brand, lang: str, question: str) -> list[str]:
    """One topic is named; of several, people choose."""
    offered = [(each.id, _described(brand, each.id, lang)) for each in brand.asked_for()]
    if len(offered) == 1:
        [(topic, described)] = offered
        return [f'  <p>{described}<input type="hidden" name="topics" value="{topic}"></p>']
    boxes = [
        f'    <div><label><input type="checkbox" name="topics" value="{topic}"> {described}</label></div>'
        for topic, described in offered
    ]
    return ["  <fieldset>", f"    <legend>{question}</legend>", *boxes, "  </fieldset>"]


def _described(brand: Brand, topic: str, lang: str) -> str:
    name, description = brand.topic_name(topic, lang), brand.topic_description(topic, lang)
    return f"{escape(name)} – {escape(description)}" if description else escape(name)


def _privacy(brand: Brand, lang: str, words: str) -> list[str]:
    url = brand.privacy_url(lang)
    return [f'  <p><a href="{escape(url)}">{words}</a></p>'] if url else []
