"""Plots as SVG, drawn by pygal and coloured by the page's style sheet, so that they follow light, dark and print."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final
from xml.etree.ElementTree import Element, SubElement, tostring

import pygal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

# pygal finds its maps by an import hook of a kind that Python 3.12 and test runners no longer take. We draw no maps.
sys.meta_path[:] = [hook for hook in sys.meta_path if type(hook).__name__ != "PluginImportFixer"]

SERIES: Final = 8
"""Series that can be distinguished: four colours, each plain and hatched."""
_LABELS: Final = 12
_TICKS: Final = 5
_WIDTH: Final = 860
_HEIGHT: Final = 300
_BAR_HEIGHT: Final = 34

_TYPES: Final = {"stacked": pygal.StackedBar, "bars": pygal.HorizontalBar, "columns": pygal.Bar, "line": pygal.Line}


def over_time(labels: Sequence[str], series: Sequence[tuple[str, Sequence[int]]], name: str, about: str) -> str:
    """Stacked bars, one for each period. `name` and `about` are ids of what names and describes the plot."""
    top = max((sum(each) for each in zip(*(values for _, values in series), strict=True)), default=0)
    return _drawn("stacked", labels, series, _ticks(top), _whole, name, about)


def columns(labels: Sequence[str], values: Sequence[int], name: str, about: str) -> str:
    """A column for each label."""
    return _drawn("columns", labels, [("", values)], _ticks(max(values, default=0)), _whole, name, about)


def shares(labels: Sequence[str], values: Sequence[float | None], name: str, about: str) -> str:
    """A line of percentages; a gap where there is none."""
    return _drawn("line", labels, [("", values)], [0, 25, 50, 75, 100], _percent, name, about)


def bars(labels: Sequence[str], values: Sequence[int], name: str, about: str) -> str:
    """A horizontal bar for each label, the first on top."""
    return _drawn(
        "bars", labels[::-1], [("", values[::-1])], _ticks(max(values, default=0)), _whole, name, about,
        height=70 + _BAR_HEIGHT * len(labels),
    )  # fmt: skip


def _drawn(
    kind: str,
    labels: Sequence[str],
    series: Sequence[tuple[str, Sequence[float | None]]],
    ticks: list[int],
    texts: Callable[[float], str],
    name: str,
    about: str,
    height: int = _HEIGHT,
) -> str:
    chart = _TYPES[kind](
        js=[],
        width=_WIDTH,
        height=height,
        margin=8,
        margin_right=24,
        spacing=6,
        show_legend=False,
        dots_size=3,
        range=(ticks[0], ticks[-1]),
        value_formatter=texts,
        truncate_label=-1,
    )
    chart.x_labels = list(labels)
    if kind != "bars" and len(labels) > _LABELS:
        chart.x_labels_major_every = -(-len(labels) // _LABELS)
        chart.show_minor_x_labels = False
    chart.y_labels = ticks
    for title, values in series:
        chart.add(title, list(values), allow_interruptions=True)
    root: Element = chart.render_tree()
    _make_ours(root, name, about)
    return tostring(root, encoding="unicode")


def _make_ours(root: Element, name: str, about: str) -> None:
    """Takes away script, styles and what names the run; what is read aloud is the page's title and summary."""
    for parent in list(root.iter()):
        for child in list(parent):
            if not isinstance(child.tag, str) or child.tag.rpartition("}")[2] in {"defs", "title", "script"}:
                parent.remove(child)
    for group in root.iter():
        _hint(group)
    for node in root.iter():
        node.attrib.pop("id", None)
    root.attrib.update({"class": "plot", "role": "img", "aria-labelledby": name, "aria-describedby": about})


def _hint(group: Element) -> None:
    """What pygal keeps for its script, as the hint that browsers show themselves."""
    texts = {each.get("class"): each.text or "" for each in list(group) if each.tag.rpartition("}")[2] == "desc"}
    if not texts:
        return
    for each in [child for child in group if child.tag.rpartition("}")[2] == "desc"]:
        group.remove(each)
    title = SubElement(group, "title")
    title.text = ": ".join(text for text in (texts.get("x_label"), texts.get("value")) if text)
    group.remove(title)
    group.insert(0, title)


def _ticks(top: int) -> list[int]:
    """Whole numbers from 0 to the first that isn't less than `top`, in steps of 1, 2 or 5 times a power of ten."""
    step = next(
        first * 10**power
        for power in range(len(str(top)) + 1)
        for first in (1, 2, 5)
        if first * 10**power * _TICKS >= top
    )
    count = max(1, -(-top // step))
    return [step * each for each in range(count + 1)]


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{value:.0f}%"
