"""All that theory says of one loss, as plain numbers for tables, files and reports."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from glo_lightning.losses import Loss
from glo_lightning.theory.gamma import AnyLoss
from glo_lightning.theory.regime import equilibria, equilibrium_confidence, implied_smoothing, zero_error_drive
from glo_lightning.theory.scale import startup_drive
from glo_lightning.theory.trainability import Trainability, trainability


@dataclass(frozen=True)
class LossSummary:
    """What a loss will do to a classifier of ``num_classes`` classes.

    Attributes:
        num_classes: C.
        formula: in one line of Unicode; empty for black boxes.
        trainability: the verdicts.
        relative_start: start-up gradient over cross-entropy's: d0 / C, and once more over C of a mean over classes.
        zero_error_drive: Z; negative where memorised samples are pushed back. NaN if the start is undefined.
        equilibrium_confidence: where a sample comes to rest. NaN if the start is undefined.
        implied_smoothing: the label smoothing that would hold cross-entropy back as much.
        sign_changes: confidences at which attraction changes its sign.
    """

    num_classes: int
    formula: str
    trainability: Trainability
    relative_start: float
    zero_error_drive: float
    equilibrium_confidence: float
    implied_smoothing: float
    sign_changes: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: NaN becomes null, infinity the text ``"inf"`` or ``"-inf"``."""
        values = {**asdict(self), "trainability": {**asdict(self.trainability), "reason": self.reason}}
        return {name: _to_json(value) for name, value in values.items()}

    @property
    def reason(self) -> str:
        """Which verdicts fail and why; empty if none does."""
        return self.trainability.reason


def summarize(loss: AnyLoss, num_classes: int) -> LossSummary:
    """Say what a loss will do before anyone trains with it.

    Args:
        loss: a loss, or a black box of (logits, target) that treats all classes alike and sums over them.
        num_classes: C, 2 or more.

    Returns:
        The summary.

    Raises:
        SettingsError: if ``num_classes`` is below 2, or the loss for another number.

    Example:
        >>> from glo_lightning.losses import BaikalLoss
        >>> summary = summarize(BaikalLoss(), num_classes=4)
        >>> summary.relative_start, summary.zero_error_drive, round(summary.equilibrium_confidence, 6)
        (4.0, -inf, 0.5)

    Source: derivations.md, sections 4 to 7.
    """
    verdict = trainability(loss, num_classes)
    undefined = bool(verdict.undefined)
    return LossSummary(
        num_classes=num_classes,
        formula=loss.formula("unicode") if isinstance(loss, Loss) else "",
        trainability=verdict,
        relative_start=startup_drive(loss, num_classes) / num_classes,
        zero_error_drive=math.nan if undefined else zero_error_drive(loss, num_classes),
        equilibrium_confidence=equilibrium_confidence(loss, num_classes),
        implied_smoothing=implied_smoothing(loss, num_classes),
        sign_changes=() if undefined else tuple(point.confidence for point in equilibria(loss, num_classes)),
    )


def _to_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _to_json(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_to_json(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
