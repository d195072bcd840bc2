"""How many generations a search within a time has: planned while it runs, and fixed once it is known."""

from dataclasses import asdict, dataclass, replace

import optuna

from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.storage.attributes import Attributes

PLAN = "time budget"
"""User attribute of a study that keeps how many generations fit into the time of its search."""


@dataclass(frozen=True)
class Plan:
    """The generations that fit into a time.

    Args:
        seconds: of the whole search.
        at_most: generations that were asked for at most; 0 for no limit.
        generations: that fit.
        final: whether that will not change any more.
    """

    seconds: float
    at_most: int
    generations: int
    final: bool

    @classmethod
    def of(cls, settings: SearchSettings, generations: int, final: bool = False) -> "Plan":
        """Return the plan of a search that settings ask for."""
        assert settings.budget_seconds is not None
        return cls(settings.budget_seconds, settings.generations or 0, generations, final)

    def keep(self, study: optuna.Study) -> None:
        """Keep it with the search's study."""
        study.set_user_attr(PLAN, asdict(self))


def read_plan(study: optuna.Study | None, settings: SearchSettings) -> Plan | None:
    """Return the plan that a study keeps for what settings ask for; None without, or if they name no time."""
    if study is None or settings.budget_seconds is None or PLAN not in study.user_attrs:
        return None
    kept = Attributes.of_study(study).inside(PLAN)
    plan = Plan(
        kept.number("seconds"), kept.count("at_most"), kept.count("generations", least=1), kept.values["final"] is True
    )
    return plan if plan == Plan.of(settings, plan.generations, plan.final) else None


def in_force(settings: SearchSettings, study: optuna.Study | None) -> SearchSettings:
    """Return settings with the generations that a study fixed in place of the time, if it has come that far."""
    plan = read_plan(study, settings)
    if plan is None or not plan.final:
        return settings
    return replace(settings, generations=plan.generations, time_budget=None)


def planned_generations(settings: SearchSettings, study: optuna.Study | None) -> int:
    """Return the generations that will run as far as is known."""
    plan = read_plan(study, settings)
    return settings.generation_count if plan is None else plan.generations
