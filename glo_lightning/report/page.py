"""One HTML page that tells a whole search: nothing to load, light and dark, wide and narrow."""

import json
from typing import Any

from glo_lightning.compare.comparison import Comparison
from glo_lightning.compare.tables import columns, comparison_rows, headline, legend, verdict_sentences
from glo_lightning.hyperparameters import describe
from glo_lightning.losses import Loss
from glo_lightning.losses.named import BEST_LOSS, DISCOVERED_LOSS
from glo_lightning.report import figures
from glo_lightning.report.inline_svg import inline_svg
from glo_lightning.report.told import Picture, ToldLoss, draw, write_page
from glo_lightning.search.records.candidates import (
    CandidateRecord,
    GenerationSummary,
    complete_generations,
    count_fates,
    summarize_generations,
)
from glo_lightning.search.records.lineage import draw_lineage
from glo_lightning.search.records.plan import planned_generations
from glo_lightning.search.records.read import Archive
from glo_lightning.search.records.verdict import DISCOVERED, Verdict
from glo_lightning.words import number

LINEAGE_WIDTH = 22.0
"""Leaves side by side in the report's lineage."""


def build_page(archive: Archive) -> str:
    """Write the report of a search.

    Args:
        archive: of a search that is finished, interrupted or still running.

    Returns:
        HTML without any address to load from.
    """
    return write_page("search.html.jinja", _collect(archive))


def _collect(archive: Archive) -> dict[str, Any]:
    leader = archive.leader
    loss = None if archive.verdict is None else archive.verdict.loss
    if loss is None and leader is not None:
        loss = archive.build(leader)
    comparison = None if archive.verdict is None else archive.verdict.comparison
    phases = archive.phases()
    name = DISCOVERED if archive.verdict else "best so far"
    return {
        "archive": archive,
        "leader": leader,
        "loss": None if loss is None else ToldLoss.of(loss, name, archive.num_classes),
        "headline": _headline(archive, comparison),
        "sentences": [] if comparison is None else verdict_sentences(comparison)[1:],
        "advice": "" if archive.verdict is None else archive.verdict.advice,
        "files": {} if loss is None else _list_files(archive.verdict, loss),
        "comparison": comparison,
        "discovered": DISCOVERED,
        "columns": columns,
        "comparison_rows": comparison_rows,
        "legend": legend,
        "number": number,
        "describe": describe,
        "comparison_picture": None if comparison is None else _draw_comparison(comparison),
        "fidelity_picture": _draw_fidelity(archive),
        "pictures": _draw_search(archive, leader),
        "stages": _count_stages(archive),
        "generations": len(_complete(archive)),
        "planned": planned_generations(archive.settings, archive.study),
        "failures": archive.failures(),
        "phases": phases,
        "trainings": sum(phase.trainings for phase in phases),
        "seconds": sum(phase.seconds for phase in phases),
    }


def _list_files(verdict: Verdict | None, loss: Loss) -> dict[str, str]:
    """Return the losses of a search as they are stored, by the names of their files."""
    losses = {BEST_LOSS: loss} if verdict is None else {BEST_LOSS: verdict.choice.loss, DISCOVERED_LOSS: loss}
    return {name: json.dumps(each.to_dict(), indent=2) for name, each in losses.items()}


def _headline(archive: Archive, comparison: Comparison | None) -> str:
    if comparison is not None:
        return headline(comparison)
    if archive.verdict is not None:
        return "The search is finished; nothing was compared on the test split."
    done = len(_complete(archive))
    planned = planned_generations(archive.settings, archive.study)
    return f"The search is not finished: {done} of {planned} generations are complete."


def _complete(archive: Archive) -> list[GenerationSummary]:
    """Return the generations of the first stage that are complete."""
    summaries = summarize_generations(archive.stages[archive.study.study_name], archive.monitor)
    return complete_generations(summaries, archive.settings.candidates_per_generation)


def _draw_comparison(comparison: Comparison) -> Picture:
    words = (
        "Mean and standard deviation; each stroke is one training. The dotted line is the mean of "
        f"{comparison.ranked[0].name}, the strongest rival."
    )
    if any(result.num_diverged for result in comparison.results):
        words += " Arrows are trainings that diverged, and means that they carry away, outside the picture."
    return draw(figures.draw_comparison(comparison), "comparison", words)


def _draw_fidelity(archive: Archive) -> Picture | None:
    fidelity = None if archive.verdict is None else archive.verdict.fidelity
    if fidelity is None:
        return None
    caption = f"Each circle is a candidate, trained as in the search and again for {fidelity.epochs} epochs."
    return draw(figures.draw_fidelity(fidelity, archive.monitor), "fidelity", caption)


def _draw_search(archive: Archive, leader: CandidateRecord | None) -> list[Picture]:
    pictures = []
    main = archive.stages[archive.study.study_name]
    for place, (name, candidates) in enumerate(archive.stages.items()):
        if any(candidate.metric is not None for candidate in candidates):
            words = f"Scores, generation by generation: {archive.title(name)}."
            pictures.append(
                draw(figures.draw_scores(candidates, archive.monitor, archive.baseline), f"scores-{place}", words)
            )
    if main:
        words = "What became of the candidates drawn, from trained to refused before any training."
        pictures.append(draw(figures.draw_fates(main), "fates", words))
    if leader is None:
        return pictures
    stage = archive.stages[leader.study]
    if any(isinstance(value, float) for value in leader.parameters.values()):
        words = "Where the search looked: median and middle half of each parameter, and each generation's best (dots)."
        pictures.append(draw(figures.draw_trajectories(stage, archive.monitor), "trajectories", words))
    if archive.lineage:
        figure = draw_lineage(archive.lineage, archive.monitor.name, LINEAGE_WIDTH)
        words = "The trees this loss descends from; what changed is filled."
        pictures.append(Picture(inline_svg(figure, "lineage", words), words, is_wide=True))
    return pictures


def _count_stages(archive: Archive) -> list[dict[str, Any]]:
    """Return a row of numbers for every stage."""
    rows = []
    for name, candidates in archive.stages.items():
        fates = count_fates(candidates)
        statuses = [candidate.status for candidate in candidates]
        rows.append(
            {
                "title": archive.title(name),
                "drawn": sum(fates.values()),
                "trained": fates["trained"],
                "diverged": statuses.count("diverged"),
                "pruned": statuses.count("pruned") + statuses.count("aborted"),
            }
        )
    return rows
