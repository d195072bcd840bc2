"""CMA-ES over an Optuna study, generation by generation."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial

from glo_lightning.errors import SettingsError
from glo_lightning.search.engines.cma import CmaEngine, Theta
from glo_lightning.search.samplers.coordinates import Coordinates
from glo_lightning.search.samplers.generational import GenerationalSampler, positive, whole


class GenerationalCmaEsSampler(GenerationalSampler[Theta]):
    """Samples a vector of floats by CMA-ES, the same for one worker as for many.

    Unlike Optuna's ``CmaEsSampler`` it uses every trial, also those of parallel workers, those that were pruned and
    the first; resumes exactly where it stopped; keeps nothing but JSON in the study; and does not slow down as trials
    accumulate. How to seed a plain ``cmaes.CMA`` loop that gives the same candidates is said at
    :class:`~glo_lightning.search.engines.cma.CmaEngine`.

    Args:
        search_space: the vector's components in order. Bounds are kept by drawing again; give wide ones for a search
            without bounds. CMA-ES works on the logarithm of a component with ``log=True``.
        population_size: candidates per generation, 4 or more; by default 4 + floor(3 ln D).
        sigma: initial step size, > 0, in units of each component's scale.
        scales: units of some components, above 0, in natural logarithms where ``log=True``; of all others 1.
        mean: start of the search, D numbers within the bounds; by default zeros.
        first: vectors that open the first generation in the place of draws, each D numbers within the bounds; no more
            than a population.
        seed: any integer >= 0; by default drawn once per study.
        max_retry: times a failed candidate is issued again before it ranks worst.
        is_feasible: optional test of a vector of shape (D,); infeasible draws are drawn again, and the hundredth is
            used whatever the test says. Must depend on the vector alone.
        max_generations: generations to run; ``None`` for no end. May be raised later.
        grace_period: seconds without a heartbeat after which a worker is presumed dead; the same for all workers.

    Raises:
        SettingsError: if an argument is out of its range.

    Example:
        >>> import optuna
        >>> space = {f"theta_{k}": FloatDistribution(-1e12, 1e12) for k in range(2)}
        >>> sampler = GenerationalCmaEsSampler(space, population_size=6, seed=0, max_generations=40)
        >>> study = optuna.create_study(sampler=sampler)
        >>> while trials := sampler.claim(study, count=6):
        ...     for trial in trials:
        ...         value = sum((theta - 1.0) ** 2 for theta in trial.params.values())
        ...         _ = study.tell(trial, value)
        >>> study.best_value < 1e-6, len(study.trials)
        (True, 240)

    Source: TaylorGLO, section 3.
    """

    def __init__(
        self,
        search_space: Mapping[str, FloatDistribution],
        *,
        population_size: int | None = None,
        sigma: float = 1.2,
        scales: Mapping[str, float] | None = None,
        mean: Sequence[float] | None = None,
        first: Sequence[Sequence[float]] = (),
        seed: int | None = None,
        max_retry: int = 1,
        is_feasible: Callable[[Theta], bool] | None = None,
        max_generations: int | None = None,
        grace_period: float = 30.0,
    ) -> None:
        coordinates = Coordinates(search_space, scales or {})
        dimension = len(search_space)
        start = np.zeros(dimension) if mean is None else _vector("mean", mean, dimension)
        opening = [
            _vector("first vector", each, dimension) for each in (first if isinstance(first, Iterable) else [first])
        ]
        for name, vector in [("mean", start), *(("first vector", each) for each in opening)]:
            if not ((coordinates.low <= vector) & (vector <= coordinates.high)).all():
                raise SettingsError(
                    f"a {name} within the bounds", repr(vector.tolist()), "Pass another, or widen the bounds."
                )
        default_size = 4 + int(3 * math.log(dimension))
        size = whole("population_size", population_size, 4)
        if len(opening) > (size or default_size):
            raise SettingsError(
                f"at most {size or default_size} first vectors, a population", f"{len(opening)}", "Leave some out."
            )
        settings = {
            "engine": "cma-es",
            "space": [[name, *_describe(each, (scales or {}).get(name))] for name, each in search_space.items()],
            "population_size": size,
            "sigma": positive("sigma", sigma),
            "mean": None if mean is None else start.tolist(),
            "first": [each.tolist() for each in opening] or None,
            "resample": is_feasible is not None,
        }
        defaults = {"population_size": default_size, "mean": start.tolist(), "first": []}
        super().__init__(
            search_space,
            settings,
            defaults,
            seed=seed,
            max_retry=max_retry,
            max_generations=max_generations,
            grace_period=grace_period,
        )
        self._coordinates = coordinates
        self._is_feasible = is_feasible

    def create_engine(self, settings: Mapping[str, Any]) -> CmaEngine:
        """Return CMA-ES at its start."""
        return CmaEngine(
            self._coordinates.of(np.array(settings["mean"])),
            settings["sigma"],
            settings["population_size"],
            settings["seed"],
            self._coordinates.bounds,
            None if self._is_feasible is None else self._is_feasible_at,
            [self._coordinates.of(np.array(each)) for each in settings.get("first", [])],
        )

    def encode(self, candidate: Theta) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the vector's components by name."""
        parameters = self._coordinates.parameters(candidate)
        return dict(zip(self.search_space, parameters.tolist(), strict=True)), {}

    def decode(self, trial: FrozenTrial) -> Theta | None:
        """Read the vector from the trial's parameters."""
        if any(name not in trial.params for name in self.search_space):
            return None
        return self._coordinates.of(np.array([trial.params[name] for name in self.search_space]))

    def _is_feasible_at(self, coordinates: Theta) -> bool:
        assert self._is_feasible is not None
        return self._is_feasible(self._coordinates.parameters(coordinates))


def _describe(distribution: FloatDistribution, scale: float | None) -> list[Any]:
    """Return what a study keeps of a component: its limits and, if it is no plain number, its unit."""
    unit = ["log" if distribution.log else "linear", scale] if distribution.log or scale is not None else []
    return [distribution.low, distribution.high, *unit]


def _vector(name: str, numbers: Sequence[float], dimension: int) -> np.ndarray:
    try:
        vector = np.array(numbers, dtype=np.float64)
    except (TypeError, ValueError):
        vector = np.empty(0)
    if vector.shape != (dimension,):
        raise SettingsError(f"a {name} of {dimension} numbers", repr(numbers), "Give one per parameter.")
    return vector
