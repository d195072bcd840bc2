"""The rule by which a search pays or does not, case by case, and what it is measured with."""

import numpy as np
import pytest

from glo_lightning.baselines.advice import _answer, _more_seeds, _verdict, least_shown
from glo_lightning.baselines.leaderboard import Lead
from glo_lightning.compare.statistics import detectable_difference
from glo_lightning.search.settings import SearchSettings


def _lead(gain: float, half: float) -> Lead:
    return Lead("shape", "tuned", gain, gain - half, gain + half, 0.01)


@pytest.mark.parametrize(
    ("reach", "ahead", "answer"),
    [
        (_lead(0.05, 0.02), None, "pays"),
        (_lead(0.05, 0.02), _lead(0.01, 0.02), "pays"),
        (_lead(0.05, 0.02), _lead(0.05, 0.02), "does not pay"),  # another known loss has more, out of reach
        (_lead(-0.01, 0.02), None, "does not pay"),
        (_lead(0.01, 0.005), None, "does not pay"),  # certain, and too little to be shown
        (_lead(0.01, 0.03), None, "cannot be told"),
        (None, None, "does not pay"),
    ],
)
def test_the_rule(reach: Lead | None, ahead: Lead | None, answer: str) -> None:
    assert _answer(reach, ahead, worthwhile=0.02) == answer


@pytest.mark.parametrize(
    ("headroom", "ahead", "told"),
    [
        (_lead(0.05, 0.02), None, "shape is ahead of tuned, the best of cross-entropy."),
        (_lead(0.05, 0.02), _lead(0.04, 0.01), "; no family of a search contains it, or anything as good (+0.0400 "),
        (_lead(0.01, 0.03), None, "shape may be ahead of tuned, the best of cross-entropy."),
        (_lead(-0.04, 0.02), _lead(0.04, 0.01), "is not ahead of tuned, the best of cross-entropy, by as much as"),
    ],
)
def test_no_more_is_said_than_is_known(headroom: Lead, ahead: Lead | None, told: str) -> None:
    assert told in _verdict("does not pay", headroom, ahead, 0.02, SearchSettings())


def test_what_a_verdict_shows_is_what_its_own_seeds_could_detect() -> None:
    sample = np.random.default_rng(0).normal(0.9, 1.0, 10)
    sample = (sample - sample.mean()) / sample.std(ddof=1) * 0.01 + 0.9
    expected = detectable_difference(sample.tolist(), (sample + 0.1).tolist(), tests=4)
    assert least_shown(0.01, 10) == pytest.approx(expected)


def test_more_seeds_are_asked_for_where_they_would_tell() -> None:
    narrow = _more_seeds(_lead(0.015, 0.02), worthwhile=0.02, seeds=8)
    assert narrow is not None
    assert 0.02 * (8 / narrow) ** 0.5 < 0.015
    assert _more_seeds(_lead(0.01, 0.1), worthwhile=0.02, seeds=8) is None
