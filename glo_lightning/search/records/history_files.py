"""Look back at a finished search: how it went, and where its winner comes from."""

import logging
from dataclasses import asdict

import optuna

from glo_lightning.extras import install_command, is_installed
from glo_lightning.search.records.candidates import baseline_of, read_candidates, summarize_generations
from glo_lightning.search.records.history import draw_history
from glo_lightning.search.records.lineage import draw_lineage, trace_descent
from glo_lightning.search.records.verdict import Finalist
from glo_lightning.search.records.write import SearchOutput
from glo_lightning.search.storage.study import later_stages, stage_title, tuned_expression
from glo_lightning.training.monitor import Monitor

_logger = logging.getLogger(__name__)


def write_history_files(study: optuna.Study, winner: Finalist, monitor: Monitor, output: SearchOutput) -> None:
    """Write ``history.json`` and, where Matplotlib is installed, ``history.png`` and, of trees, ``lineage.png``.

    Args:
        study: the search's, finished.
        winner: of the search.
        monitor: the metric.
        output: where the files go.
    """
    stages = {each.study_name: read_candidates(each) for each in (study, *later_stages(study))}
    history = {stage_title(name): summarize_generations(candidates, monitor) for name, candidates in stages.items()}
    output.write_json("history.json", {title: [asdict(each) for each in stage] for title, stage in history.items()})
    if not is_installed("figures"):
        _logger.info("Without Matplotlib, history.png is not drawn: %s.", install_command("figures"))
        return
    output.write_figure("history.png", draw_history(history, monitor, baseline_of(study)))
    trees = stages[study.study_name]
    if trees[0].origin:
        final = next(candidate for candidate in stages[winner.study] if candidate.trial == winner.trial)
        lineage = trace_descent(final, trees, tuned_expression(winner.study))
        output.write_figure("lineage.png", draw_lineage(lineage, monitor.name))
