"""GLO's genetic algorithm over an Optuna study, generation by generation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from optuna.trial import FrozenTrial, Trial

from glo_lightning.errors import SettingsError, StudyError
from glo_lightning.losses.expression import parse
from glo_lightning.search.engines import Slot
from glo_lightning.search.engines.genetic import GeneticEngine, Offspring
from glo_lightning.search.engines.variation import Variation
from glo_lightning.search.samplers.generational import GenerationalSampler, whole
from glo_lightning.search.samplers.optuna_adapter import freeze
from glo_lightning.search.samplers.screens import ExpressionScreen, Sameness, Screening

POPULATION_SIZE = 80
NUM_ELITES = 6

REDRAWS = 5
"""How often, for each place, a repetition is drawn again; without that, most of a population repeats an earlier one."""


class GeneticSampler(GenerationalSampler[Offspring]):
    """Samples expressions by genetic programming, the same for one worker as for many.

    Trials have no parameters. Their user attributes tell the candidate: ``expression`` is its text, and ``origin``
    holds ``operation``, ``parents`` (slots of an earlier generation), ``mutations``, ``key``, ``repeats`` (the slot of
    the first candidate with the same key, or null) and ``refused`` (draws refused on the way, by screening step).

    Ask :meth:`screening` whether to train a trial. If not, tell it as pruned, without a value: a repetition has the
    score of its original all the same, and any other is never selected.

    Args:
        screen: tells which expressions may train; :class:`~glo_lightning.search.exploration.screening.Screen` asks
            theory.
        population_size: candidates per generation, 2 or more; by default 80.
        num_elites: the best different candidates that are carried over, fewer than the population; by default 6, or a
            quarter of a small population.
        variation: the rates of recombination and mutation; by default the paper's.
        known: expressions that start the first generation.
        sameness: what makes a candidate a repetition; the screen knows how. By default ``"behaviour"``.
        redraw: whether expressions that the screen would stop are drawn again, repetitions a few times only, so that
            the population is not filled with what cannot train or has trained. By default true; the paper's search
            does not.
        seed: any integer >= 0; by default drawn once per study.
        max_retry: times a failed candidate is issued again before it ranks worst.
        max_generations: generations to run; ``None`` for no end. May be raised later.
        grace_period: seconds without a heartbeat after which a worker is presumed dead; the same for all workers.

    Raises:
        LossError: if a known expression cannot be read.
        SettingsError: if another argument is out of its range.

    Example:
        >>> import optuna
        >>> from glo_lightning.losses import TreeLoss
        >>> from glo_lightning.search.exploration.screening import Screen
        >>> sampler = GeneticSampler(Screen(10), population_size=8, num_elites=2, seed=0, max_generations=2)
        >>> study = optuna.create_study(direction="maximize", sampler=sampler)
        >>> while trials := sampler.claim(study):
        ...     if sampler.screening(trials[0]).passed:
        ...         loss = TreeLoss(sampler.offspring(trials[0]).expression)
        ...         _ = study.tell(trials[0], -float(loss.tree.size))  # train, and tell the score
        ...     else:
        ...         _ = study.tell(trials[0], state=optuna.trial.TrialState.PRUNED)
        >>> study.best_trial.user_attrs["expression"]
        'sqrt(h) * y'

    Source: GLO, section 3.
    """

    def __init__(
        self,
        screen: ExpressionScreen,
        *,
        population_size: int | None = None,
        num_elites: int | None = None,
        variation: Variation | None = None,
        known: Sequence[str] | None = None,
        sameness: Sameness = "behaviour",
        redraw: bool = True,
        seed: int | None = None,
        max_retry: int = 1,
        max_generations: int | None = None,
        grace_period: float = 30.0,
    ) -> None:
        size = whole("population_size", population_size, 2)
        elites = whole("num_elites", num_elites, 0)
        if elites is not None and elites >= (size or POPULATION_SIZE):
            raise SettingsError("num_elites below population_size", repr(elites), "Leave room for new candidates.")
        settings = {
            "engine": "genetic",
            "population_size": size,
            "num_elites": elites,
            "variation": asdict(variation or Variation()),
            "known": None if known is None else [str(parse(expression)) for expression in known],
            "sameness": sameness,
            "screen": screen.settings(),
            "redraw": bool(redraw),
        }
        defaults = {
            "population_size": POPULATION_SIZE,
            "num_elites": min(NUM_ELITES, (size or POPULATION_SIZE) // 4),
            "known": [],
        }
        super().__init__(
            {},
            settings,
            defaults,
            seed=seed,
            max_retry=max_retry,
            max_generations=max_generations,
            grace_period=grace_period,
        )
        self.screen = screen
        self._key = screen.repetition_key(sameness)

    def screening(self, trial: Trial | FrozenTrial) -> Screening:
        """Screen a trial's candidate, its being a repetition included.

        Raises:
            StudyError: if this kind of sampler did not propose the trial.
        """
        offspring = self.offspring(trial)
        return self.screen.check(offspring.expression, offspring.repeats)

    def offspring(self, trial: Trial | FrozenTrial) -> Offspring:
        """Return a trial's candidate.

        Raises:
            StudyError: if this kind of sampler did not propose the trial.
        """
        offspring = self.decode(freeze(trial))
        if offspring is None:
            raise StudyError(
                "a trial that a GeneticSampler proposed",
                f"trial {trial.number} without an expression",
                "Leave out enqueued trials and trials of other samplers.",
            )
        return offspring

    def create_engine(self, settings: Mapping[str, Any]) -> GeneticEngine:
        """Return the genetic algorithm at its start."""
        return GeneticEngine(
            settings["population_size"],
            settings["seed"],
            settings["num_elites"],
            Variation(**settings["variation"]),
            settings["known"],
            self._key,
            self._refuse if settings["redraw"] else None,
            REDRAWS if settings["redraw"] else 0,
        )

    def encode(self, candidate: Offspring) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return no parameters, and the candidate as JSON values."""
        origin = {
            "operation": candidate.operation,
            "parents": [list(slot) for slot in candidate.parents],
            "mutations": list(candidate.mutations),
            "key": candidate.key,
            "repeats": None if candidate.repeats is None else list(candidate.repeats),
            "refused": dict(candidate.refused),
        }
        # Two attributes rather than seven: each is a commit in a database.
        return {}, {"expression": candidate.expression, "origin": origin}

    def decode(self, trial: FrozenTrial) -> Offspring | None:
        """Read the candidate from the trial's user attributes.

        Raises:
            StudyError: if somebody changed them.
        """
        expression, origin = trial.user_attrs.get("expression"), trial.user_attrs.get("origin")
        if expression is None or origin is None:
            return None
        try:
            return Offspring(
                expression=expression,
                operation=origin["operation"],
                parents=tuple(Slot(*slot) for slot in origin["parents"]),
                mutations=tuple(origin["mutations"]),
                key=origin["key"],
                repeats=None if origin["repeats"] is None else Slot(*origin["repeats"]),
                refused=dict(origin["refused"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise StudyError(
                "the origin of a tree, as a GeneticSampler writes it",
                f"{origin!r:.60} in trial {trial.number}",
                "Somebody changed the study: start another.",
            ) from error

    def _refuse(self, expression: str) -> str | None:
        step = self.screen.check(expression).step
        return None if step is None else str(step)
