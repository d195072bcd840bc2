"""Where a search of vectors begins: at zeros, at cross-entropy, or at the best of what the verb baselines trained."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from optuna.distributions import FloatDistribution

from glo_lightning.errors import GloError, StudyError
from glo_lightning.hyperparameters import LEARNING_RATE_FACTOR
from glo_lightning.losses import Loss
from glo_lightning.options import option
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.base import VectorSpace
from glo_lightning.search.spaces.hyperparameters import HyperparameterSpace
from glo_lightning.search.spaces.located import locate

BASELINES_FILE = "baselines.json"
"""What the verb baselines leaves in the folder of a search."""

STARTED_FROM = "started_from"
"""Fact of a search that says which baseline it began from."""


@dataclass(frozen=True)
class Baseline:
    """What was trained before a search.

    Args:
        name: what tables call it.
        loss: what it was trained with.
        rate: what the learning rate was multiplied by.
    """

    name: str
    loss: Loss
    rate: float

    def __str__(self) -> str:
        return self.name if self.rate == 1.0 else f"{self.name}, learning rate × {self.rate:.3g}"


@dataclass(frozen=True)
class Start:
    """Where a search begins.

    Args:
        point: of its space and its hyperparameters; None for zeros.
        opening: points that are the first candidates.
        facts: what must not change while the search runs.
    """

    point: list[float] | None
    opening: tuple[list[float], ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


def starting_point(settings: SearchSettings, space: VectorSpace, hyperparameters: HyperparameterSpace) -> Start:
    """Return where a search begins.

    Args:
        settings: of the search.
        space: of its losses.
        hyperparameters: that are searched along.

    Raises:
        StudyError: if it shall begin from baselines, and there are none, or none that the space contains.
    """
    if settings.loss_start == "baselines":
        return _from_baselines(settings, space, hyperparameters)
    if settings.loss_start == "cross_entropy" or settings.loss_family in ("drive", "residual"):
        return Start([*space.cross_entropy, *hyperparameters.start])
    zeros = [0.0] * len(space.distributions)
    return Start([*zeros, *hyperparameters.start] if hyperparameters.start else None)


def best_within(
    baselines: Sequence[Baseline], space: VectorSpace, hyperparameters: HyperparameterSpace
) -> tuple[Baseline, list[float]] | None:
    """Return the first of some baselines that a space contains, and its point; None where it contains none.

    Args:
        baselines: the best first.
        space: of losses.
        hyperparameters: that are searched along.
    """
    for baseline in baselines:
        place = locate(space, baseline.loss, baseline.rate)
        if place is not None:
            rates = {LEARNING_RATE_FACTOR: place.factor}
            configured = zip(hyperparameters.distributions, hyperparameters.start, strict=True)
            values = {**place.parameters, **{name: value * rates.get(name, 1.0) for name, value in configured}}
            return baseline, within({**space.distributions, **hyperparameters.distributions}, values)
    return None


def within(ranges: Mapping[str, FloatDistribution], values: Mapping[str, float]) -> list[float]:
    """Return the values that ranges name, in their order, each at the limit of its range where it is beyond."""
    return [min(max(values[name], each.low), each.high) for name, each in ranges.items()]


def _from_baselines(settings: SearchSettings, space: VectorSpace, hyperparameters: HyperparameterSpace) -> Start:
    path = settings.folder / BASELINES_FILE
    baselines = _read(path, settings)
    found = best_within(baselines, space, hyperparameters)
    if found is None:
        raise StudyError(
            f"a loss of the {settings.loss_family} family among the baselines in {str(path)!r}",
            ", ".join(each.name for each in baselines) or "none",
            f"Leave {option('start')} out, or train the baselines again.",
        )
    baseline, point = found
    ahead = "" if baseline is baselines[0] else f" ({baselines[0]} is ahead of it and no {settings.loss_family} loss)"
    return Start(point, (point,), {"start_point": point, STARTED_FROM: f"{baseline}{ahead}"})


def _read(path: Path, settings: SearchSettings) -> list[Baseline]:
    cure = "Run python -m glo_lightning.baselines, or LossSearch(...).baselines, with the same settings."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["outputs"] != settings.outputs or content["monitor"] != settings.monitor:
            raise StudyError(
                f"baselines of {settings.outputs} outputs by {settings.monitor} in {str(path)!r}",
                f"those of {content['outputs']} outputs by {content['monitor']}",
                cure,
            )
        return [
            Baseline(each["name"], Loss.from_dict(each["loss"]), float(each["rate"]))
            for each in content["rows"]
            if each["loss"] is not None
        ]
    except FileNotFoundError:
        raise StudyError(f"the baselines of this search in {str(path)!r}", "no such file", cure) from None
    except GloError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise StudyError(
            f"what baselines wrote in {str(path)!r}", f"something else ({error!r:.60})", f"Remove it. {cure}"
        ) from error
