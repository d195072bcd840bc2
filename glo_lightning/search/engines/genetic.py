"""Genetic programming over expression trees, the first stage of GLO."""

import functools
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence
from numpy.typing import NDArray

from glo_lightning.errors import SettingsError
from glo_lightning.losses.expression import parse
from glo_lightning.losses.expression.algebra import canonical
from glo_lightning.search.engines import Outcome
from glo_lightning.search.engines.variation import Variation

MAX_DRAWS = 500
"""Draws per place in the population before refused expressions are accepted."""

KNOWN_LOSSES = {
    "cross_entropy": "y * log(h)",
    "baikal": "log(h) - y / h",
    "mean_squared_error": "-1 * square(h - y)",
}
"""Losses that a search may start from, as expressions."""


@dataclass(frozen=True)
class Offspring:
    """A candidate and where it comes from.

    Args:
        expression: its text.
        operation: ``"random"``, ``"known"``, ``"elite"`` (carried over), ``"recombination"`` or ``"copy"`` (of a
            selected parent).
        parents: indices in the previous generation; the first gave the root.
        mutations: what happened to it afterwards, as :meth:`Variation.mutate` names it.
        repeats: generation and index of the first candidate with the same key, whose score is this one's too.
        refused: how many draws were refused since the candidate before, by reason.
    """

    expression: str
    operation: str
    parents: tuple[int, ...] = ()
    mutations: tuple[str, ...] = ()
    repeats: tuple[int, int] | None = None
    refused: Mapping[str, int] = field(default_factory=dict)


def _canonical_text(expression: str) -> str:
    return canonical(parse(expression))


def _refuse_nothing(expression: str) -> str | None:
    return None


class GeneticEngine:
    """GLO's genetic algorithm: elites, roulette on score, recombination of pairs, mutation of both children.

    A candidate without a score takes that of an earlier one with the same key, so that it need not be evaluated;
    one that has none either way was stopped, and is never selected unless all were.

    Args:
        population_size: candidates per generation, 2 or more.
        seed: any integer >= 0; draw k of generation g uses ``SeedSequence([seed, g, k])``.
        num_elites: the best candidates of different keys that are carried over, below ``population_size``.
        variation: the rates of recombination and mutation.
        known: expressions that start the first generation; random trees fill it.
        key: maps expressions to text that those with equal scores share; by default the canonical form.
        refuse: returns why an expression is not worth a place in the population, or None. Refused expressions are
            drawn again, up to ``MAX_DRAWS`` times the population size, after which all are accepted.

    Raises:
        LossError: if a known expression cannot be read.
        SettingsError: if another argument is outside its range.

    Example:
        >>> engine = GeneticEngine(population_size=4, seed=0, num_elites=1, known=["y * log(h)"])
        >>> engine.candidate(0)
        Offspring(expression='y * log(h)', operation='known', parents=(), mutations=(), repeats=None, refused={})
        >>> engine.tell([Outcome(engine.candidate(k), k, 1.0 - k / 4) for k in range(4)])
        >>> engine.candidate(0)
        Offspring(expression='y * log(h)', operation='elite', parents=(0,), mutations=(), repeats=(0, 0), refused={})

    Source: GLO, section 3.
    """

    def __init__(
        self,
        population_size: int = 80,
        seed: int = 0,
        num_elites: int = 6,
        variation: Variation | None = None,
        known: Sequence[str] = (),
        key: Callable[[str], str] = _canonical_text,
        refuse: Callable[[str], str | None] = _refuse_nothing,
    ) -> None:
        if population_size < 2:
            raise SettingsError("population_size of 2 or more", repr(population_size), "Use 80, the paper's value.")
        if not 0 <= num_elites < population_size:
            raise SettingsError(
                f"num_elites from 0 to {population_size - 1}", repr(num_elites), "Leave room for new candidates."
            )
        if len(known) > population_size:
            raise SettingsError(
                f"at most {population_size} known expressions", str(len(known)), "Raise population_size."
            )
        self.population_size = population_size
        self.generation = 0
        self._seed = seed
        self._num_elites = num_elites
        self._variation = variation or Variation()
        self._key = functools.cache(key)
        self._refuse = functools.cache(refuse)
        self._first: dict[str, tuple[int, int]] = {}
        self._scores: dict[str, float] = {}
        start = [Offspring(str(parse(expression)), "known") for expression in known]
        self._population = self._fill(start, lambda rng: [Offspring(str(self._variation.grow(rng)), "random")])

    def candidate(self, index: int) -> Offspring:
        """Return candidate ``index`` of the current generation."""
        return self._population[index]

    def tell(self, outcomes: Sequence[Outcome[Offspring]]) -> None:
        """Breed the next generation from the outcomes, which come in order of index."""
        expressions = [outcome.candidate.expression for outcome in outcomes]
        scores = self._complete_scores(expressions, [outcome.score for outcome in outcomes])
        chances = selection_chances(scores)
        self.generation += 1
        self._population = self._fill(
            self._elites(expressions, scores), lambda rng: self._breed(expressions, chances, rng)
        )

    def state(self) -> dict[str, Any]:
        """Return the number of different candidates and the mean depth of the current generation."""
        expressions = [offspring.expression for offspring in self._population]
        depths = [parse(expression).depth for expression in expressions]
        return {"different": len(set(map(self._key, expressions))), "mean_depth": sum(depths) / len(depths)}

    def _fill(self, start: list[Offspring], draw: Callable[[Generator], list[Offspring]]) -> list[Offspring]:
        """Draw until the population is full, and mark what repeats an earlier candidate."""
        population = start
        refused: Counter[str] = Counter()
        for place in itertools.count():
            if len(population) >= self.population_size:
                break
            rng = np.random.default_rng(SeedSequence([self._seed, self.generation, place]))
            for offspring in draw(rng):
                reason = self._refuse(offspring.expression) if place < MAX_DRAWS * self.population_size else None
                if reason is not None:
                    refused[reason] += 1
                    continue
                population.append(replace(offspring, refused=dict(refused)))
                refused.clear()
        return [self._mark(offspring, index) for index, offspring in enumerate(population[: self.population_size])]

    def _mark(self, offspring: Offspring, index: int) -> Offspring:
        slot = (self.generation, index)
        first = self._first.setdefault(self._key(offspring.expression), slot)
        return offspring if first == slot else replace(offspring, repeats=first)

    def _complete_scores(self, expressions: Sequence[str], scores: Sequence[float | None]) -> list[float | None]:
        for expression, score in zip(expressions, scores, strict=True):
            if score is not None:
                self._scores.setdefault(self._key(expression), score)
        return [
            self._scores.get(self._key(expression)) if score is None else score
            for expression, score in zip(expressions, scores, strict=True)
        ]

    def _elites(self, expressions: Sequence[str], scores: Sequence[float | None]) -> list[Offspring]:
        scored = [(-score, index) for index, score in enumerate(scores) if score is not None]
        best: dict[str, Offspring] = {}
        for _, index in sorted(scored):
            best.setdefault(self._key(expressions[index]), Offspring(expressions[index], "elite", (index,)))
        return list(best.values())[: self._num_elites]

    def _breed(self, expressions: Sequence[str], chances: NDArray[np.float64], rng: Generator) -> list[Offspring]:
        first, second = (int(index) for index in rng.choice(len(expressions), size=2, p=chances))
        trees = parse(expressions[first]), parse(expressions[second])
        recombined = rng.random() < self._variation.recombination
        if recombined:
            trees = self._variation.recombine(rng, *trees)
        operation = "recombination" if recombined else "copy"
        children = []
        for tree, parents in zip(trees, ((first, second), (second, first)), strict=True):
            mutated, mutations = self._variation.mutate(rng, tree)
            children.append(Offspring(str(mutated), operation, parents if recombined else parents[:1], mutations))
        return children


def selection_chances(scores: Sequence[float | None]) -> NDArray[np.float64]:
    """Return the roulette: chances proportional to score, or to rank where a score is negative.

    Args:
        scores: P scores, None for candidates that were stopped.

    Returns:
        Chances, shape (P,), summing to 1; 0 for stopped candidates; all equal if none has a chance.

    Example:
        >>> selection_chances([0.2, None, 0.6])
        array([0.25, 0.  , 0.75])
        >>> selection_chances([-4.0, None, -0.1])
        array([0.33333333, 0.        , 0.66666667])
    """
    chances = np.array([0.0 if score is None else score for score in scores])
    if (chances < 0.0).any():
        scored = np.array([score is not None for score in scores])
        chances = np.zeros(len(scores))
        values = np.array([score for score in scores if score is not None])
        chances[scored] = (values[:, None] >= values).sum(-1)
    total = chances.sum()
    return chances / total if total > 0.0 else np.full(len(chances), 1.0 / len(chances))
