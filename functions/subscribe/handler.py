"""`/s/{brand}`: the hosted subscribe form, and what forms of the brand's own site post here.

Whoever asks, for whatever address, gets the same. A script gets JSON, and may read it where the brand's file lists its
origin: an HTTP API's own CORS would be for all of its routes, and one list for all brands.

Paths that no route of the API names come here, too: a form's with a slash behind it, and those where nothing is.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from consentry.actions.circumstances import Circumstances
from consentry.deployment import Deployment
from consentry.http import embed as script
from consentry.http import problems, web
from consentry.rules import addresses
from consentry.rules.addresses import MalformedAddressError
from consentry.rules.ledger import Channel
from consentry.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consentry.http.web import Request, Response
    from consentry.rules.brands import Brand

deployment = Deployment(Settings.read())

TEMPLATES: Final = Path(__file__).with_name("templates")
HONEYPOT: Final = "website"
"""A field that people don't see and form-filling programs fill."""
PREFLIGHT: Final = {
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "content-type, accept",
    "access-control-max-age": "7200",
}
"""What a script of the brand's site may send, and for how many seconds a browser need not ask: Chromium's most."""
_KINDS: Final = {
    404: (problems.NOT_FOUND, "There is nothing at this address"),
    405: (problems.NOT_ALLOWED, "Not allowed here"),
    413: (problems.TOO_LARGE, f"A body has at most {web.MAX_BODY} bytes"),
    500: (problems.FAILED, "Something went wrong here; it was logged"),
    503: (problems.UNAVAILABLE, "Send the same again"),
}


def show(request: Request) -> Response:
    """The empty form."""
    brand = _brand(request)
    return _form(request, brand)


def ask(request: Request) -> Response:
    """Record the request. The answer never depends on what is known of the address."""
    brand = _brand(request)
    form = _fields(request)
    shown = form.get("lang", [""])[0]
    lang = deployment.pages.language(request, brand, shown=shown)
    email = form.get("email", [""])[0]
    managing = form.get("action", [""])[0] == "manage"
    topics = list(dict.fromkeys(form.get("topics", [])))
    if not topics and len(brand.asked_for()) == 1:
        topics = [brand.asked_for()[0].id]
    try:
        address = addresses.parse(email)
    except MalformedAddressError:
        address = None
    known = managing or (bool(topics) and set(topics) <= set(brand.topics))
    if address is None or not known:
        checks = {"email": address is not None, "topics": known}
        wrong = {field: _say_wrong(brand, lang, field) for field, right in checks.items() if not right}
        if _is_script(request):
            errors = [{"field": field, "detail": detail} for field, detail in wrong.items()]
            detail = f"Nothing was recorded. To correct: {', '.join(wrong)}"
            return _readable(request, brand, problems.response(request.base_url, problems.INVALID, detail, errors))
        return _form(request, brand, status=400, wrong=wrong, email=email, ticked=topics, shown=shown)
    if not any(form.get(HONEYPOT, [])):
        how = Circumstances(request.now, Channel.PAGE, request.evidence, lang)
        subscriber_id = addresses.subscriber_id(deployment.keyring.pepper(brand.id), address)
        origin = request.headers.get("origin", "")
        site = origin if origin in brand.origins else ""  # what anybody may write is no evidence
        if managing:
            deployment.own_links.request(brand, subscriber_id, address, how)
        else:
            deployment.opt_ins.subscribe(brand, subscriber_id, address, topics, how, source=site)
    if _is_script(request):
        return _readable(request, brand, web.Response(200, '{"status":"accepted"}', "application/json"))
    if managing:
        return deployment.pages.render(TEMPLATES, "link_sent.html", brand, lang, email=email.strip())
    if "asked" in brand.pages:
        return web.see_other(brand.pages["asked"])
    return deployment.pages.render(TEMPLATES, "check_inbox.html", brand, lang, email=email.strip())


def preflight(request: Request) -> Response:
    """What a browser asks before a script of another origin posts JSON (https://fetch.spec.whatwg.org/#cors-preflight-fetch).

    Whether the origin is listed shows in the headers alone.
    """
    return _readable(request, _brand(request), web.Response(204, ""), PREFLIGHT)


def embed(request: Request) -> Response:
    """The script for the brand's own site: of the version that is asked for, or the latest, which may change."""
    _brand(request)
    version = request.query.get("v", "")
    pinned = version in map(str, range(1, script.LATEST + 1))
    return web.Response(
        200,
        script.script(int(version) if pinned else script.LATEST),
        "text/javascript; charset=utf-8",
        {
            "access-control-allow-origin": "*",  # or browsers can't compare its hash
            "cache-control": f"public, max-age={31_536_000 if pinned else 86_400}{', immutable' if pinned else ''}",
            "cross-origin-resource-policy": "cross-origin",
        },
    )


def lost(_: Request) -> Response:
    """There is nothing at this path, whatever the method."""
    raise web.ProblemError(404, "not_ours")


def problem(request: Request, status: int, code: str) -> Response:
    """The page of an error, in the brand's colours where there is one; for programs, a problem where nothing is."""
    brand = deployment.brands.get(request.parameters.get("brand", ""))
    if code == "not_ours" and "text/html" not in request.headers.get("accept", ""):
        return problems.response(request.base_url, *_KINDS[status])
    if code != "not_ours" and _is_script(request):
        return _readable(request, brand, problems.response(request.base_url, *_KINDS[status]))
    return deployment.pages.problem(request, status, code, brand)


def _fields(request: Request) -> dict[str, list[str]]:
    """The fields of a form, also of one in JSON; what is no text there is as good as missing."""
    if not _is_json(request):
        return request.form()
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        body = None
    said = body if isinstance(body, dict) else {}
    topics = said.get("topics", [])
    fields = {name: [value] for name, value in said.items() if isinstance(value, str)}
    fields["topics"] = topics if isinstance(topics, list) and all(isinstance(each, str) for each in topics) else [""]
    return {**fields, "lang": fields.get("locale", fields.get("lang", [""]))}


def _is_json(request: Request) -> bool:
    """Whether a body is JSON, or means to be; no form of a page begins with a brace."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return content_type == "application/json" or request.body.lstrip()[:1] == b"{"


def _is_script(request: Request) -> bool:
    """Whether a program asks, which is answered in JSON, rather than a browser that shows what it gets."""
    accepts = request.headers.get("accept", "").lower()
    return _is_json(request) or ("application/json" in accepts and "text/html" not in accepts)


def _say_wrong(brand: Brand, lang: str, field: str) -> str:
    return deployment.pages.render_text(TEMPLATES, "wrong.html", brand, lang, field=field).strip()


def _readable(
    request: Request, brand: Brand | None, response: Response, headers: Mapping[str, str] = MappingProxyType({})
) -> Response:
    """An answer that the script may read, if its origin is one of the brand's; with `headers` then."""
    origin = request.headers.get("origin", "")
    if brand is None or origin not in brand.origins:
        return response
    readable = {"access-control-allow-origin": origin, "vary": "Origin"}
    return response._replace(headers={**response.headers, **readable, **headers})


def _form(
    request: Request,
    brand: Brand,
    *,
    status: int = 200,
    wrong: Mapping[str, str] = MappingProxyType({}),
    email: str = "",
    ticked: list[str] | None = None,
    shown: str = "",
) -> Response:
    lang = deployment.pages.language(request, brand, shown=shown)
    return deployment.pages.render(
        TEMPLATES,
        "subscribe.html",
        brand,
        lang,
        status=status,
        leads_to="asked",
        wrong=wrong,
        email=email[: addresses.MAX_LENGTH],
        ticked=ticked or [],
        honeypot=HONEYPOT,
    )


def _brand(request: Request) -> Brand:
    brand = deployment.brands.get(request.parameters["brand"])
    if brand is None:
        raise web.ProblemError(404, "no_brand")
    return brand


_BELOW_A_FORM: Final = re.compile(r"/s/(?P<brand>[^/]+)/+(?P<rest>.*)", re.DOTALL)
_EMBED, _PREFLIGHT = "/s/{brand}/embed.js", "/s/{brand}/preflight"
"""Routes that the API doesn't name: what they are comes by others."""
_BELOW: Final = {"": "ANY /s/{brand}", "embed.js": _EMBED}
"""What `$default` gets that is a form's: by what stands below its path."""
_route = web.router(
    {
        "/s/{brand}": {"GET": show, "POST": ask},
        _EMBED: {"GET": embed},
        _PREFLIGHT: {"OPTIONS": preflight},
        "$default": {web.ANY: lost},
    },
    problem,
    deployment.site,
)


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A form's path with a slash behind it is the form's; below it is the script, and pages that show its brand."""
    route, method = event["routeKey"], event["requestContext"]["http"]["method"]
    found = _BELOW_A_FORM.fullmatch(event["rawPath"]) if route == "$default" else None
    if found:
        route = _BELOW.get(found["rest"], route)
        event = {**event, "pathParameters": {"brand": found["brand"]}}
    sent = {name.lower() for name in event.get("headers") or ()}
    if route == "ANY /s/{brand}" and method == "OPTIONS" and "origin" in sent:
        route = _PREFLIGHT
    return _route({**event, "routeKey": route}, context)


deployment.prepare(pages=True)
