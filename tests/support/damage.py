"""What happens to links on their way to people, and in people's hands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

AROUND: Final = [
    "{}/", "/{}", "//{}//", "{}.", "{}...", ".{}", "{}>", "<{}>", "({})", "{})", "[{}]", "{},", '"{}"', "'{}'", " {} ",
    "{}\n", "{}/?utm_source=news", "{}%2F", "%3C{}%3E", "{}%3E", "{}%253E", "{}%0D%0A", "{};", "{}]", "{}\u201d",
    "\u201e{}\u201c", "\u00ab{}\u00bb", "{}&utm=1", "{}&amp;utm_source=x.y", "{}#x", "{}&gt;", "{}&nbsp;",
    "{}?fbclid=x",
    "{}%3Ffbclid%3Dx", "{};jsessionid=1", "*{}*", "_{}_", "__{}__", "{}_", "~{}~", "`{}`", "{}|", "{}\\", "{}!", "{}:",
    "{}\u3002", "{}\u2026", "{}%", "{}%2", "{}=", "{}=20", "{}=3D", "=3D{}", "{}+", "{} to unsubscribe", "see {} now",
    "https://links.example.com/u/{}", "<https://links.example.com/u/{}>", "{}\u200b", "\ufeff{}", "{}\u00a0",
    "{}%C2%A0", "{}\xe9", "{}\u3092", "{0}/u/{0}", "{0} {0}", "{}%00",
]  # fmt: skip
"""What stands around a token, `{}`."""
INSIDE: Final = [
    "=\n", "=\r\n", "=", " ", "  ", "\n", "\r\n\t", "\n> ", "\r\n>> ", "%20", "+", "%3D%0D%0A", "%253D%250A",
    "%0A%3E%20",
    "=0D=0A", "=20", "=3D=0D=0A", "\u00ad", "\u200b", "\u2060", "\ufeff", "\u00a0", "%E2%80%8B", "<wbr>", "<br>\n",
    "<BR/>", "%3Cbr%20/%3E",
]  # fmt: skip
"""What breaks a token in two."""


def _other(character: str) -> str:
    return "A" if character != "A" else "B"


BEYOND_REPAIR: Final[dict[str, Callable[[str], str]]] = {
    "gone": lambda token: "x",
    "in lower case": str.lower,
    "in capitals": str.upper,
    "cut by one character": lambda token: token[:-1],
    "cut at its first line": lambda token: token[:60],
    "cut in its middle": lambda token: f"{token[:30]}\u2026{token[-30:]}",
    "cut, with dots": lambda token: f"{token[:60]}...",
    "without its first character": lambda token: token[1:],
    "without its signature": lambda token: token.partition(".")[0],
    "without its payload": lambda token: token.partition(".")[2],
    "without its dot": lambda token: token.replace(".", "", 1),
    "with a comma for its dot": lambda token: token.replace(".", ",", 1),
    "with a slash for its dot": lambda token: token.replace(".", "/", 1),
    "one character is another": lambda token: token[:30] + _other(token[30]) + token[31:],
    "its last character is another": lambda token: token[:-1] + _other(token[-1]),
    "one character is none of a token's": lambda token: f"{token[:30]}*{token[31:]}",
    "one character too many": lambda token: f"{token[:30]}x{token[30:]}",
    "a word run on to it": lambda token: f"{token}Unsubscribe",
    "a word run on before it": lambda token: f"Unsubscribe{token}",
}
"""What can't be undone without guessing: a token to what became of it."""
