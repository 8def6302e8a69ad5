"""The page: what was counted, as tiles, plots, sentences and tables. It has no script, and loads nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined

from consentry.rules.ledger import Channel, Kind
from consentry_cli.report import periods, plots
from consentry_cli.report.counting import DELAYS, OTHERS, PAUSE, Count
from consentry_cli.report.periods import REST, By, Over

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from consentry_cli.report.counting import Counts

T = TypeVar("T")

_REASONS: Final[Mapping[str, str]] = {
    "too_many": "too many mails",
    "not_interesting": "not interesting",
    "never_asked": "never asked for them",
    "other": "something else",
}
_KINDS: Final[Mapping[str, str]] = {
    Kind.ASKED: "asked for a confirmation mail",
    Kind.CONFIRMED: "confirmed",
    Kind.UNSUBSCRIBED: "unsubscribed",
    Kind.SENDER: "unsubscribed by an email of their own",
    Kind.PAUSED: "paused all mail",
    Kind.PREFERENCES: "saved their preferences",
    Kind.UNDONE: "undid an opt-out or a pause",
    Kind.CLAIMED: "subscribed, says a platform",
    Kind.KEPT: "kept",
    Kind.COMPLAINED: "complained of spam",
    Kind.BOUNCED: "bounced for good",
    Kind.ERASED: "were erased",
    Kind.REASON: "said why they left",
}
_WAYS: Final[Mapping[str, str]] = {
    Channel.ONE_CLICK: "one click (in the mail program)",
    Channel.PAGE: "page behind the link",
    Channel.MAILTO: "mailto",
    Channel.PREFERENCES: "preferences page",
    Channel.API: "API",
    Channel.WEBHOOK: "webhook",
    Channel.IMPORT: "import",
    Channel.FEEDBACK: "provider's feedback",
}
_EVERY: Final = "every topic"


class Tile(NamedTuple):
    """A number that stands for itself."""

    name: str
    value: str
    hint: str


class Table(NamedTuple):
    """Numbers to read. The first column of a row is its heading."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


class Figure(NamedTuple):
    """A section: what it shows in words, as a plot and as a table."""

    id: str
    title: str
    summary: str
    svg: str
    table: Table
    legend: Sequence[str] = ()


def render(
    counts: Counts,
    *,
    by: By | None = None,
    first: date | None = None,
    last: date | None = None,
    zone: str = "UTC",
    brand: str | None = None,
    malformed: int = 0,
) -> str:
    """The page as HTML.

    Args:
        counts: what happened.
        by: the length of a period; None for what fits.
        first: the day on which the report begins; None for the first that anything happened on.
        last: the day on which it ends, likewise.
        zone: what the time zone of the days is called.
        brand: the only brand that was asked for.
        malformed: lines of the input that couldn't be used.

    Raises:
        TooManyError: the page would be too long.
    """
    environment = Environment(
        loader=PackageLoader("consentry_cli.report", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    template = environment.get_template("page.html.j2")
    days = [*([first] if first else []), *([last] if last else []), *counts.days]
    first, last = (min(days), max(days)) if days else (None, None)
    brands = sorted({name for day in counts.days.values() for what, name in day if what is Count.BRAND})
    common = {
        "brands": [brand] if brand else brands,
        "zone": zone,
        "malformed": malformed,
        "outside": counts.outside,
        "events": counts.events,
    }
    if first is None or last is None or not counts.days:
        return template.render(**common, period=_period(first, last), by="", tiles=[], figures=[], kinds=None)
    by = by or periods.fitting(first, last)
    over = Over(counts, periods.between(first, last, by), by)
    return template.render(
        **common,
        period=_period(first, last),
        by=by.value,
        tiles=_tiles(over, counts.events),
        figures=[figure for figure in _figures(over) if figure],
        kinds=_kinds(over),
    )


def _period(first: date | None, last: date | None) -> str:
    if first is None or last is None:
        return ""
    return first.isoformat() if first == last else f"{first.isoformat()} to {last.isoformat()}"


def _tiles(over: Over, events: int) -> list[Tile]:
    asked, confirmed = over.total(Count.ASKED), over.total(Count.CONFIRMED)
    persons, suspected = over.total(Count.BY_PERSON), over.total(Count.SUSPECTED)
    return [
        Tile("Events", _number(events), "everything on record in this period"),
        Tile("Opt-ins", _number(over.total(Count.OPT_IN_ACT)), "by a person's own act"),
        Tile("Opt-outs", _number(over.total(Count.WAY)), "by whatever way"),
        Tile("Confirm rate", _share(confirmed, asked), f"{_number(confirmed)} of {_number(asked)} requests"),
        Tile("Suspected automation", _share(suspected, persons), f"{_number(suspected)} of {_number(persons)} acts"),
        Tile("Bounces", _number(over.total(Count.KIND, Kind.BOUNCED)), "addresses that are gone"),
        Tile("Complaints", _number(over.total(Count.KIND, Kind.COMPLAINED)), "“this is spam”"),
    ]


def _figures(over: Over) -> list[Figure | None]:
    ways = _named(over.grouped(Count.WAY, plots.SERIES), _WAYS)
    return [
        _stacked(over, "opt-ins", "Opt-ins by topic", _opt_ins(over), over.grouped(Count.OPT_IN, plots.SERIES)),
        _confirm_rate(over),
        _delays(over),
        _stacked(over, "opt-outs", "Opt-outs by channel", _opt_outs(over), ways),
        _ways(over),
        _ranked(over, Count.OPT_OUT, "opt-outs-by-topic", "Opt-outs by topic", "opt-out", {"*": _EVERY}),
        _suspected(over),
        _feedback(over),
        _undone(over),
        _ranked(over, Count.REASON, "reasons", "Reasons given", "reason", _REASONS)
        if over.total(Count.REASON)
        else None,
    ]


def _opt_ins(over: Over) -> str:
    acts, topics = over.total(Count.OPT_IN_ACT), over.by_name(Count.OPT_IN)
    if not acts:
        return "Nobody opted in."
    most = f"most of them to {topics[0][0]} ({_number(topics[0][1])})" if len(topics) > 1 else f"to {topics[0][0]}"
    return (
        f"People opted in {_times(acts)} by their own act, {most}; "
        "who opts in to several topics at once counts in each. "
        f"{_peak(over, over.series(Count.OPT_IN_ACT))}"
    )


def _opt_outs(over: Over) -> str:
    ways = _named(over.by_name(Count.WAY), _WAYS)
    acts = over.total(Count.WAY)
    if not acts:
        return "Nobody opted out."
    return (
        f"There {'was one opt-out' if acts == 1 else f'were {_number(acts)} opt-outs'}. The way most often taken: "
        f"{ways[0][0]} ({_share(ways[0][1], acts)}). "
        f"Erasures aren’t among them. {_peak(over, over.series(Count.WAY))}"
    )


def _confirm_rate(over: Over) -> Figure:
    asked, confirmed = over.series(Count.ASKED), over.series(Count.CONFIRMED)
    rates = [100 * yes / all_ if all_ and yes <= all_ else None for yes, all_ in zip(confirmed, asked, strict=True)]
    all_asked, all_confirmed = sum(asked), sum(confirmed)
    if all_confirmed > all_asked:
        summary = "There are more confirmations than requests: the export lacks requests, so no rate can be computed."
    elif not all_asked:
        summary = "Nobody asked for a confirmation mail."
    else:
        summary = (
            f"Of {_number(all_asked)} requests {_number(all_confirmed)} were confirmed "
            f"({_share(all_confirmed, all_asked)}). "
            "A request counts when it was made, whenever it was confirmed; those of the last seven days still can be."
        )
    svg = plots.shares(over.labels, rates, "confirm-rate-title", "confirm-rate-says")
    table = _parts(over, ("Requests", "Confirmed", "Rate"), asked, confirmed)
    return Figure("confirm-rate", "Confirm rate", summary, svg, table)


def _delays(over: Over) -> Figure:
    names = [name for name, _ in DELAYS]
    values = [over.total(Count.CONFIRMED, name) for name in names]
    total = sum(values)
    summary = "Nothing was confirmed."
    if total:
        soon = values[0] + values[1]
        reached = next(at for at in range(len(values)) if 2 * sum(values[: at + 1]) >= total)
        summary = (
            f"{_number(soon)} of {_number(total)} confirmations ({_share(soon, total)}) came within five minutes "
            f"of the request; the one in the middle took {names[reached]}."
        )
    svg = plots.columns(names, values, "time-to-confirm-title", "time-to-confirm-says")
    table = _shares(("Time", "Confirmations", "Share"), list(zip(names, values, strict=True)), total)
    return Figure("time-to-confirm", "Time from request to confirmation", summary, svg, table)


def _ways(over: Over) -> Figure:
    found = [(label, over.total(Count.WAY, way)) for way, label in _WAYS.items()]
    found += [each for each in over.by_name(Count.WAY) if each[0] not in _WAYS]
    one_click = over.total(Count.WAY, Channel.ONE_CLICK)
    total = over.total(Count.WAY)
    summary = (
        f"One click in the mail program made {_number(one_click)} of {_number(total)} opt-outs "
        f"({_share(one_click, total)}), the page {_number(over.total(Count.WAY, Channel.PAGE))}, "
        f"mailto {_number(over.total(Count.WAY, Channel.MAILTO))}, "
        f"the API {_number(over.total(Count.WAY, Channel.API))}."
        if total
        else "Nobody opted out."
    )
    return _bars("ways-out", "Ways out", summary, found, "Way", "Opt-outs", total)


def _ranked(over: Over, what: Count, name: str, title: str, thing: str, names: Mapping[str, str]) -> Figure:
    found = _named(over.by_name(what), names)
    total = over.total(what)
    summary = (
        f"{found[0][0].capitalize() if found[0][0] == _EVERY else found[0][0]} has the most: {_number(found[0][1])} of "
        f"{_number(total)} ({_share(found[0][1], total)})."
        if found
        else f"There is no {thing}."
    )
    if what is Count.OPT_OUT and found:
        summary += " Who leaves several topics at once counts in each."
    return _bars(name, title, summary, found, "Topic" if what is Count.OPT_OUT else title, _plural(thing), total)


def _suspected(over: Over) -> Figure:
    acts, suspected = over.series(Count.BY_PERSON), over.series(Count.SUSPECTED)
    all_acts, all_suspected = sum(acts), sum(suspected)
    summary = (
        f"{_number(all_suspected)} of {_number(all_acts)} acts ({_share(all_suspected, all_acts)}) looked like a "
        f"machine’s doing. Each of them counts all the same: an opt-out is never refused. {_peak(over, suspected)}"
        if all_suspected
        else f"None of {_number(all_acts)} acts looked like a machine’s doing."
    )
    svg = plots.columns(over.labels, suspected, "suspected-title", "suspected-says")
    table = _parts(over, ("Acts of recipients", "Suspected", "Share"), acts, suspected)
    return Figure("suspected", "Suspected automation", summary.strip(), svg, table)


def _feedback(over: Over) -> Figure | None:
    found = [
        ("bounces", over.series(Count.KIND, Kind.BOUNCED)),
        ("complaints", over.series(Count.KIND, Kind.COMPLAINED)),
    ]
    bounces, complaints = (sum(values) for _, values in found)
    summary = (
        f"{_number(bounces)} {'address' if bounces == 1 else 'addresses'} bounced for good, and {_number(complaints)} "
        f"{'email was' if complaints == 1 else 'emails were'} reported as spam. "
        f"{_peak(over, [sum(each) for each in zip(*(values for _, values in found), strict=True)])}"
    )
    return _stacked(over, "feedback", "Bounces and complaints", summary, found)


def _undone(over: Over) -> Figure:
    found = _named(over.by_name(Count.UNDONE), {PAUSE: "a pause"})
    acts, outs = over.total(Count.UNDOING), over.total(Count.WAY) + over.total(Count.KIND, Kind.PAUSED)
    summary = (
        f"People undid an opt-out or a pause {_times(acts)}; there were {_number(outs)} opt-outs and pauses. "
        "Who gets back several topics at once counts in each."
        if acts
        else "Nobody undid an opt-out or a pause."
    )
    return _bars("undone", "What was undone", summary, found, "What", "Undone", over.total(Count.UNDONE))


def _kinds(over: Over) -> Table:
    label = {**_KINDS, OTHERS: "several kinds"}
    kinds = over.by_name(Count.KIND)
    rows = [(name, label.get(name, "not known to this version"), _number(count)) for name, count in kinds]
    return Table(("Kind", "What it means", "Events"), rows)


def _stacked(over: Over, name: str, title: str, summary: str, series: Sequence[tuple[str, Sequence[int]]]) -> Figure:
    names = [each for each, _ in series]
    rows = [
        (label, *(_number(values[at]) for _, values in series), _number(sum(values[at] for _, values in series)))
        for at, label in enumerate(over.labels)
    ]
    totals = [sum(values) for _, values in series]
    rows.append(("Total", *map(_number, totals), _number(sum(totals))))
    drawn = series or [("", [0] * len(over.labels))]
    svg = plots.over_time(over.labels, drawn, f"{name}-title", f"{name}-says")
    return Figure(name, title, summary.strip(), svg, Table((_head(over), *names, "Total"), rows), names)


def _bars(
    name: str, title: str, summary: str, found: Sequence[tuple[str, int]], head: str, things: str, total: int
) -> Figure:
    shown = list(found[:20])
    if len(found) > len(shown):
        shown.append((REST, sum(number for _, number in found[len(shown) :])))
    svg = plots.bars([each for each, _ in shown], [number for _, number in shown], f"{name}-title", f"{name}-says")
    return Figure(name, title, summary, svg if shown else "", _shares((head, things, "Share"), found, total))


def _shares(columns: Sequence[str], found: Sequence[tuple[str, int]], total: int) -> Table:
    """What each has of a total."""
    return Table(
        columns, [(each, _number(number), _share(number, total)) for each, number in [*found, ("Total", total)]]
    )


def _parts(over: Over, columns: Sequence[str], whole: Sequence[int], part: Sequence[int]) -> Table:
    """By period, how much of something is of a kind."""
    rows = [*zip(over.labels, whole, part, strict=True), ("Total", sum(whole), sum(part))]
    return Table(
        (_head(over), *columns),
        [(label, _number(all_), _number(some), _share(some, all_)) for label, all_, some in rows],
    )


def _named(found: Iterable[tuple[str, T]], names: Mapping[str, str]) -> list[tuple[str, T]]:
    """What was counted, each by what people call it."""
    return [(names.get(name, name), each) for name, each in found]


def _peak(over: Over, values: Sequence[int]) -> str:
    top = max(values, default=0)
    if not top or len(values) == 1:
        return ""
    when = over.labels[values.index(top)]
    return f"The most in a {over.by.value} were {_number(top)} ({'from ' if over.by is By.WEEK else ''}{when})."


def _head(over: Over) -> str:
    return "Week from" if over.by is By.WEEK else over.by.value.capitalize()


def _plural(thing: str) -> str:
    return {"reason": "Answers"}.get(thing, f"{thing.capitalize()}s")


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{_number(count)} times")


def _number(count: int) -> str:
    return f"{count:,}"


def _share(part: int, whole: int) -> str:
    """A percentage; a dash where there is none."""
    return f"{100 * part / whole:.1f}%" if whole and part <= whole else "–"
