"""Pages: a template, a brand, a language, and a response with a policy that fits.

Loaded on the first page only; an opt-out by one click needs none of it.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from consentry.http.web import Request, Response
from consentry.links.keyring import SecretUnavailableError
from consentry.links.tokens import ExpiredError, NotOursError, Purpose
from consentry.rules import languages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consentry.links.tokens import Tokens
    from consentry.rules.brands import Brand, Brands, Theme
    from consentry.rules.consent import Consent

SHARED: Final = Path(__file__).parents[1] / "templates"

_POLICY: Final = (
    "default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action {targets}; frame-ancestors 'none'"
)
_UNSIGNED: Final = frozenset({"not_ours", "no_keys"})
"""What went wrong when the token was verified: that it isn't ours, or that nobody knows."""


class Pages:
    """Renders what the brands' visitors see, and the texts of emails."""

    def __init__(self, locales: Path, tokens: Tokens, brands: Brands) -> None:
        """`locales` holds a file of texts a language."""
        self._locales = locales
        self._tokens = tokens
        self._brands = brands

    def language(
        self, request: Request, brand: Brand | None, consent: Consent | None = None, *, shown: str = ""
    ) -> str:
        """The language to answer in: `?lang=`, what the subscriber chose, the browser's, the brand's first.

        `shown` is the language of the page whose form is answered: a person isn't sent from one to another. A brand
        whose file is gone has no languages any more: then it is any that there are texts in.
        """
        return languages.negotiate(
            self._spoken(brand),
            shown,
            request.query.get("lang"),
            consent.chosen("locale") if consent else None,
            accept_language=request.headers.get("accept-language", ""),
        )

    def _spoken(self, brand: Brand | None) -> Sequence[str]:
        return brand.languages if brand and not brand.is_gone else languages.spoken(self._locales)

    def render(
        self,
        templates: Path,
        name: str,
        brand: Brand | None,
        lang: str,
        *,
        status: int = 200,
        leads_to: str = "",
        **values: Any,
    ) -> Response:
        """The page `name`.

        Args:
            templates: the function's own templates; the shared ones are found after them.
            name: the template's file name.
            brand: whose page it is; None for a page that belongs to no brand.
            lang: one of the brand's languages.
            status: of the response.
            leads_to: of `Brand.pages`, what the page's form may end at: browsers ask the policy about that, too.
            values: what the template names; a name that it lacks is an error, not a gap in the page.
        """
        style = _style(brand.theme if brand else None)
        markup = Markup(style)  # noqa: S704 - our own style sheet and checked colours
        body = self.render_text(templates, name, brand, lang, style=markup, spoken=self._spoken(brand), **values)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        elsewhere = brand.pages.get(leads_to) if brand else None
        targets = " ".join(["'self'", *(["/".join(elsewhere.split("/")[:3])] if elsewhere else [])])
        policy = _POLICY.format(digest=digest, targets=targets)
        return Response(status, body, headers={"content-security-policy": policy, "content-language": lang})

    def render_text(self, templates: Path, name: str, brand: Brand | None, lang: str, **values: Any) -> str:
        """The template `name` alone, such as a part of an email; in what ends on `.txt` nothing is escaped."""
        template = _environment(templates, self._locales, lang).get_template(name)
        return template.render(
            brand=brand, lang=lang, direction=languages.direction(lang), own_name=languages.own_name, **values
        )

    def problem(self, request: Request, status: int, code: str, brand: Brand | None = None) -> Response:
        """The page that says what went wrong and what to do next, in the language of the form that it answers."""
        shown = request.form().get("lang", [""])[0]
        lang, opened = self.language(request, brand, shown=shown), request.method == "GET"
        return self.render(SHARED, "problem.html", brand, lang, status=status, code=code, switchable=opened)

    def problem_of_link(self, purpose: Purpose, request: Request, status: int, code: str) -> Response:
        """`problem` where the address holds a token for `purpose`: in the colours of the brand that signed it."""
        return self.problem(request, status, code, None if code in _UNSIGNED else self._signer(purpose, request))

    def _signer(self, purpose: Purpose, request: Request) -> Brand | None:
        try:
            link = self._tokens.read(purpose, request.parameters.get("token", ""), request.now)
        except ExpiredError as exc:
            link = exc.link
        except (NotOursError, SecretUnavailableError):
            return None
        return self._brands.get(link.brand)


@cache
def _style(theme: Theme | None) -> str:
    accent = theme.accent if theme else "#1f4e79"
    accent_dark = theme.accent_dark if theme else "#9cc4ec"
    sheet = (SHARED / "style.css").read_text(encoding="utf-8")
    return f":root{{--accent-light:{accent};--accent-dark:{accent_dark}}}\n{sheet}"


@cache
def _environment(templates: Path, locales: Path, lang: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([templates, SHARED]),
        autoescape=select_autoescape(("html",), ("txt",), default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    catalogue = languages.texts(locales, lang)
    environment.policies["ext.i18n.trimmed"] = True
    environment.filters["date"] = partial(languages.format_date, catalogue=catalogue)
    environment.filters["moment"] = partial(languages.format_moment, catalogue=catalogue)
    environment.install_gettext_translations(catalogue, newstyle=True)  # type: ignore[attr-defined] # the i18n extension's
    return environment
