"""Screens, as the genetic sampler sees them: what stops an expression before training, and what repeats another."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from glo_lightning.search.engines import Slot

Sameness = Literal["behaviour", "shape", "formula"]
"""What repetitions share: gamma up to a constant; up to a positive factor, too; or the formula up to algebra."""


@dataclass(frozen=True)
class Screening:
    """What came of screening one candidate.

    Args:
        step: the step that stopped it, or None if it may train.
        reason: why it was stopped, or empty.
    """

    step: str | None = None
    reason: str = ""

    @property
    def passed(self) -> bool:
        """Whether the candidate may train."""
        return self.step is None


class ExpressionScreen(Protocol):
    """Decides which expressions are worth a training, and which of them are the same."""

    def settings(self) -> dict[str, Any]:
        """Return the arguments that make this screen, as JSON values; a study is continued with the same alone."""

    def check(self, expression: str, repeats: Slot | None = None) -> Screening:
        """Screen one expression; ``repeats`` is the slot of the first candidate with the same key, if any."""

    def repetition_key(self, sameness: Sameness) -> Callable[[str], str]:
        """Return the function that maps expressions to text which repetitions share.

        Raises:
            SettingsError: if the screen knows no such sameness.
        """
