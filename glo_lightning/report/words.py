"""What theory says of a loss, in plain words."""

import math

from glo_lightning.theory.influence import InfluenceSummary
from glo_lightning.theory.summary import LossSummary

EVEN = 1.01
"""Ratio of two forces that are called alike."""


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
