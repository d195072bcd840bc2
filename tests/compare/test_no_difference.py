"""Where there is no difference, the verdict finds none: losses that are equal, in simulated seeds."""

import numpy as np
import pytest

from glo_lightning.compare.comparison import Comparison, compare_metrics
from glo_lightning.compare.rivals import TUNED
from glo_lightning.compare.tables import headline, verdict_sentences
from glo_lightning.training.monitor import Monitor

VERDICTS = 200
SEEDS = range(10)


def simulated(rng: np.random.Generator, rivals: int, shared: float, gain: float = 0.0) -> Comparison:
    """Draw the metrics of equal losses, of which a share of the variance comes with the seed, and judge them."""
    names = [
        *["cross-entropy", "cross-entropy" + TUNED, "best known: focal", "cross-entropy × 2"][:rivals],
        "discovered",
    ]
    of_seeds = rng.normal(size=len(SEEDS))
    metrics = {
        name: 0.9 + 0.02 * (np.sqrt(shared) * of_seeds + np.sqrt(1.0 - shared) * rng.normal(size=len(SEEDS)))
        for name in names
    }
    metrics["discovered"] = metrics["discovered"] + gain
    return compare_metrics(
        {name: each.tolist() for name, each in metrics.items()}, Monitor(), SEEDS, focus="discovered"
    )


def claims(comparison: Comparison) -> tuple[bool, bool]:
    """Return whether the headline claims a win, and whether any sentence does."""
    win = "discovered loss beats"
    sentences = verdict_sentences(comparison)
    assert sentences[0] == headline(comparison)
    return win in sentences[0], any(win in sentence for sentence in sentences)


@pytest.mark.parametrize("shared", [0.0, 0.5])
@pytest.mark.parametrize("rivals", [1, 4])
def test_a_win_over_an_equal_loss_is_claimed_in_at_most_five_of_a_hundred_verdicts(rivals: int, shared: float) -> None:
    rng = np.random.default_rng(1)
    verdicts = [claims(simulated(rng, rivals, shared)) for _ in range(VERDICTS)]
    headlines, sentences = np.mean(verdicts, axis=0)
    assert headlines <= 0.05
    assert sentences <= 0.05


def test_a_difference_as_large_as_the_seeds_could_have_shown_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(0)
    told = simulated(rng, 1, 0.0)
    gains = np.mean([simulated(rng, 1, 0.0).detectable("cross-entropy") for _ in range(50)])
    assert told.detectable("cross-entropy") == pytest.approx(gains, rel=0.5)
    found = [claims(simulated(rng, 1, 0.0, float(gains)))[0] for _ in range(VERDICTS)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.1)


def test_the_best_of_many_equal_candidates_does_not_win_either() -> None:
    """The winner is chosen by other data than it is judged by; were it chosen by these, it would win too often."""
    rng = np.random.default_rng(0)
    wins = 0
    for _ in range(VERDICTS):
        validation = rng.normal(size=400)
        test = rng.normal(0.9, 0.02, (400, len(SEEDS)))
        metrics = {"cross-entropy": rng.normal(0.9, 0.02, len(SEEDS)), "discovered": test[validation.argmax()]}
        wins += claims(
            compare_metrics(
                {name: each.tolist() for name, each in metrics.items()}, Monitor(), SEEDS, focus="discovered"
            )
        )[0]
    assert wins / VERDICTS <= 0.05
