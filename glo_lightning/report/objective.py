"""One HTML page that tells a study of somebody's own in which losses were suggested."""

from typing import Any

import optuna
from optuna.study import StudyDirection

from glo_lightning.report.figures import draw_values
from glo_lightning.report.told import ToldLoss, draw, write_page
from glo_lightning.search.records.suggested import SuggestedTrial, ranked, read_suggested, read_suggestions
from glo_lightning.words import number

SHOWN = 10
"""Trials in the table, the best ones."""


def build_objective_page(study: optuna.Study) -> str:
    """Write the report of a study.

    Args:
        study: finished or running, with one objective, whose trials asked ``suggest_loss`` for losses.

    Returns:
        HTML without any address to load from.

    Raises:
        StudyError: if it has several objectives, or somebody changed what is kept of the losses.
    """
    return write_page("objective.html.jinja", _collect(study))


def _collect(study: optuna.Study) -> dict[str, Any]:
    trials = read_suggested(study)
    leaders = ranked(trials, study.direction)
    measured = [(trial.number, trial.value) for trial in trials if trial.value is not None]
    picture = None
    if measured:
        better = max if study.direction == StudyDirection.MAXIMIZE else min
        numbers, values = zip(*measured, strict=True)
        figure = draw_values(numbers, values, better)
        picture = draw(figure, "values", "What the objective returned, trial by trial.")
    return {
        "name": study.study_name,
        "leader": leaders[0] if leaders else None,
        "losses": _tell_losses(study, leaders[0]) if leaders else {},
        "leaders": leaders[:SHOWN],
        "beside": list(dict.fromkeys(name for trial in leaders[:SHOWN] for name in trial.beside)),
        "finished": len(trials),
        "pruned": sum(bool(trial.pruned) for trial in trials),
        "picture": picture,
        "number": number,
    }


def _tell_losses(study: optuna.Study, leader: SuggestedTrial) -> dict[str, ToldLoss]:
    """Return what there is to tell of the losses of a trial, by the prefixes of their parameters."""
    trial = next(each for each in study.get_trials(deepcopy=False) if each.number == leader.number)
    return {
        each.prefix: ToldLoss.of(each.loss, "this loss", each.num_classes, f"-{place}")
        for place, each in enumerate(read_suggestions(study.study_name, trial))
    }
