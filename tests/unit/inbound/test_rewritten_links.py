"""Rewritten links: a mail filter put an address of its own in the place of ours, and ours still counts."""

from __future__ import annotations

import base64
import time
from typing import Final
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.inbound import rewritten_links

LINK: Final = "https://links.example.com/u/dXxkZW1v-fEs5_WGRx--MVg0__QVZl.l5_SSh9qApIgd5ucQzziW5T4K02wqjhcCvqM3gSgykg"


def safe_links(url: str) -> str:
    return f"https://eur02.safelinks.protection.outlook.com/?url={quote(url, safe='')}&data=05%7C02%7Cann&reserved=0"


def proofpoint_1(url: str) -> str:
    return f"https://urldefense.proofpoint.com/v1/url?u={quote(url, safe=':/')}&k=oIvRg1%2BdGAgOoM1BIlLLqw%3D%3D%0A&r=x"


def proofpoint_2(url: str) -> str:
    coded = quote(url, safe="/").replace("_", "%5F").replace("-", "%2D").replace("%", "-").replace("/", "_")
    return f"https://urldefense.proofpoint.com/v2/url?u={coded}&d=DwMFaQ&c=x&r=y-Z_&m=a&s=b&e="


def proofpoint_3(url: str) -> str:
    kept, replaced = "", ""
    for character in url:
        if character in "%?=&":
            kept, replaced = f"{kept}*", replaced + character
        else:
            kept += character
    said = base64.urlsafe_b64encode(replaced.encode()).decode().rstrip("=")
    return f"https://urldefense.com/v3/__{kept}__;{said}!!A1b2C3d!xYz-_$"


def barracuda(url: str) -> str:
    coded = quote(url, safe="").replace("%2F", "%2f").replace("%3A", "%3a")
    return f"https://linkprotect.cudasvc.com/url?a={coded}&c=E,1,xYz,&typo=1"


def cisco(url: str) -> str:
    return f"https://secure-web.cisco.com/1a-B_c/{quote(url, safe='')}"


def trend_micro(url: str) -> str:
    return f"https://ca-1234.check.trendmicro.com:443/wis/clicktime/v1/query?url={quote(url, safe='')}&umid=1"


def sophos(url: str) -> str:
    coded = base64.urlsafe_b64encode(url.encode()).decode()
    return f"https://eu-west-1.protection.sophos.com/?d=example.com&u={coded}&i=NjQ0M2U3MWE4&t=eWI5V3h5bQ==&h=9ba4"


def google(url: str) -> str:
    return f"https://www.google.com/url?q={url}&source=gmail&ust=1800000000000000"


FILTERS: Final = [safe_links, proofpoint_1, proofpoint_2, proofpoint_3, barracuda, cisco, trend_micro, sophos, google]


@pytest.mark.parametrize("rewrite", FILTERS)
@pytest.mark.parametrize("url", [LINK, f"{LINK}?a=b%20c&d=_-"])
def test_the_original_is_found_in_a_filters_link(rewrite: object, url: str) -> None:
    assert callable(rewrite)
    for text in (rewrite(url), f'Hello <a href="{rewrite(url)}">here</a> and', rewrite(url).replace("&", "&amp;")):
        assert any(LINK in each for each in rewritten_links.spellings(text))


@pytest.mark.parametrize("outer", FILTERS)
@pytest.mark.parametrize("inner", FILTERS)
def test_the_original_is_found_in_a_filters_link_within_anothers(outer: object, inner: object) -> None:
    assert callable(outer)
    assert callable(inner)
    assert any(LINK in each for each in rewritten_links.spellings(outer(inner(LINK))))
    assert any(LINK in each for each in rewritten_links.spellings(safe_links(outer(inner(LINK)))))


def test_proofpoints_runs_of_characters_are_put_back() -> None:
    url = f"https://urldefense.com/v3/__https://a.example/**A/x*{'-' * 3}__;{base64.b64encode(b'%20%').decode()}!!a!b$"
    assert f"https://a.example/%2/x0{'-' * 3}" in list(rewritten_links.spellings(url))


def test_a_number_that_only_the_filters_maker_can_look_up_holds_nothing() -> None:
    text = "https://protect-eu.mimecast.com/s/AbCdEfGhIjKlMnOpQrStUv?domain=links.example.com"
    assert list(rewritten_links.spellings(text)) == [text]


@given(st.text(alphabet="%-_*/v23url?=_;!https:aHR0cHM6Ly9 \n", max_size=400))
def test_no_text_breaks_it(text: str) -> None:
    found = list(rewritten_links.spellings(text))
    assert found[0] == text or not text
    assert sum(map(len, found)) <= 10 * len(text)


@pytest.mark.parametrize(
    "piece",
    [
        "%25",
        "/v3/__",
        "/v3/__a*__;JQ!",
        "/v2/url?u=a-2D",
        "aHR0cHM6Ly9" + "a" * 30 + " ",
        "%2Fv2%2Furl%3Fu=",
        "-25_",
        "*",
    ],
)
def test_time_grows_with_length_alone(piece: str) -> None:
    spent = time.process_time()
    for _ in rewritten_links.spellings(piece * (256 * 1024 // len(piece))):
        pass
    assert time.process_time() - spent < 20, (
        "seconds of CPU: far less than one where nothing else runs, and minutes in quadratic time"
    )
