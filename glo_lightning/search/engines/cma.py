"""Covariance matrix adaptation (CMA-ES), the optimiser of TaylorGLO."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from cmaes import CMA
from numpy.typing import NDArray

from glo_lightning.search.engines import Outcome

Theta = NDArray[np.float64]

MAX_DRAWS = 100
"""Draws of one candidate before an infeasible one is accepted."""


class CmaEngine:
    r"""The (mu/mu_w, lambda)-CMA-ES of ``cmaes.CMA``, told by rank and seeded candidate by candidate.

    Candidates are :math:`\theta_{gk} \sim N(m_g, \sigma_g^2 C_g)`. Before each draw the generator is seeded
    with the words ``SeedSequence([seed, generation, index, attempt]).generate_state(4)``, attempt 0 first,
    so that a plain loop with ``cmaes.CMA`` that seeds the same way gives the same candidates and states.
    CMA-ES uses nothing of the scores but their order: candidates that were stopped or rejected need no
    invented value, only a rank. A generation whose candidates all have the same rank leaves the distribution as it is.

    Args:
        mean: start of the search, shape (D,), finite.
        sigma: initial step size, > 0.
        population_size: candidates per generation, >= 4.
        seed: any integer >= 0.
        bounds: optional lower and upper limits, shape (D, 2); draws outside are drawn again.
        is_feasible: optional test of a candidate, shape (D,); infeasible ones are drawn again, up to
            ``MAX_DRAWS`` times, after which the last draw is used.
        first: candidates that open the first generation in the place of draws, each of shape (D,).

    Example:
        >>> engine = CmaEngine(np.zeros(2), sigma=1.2, population_size=6, seed=0)
        >>> for _ in range(40):
        ...     thetas = [engine.candidate(k) for k in range(6)]
        ...     ranks = np.argsort(np.argsort([((theta - 1.0) ** 2).sum() for theta in thetas]))
        ...     engine.tell([Outcome(t, int(r), None) for t, r in zip(thetas, ranks, strict=True)])
        >>> engine.generation, bool(abs(engine.mean - 1.0).max() < 1e-3)
        (40, True)

    Source: TaylorGLO, section 3 (search with CMA-ES); Hansen, "The CMA Evolution Strategy: A Tutorial".
    """

    def __init__(
        self,
        mean: Theta,
        sigma: float,
        population_size: int,
        seed: int,
        bounds: NDArray[np.float64] | None = None,
        is_feasible: Callable[[Theta], bool] | None = None,
        first: Sequence[Theta] = (),
    ) -> None:
        self._cma = CMA(mean=mean, sigma=sigma, population_size=population_size, bounds=bounds)
        self.generation = 0
        self._seed = seed
        self._is_feasible = is_feasible
        self._first = first

    @property
    def population_size(self) -> int:
        """Number of candidates in a generation, lambda."""
        return int(self._cma.population_size)

    @property
    def mean(self) -> Theta:
        """Mean of the search distribution, shape (D,)."""
        mean: Theta = self._cma.mean.copy()
        return mean

    @property
    def sigma(self) -> float:
        """Step size of the search distribution."""
        return float(self._cma._sigma)  # cmaes shows its mean but not its step size

    def candidate(self, index: int) -> Theta:
        """Draw candidate ``index`` of the current generation; shape (D,), float64."""
        if self.generation == 0 and index < len(self._first):
            return self._first[index].copy()
        for attempt in range(MAX_DRAWS):
            words = np.random.SeedSequence([self._seed, self.generation, index, attempt]).generate_state(4)
            self._cma.reseed_rng(words)
            theta: Theta = self._cma.ask()
            if self._is_feasible is None or self._is_feasible(theta.copy()):
                break
        return theta

    def tell(self, outcomes: Sequence[Outcome[Theta]]) -> None:
        """Move the distribution toward the better-ranked candidates of the generation, if any are."""
        if len({outcome.rank for outcome in outcomes}) > 1:
            self._cma.tell([(outcome.candidate, float(outcome.rank)) for outcome in outcomes])
        self.generation += 1

    def state(self) -> dict[str, Any]:
        """Return ``mean`` (D floats) and ``sigma``."""
        return {"mean": self.mean.tolist(), "sigma": self.sigma}
