"""Emails are made when the layer is built: what can't be made stops the build."""

from __future__ import annotations

from pathlib import Path

import pytest

from consentry_build import mails
from consentry_build.mails import MailError

GOOD = """<mjml lang="{{ lang }}"><mj-body><mj-section><mj-column>
<mj-text>{{ _("Hello") }}</mj-text>
<mj-include path="part.mjml" />
</mj-column></mj-section></mj-body></mjml>
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An email with a part."""
    (tmp_path / "part.mjml").write_text('<mj-text css-class="soft">{% if a %}{{ b }}{% endif %}</mj-text>\n')
    path = tmp_path / "good.mjml"
    path.write_text(GOOD)
    return path


def test_a_mail_that_is_not_mjml_stops_the_build(source: Path) -> None:
    source.write_text("<mjml><mj-body><mj-text>")
    with pytest.raises(MailError, match=r"good\.mjml"):
        mails.html(source)


def test_a_part_that_is_missing_stops_the_build(source: Path) -> None:
    (source.parent / "part.mjml").unlink()
    with pytest.raises(MailError, match=r"part\.mjml"):
        mails.html(source)


def test_a_mail_whose_expressions_mjml_would_lose_stops_the_build(source: Path) -> None:
    source.write_text(GOOD.replace("<mj-text>", '<mj-text made-up="{{ nowhere }}">'))
    with pytest.raises(MailError, match="nowhere"):
        mails.html(source)


def test_parts_keep_their_classes_and_expressions_and_no_font_is_loaded(source: Path) -> None:
    made = mails.html(source)
    assert 'class="soft"' in made
    assert "{% if a %}{{ b }}{% endif %}" in made
    assert '{{ _("Hello") }}' in made
    assert "fonts.googleapis" not in made


def test_every_mail_is_made_with_its_text_and_subject(tmp_path: Path) -> None:
    mails.compile_to(tmp_path)
    made = {path.name for path in (tmp_path / "mails").iterdir() if path.is_file()}
    names = {"confirmation", "already", "return", "link", "goodbye"}
    assert made == {f"{name}{part}" for name in names for part in (".html", ".txt", ".subject.txt")}
