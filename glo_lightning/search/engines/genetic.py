"""Genetic programming over expression trees, the first stage of GLO."""

import functools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence
from numpy.typing import NDArray

from glo_lightning.errors import SettingsError
from glo_lightning.losses.expression import parse
from glo_lightning.search.engines import Outcome, Slot
from glo_lightning.search.engines.variation import Variation

MAX_DRAWS = 500
"""Draws per place in the population before refused expressions are accepted."""

REPETITION = "unseen"
"""Why a draw is refused that repeats an earlier candidate."""

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
        parents: slots in an earlier generation; the first gave the root.
        mutations: what happened to it afterwards, as :meth:`Variation.mutate` names it.
        key: what expressions with equal scores share.
        repeats: slot of the first candidate with the same key, whose score is this one's too.
        refused: how many draws were refused since the candidate before, by reason.
    """

    expression: str
    operation: str
    parents: tuple[Slot, ...] = ()
    mutations: tuple[str, ...] = ()
    key: str = ""
    repeats: Slot | None = None
    refused: Mapping[str, int] = field(default_factory=dict)


def _refuse_nothing(expression: str) -> str | None:
    return None


class GeneticEngine:
    """GLO's genetic algorithm: elites, roulette on score, recombination of pairs, mutation of both children.

    A candidate without a score takes that of an earlier one with the same key, so that it need not be evaluated;
    one that has none either way was stopped, and is never selected. Where none that is new has a score, or all have
    the same, nothing can be selected, and the next generation is drawn as this one was.

    Args:
        population_size: candidates per generation, 2 or more.
        seed: any integer >= 0; draw k of generation g uses ``SeedSequence([seed, g, k])``.
        num_elites: the best candidates of different keys that are carried over, below ``population_size``.
        variation: the rates of recombination and mutation.
        known: expressions that start the first generation; random trees fill it.
        key: maps expressions to text that those with equal scores share; by default the text
            itself.
        refuse: returns why an expression is not worth a place in the population, or None. Refused expressions are
            drawn again, up to ``MAX_DRAWS`` times the population size, after which all are accepted. By default
            nothing is refused.
        redraws: how often, for each place, a draw that repeats an earlier candidate is refused, too. By default never,
            as in the paper, where most of a population soon repeats what was trained before.

    Raises:
        LossError: if a known expression cannot be read.
        SettingsError: if another argument is outside its range.

    Example:
        >>> engine = GeneticEngine(population_size=4, seed=0, num_elites=1, known=["y * log(h)"])
        >>> engine.candidate(0).operation
        'known'
        >>> engine.tell([Outcome(engine.candidate(k), k, 1.0 - k / 4) for k in range(4)])
        >>> elite = engine.candidate(0)
        >>> elite.expression, elite.operation, elite.parents
        ('y * log(h)', 'elite', (Slot(generation=0, index=0),))

    Source: GLO, section 3.
    """

    def __init__(
        self,
        population_size: int = 80,
        seed: int = 0,
        num_elites: int = 6,
        variation: Variation | None = None,
        known: Sequence[str] = (),
        key: Callable[[str], str] | None = None,
        refuse: Callable[[str], str | None] | None = None,
        redraws: int = 0,
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
        self._key = functools.cache(key or str)
        self._refuse = functools.cache(refuse or _refuse_nothing)
        self._redraws = redraws
        self._first: dict[str, Slot] = {}
        self._scores: dict[str, float] = {}
        self._start = [Offspring(str(parse(expression)), "known") for expression in known]
        self._draw: Callable[[Generator], list[Offspring]] = self._grow
        self._population: list[Offspring] = []

    def candidate(self, index: int) -> Offspring:
        """Return candidate ``index`` of the current generation."""
        # Late, because a search that is resumed reads the generations before from its study.
        if not self._population:
            self._population = self._fill()
        return self._population[index]

    def tell(self, outcomes: Sequence[Outcome[Offspring]]) -> None:
        """Take the outcomes, in order of index, from which the next generation is bred."""
        told = [outcome.candidate for outcome in outcomes]
        for index, (offspring, outcome) in enumerate(zip(told, outcomes, strict=True)):
            self._first.setdefault(offspring.key, Slot(self.generation, index))
            if outcome.score is not None:
                self._scores.setdefault(offspring.key, outcome.score)
        scores = [
            self._scores.get(offspring.key) if outcome.score is None else outcome.score
            for offspring, outcome in zip(told, outcomes, strict=True)
        ]
        # Elites bring their score along; if nobody else has one, this generation taught nothing.
        bred = [score for offspring, score in zip(told, scores, strict=True) if offspring.operation != "elite"]
        if len(set(scores)) > 1 and set(bred) != {None}:
            self._start = self._elites(told, scores)
            self._draw = functools.partial(self._breed, self.generation, told, selection_chances(scores))
        self._population = []
        self.generation += 1

    def state(self) -> dict[str, Any]:
        """Return how many different candidates there were, and how many of them have a score."""
        return {"different": len(self._first), "scored": len(self._scores)}

    def _fill(self) -> list[Offspring]:
        """Draw until the population is full."""
        first = dict(self._first)
        population: list[Offspring] = []
        for offspring in self._start:
            population.append(self._mark(offspring, len(population), first))
        refused: Counter[str] = Counter()
        draws = 0
        while len(population) < self.population_size:
            rng = np.random.default_rng(SeedSequence([self._seed, self.generation, draws]))
            tired = draws >= MAX_DRAWS * self.population_size
            for offspring in self._draw(rng):
                reason = None if tired else self._reason_to_refuse(offspring.expression, first, refused)
                if reason is not None:
                    refused[reason] += 1
                elif len(population) < self.population_size:
                    offspring = replace(offspring, refused=dict(refused))
                    population.append(self._mark(offspring, len(population), first))
                    refused.clear()
            draws += 1
        return population

    def _reason_to_refuse(self, expression: str, first: Mapping[str, Slot], refused: Counter[str]) -> str | None:
        reason = self._refuse(expression)
        if reason is None and refused[REPETITION] < self._redraws and self._key(expression) in first:
            return REPETITION
        return reason

    def _mark(self, offspring: Offspring, index: int, first: dict[str, Slot]) -> Offspring:
        """Note an offspring's key, and which candidate it repeats."""
        key = self._key(offspring.expression)
        slot = Slot(self.generation, index)
        original = first.setdefault(key, slot)
        return replace(offspring, key=key, repeats=None if original == slot else original)

    def _grow(self, rng: Generator) -> list[Offspring]:
        return [Offspring(str(self._variation.grow(rng)), "random")]

    def _elites(self, told: Sequence[Offspring], scores: Sequence[float | None]) -> list[Offspring]:
        scored = [(-score, index) for index, score in enumerate(scores) if score is not None]
        best: dict[str, Offspring] = {}
        for _, index in sorted(scored):
            elite = Offspring(told[index].expression, "elite", (Slot(self.generation, index),))
            best.setdefault(told[index].key, elite)
        return list(best.values())[: self._num_elites]

    def _breed(
        self, before: int, told: Sequence[Offspring], chances: NDArray[np.float64], rng: Generator
    ) -> list[Offspring]:
        first, second = (int(index) for index in rng.choice(len(told), size=2, p=chances))
        trees = parse(told[first].expression), parse(told[second].expression)
        recombined = rng.random() < self._variation.recombination
        if recombined:
            trees = self._variation.recombine(rng, *trees)
        operation = "recombination" if recombined else "copy"
        children = []
        for tree, (root, other) in zip(trees, ((first, second), (second, first)), strict=True):
            parents = tuple(Slot(before, index) for index in ((root, other) if recombined else (root,)))
            mutated, mutations = self._variation.mutate(rng, tree)
            children.append(Offspring(str(mutated), operation, parents, mutations))
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
