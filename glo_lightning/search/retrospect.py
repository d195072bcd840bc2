"""Look back at a finished search: how it went, and where its winner comes from."""

from collections.abc import Sequence
from dataclasses import asdict

import optuna

from glo_lightning.report.history import draw_history
from glo_lightning.report.lineage import Ancestor, candidates_of, draw_lineage, trace_lineage, tuned
from glo_lightning.search.output import SearchOutput
from glo_lightning.search.records import CandidateRecord, read_candidates, summarize_generations
from glo_lightning.search.study import later_stages, stage_title, tuned_expression
from glo_lightning.search.verdict import Finalist
from glo_lightning.training.evaluation import Monitor


def write_retrospect(study: optuna.Study, winner: Finalist, monitor: Monitor, output: SearchOutput) -> None:
    """Write ``history.json`` and ``history.png`` and, of trees, ``lineage.png``.

    Args:
        study: the search's, finished.
        winner: of the search.
        monitor: the metric.
        output: where the files go.
    """
    stages = {each.study_name: read_candidates(each) for each in (study, *later_stages(study))}
    history = {stage_title(name): summarize_generations(candidates, monitor) for name, candidates in stages.items()}
    output.write_history({title: [asdict(summary) for summary in each] for title, each in history.items()})
    output.write_figure("history.png", draw_history(history, monitor))
    trees = stages[study.study_name]
    if trees[0].origin:
        lineage = trace_winner(winner, stages[winner.study], trees)
        output.write_figure("lineage.png", draw_lineage(lineage, monitor.name))


def trace_winner(
    winner: Finalist | CandidateRecord, stage: Sequence[CandidateRecord], trees: Sequence[CandidateRecord]
) -> list[Ancestor]:
    """Follow the winner back through the trees; the coefficients of a tree come last."""
    final = next(candidate for candidate in stage if candidate.trial == winner.trial)
    expression = tuned_expression(winner.study)
    if not expression:
        return trace_lineage(candidates_of(trees), final.slot)
    tree = next(candidate for candidate in trees if candidate.parameters["expression"] == expression)
    return [*trace_lineage(candidates_of(trees), tree.slot), tuned(expression, final)]
