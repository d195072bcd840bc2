"""The numbers that the answer rests on, against simulations and closed forms."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from glo_lightning.baselines.leaderboard import Leaderboard, Row
from glo_lightning.baselines.members import Member, Side
from glo_lightning.training.monitor import Monitor

SEEDS = 8


def _row(
    metrics: Sequence[float], name: str = "loss", side: Side = "shape", curves: Sequence[Sequence[float]] = ()
) -> Row:
    return Row(
        Member(name, None, side), 1.0, tuple(metrics), ("",) * len(metrics), tuple(tuple(curve) for curve in curves)
    )


def _board(
    monitor: Monitor | None = None, scouts: Sequence[Sequence[float]] = (), samples: int | None = None, epochs: int = 8
) -> Leaderboard:
    curves = tuple(tuple(curve) for curve in scouts)
    return Leaderboard(monitor or Monitor(), (), curves, epochs, 1.0, 0, samples)


def test_the_best_of_many_is_not_flattered_where_all_are_alike() -> None:
    """Fifteen losses against four, all the same: their best are apart by luck, which the estimate does not count."""
    random, board = np.random.default_rng(0), _board()
    gains, naive, covered = [], [], 0
    for _ in range(300):
        many, few = ([_row(each) for each in random.normal(0.9, 0.01, (count, SEEDS))] for count in (15, 4))
        lead = board.lead(many, few)
        assert lead is not None
        gains.append(lead.gain)
        naive.append(max(row.mean for row in many) - max(row.mean for row in few))
        covered += lead.low <= 0.0 <= lead.high
    error = float(np.std(gains)) / math.sqrt(len(gains))
    assert np.mean(gains) == pytest.approx(0.0, abs=3.0 * error)
    assert np.mean(naive) > 5.0 * error
    assert covered / len(gains) > 0.93


def test_a_lead_is_found_whichever_way_is_up() -> None:
    random = np.random.default_rng(1)
    good, bad = (random.normal(mean, 0.01, (3, SEEDS)) for mean in (0.95, 0.9))
    lead = _board().lead([_row(each, "good") for each in good], [_row(each, "bad") for each in bad])
    assert lead is not None
    assert (lead.name, lead.over) == ("good", "bad")
    assert lead.low < 0.05 < lead.high
    mirrored = _board(Monitor("val_loss", "min")).lead([_row(-each) for each in good], [_row(-each) for each in bad])
    assert mirrored is not None
    assert mirrored.gain == pytest.approx(lead.gain)


def test_one_loss_on_either_side_is_a_paired_t_test() -> None:
    random = np.random.default_rng(2)
    first, second = random.normal(0.9, 0.01, (2, SEEDS))
    lead = _board().lead([_row(first)], [_row(second)])
    assert lead is not None
    interval = stats.ttest_rel(first, second).confidence_interval(0.95)
    assert lead.gain == pytest.approx(np.mean(first - second))
    assert (lead.low, lead.high) == pytest.approx((interval.low, interval.high))


def test_of_shares_the_interval_counts_samples_too() -> None:
    """As McNemar's test has it, where all samples on which two losses differ speak for one of them."""
    ahead, behind = [_row([0.9] * SEEDS)], [_row([0.85] * SEEDS)]
    for samples, is_certain in ((60, False), (100, True)):  # 3 and 5 samples; sqrt(n) must be above 1.96
        lead = _board(samples=samples).lead(ahead, behind)
        assert lead is not None
        assert (lead.low > 0.0) == is_certain == (math.sqrt(0.05 * samples) > 1.96)
    lead = _board().lead(ahead, behind)
    assert lead is not None
    assert lead.low == pytest.approx(0.05)


def test_what_never_trained_is_compared_with_nothing() -> None:
    diverged = Row(Member("bad", None, "shape"), 1.0, (0.0, 0.0), ("nan", "nan"), ((), ()))
    assert _board().lead([diverged], [_row([0.5, 0.6])]) is None
    assert diverged.after(0.5) is None


def test_a_partial_training_is_as_long_as_its_ranks_take_to_settle() -> None:
    random = np.random.default_rng(3)
    final = np.linspace(0.5, 0.9, 40)
    early = [random.permutation(final) for _ in range(4)]  # tells nothing
    late = [final + random.normal(0.0, 0.002, 40) for _ in range(4)]  # tells all
    scouts = np.array([*early, *late]).T
    board = _board(scouts=scouts.tolist(), epochs=16)
    correlations = board.rank_correlations()
    better = np.argsort(-scouts[:, -1])[:20]
    expected = [stats.spearmanr(column, scouts[better, -1]).statistic for column in scouts[better].T]
    assert correlations == pytest.approx(expected)
    assert board.partial_epochs() == 10  # the fifth of eight validations in sixteen epochs
    assert _board(scouts=np.array(early).T.tolist(), epochs=16).partial_epochs() == 16
    assert _board(epochs=16).partial_epochs() == 16


def test_a_row_tells_how_fast_its_loss_starts() -> None:
    row = _row([0.8, 0.9], curves=[[0.1, 0.4, 0.6, 0.8], [0.3, 0.6, 0.8, 0.9]])
    assert [row.after(share) for share in (0.01, 0.25, 0.5, 1.0)] == pytest.approx([0.2, 0.2, 0.5, 0.85])
