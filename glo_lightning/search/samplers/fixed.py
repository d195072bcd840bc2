"""Fixed list of work, shared out over an Optuna study: a search of one generation that is known beforehand."""

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from glo_lightning.search.engines import Outcome
from glo_lightning.search.samplers.generational import GenerationalSampler
from glo_lightning.search.samplers.history import find_slot


class FixedListSampler(GenerationalSampler[int]):
    """Issues every place of a list once, to any number of workers, with the care that candidates get.

    Args:
        size: places in the list.
        max_retry: times a failed place is issued again.
    """

    def __init__(self, size: int, *, max_retry: int = 1) -> None:
        settings = {"engine": "fixed list", "population_size": size}
        super().__init__({}, settings, {}, seed=0, max_retry=max_retry, max_generations=1)

    def create_engine(self, settings: Mapping[str, Any]) -> "_FixedList":
        """Return the list."""
        return _FixedList(settings["population_size"])

    def encode(self, candidate: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the place as a user attribute."""
        return {}, {"place": candidate}

    def decode(self, trial: FrozenTrial) -> int | None:
        """Read the place back."""
        place: int | None = trial.user_attrs.get("place")
        return place


class _FixedList:
    """An engine whose candidates are the places of a list."""

    def __init__(self, size: int) -> None:
        self.population_size = size
        self.generation = 0

    def candidate(self, index: int) -> int:
        return index

    def tell(self, outcomes: Sequence[Outcome[int]]) -> None:
        self.generation += 1

    def state(self) -> dict[str, Any]:
        return {}


def read_verdicts(study: optuna.Study) -> dict[int, FrozenTrial]:
    """Return the trial that decides each place of a list: the first that completed, or else the last that failed."""
    verdicts: dict[int, FrozenTrial] = {}
    for trial in study.get_trials(deepcopy=False):
        slot = find_slot(trial)
        if slot is None or not trial.state.is_finished():
            continue
        if slot.index not in verdicts or verdicts[slot.index].state == TrialState.FAIL:
            verdicts[slot.index] = trial
    return verdicts
