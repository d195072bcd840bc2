"""What a search found, in plain words."""

import math

from glo_lightning.compare.comparison import Comparison
from glo_lightning.compare.rivals import JOINT
from glo_lightning.theory.influence import InfluenceSummary
from glo_lightning.theory.summary import LossSummary

EVEN = 1.01
"""Ratio of two forces that are called alike."""


def headline(comparison: Comparison) -> str:
    """Say in one sentence what the comparison means.

    Args:
        comparison: losses side by side: the baseline first, then perhaps the same with the hyperparameters found
            ("joint"), then perhaps its twin of the winner's scale, and the discovered loss in focus.
    """
    discovered = comparison.focus or comparison.results[-1].name
    rivals = [result.name for result in comparison.results if result.name != discovered]
    if not comparison.result(discovered).is_measured:
        return "The discovered loss diverged in every full training."
    beaten = [rival for rival in rivals if comparison.beats(discovered, rival)]
    worse = [rival for rival in rivals if comparison.beats(rival, discovered)]
    if beaten == rivals:
        return f"The search found a better loss than {rivals[0]}."
    better = rivals[0] in beaten
    if worse:
        joint, _ = _read_rival(worse[0])
        rival = worse[0].replace(JOINT, "") + " with the hyperparameters found" * joint
        subject = f"Better than {rivals[0]}, but" if better else "The discovered loss is"
        return f"{subject} worse than {rival}."
    if better:
        reason = _reason(next(rival for rival in rivals if rival not in beaten), rivals[0])
        return f"Better than {rivals[0]}, but perhaps only {reason}."
    return f"The search found no loss that is better than {rivals[0]} beyond chance."


def explain(summary: LossSummary) -> dict[str, str]:
    """Answer what one wants to know of a loss before training with it, by question."""
    verdict = summary.trainability
    if verdict.undefined:
        return {"Does training start?": f"No: it is undefined at the start ({verdict.undefined})."}
    answers = {"Does training start?": _start(summary)}
    if math.isfinite(verdict.kappa) and verdict.exact:
        ratio = f"{verdict.ratio:.2g}".replace("-", "−")
        answers["Can the output collapse into a constant?"] = (
            f"{'No' if verdict.stable else 'Yes'}: curvature is {ratio} times the drive; "
            f"1 is proper, and below −{verdict.kappa:g} outputs collapse."
        )
    answers["What does it do to samples already memorised?"] = _end(summary.zero_error_drive)
    answers["Where does a sample come to rest?"] = _rest(summary)
    if verdict.paper is not None:
        answers["Does the published invariant accept it?"] = (
            "Yes." if verdict.paper else "No, but that depends on a constant that training cannot feel."
        )
    return answers


def explain_influence(summary: InfluenceSummary) -> dict[str, str]:
    """Answer what one wants to know of a loss of real-valued predictions before training with it, by question."""
    far = {
        "grows": "They pull the harder the farther off they are.",
        "bounded": "They pull, but no harder than other large residuals.",
        "redescends": f"It lets them go: beyond {summary.strongest:.2g} standard deviations of the targets they pull "
        "less and less.",
    }
    answers = {"What does it do to outliers?": far[summary.tail]}
    if math.isfinite(summary.asymmetry):
        larger, factor = summary.asymmetry >= 1.0, max(summary.asymmetry, 1.0 / summary.asymmetry)
        side = f"{'large' if larger else 'small'} pull {factor:.2g} times as hard as those that are too "
        answers["Does it treat both sides alike?"] = (
            "Yes."
            if factor < EVEN
            else f"No: predictions that are too {side}{'small' if larger else 'large'}, at three standard deviations."
        )
    return answers


def _read_rival(name: str) -> tuple[bool, list[float]]:
    """Return whether a rival has the hyperparameters found, and the scales of a twin, one per head."""
    base, _, scales = name.partition(" × ")
    return base.endswith(JOINT), [float(scale) for scale in scales.split(", ") if scale]


def _reason(rival: str, baseline: str) -> str:
    """Return what a rival that is not beaten has in common with the discovered loss, as the cause of its gain."""
    joint, scales = _read_rival(rival)
    if joint and not scales:
        return f"through the hyperparameters found: with them, {baseline} may be as good"
    larger, smaller = all(scale > 1.0 for scale in scales), all(scale < 1.0 for scale in scales)
    steps = "larger steps" if larger else "smaller steps" if smaller else "steps of another size"
    return f"because it makes {steps}: its shape shows no gain"


def _start(summary: LossSummary) -> str:
    if summary.trainability.exact:
        factor = f"{summary.relative_start:.3g}"
        return f"Yes, as cross-entropy would{'' if factor == '1' else f' with {factor} times the learning rate'}."
    return "No: it has no gradient there." if summary.relative_start == 0.0 else "No: it starts uphill."


def _end(drive: float) -> str:
    if math.isnan(drive):
        return "That cannot be told."
    if drive == 0.0:
        return "It lets go of them, as mean squared error does."
    return "It keeps pulling, as cross-entropy does." if drive > 0.0 else "It pushes them back, which regularises."


def _rest(summary: LossSummary) -> str:
    confidence = summary.equilibrium_confidence
    if math.isnan(confidence):
        return "That cannot be told."
    if confidence >= 1.0:
        return "At certainty, as under cross-entropy."
    return (
        f"At a confidence of {confidence:.2f} in its target, "
        f"as under cross-entropy with a label smoothing of {summary.implied_smoothing:.2f}."
    )
