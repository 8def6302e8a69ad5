"""Brand files: YAML that people write, checked, and compiled to what `consentry.rules.brands` reads."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml
from jsonschema import Draft202012Validator

from consentry_build.locales import languages as translated

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("brand.schema.json").read_text(encoding="utf-8"))
_ID: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,15}")
_PLAIN: Final = {"accent": "#1f4e79", "accent_dark": "#9cc4ec", "logo": ""}
_IN_LANGUAGES: Final = {"name", "postal_address", "privacy_url"}
_LEFT_OUT: Final[dict[str, Any]] = {
    **dict.fromkeys(("reply_to", "inbound_domain"), ""),
    **dict.fromkeys(("keeps_address", "goodbye_mail"), False),
    "evidence_days": 0,
    "retired_topics": [],
    "limits": {},
}
"""What fields are that a file leaves out."""
_UNQUOTED: Final = re.compile(r":\s+(#[0-9a-fA-F]{6})\b")
"""A colour that YAML takes for a comment."""
_BASES: Final = {"opt_in": "consent", "opt_out": "legitimate_interest"}
"""The legal basis of a topic that names none, by its mode."""
_UNREADABLE: Final = (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError)
"""What PyYAML raises: of a date such as 2001-99-99, an empty `!!int`, or a `!!bool` of anything it is no YAMLError."""
_LIGHT, _DARK = "#ffffff", "#1b1d20"
"""The pages' backgrounds, `--paper` in their style sheet."""
_CONTRAST: Final = 4.5
"""WCAG 2.2, 1.4.3, for text of normal size."""
_DRAWING: Final = frozenset(
    {"svg", "g", "path", "circle", "ellipse", "rect", "line", "polyline", "polygon", "title", "desc"}
    | {"defs", "linearGradient", "radialGradient", "stop"}
)
_STYLING: Final = re.compile(
    r"viewBox|width|height|d|fill|stroke|stroke-(width|linecap|linejoin)|fill-(rule|opacity)|opacity|transform"
    r"|c[xy]|r[xy]?|x[12]?|y[12]?|f[xy]|points|id|offset|stop-(color|opacity)|gradient(Units|Transform)"
    r"|role|aria-(hidden|label)|xmlns"
)

_ELSEWHERE: Final = re.compile(r":|url\(\s*['\"]?\s*[^#'\"\s]|\\", re.IGNORECASE)
"""An attribute's value that could load something: a scheme, a `url()` that isn't of this drawing, or an escape."""


class Fault(NamedTuple):
    """One thing that is wrong with a brand file."""

    file: str
    line: int
    """Counted from 1; 0 when it is about the file as a whole."""
    where: str
    """The field, dotted."""
    what: str
    """What is wrong and how to fix it."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.where}: {self.what}" if self.where else f"{self.file}: {self.what}"


class FaultyBrandsError(Exception):
    """Some brand file can't be used."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = faults


def compile_folder(folder: Path) -> list[dict[str, Any]]:
    """Every `*.yaml` in a folder, compiled; the file's name is the brand's id.

    Raises:
        FaultyBrandsError: with every fault of every file.
    """
    files = sorted(folder.glob("*.yaml"))
    faults: list[Fault] = []
    brands = []
    if not files:
        others = ", ".join(sorted(each.name for each in folder.glob("*.yml")))
        hint = f"; rename {others} to *.yaml" if others else ""
        faults.append(Fault(str(folder), 0, "", f"holds no brand file (*.yaml){hint}"))
    for file in files:
        found, data = _read(file)
        faults += found
        if not found:
            brands.append(_compiled(file.stem, data))
    if faults:
        raise FaultyBrandsError(faults)
    return brands


def faults_of(file: Path) -> list[Fault]:
    """What is wrong with one brand file; empty if nothing is."""
    return _read(file)[0]


def _read(file: Path) -> tuple[list[Fault], dict[str, Any]]:
    try:
        return _looked_at(file)
    except RecursionError:
        return [Fault(str(file), 0, "", "is too deeply nested, or holds an alias of itself")], {}


def _looked_at(file: Path) -> tuple[list[Fault], dict[str, Any]]:
    name, unquoted = str(file), None
    if not _ID.fullmatch(file.stem):
        return [Fault(name, 0, "", "the file's name is the brand's id: a-z, 0-9, - and _, at most 16")], {}
    try:
        text = file.read_text(encoding="utf-8")
        unquoted = _UNQUOTED.search(text)
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        # Before it is constructed: that writes what `<<` merges into the nodes.
        twice, lines = list(_twice(node)), dict(_lines(node, ()))
        data: Any = None if node is None else loader.construct_document(node)
    except _UNREADABLE as exc:
        mark, problem = getattr(exc, "problem_mark", None), getattr(exc, "problem", None) or exc
        line = mark.line + 1 if mark else 0
        hint = "" if unquoted is None else f'; put colours in quotes: "{unquoted[1]}"'
        return [Fault(name, line, "file", f"can't be read as YAML: {problem}{hint}")], {}
    if twice:
        return [Fault(name, line, key, "stands there twice, and one would be dropped") for key, line in twice], {}
    errors = sorted(Draft202012Validator(SCHEMA).iter_errors(data), key=lambda error: list(map(str, error.path)))
    found = [each for error in errors for each in _against_the_schema(error)]
    faulty = {where[0] for where, _ in found if where}
    if isinstance(data, dict):
        found += _beyond_the_schema({field: each for field, each in data.items() if field not in faulty})
    faults = [Fault(name, _line(lines, where), ".".join(where) or "file", what) for where, what in dict.fromkeys(found)]
    return faults, data


def _against_the_schema(error: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    """The fields that a `jsonschema.ValidationError` is about, and how to fix each."""
    where = tuple(map(str, error.absolute_path))
    if error.validator == "additionalProperties":
        known = error.schema["properties"]
        what = f"unknown field; allowed: {', '.join(known)}"
        yield from (((*where, str(field)), what) for field in error.instance if field not in known)
    elif error.validator == "required":
        missing = [field for field in error.validator_value if field not in error.instance]
        yield from (((*where, field), f"is missing; it must be {_remedy(error.schema, field)}") for field in missing)
    elif error.validator == "anyOf" and isinstance(error.instance, dict):
        for inner in error.context or ():
            if inner.schema_path[0] == 1:  # of the alternative that is a mapping
                yield from _against_the_schema(inner)
    else:
        if "propertyNames" in error.absolute_schema_path:
            where = (*where, str(error.instance))
        yield where, f"must be {error.schema['description']}"


def _remedy(schema: dict[str, Any], field: str) -> str:
    """What a field has to be."""
    described = schema.get("properties", SCHEMA["$defs"]["webhook"]["properties"])[field]
    while "description" not in described:
        described = SCHEMA["$defs"][described["$ref"].rpartition("/")[2]]
    return str(described["description"])


def _beyond_the_schema(data: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Faults that a schema can't see: where, and what. Fields with faults of their own are left out of `data`."""
    topics = (_language_faults, _claims_faults, _retired_faults)
    for check in (*topics, _webhook_faults, _endpoint_faults, _theme_faults, _goodbye_faults):
        yield from check(data)


def _language_faults(data: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    languages = data.get("languages", [])
    spoken = set(translated())
    for at, language in enumerate(languages):
        if language not in spoken:
            what = f"the pages aren't translated into it yet; they speak {', '.join(sorted(spoken))}"
            yield ("languages", str(at)), what
    texts: list[tuple[tuple[str, ...], Any]] = [((field,), data.get(field)) for field in sorted(_IN_LANGUAGES)]
    for topic, each in data.get("topics", {}).items():
        texts += [(("topics", topic, key), each.get(key)) for key in ("name", "description")]
    for where, text in texts:
        if isinstance(text, dict) and (missing := set(languages) - set(text)):
            yield where, f"has no text for {', '.join(sorted(missing))}, which `languages` names"
    for which, text in data.get("texts", {}).items():
        for language in sorted(set(text) - set(languages)) if languages and isinstance(text, dict) else ():
            yield ("texts", which, language), "would be shown to nobody: `languages` doesn't name this language"


def _retired_faults(data: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    for at, topic in enumerate(data.get("retired_topics", [])):
        if topic in data.get("topics", {}):
            yield ("retired_topics", str(at)), "is one of `topics`: it can't be retired and there"


def _webhook_faults(data: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    if "topics" not in data:
        return
    for name, webhook in data.get("webhooks", {}).items():
        for theirs, ours in webhook.get("topics", {}).items():
            if unknown := set(ours) - set(data["topics"]):
                what = f"names no topic of this brand: {', '.join(sorted(unknown))}"
                yield ("webhooks", name, "topics", theirs), what


def _endpoint_faults(data: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    endpoints = data.get("notifications", [])
    for at, endpoint in enumerate(endpoints):
        where = ("notifications", str(at))
        if not endpoint["url"].startswith("https://") and not endpoint.get("private_network"):
            yield (*where, "url"), "must be https: (http: is for private_network alone)"
        if endpoint["id"] in [each["id"] for each in endpoints[:at]]:
            yield (*where, "id"), "is taken by another endpoint"


def _goodbye_faults(data: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    if data.get("goodbye_mail") and data.get("keeps_address") is not True:
        yield ("goodbye_mail",), "needs keeps_address: without it there is no address left to send that mail to"


def _claims_faults(data: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    for topic, each in data.get("topics", {}).items():
        if each.get("claims_only") and each["mode"] != "opt_out":
            yield ("topics", topic, "claims_only"), "is for topics of mode opt_out: opt_in needs consent anyway"


def _theme_faults(data: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    theme = data.get("theme", {})
    for key, background, shade in (("accent", _LIGHT, "light"), ("accent_dark", _DARK, "dark")):
        if key in theme and (ratio := contrast(theme[key], background)) < _CONTRAST:
            what = f"has a contrast of {ratio:.2f} with the {shade} page; text needs {_CONTRAST} (WCAG 1.4.3)"
            yield ("theme", key), f'{what}; the nearest that has it is "{readable(theme[key], background)}"'
    if logo := theme.get("logo"):
        yield from ((("theme", "logo"), what) for what in _logo_faults(logo))


def readable(colour: str, background: str) -> str:
    """The colour, as little darker on a light background, or lighter on a dark one, as it takes to be read there."""
    towards = 0 if _luminance(background) > 0.5 else 255  # noqa: PLR2004 - the middle
    channels = [int(colour[at : at + 2], 16) for at in (1, 3, 5)]
    mixed = ("#" + "".join(f"{c + (towards - c) * part // 256:02x}" for c in channels) for part in range(257))
    return next(each for each in mixed if contrast(each, background) >= _CONTRAST)


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two `#rrggbb` colours, 1 to 21 (WCAG 2.2, relative luminance)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]  # noqa: PLR2004 - sRGB
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _logo_faults(logo: str) -> Iterator[str]:
    """A logo stands in the page as it is, so it may draw and nothing else."""
    if "<!" in logo or "<?" in logo:
        yield "may not hold a DOCTYPE, comment or processing instruction"
        return
    try:
        root = ET.fromstring(logo)  # noqa: S314 - no DOCTYPE, so no entities; the file is the operator's own
    except ET.ParseError as exc:
        yield f"is not well-formed SVG: {exc}"
        return
    if not logo.lstrip().startswith("<svg"):
        yield "must be one <svg> element: <svg viewBox=…>…</svg>"
    for element in root.iter():
        tag = element.tag.rpartition("}")[2]
        if tag not in _DRAWING:
            yield f"may only draw: <{tag}> is not allowed"
        for attribute, value in element.attrib.items():
            plain = attribute.rpartition("}")[2]
            if not _STYLING.fullmatch(plain) or _ELSEWHERE.search(value):
                yield f"may only draw: {plain} on <{tag}> is not allowed"


def _compiled(brand_id: str, data: dict[str, Any]) -> dict[str, Any]:
    languages = data["languages"]
    topics = [
        {
            "id": topic,
            "mode": each["mode"],
            "basis": each.get("basis") or _BASES[each["mode"]],
            "names": _texts(each["name"], languages),
            "descriptions": _texts(each.get("description", ""), languages),
            "frequencies": each.get("frequencies", []),
            **{field: each[field] for field in ("claims_only", "renew_after_days") if field in each},
        }
        for topic, each in data["topics"].items()
    ]
    texts = {which: _texts(text, languages) for which, text in data.get("texts", {}).items()}
    return {
        **_LEFT_OUT,
        **{field: each for field, each in data.items() if field not in _IN_LANGUAGES},
        "id": brand_id,
        "names": _texts(data["name"], languages),
        "postal_addresses": _texts(data["postal_address"], languages),
        "privacy_urls": _texts(data.get("privacy_url", {}), languages),
        "topics": topics,
        "texts": texts,
        "theme": _PLAIN | data.get("theme", {}),
        "list_domain": data.get("list_domain") or data["sender"].rpartition("@")[2],
        "privacy_contact": data.get("privacy_contact") or data.get("reply_to") or data["sender"],
        "webhooks": {name: {"topics": {}, "arns": []} | each for name, each in data.get("webhooks", {}).items()},
        "notifications": [{"private_network": False} | each for each in data.get("notifications", [])],
        "notice": "",  # a hash of the rendered words: `consentry_build.notices`
    }


def _texts(text: str | dict[str, str], languages: list[str]) -> dict[str, str]:
    return text if isinstance(text, dict) else {languages[0]: text}


def _twice(node: yaml.Node | None) -> Iterator[tuple[str, int]]:
    """Fields that stand in one mapping more than once, and the line of each repetition."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if str(key.value) in seen:
                yield str(key.value), key.start_mark.line + 1
            seen.add(str(key.value))
            yield from _twice(value)
    elif isinstance(node, yaml.SequenceNode):
        for value in node.value:
            yield from _twice(value)


def _line(lines: dict[tuple[str, ...], int], path: Any) -> int:
    where = tuple(map(str, path))
    while where and where not in lines:
        where = where[:-1]
    return lines.get(where, 1)


def _lines(node: yaml.Node | None, where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    """The line of every field."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*where, str(key.value))
            yield here, key.start_mark.line + 1
            yield from _lines(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for at, value in enumerate(node.value):
            yield (*where, str(at)), value.start_mark.line + 1
            yield from _lines(value, (*where, str(at)))
