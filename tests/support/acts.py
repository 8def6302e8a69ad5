"""What recipients do, over one store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from consentry.actions.choosing import Choices
from consentry.actions.forms import Forms
from consentry.actions.opting_in import OptIns
from consentry.actions.opting_out import OptOuts

if TYPE_CHECKING:
    from consentry.links.tokens import Tokens


class Acts(NamedTuple):
    """Everything that a person can do."""

    opt_ins: OptIns
    opt_outs: OptOuts
    choices: Choices
    forms: Forms

    @classmethod
    def over(cls, store: Any, tokens: Tokens, recorder: Any, limits: Any) -> Self:
        """Store, recorder and limits may be those of a test."""
        return cls(
            OptIns(store, limits),
            OptOuts(store, recorder, limits),
            Choices(store, recorder, limits),
            Forms(store, tokens),
        )
