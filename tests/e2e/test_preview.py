"""`/_local/preview/`: a brand's owner looks at pages, and what they look at is real."""

from __future__ import annotations

from typing import Any, Final

import pytest

PREVIEW: Final = "/_local/preview"


@pytest.mark.parametrize(
    "path", ["/nobody/confirm", "/demo/nothing", "/demo/mail/nothing", "/other/subscribe-no-topic"]
)
def test_what_there_isnt_is_said_to_be_missing(stack: Any, path: str) -> None:
    assert stack.call("GET", PREVIEW + path).status == 404


def test_the_list_leads_to_every_state_in_every_language(stack: Any) -> None:
    page = stack.call("GET", f"{PREVIEW}/")
    entries = stack.call("GET", f"{PREVIEW}/index.json").json()
    assert {entry["brand"] for entry in entries} == {"demo", "juniper", "other"}
    for entry in entries:
        for language in entry["languages"]:
            assert f'href="{entry["path"]}?lang={language}"' in page.text


def test_a_previewed_page_has_the_headers_of_the_page_itself(stack: Any) -> None:
    real, shown = stack.call("GET", "/s/demo?lang=de"), stack.call("GET", f"{PREVIEW}/demo/subscribe?lang=de")
    assert shown.text == real.text
    of_the_call = {"date", "apigw-requestid"}
    ours, theirs = (
        {name.lower(): value for name, value in each.headers.items() if name.lower() not in of_the_call}
        for each in (shown, real)
    )
    assert ours == theirs
    assert "style-src 'sha256-" in ours["content-security-policy"]


def test_a_form_of_a_previewed_page_works(stack: Any) -> None:
    url = f"{PREVIEW}/demo/preferences?lang=en"
    page = stack.call("GET", url)
    assert 'value="news" checked' in page.text
    saved = stack.call("POST", url, form={"scope": "all"})
    assert saved.status == 200
    assert " checked" not in saved.text
    assert 'role="status"' in saved.text


def test_a_mail_is_shown_as_it_was_sent(stack: Any) -> None:
    html = stack.call("GET", f"{PREVIEW}/demo/mail/confirmation?lang=ar")
    assert html.headers["content-type"].startswith("text/html")
    assert 'dir="rtl"' in html.text
    text = stack.call("GET", f"{PREVIEW}/demo/mail/confirmation?lang=ar&part=text")
    assert text.headers["content-type"].startswith("text/plain")
    assert "/c/" in text.text


def test_who_leaves_is_shown_the_last_email_where_the_brand_sends_one(stack: Any) -> None:
    text = stack.call("GET", f"{PREVIEW}/other/mail/goodbye?lang=en&part=text")
    assert text.status == 200
    assert "Other News" in text.text
    assert "unsubscribed" in text.text
    assert "/c/" not in text.text
    assert stack.call("GET", f"{PREVIEW}/demo/mail/goodbye").status == 404
