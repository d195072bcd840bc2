"""Screening: what can be known of an expression before any training is spent on it."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any

from glo_lightning.errors import LossError, SettingsError
from glo_lightning.losses import TreeLoss
from glo_lightning.losses.expression import parse
from glo_lightning.losses.expression.nodes import LABEL, PREDICTION
from glo_lightning.search.engines import Slot
from glo_lightning.search.engines.genetic import REPETITION
from glo_lightning.search.exploration.repetition import repetition_key
from glo_lightning.search.samplers.screens import Sameness, Screening
from glo_lightning.theory.behaviour import ignores_label
from glo_lightning.theory.gamma import check_num_classes, label_values
from glo_lightning.theory.trainability import default_kappa, trainability


class Step(StrEnum):
    """The steps of a screening, in the order they are taken, the cheapest first."""

    LEAVES = "leaves"
    DEFINED = "defined"
    GRADIENT = "gradient"
    EXACT = "exact"
    STABLE = "stable"
    UNSEEN = REPETITION


PAPER_STEPS = (Step.LEAVES, Step.UNSEEN)
"""The GLO paper's: train every tree that has a label and a prediction, once."""

ALL_STEPS = tuple(Step)

LENIENT_KAPPA = 1.0


class Screen:
    """Decides which expressions are worth a training.

    The steps, each of which can be left out:

    - ``leaves``: label and prediction both occur in the expression;
    - ``defined``: value and gamma are finite on a grid of scaled logits and labels. An expression that is defined
      nowhere is stopped even without this step;
    - ``gradient``: gamma depends on the label, or no gradient could tell the classes apart;
    - ``exact``: training starts downhill;
    - ``stable``: the constant output is not attractive;
    - ``unseen``: the candidate does not repeat an earlier one, whose score it then shares.

    Args:
        num_classes: C, 2 or more.
        steps: the steps to take; :data:`PAPER_STEPS` for the paper's.
        label_smoothing: of the losses that will be trained, in [0, 1).
        kappa: threshold of the step ``stable``, as :func:`trainability` takes it; by default 1 or, where that is more
            lenient, :func:`default_kappa`. A tree that never trains costs one training; a good one that is stopped
            costs its descendants, too.

    Raises:
        SettingsError: if ``num_classes`` or a step is not valid.

    Example:
        >>> screen = Screen(num_classes=10)
        >>> screen.check("log(h) - y / h").passed
        True
        >>> screen.check("log(h) + y / h").reason
        'not exact: drive -100, training starts uphill; ...'

    Source: derivations.md, sections 7.2 (unseen), 7.3 (exact) and 7.4 (stable).
    """

    def __init__(
        self,
        num_classes: int,
        steps: Iterable[str] = ALL_STEPS,
        label_smoothing: float = 0.0,
        kappa: float | None = None,
    ) -> None:
        check_num_classes(num_classes)
        chosen = list(steps)
        if unknown := sorted(set(chosen) - set(Step)):
            raise SettingsError(
                f"steps out of {', '.join(Step)}", ", ".join(unknown), "Leave out what you do not want."
            )
        self.num_classes = num_classes
        self.steps = tuple(step for step in Step if step in chosen)
        self.label_smoothing = label_smoothing
        self.kappa = kappa
        self._kappa = max(LENIENT_KAPPA, default_kappa(num_classes)) if kappa is None else kappa

    def settings(self) -> dict[str, Any]:
        """Return the arguments that make this screen, as JSON values."""
        return {
            "num_classes": self.num_classes,
            "steps": [str(step) for step in self.steps],
            "label_smoothing": self.label_smoothing,
            "kappa": self.kappa,
        }

    def repetition_key(self, sameness: Sameness) -> Callable[[str], str]:
        """Return what expressions share that train alike; see :func:`repetition_key`."""
        return repetition_key(sameness, self.num_classes, self.label_smoothing)

    def check(self, expression: str, repeats: Slot | None = None) -> Screening:
        """Screen one expression.

        Args:
            expression: its text.
            repeats: generation and index of the first candidate with the same :func:`repetition_key`.

        Returns:
            The first step that stops it, or that it may train.

        Raises:
            LossError: if the expression cannot be read.
        """
        tree = parse(expression)
        if Step.LEAVES in self.steps and not (LABEL in tree and PREDICTION in tree):
            missing = "prediction" if LABEL in tree else "label"
            return Screening(Step.LEAVES, f"no {missing} in {tree}")
        try:
            loss = TreeLoss(expression, label_smoothing=self.label_smoothing)
        except LossError as error:
            return Screening(Step.DEFINED, error.got)
        labels = label_values(loss, self.num_classes)
        domain = loss.definedness(labels)
        if Step.DEFINED in self.steps and domain.share < 1.0:
            return Screening(Step.DEFINED, domain.reason)
        if Step.GRADIENT in self.steps and ignores_label(loss, self.num_classes):
            return Screening(Step.GRADIENT, "the gradient does not depend on the label")
        verdict = trainability(loss, self.num_classes, self._kappa)
        if Step.EXACT in self.steps and not verdict.exact:
            return Screening(Step.EXACT, verdict.reason)
        if Step.STABLE in self.steps and not verdict.stable:
            return Screening(Step.STABLE, verdict.reason)
        if Step.UNSEEN in self.steps and repeats is not None:
            return Screening(Step.UNSEEN, f"trains as candidate {repeats[1]} of generation {repeats[0]} does")
        return Screening()
