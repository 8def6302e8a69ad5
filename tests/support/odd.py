"""Documents with something odd in them, for Hypothesis."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import strategies as st

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters() | st.just("\ud800"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)
"""Whatever JSON can say, half of a surrogate pair included."""


def places(document: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a document: the keys and indices that lead there."""
    if not isinstance(document, (dict, list)):
        return []
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    return [place for at, each in inner for place in [(*above, at), *places(each, (*above, at))]]


@st.composite
def changed(draw: st.DrawFn, document: Any) -> Any:
    """The document, with something in it taken away, or anything put in its place."""
    copied = copy.deepcopy(document)
    *above, last = draw(st.sampled_from(places(document)))
    part = copied
    for each in above:
        part = part[each]
    if draw(st.booleans()):
        part[last] = draw(json_values)
    else:
        del part[last]
    return copied
