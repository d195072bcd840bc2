"""The note on a study's page: how the search stands, in words and numbers."""

import optuna

from glo_lightning.compare.tables import comparison_markdown, legend, verdict_sentences
from glo_lightning.dashboard.pictures import identifier
from glo_lightning.search.records.candidates import (
    BaselineScore,
    CandidateRecord,
    GenerationSummary,
    baseline_of,
    best_candidates,
    monitor_of,
    read_candidates,
    summarize_generations,
)
from glo_lightning.search.records.verdict import STORED, Verdict
from glo_lightning.search.samplers.optuna_adapter import id_of_study, id_of_trial, storage_of
from glo_lightning.search.storage.study import FINGERPRINT, find_study, is_rival, stage_title, tuned_expression
from glo_lightning.training.monitor import Monitor
from glo_lightning.words import number

TITLE = "# How the search stands"
"""How our notes begin; others are their writers' own."""

SHOWN = 10
"""Generations in the table, the last ones."""

GUIDE = """\
*How to read it.* A trial is a candidate loss. Pruned trials have no value: most were stopped before any training,
because they violate the invariant or the screen refused them, and the others diverged or were stopped; `status` and
`reason` among the user attributes say why. A trial's page shows its formula, its shape and force, and its attraction.
"""


def refresh_notes(storage: optuna.storages.BaseStorage) -> None:
    """Write the note of every search in a storage whose standing has changed, unless somebody wrote another."""
    from optuna_dashboard import get_note, save_note

    for name in optuna.get_all_study_names(storage):
        study = optuna.load_study(study_name=name, storage=storage)
        if FINGERPRINT not in study.user_attrs:
            continue
        before, now = get_note(study), write_note(study)
        if now != before and (not before or before.startswith(TITLE)):
            save_note(study, now)


def write_note(study: optuna.Study) -> str:
    """Return the note of a search's study, in Markdown."""
    monitor = monitor_of(study)
    candidates = read_candidates(study)
    generations = summarize_generations(candidates, monitor)
    expression = tuned_expression(study.study_name)
    is_stage = expression or is_rival(study.study_name)
    title = f"{TITLE}: {stage_title(study.study_name)}" if is_stage else TITLE
    lead = find_study(study.study_name.partition("/")[0], storage_of(study)) or study
    parts = [title, _standing(generations, monitor, baseline_of(lead))]
    verdict = Verdict.from_dict(study.user_attrs[STORED]) if STORED in study.user_attrs else None
    if verdict is not None:
        parts.append(_tell(verdict))
    if any(candidate.metric is not None for candidate in candidates):
        parts.append(_show_leader(study, best_candidates(candidates, monitor, 1)[0], monitor))
    return "\n\n".join([*parts, _table(generations), GUIDE])


def _standing(generations: list[GenerationSummary], monitor: Monitor, baseline: BaselineScore | None) -> str:
    beside = "" if baseline is None else f" Trained as they are, {baseline.name} has {number(baseline.metric)}."
    trained = sum(summary.trained for summary in generations)
    stopped = sum(summary.stopped for summary in generations)
    return (
        f"Generation **{len(generations)}**; {trained} candidates trained, {stopped} were stopped before training. "
        f"They are scored by `{monitor.name}`.{beside}"
    )


def _tell(verdict: Verdict) -> str:
    lines = [f"**The search is finished.** The winner is `{verdict.loss.formula()}`."]
    if verdict.warning:
        lines.append(f"**{verdict.warning}**")
    if verdict.comparison is not None:
        first, *others = verdict_sentences(verdict.comparison)
        lines += [first, *filter(None, [verdict.advice]), *others]
        lines += [comparison_markdown(verdict.comparison), *legend(verdict.comparison)]
    return "\n\n".join(lines)


def _show_leader(study: optuna.Study, best: CandidateRecord, monitor: Monitor) -> str:
    trial = next(each for each in study.get_trials(deepcopy=False) if each.number == best.trial)
    study_id, trial_id = id_of_study(study), id_of_trial(trial)
    pictures = [
        f"![{words}](/artifacts/{study_id}/{trial_id}/{identifier(study_id, trial_id, place)})"
        for place, words in enumerate(("its formula", "its shape and force", "its attraction"))
    ]
    return "\n\n".join(
        [
            f"The best score is {monitor.name} **{_number(best.metric)}**, by trial {best.trial}: `{best.formula}`",
            *pictures,
        ]
    )


def _table(generations: list[GenerationSummary]) -> str:
    rows = [
        f"| {summary.generation + 1} | {_number(summary.best)} | {_number(summary.median)} | {summary.trained} "
        f"| {summary.stopped} | {summary.seconds:.1f} s |"
        for summary in generations[-SHOWN:]
    ]
    head = "| generation | best | median | trained | stopped | training |\n|---|---|---|---|---|---|"
    return "\n".join([head, *rows])


def _number(metric: float | None) -> str:
    return "–" if metric is None else number(metric)
