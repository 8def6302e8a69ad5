"""`/v1`: the platforms' API, by Powertools' HTTP API resolver, which also writes its OpenAPI document."""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response, content_types
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Body, Path, Query
from pydantic import BaseModel, ValidationError

from consentry import telemetry
from consentry.actions import platforms, proof
from consentry.actions.archiving import ArchiveUnavailableError
from consentry.actions.circumstances import Circumstances
from consentry.actions.reports import Report, Result
from consentry.deployment import Deployment
from consentry.http import admission, openapi, problems, web
from consentry.http.admission import ApiProblemError
from consentry.http.api_models import (
    MAX_EVENT_ID,
    MAX_FAULTS,
    Accepted,
    ConsentRecords,
    Decisions,
    Erased,
    Events,
    Ledger,
    Links,
    Mailing,
    Notice,
    Person,
    Proof,
    Question,
    ReportedEvent,
    Results,
    Subscriber,
    Subscription,
)
from consentry.links.keyring import SecretUnavailableError
from consentry.rules import addresses, languages
from consentry.rules.addresses import MalformedAddressError
from consentry.rules.ledger import Channel
from consentry.settings import Settings
from consentry.table import sent_mails
from consentry.table.gateway import StoreUnavailableError
from consentry.table.store import UnknownPageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from consentry.http.problems import Kind
    from consentry.links.keyring import ApiKey
    from consentry.rules.brands import Brand

deployment = Deployment(Settings.read("SPOOL_QUEUE_URL"))

LEDGER_PAGE: Final = 200
WHOLE_LEDGER: Final = 1_000_000
"""Events; nobody has so many."""
CLOCKS_DIFFER_MS: Final = 60_000
"""By which a platform's clock may be ahead of ours without a word."""

app = APIGatewayHttpResolver(enable_validation=True, response_validation_error_http_code=500)


def _says(model: type[BaseModel]) -> dict[int, Any]:
    """For the OpenAPI document: what a successful call answers.

    The answers themselves aren't validated again: they are built from typed values, a thousand at a time.
    """
    return {200: {"description": model.__doc__ or "", "content": {"application/json": {"model": model}}}}


@app.post(
    "/v1/subscriptions",
    operation_id="createSubscription",
    status_code=202,
    tags=["Subscriptions"],
    summary="Ask for a double opt-in",
)
def subscribe(body: Annotated[Subscription, Body()]) -> Accepted:
    """Records the request and sends the confirmation email, unless this address had one a moment ago, or three today.

    Nor is one sent when the visitor, or the address's domain, had too many. The answer is the same in each case, and
    whatever is known of the address.
    """
    brand = _brand()
    _known_topics(brand, body.topics, "topics")
    try:
        address = addresses.parse(body.email)
    except MalformedAddressError as exc:
        raise _field_problem("email", str(exc)) from None
    # The nearest that the brand speaks: what a platform knows of a person is finer than what we translate into.
    locale = languages.negotiate(brand.languages, body.locale) if body.locale else ""
    subscriber_id = addresses.subscriber_id(deployment.keyring.pepper(brand.id), address)
    deployment.opt_ins.subscribe(
        brand,
        subscriber_id,
        address,
        list(dict.fromkeys(body.topics)),
        Circumstances(_now(), Channel.API, locale=locale),
        reference=body.reference or "",
        source=body.source or "",
        visitor_ip=body.visitor_ip or "",
    )
    return Accepted(subscriber_id=subscriber_id)


@app.post(
    "/v1/links",
    operation_id="mintLinks",
    tags=["Sending"],
    summary="Mint the links of a mailing",
    responses=_says(Links),
)
def mint_links(body: Annotated[Mailing, Body()]) -> Response[str]:
    """The links and headers to put into each person's email, in the order of the recipients."""
    brand = _brand()
    _known_topics(brand, [body.topic], "topic")
    base_url = _base_url()
    links = []
    for recipient in body.recipients:
        subscriber_id, note = _somebody(brand, recipient.email)
        reference = recipient.reference or ""
        minted = platforms.mint(
            deployment.tokens, brand, subscriber_id, body.topic, base_url, reference, keep=body.keep
        )
        links.append({name: each for name, each in minted._asdict().items() if each} | note)
    return _answer({"links": links})


@app.post(
    "/v1/decisions",
    operation_id="decide",
    tags=["Sending"],
    summary="Check who may be emailed now",
    responses=_says(Decisions),
)
def decide(body: Annotated[Question, Body()]) -> Response[str]:
    """Whether each person may be mailed on the topic at this moment, and which rule says so; in order."""
    brand = _brand()
    _known_topics(brand, [body.topic], "topic")
    if body.subscriber_ids is not None:
        people: list[tuple[str, dict[str, str]]] = [(each, {}) for each in body.subscriber_ids]
    else:
        people = [_somebody(brand, email) for email in body.emails or []]
    now = _now()
    consents = deployment.store.read_many(brand.id, [who for who, _ in people], body.topic)
    return _answer(
        {
            "decisions": [
                platforms.decision(who, brand.decide(consents[who], body.topic, now)) | note for who, note in people
            ]
        }
    )


@app.post(
    "/v1/subscribers/lookup",
    operation_id="lookUpSubscriber",
    tags=["Subscribers"],
    summary="A person's consent, by address",
    responses=_says(Subscriber),
)
def look_up(body: Annotated[Person, Body()]) -> Response[str]:
    """Also answers for an address that was never seen: status `none` everywhere."""
    brand = _brand()
    return _view(brand, *_somebody(brand, body.email))


@app.post(
    "/v1/events",
    operation_id="reportEvents",
    tags=["Sending"],
    summary="Report opt-outs, complaints, bounces and claims",
    responses=_says(Results),
)
def report(body: Annotated[Events, Body()]) -> Response[str]:
    """Opt-outs, complaints, bounces and claims that reached you; applied one by one, answered in order.

    One bad event doesn't spoil the rest. A claim never lifts a recipient's own opt-out.
    """
    brand = _brand()
    now = _now()
    results: list[dict[str, Any]] = []
    unavailable: StoreUnavailableError | None = None
    for each in body.events:
        spooled = any(result["result"] == Result.SPOOLED for result in results)
        try:
            results.append(_reported(brand, each, now, unavailable=spooled))
        except StoreUnavailableError as exc:  # the others are applied; all of them come again
            unavailable = exc
    if unavailable:
        raise unavailable
    return _answer({"results": results})


@app.get(
    "/v1/subscribers/<subscriber_id>",
    operation_id="getSubscriber",
    tags=["Subscribers"],
    summary="A person's consent",
    responses=_says(Subscriber),
)
def show(subscriber_id: Annotated[str, Path()]) -> Response[str]:
    """How the person stands to every topic of your brand."""
    brand = _brand()
    return _view(brand, _well_spelt(subscriber_id, "subscriber_id"))


@app.get(
    "/v1/subscribers/<subscriber_id>/ledger",
    operation_id="getLedger",
    tags=["Subscribers"],
    summary="Everything that happened",
    responses=_says(Ledger),
)
def show_ledger(
    subscriber_id: Annotated[str, Path()],
    start: Annotated[str | None, Query(max_length=200, description="`next` of the page before.")] = None,
) -> Response[str]:
    """The person's events, oldest first, and whether the ledger is intact: no event changed, removed or slipped in."""
    brand = _brand()
    who = _well_spelt(subscriber_id, "subscriber_id")
    try:
        page = deployment.store.ledger(brand.id, who, limit=LEDGER_PAGE, start=start)
    except UnknownPageError:
        raise _field_problem("start", "not a `next` of this person's ledger") from None
    return _answer(platforms.ledger(page))


@app.get(
    "/v1/subscribers/<subscriber_id>/record",
    operation_id="getConsentRecords",
    tags=["Subscribers"],
    summary="Consent records",
    responses=_says(ConsentRecords),
)
def show_record(subscriber_id: Annotated[str, Path()]) -> Response[str]:
    """The person's consent in the terms of ISO/IEC TS 27560."""
    brand = _brand()
    _well_spelt(subscriber_id, "subscriber_id")
    store = deployment.store
    consent, page = store.read(brand.id, subscriber_id), store.ledger(brand.id, subscriber_id)
    return _answer(platforms.record(brand, subscriber_id, consent, page, _now()))


@app.get(
    "/v1/subscribers/<subscriber_id>/proof",
    operation_id="getProof",
    tags=["Subscribers"],
    summary="Proof of a person's consent",
    responses=_says(Proof),
)
def show_proof(subscriber_id: Annotated[str, Path()]) -> Response[str]:
    """What happened, in sentences, the words that the person read, the emails, what checks say, and consent records."""
    brand = _brand()
    _well_spelt(subscriber_id, "subscriber_id")
    store = deployment.store
    consent, page = store.read(brand.id, subscriber_id), store.ledger(brand.id, subscriber_id, limit=WHOLE_LEDGER)
    mails = sent_mails.of_person(deployment.gateway, brand.id, subscriber_id)
    find = deployment.notices.find
    return _answer(proof.document(brand, subscriber_id, consent, page, mails, find, _now()))


@app.delete(
    "/v1/subscribers/<subscriber_id>",
    operation_id="eraseSubscriber",
    tags=["Subscribers"],
    summary="Forget a person",
    responses=_says(Erased),
)
def erase(subscriber_id: Annotated[str, Path()]) -> Response[str]:
    """Address and evidence go; opt-outs stay in force, and nothing may be mailed until the person asks anew."""
    brand = _brand()
    deployment.reports.erase(brand, _well_spelt(subscriber_id, "subscriber_id"), Channel.API, _now())
    return _answer({"erased": True})


@app.get(
    f"{admission.NOTICES_PATH}<version>",
    operation_id="getNotice",
    tags=["Notices"],
    summary="The words that people read",
    responses=_says(Notice),
)
def show_notice(version: Annotated[str, Path(description="An event's `notice`.")]) -> Response[str]:
    """The words of a notice, in every language that the brand had then; also once its file was changed, or has gone."""
    found = deployment.notices.find(version)
    if found is None:
        return _problem(problems.NOT_FOUND, "Nobody has the words of such a notice")
    return _answer({"version": version, **found})


@app.get(admission.OPENAPI_PATH, include_in_schema=False)
def describe() -> Response[str]:
    """This API, described by itself."""
    return Response(200, content_types.APPLICATION_JSON, openapi.document(app))


@app.get(f"{problems.PATH}<name>", include_in_schema=False)
def explain(name: Annotated[str, Path()]) -> Response[str]:
    """The page of a kind of problem."""
    kind = problems.KINDS.get(name)
    return _as_response(problems.page(kind)) if kind else _problem(problems.NOT_FOUND, "No such kind of problem")


@app.not_found
def no_such_call(_: Exception) -> Response[str]:
    """No such path, or none with this method."""
    method, path = app.current_event.http_method, app.current_event.raw_path
    paths = app.get_openapi_schema(title="", version="").paths or {}
    for template, item in sorted(paths.items(), key=lambda each: "{" in each[0]):  # the plain paths first
        if re.fullmatch(re.sub(r"\{[^}]+\}", "[^/]+", template), path):
            allowed = [each for each in ("get", "post", "delete") if getattr(item, each)]
            allow = {"allow": ", ".join(allowed).upper()}
            return _problem(problems.NOT_ALLOWED, f"{method} is not allowed here", headers=allow)
    return _problem(problems.NOT_FOUND, "No such call")


@app.exception_handler(RequestValidationError)
def bad_request(exc: RequestValidationError) -> Response[str]:
    """The body or a parameter doesn't fit: names each field, and repeats no value."""
    faults = exc.errors()
    errors = [{"field": _field(each["loc"]), "detail": _detail(each)} for each in faults[:MAX_FAULTS]]
    named = "" if len(faults) <= MAX_FAULTS else f"; the first {MAX_FAULTS} of {len(faults)} faults are named"
    return _problem(problems.INVALID, f"The request is invalid{named}", errors)


@app.exception_handler([StoreUnavailableError, SecretUnavailableError, ArchiveUnavailableError])
def unavailable(exc: Exception) -> Response[str]:
    """What we depend on is unavailable."""
    telemetry.report(exc, "/v1")
    return _problem(problems.UNAVAILABLE, "Try again in a moment", headers={"retry-after": "5"})


@app.exception_handler(ApiProblemError)
def refuse(exc: ApiProblemError) -> Response[str]:
    """An error that the caller gets."""
    return _problem(exc.kind, exc.detail, exc.errors)


@app.exception_handler(Exception)
def fault(exc: Exception) -> Response[str]:
    """The last resort: a problem rather than a stack trace."""
    telemetry.report(exc, "/v1")
    return _problem(problems.FAILED, "Something went wrong here; it was logged")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Who calls is settled before anything of the call is looked at."""
    web.begin(event)
    request = web.read(event, deployment.site)
    app.append_context(base_url=request.base_url)
    try:
        key = None if admission.is_open(event["rawPath"]) else admission.authenticate(deployment.keyring, request)
        brand = admission.permit(deployment.brands, key, event) if key else None
        readable = admission.readable(event, request)

        def resolve() -> dict[str, Any]:
            app.append_context(brand=brand, base_url=request.base_url)
            answer = app.resolve(readable, context)
            return {**answer, "headers": {**web.ALWAYS, **answer["headers"]}}

        if key and brand and readable["headers"].get("idempotency-key") and admission.method(readable) == "POST":
            return _once(key, readable, context, resolve)
        return resolve()
    except ApiProblemError as exc:
        return _early(refuse(exc))
    except SecretUnavailableError as exc:
        return _early(unavailable(exc))


def _once(key: ApiKey, event: dict[str, Any], context: Any, resolve: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    now = _now()
    ends = now + context.get_remaining_time_in_millis()
    secret = deployment.keyring.idempotency_key(key.brand)
    try:
        return admission.once(deployment.gateway, secret, key, event, resolve, now=now, ends=ends)
    except StoreUnavailableError as exc:
        if event["rawPath"] == "/v1/events":  # spooled, if need be; what is reported twice is recorded once
            return resolve()
        return _early(unavailable(exc))


def _early(response: Response[str]) -> dict[str, Any]:
    headers = {name: str(value) for name, value in response.headers.items()}
    headers["content-type"] = response.content_type or ""
    return {
        "statusCode": response.status_code,
        "headers": headers,
        "body": response.body,
        "isBase64Encoded": False,
    }


def _somebody(brand: Brand, email: str) -> tuple[str, dict[str, str]]:
    """The subscriber id of an address that the model took, and the note for it, if there is one."""
    found = addresses.identify(email)
    note = {"note": found.note} if found.note else {}
    return addresses.subscriber_id(deployment.keyring.pepper(brand.id), found.address), note


def _brand() -> Brand:
    """The caller's brand, whose key may make this call."""
    brand: Brand = app.context["brand"]
    return brand


def _well_spelt(subscriber_id: str, field: str) -> str:
    if not addresses.is_subscriber_id(subscriber_id):
        raise _field_problem(field, "not a subscriber id: 22 characters of base64url")
    return subscriber_id


def _known_topics(brand: Brand, topics: list[str], field: str) -> None:
    for at, topic in enumerate(topics):
        if topic not in brand.topics:
            where = f"{field}[{at}]" if field == "topics" else field
            raise _field_problem(where, f"unknown topic; {brand.id} has: {', '.join(brand.topics)}")


def _field_problem(field: str, detail: str) -> ApiProblemError:
    return ApiProblemError(problems.INVALID, f"{field}: {detail}", [{"field": field, "detail": detail}])


def _reported(brand: Brand, given: Any, now: int, *, unavailable: bool) -> dict[str, Any]:
    event_id = str(given.get("event_id", ""))[:MAX_EVENT_ID] if isinstance(given, dict) else ""
    try:
        event = ReportedEvent.model_validate(given)
    except ValidationError as exc:
        faults = "; ".join(f"{_field(each['loc'])}: {_detail(each)}" for each in exc.errors(include_input=False))
        return {"event_id": event_id, "result": Result.INVALID.value, "error": faults}
    said = Report(
        kind=event.kind,
        occurred_at=max(int(event.occurred_at.timestamp() * 1000), 0) if event.occurred_at else 0,
        email=event.email or "",
        subscriber_id=event.subscriber_id or "",
        topics=tuple(event.topics or ()),
        reference=event.reference or "",
        event_id=event.event_id,
        expires_at=int(event.expires_at.timestamp() * 1000) if event.expires_at else 0,
    )
    receipt = deployment.reports.take(brand, said, Channel.API, now, unavailable=unavailable)
    result = {"event_id": event_id, "result": receipt.result.value}
    notes = (
        receipt.note,
        "reference: left out" if given.get("reference") and not _may_be_kept(said.reference) else "",
        "occurred_at: later than now, counts as now" if said.occurred_at > now + CLOCKS_DIFFER_MS else "",
    )
    note = "; ".join(filter(None, notes))
    return result | ({"error": receipt.error} if receipt.error else {}) | ({"note": note} if note else {})


def _may_be_kept(reference: str) -> bool:
    return bool(reference) and not addresses.may_stand_in(reference)


def _detail(fault: Mapping[str, Any]) -> str:
    """What pydantic has against a value, without its own words for how it is made."""
    if fault["type"] in {"model_type", "model_attributes_type", "dict_type"}:
        return "must be an object"
    if fault["type"].startswith(("datetime_", "timezone_")):
        return "must be a date-time such as 2026-11-30T09:00:00Z, or Unix seconds"
    return str(fault["msg"]).removeprefix("Value error, ")


def _field(where: Iterable[int | str]) -> str:
    """The path of a field, such as `recipients[3].email`."""
    named = [each for each in where if each not in {"body", "path", "query"}]
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in named).lstrip(".") or "body"


def _view(brand: Brand, subscriber_id: str, note: dict[str, str] | None = None) -> Response[str]:
    consent = deployment.store.read(brand.id, subscriber_id)
    return _answer(platforms.view(brand, subscriber_id, consent, _now()) | (note or {}))


def _answer(body: dict[str, Any]) -> Response[str]:
    return Response(200, content_types.APPLICATION_JSON, json.dumps(body), headers=dict(web.ALWAYS))


def _problem(
    kind: Kind, detail: str, errors: Sequence[dict[str, str]] = (), *, headers: dict[str, str] | None = None
) -> Response[str]:
    web.refused("api", kind.status)
    named = {"www-authenticate": "Bearer"} if kind is problems.UNAUTHORIZED else {}  # RFC 6750, 3
    return _as_response(problems.response(_base_url(), kind, detail, errors, named | (headers or {})))


def _base_url() -> str:
    """Scheme and host that the caller used, or the deployment's own."""
    return str(app.context.get("base_url", ""))


def _as_response(answer: web.Response) -> Response[str]:
    """An answer of ours as the resolver's."""
    headers: dict[str, str | list[str]] = {**web.ALWAYS, **answer.headers}
    return Response(answer.status, answer.content_type, answer.body, headers=headers)


def _now() -> int:
    return time.time_ns() // 1_000_000


deployment.prepare()
