"""Studies read back: candidates in order, duplicates once, generations summarised."""

import math

import optuna
import pandas as pd
import pytest
from optuna.trial import TrialState

from glo_lightning.errors import GloError, StudyError
from glo_lightning.search.records.candidates import (
    CandidateRecord,
    best_candidates,
    count_crashes,
    read_candidates,
    require_differences,
    summarize_generations,
)
from glo_lightning.search.records.result import candidate_rows
from glo_lightning.search.records.verdict import STORED, read_verdict
from glo_lightning.search.spaces.stored import space_of
from glo_lightning.search.storage.study import FINGERPRINT
from glo_lightning.training.monitor import Monitor


def _add(
    study: optuna.Study, slot: tuple[int, int], value: float | None, state: TrialState = TrialState.COMPLETE,
    status: str = "completed", theta: float = 0.0, reason: str = "",
) -> None:  # fmt: skip
    study.add_trial(
        optuna.trial.create_trial(
            state=state,
            value=value,
            params={"theta_0": theta},
            distributions={"theta_0": optuna.distributions.FloatDistribution(-10, 10)},
            user_attrs={
                "generation": slot[0],
                "index": slot[1],
                "formula": "L",
                "theory": {"drive": 2.0},
                "training": {"status": status, "reason": reason, "seconds": 0.5, "seed": 0},
            },
        )
    )


@pytest.fixture
def study() -> optuna.Study:
    study = optuna.create_study(direction="maximize")
    _add(study, (0, 1), 0.7)
    _add(study, (0, 0), 0.9)
    _add(study, (0, 2), None, TrialState.PRUNED, "violated")
    _add(study, (1, 0), 0.8)
    _add(study, (1, 0), 0.1)  # a late result of a worker that was presumed dead
    _add(study, (1, 1), None, TrialState.FAIL, "failed")
    study.add_trial(optuna.trial.create_trial(value=1.0))  # somebody's own trial
    return study


def test_candidates_come_in_order_and_once(study: optuna.Study) -> None:
    candidates = read_candidates(study)
    assert [(c.generation, c.index, c.metric) for c in candidates] == [
        (0, 0, 0.9), (0, 1, 0.7), (0, 2, None), (1, 0, 0.8)
    ]  # fmt: skip
    assert candidates[0].theory == {"drive": 2.0}


ORIGIN = {"operation": "crossover", "parents": [[0, 1]], "mutations": [], "key": "k", "repeats": None, "refused": {}}
WRONG = [
    {"generation": 1.5},
    {"generation": -1},
    {"generation": True},
    {"generation": None},
    {"index": {}},
    {"index": "0"},
    {"training": math.inf},
    {"training": ["completed"]},
    {"training": {"status": 3}},
    {"training": {"seconds": "long"}},
    {"training": {"seconds": math.nan}},
    {"training": {"reason": None}},
    {"training": {"step": []}},
    {"theory": 1},
    {"formula": {}},
    {"metrics": {"digits": "high"}},
    {"metrics": [0.5]},
    {"expression": 7},
    {"origin": "nowhere"},
    {"origin": {**ORIGIN, "parents": [[1, 0]]}},  # of its own generation: a line of ancestors would have no end
    {"origin": {**ORIGIN, "parents": [[0]]}},
    {"origin": {**ORIGIN, "parents": 3}},
    {"origin": {**ORIGIN, "mutations": "leaf"}},
    {"origin": {**ORIGIN, "operation": None}},
    {"origin": {**ORIGIN, "refused": {"exact": "many"}}},
    {"origin": {**ORIGIN, "repeats": [2, 0]}},
    {"origin": {"operation": "crossover"}},
]


@pytest.mark.parametrize("wrong", WRONG, ids=repr)
def test_attributes_that_somebody_changed_are_an_error_that_names_the_trial(wrong: dict[str, object]) -> None:
    right = {"generation": 1, "index": 0, "formula": "L", "origin": ORIGIN, "training": {"status": "completed"}}
    study = optuna.create_study(study_name="mine")
    study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs=right))
    assert read_candidates(study)[0].origin == ORIGIN
    study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs={**right, **wrong}))
    with pytest.raises(StudyError, match=r"trial 1 of study 'mine', got .*delete the trial"):
        read_candidates(study)


def test_a_missing_attribute_is_an_error() -> None:
    study = optuna.create_study(study_name="mine")
    study.add_trial(optuna.trial.create_trial(value=1.0, user_attrs={"generation": 0}))
    with pytest.raises(StudyError, match="index, a whole number of 0 or more, in trial 0 of study 'mine', got None"):
        read_candidates(study)


def test_crashes_of_a_changed_study_are_an_error() -> None:
    study = optuna.create_study(study_name="mine")
    study.add_trial(optuna.trial.create_trial(state=TrialState.FAIL, user_attrs={"training": {"reason": 1}}))
    with pytest.raises(StudyError, match="reason, a text, in training of trial 0 of study 'mine'"):
        count_crashes([study])


@pytest.mark.parametrize("stored", [math.inf, [], {}, {"loss": {}, "finalists": 3, "comparison": None}])
def test_a_changed_verdict_is_an_error(stored: object) -> None:
    study = optuna.create_study()
    study.set_user_attr(STORED, stored)
    with pytest.raises(GloError):
        read_verdict(study)


@pytest.mark.parametrize("search", [math.inf, [], {}, {"num_classes": "10"}, {"num_classes": 0}])
def test_a_changed_fingerprint_is_an_error(search: object) -> None:
    study = optuna.create_study(study_name="mine")
    study.set_user_attr(FINGERPRINT, search)
    with pytest.raises(StudyError, match="study 'mine'"):
        space_of(study)


@pytest.mark.parametrize(("mode", "best", "median"), [("max", 0.9, 0.8), ("min", 0.7, 0.8)])
def test_generations_are_summarised(study: optuna.Study, mode: str, best: float, median: float) -> None:
    first, second = summarize_generations(read_candidates(study), Monitor("metric", mode))
    assert (first.best, first.median) == pytest.approx((best, median))
    assert (first.trained, first.stopped, first.size) == (2, 1, 3)
    assert first.seconds == pytest.approx(1.5)
    assert (second.generation, second.size) == (1, 1)


def test_every_draw_has_a_fate() -> None:
    def record(index: int, status: str, step: str = "", **origin: object) -> CandidateRecord:
        return CandidateRecord("s", index, 0, index, None, {}, "", status, "", 0.0, step=step, origin=origin)

    records = [
        record(0, "completed", refused={"leaves": 3, "exact": 1}),
        record(1, "repeated", "unseen", refused={}),
        record(2, "screened", "exact", refused={"leaves": 1}),
        record(3, "violated"),
        record(4, "diverged"),
        record(5, "pruned"),
    ]
    (summary,) = summarize_generations(records, Monitor())
    assert summary.fates == {"trained": 3, "leaves": 4, "exact": 2, "unseen": 1, "violated": 1}


def test_a_generation_of_violations_has_no_best() -> None:
    record = CandidateRecord("study", 0, 0, 0, None, {}, "", "violated", "", 0.0)
    (summary,) = summarize_generations([record], Monitor())
    assert summary.best is None
    assert summary.median is None


def test_frame_has_one_row_per_candidate(study: optuna.Study) -> None:
    frame = pd.DataFrame(candidate_rows(study, formulas=True))
    assert list(frame["index"]) == [0, 1, 2, 0]
    assert {"theta_0", "drive", "status", "formula", "seconds"} <= set(frame.columns)


def test_best_candidates_are_those_with_the_best_metric(study: optuna.Study) -> None:
    candidates = read_candidates(study)
    assert [c.metric for c in best_candidates(candidates, Monitor(), 2)] == [0.9, 0.8]
    assert [c.metric for c in best_candidates(candidates, Monitor("metric", "min"), 2)] == [0.7, 0.8]


def test_what_diverged_has_no_metric_and_is_never_chosen() -> None:
    study = optuna.create_study(direction="maximize")
    for index, (value, status) in enumerate([(0.0, "diverged"), (-1e35, "completed"), (-2.0, "aborted")]):
        _add(study, (0, index), value, status=status, reason="not finite at step 4" * (status == "diverged"))
    candidates = read_candidates(study)
    assert [candidate.metric for candidate in candidates] == [None, -1e35, -2.0]
    assert [candidate.index for candidate in best_candidates(candidates, Monitor("val_loglik"), 4)] == [2, 1]
    (summary,) = summarize_generations(candidates, Monitor("val_loglik"))
    assert (summary.best, summary.median, summary.trained) == (-2.0, -5e34, 3)
    first = pd.DataFrame(candidate_rows(study)).iloc[0]
    assert (first["status"], first["reason"]) == ("diverged", "not finite at step 4")
    assert pd.DataFrame(candidate_rows(study))["metric"].isna().tolist() == [True, False, False]


def test_the_commonest_reason_is_named_when_everything_diverged() -> None:
    candidates = [
        CandidateRecord("study", index, 0, index, None, {}, "", status, reason, 0.0)
        for index, (status, reason) in enumerate(
            [("violated", ""), ("diverged", "not finite at step 7"), *[("diverged", "not finite at step 4")] * 2]
        )
    ]
    with pytest.raises(StudyError, match=r"3 that diverged, most of them: not finite at step 4; and 1 that"):
        best_candidates(candidates, Monitor(), 1)


def test_equal_metrics_are_nothing_to_choose_by() -> None:
    def candidates(*metrics: float | None) -> list[CandidateRecord]:
        return [CandidateRecord("s", k, 0, k, metric, {}, "", "", "", 0.0) for k, metric in enumerate(metrics)]

    again = [(0.3, 0.4), (0.3, 0.4)]
    for fine in ([], [None], [0.5], [0.5, None], [0.5, 0.5, 0.6]):
        require_differences(candidates(*fine), again, Monitor())
    require_differences(candidates(0.1, None, 0.1), [(0.3, 0.4), (0.4, 0.3)], Monitor())
    with pytest.raises(StudyError, match=r"differ in val_accuracy, got 2 that all have 0\.1, .* nothing to choose by"):
        require_differences(candidates(0.1, None, 0.1), again, Monitor())


def test_crashes_are_named_when_nothing_trained() -> None:
    record = CandidateRecord("study", 0, 0, 0, None, {}, "", "violated", "", 0.0)
    with pytest.raises(StudyError, match=r"1 that were stopped before, and 5 crashes, most of them: no memory"):
        best_candidates([record], Monitor(), 5, {"no memory": 3, "a storm": 2})


def test_no_trained_candidate_is_explained() -> None:
    record = CandidateRecord("study", 0, 0, 0, None, {}, "", "violated", "", 0.0)
    with pytest.raises(StudyError, match="on_violation='resample'"):
        best_candidates([record], Monitor(), 5)
