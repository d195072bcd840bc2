"""Trainability: whether a loss can start, told from its slopes at the null epoch before anything trains."""

import math
import sys
from dataclasses import dataclass
from typing import Literal

from glo_lightning.errors import SettingsError
from glo_lightning.theory.gamma import AnyLoss, check_classes_of, check_num_classes
from glo_lightning.theory.regime import null_epoch

Invariant = Literal["paper", "exact", "stable"]


@dataclass(frozen=True)
class Trainability:
    """Three verdicts on a loss.

    Attributes:
        paper: the printed invariant; None where gamma is not observable (black boxes, losses of unscaled logits).
        exact: training starts as cross-entropy's does, downhill: drive > 0.
        stable: exact, and the output does not collapse to a constant: curvature > -kappa * drive.
        drive: d0; divided by C, the learning rate relative to cross-entropy's. NaN if undefined.
        curvature: how fast a deviation common to all samples shrinks or, negative, grows. NaN if undefined.
        ratio: curvature / drive; 1 for proper losses, NaN without a drive.
        paper_margin: left minus right side of the printed invariant; NaN where it is not observable.
        kappa: the threshold used; infinity means no test of curvature.
        undefined: where the loss is not finite at the null epoch, or empty.
    """

    paper: bool | None
    exact: bool
    stable: bool
    drive: float
    curvature: float
    ratio: float
    paper_margin: float
    kappa: float
    undefined: str = ""

    @property
    def reason(self) -> str:
        """Which verdicts fail and why, as one line; empty if none does."""
        if self.undefined:
            return f"undefined where training starts: {self.undefined}"
        failures = []
        if self.drive == 0.0:
            failures.append("not exact: drive 0, no gradient where training starts")
        elif not self.exact:
            failures.append(f"not exact: drive {self.drive:.4g}, training starts uphill")
        elif not self.stable:
            failures.append(
                f"not stable: curvature / drive {self.ratio:.4g} is not above {-self.kappa:g}, outputs collapse"
            )
        if self.paper is False:
            failures.append(f"not paper: short of the printed invariant by {-self.paper_margin:.4g}")
        return "; ".join(failures)

    def violation(self, invariant: Invariant) -> float:
        """Return by how much a verdict fails, to rank losses that may not train.

        Args:
            invariant: ``"paper"``, ``"exact"`` or ``"stable"``.

        Returns:
            0 if the verdict holds or cannot be had, else a positive, finite number.
        """
        if getattr(self, invariant) in (True, None):
            return 0.0
        collapse = -self.curvature - self.kappa * self.drive if math.isfinite(self.kappa) else -math.inf
        amount = {"paper": -self.paper_margin, "exact": -self.drive, "stable": max(-self.drive, collapse)}[invariant]
        return sys.float_info.max if math.isnan(amount) else max(amount, sys.float_info.min)


def trainability(loss: AnyLoss, num_classes: int, kappa: float | None = None) -> Trainability:
    r"""Judge from the null epoch whether a loss will train.

    .. math:: \text{paper: } \gamma_T - \gamma_N \ge (C - 2) \gamma_N, \qquad
        \text{exact: } d_0 > 0, \qquad \text{stable: } d_0 > 0,\ \mathrm{curv} > -\kappa d_0

    Args:
        loss: a loss, or a black box of (logits, target) that treats all classes alike and sums over them.
        num_classes: C, 2 or more.
        kappa: threshold on curvature, 0 or more; by default :func:`default_kappa`. The ``kappa`` of
            :func:`probe_kernel` fits it to a network and its data.

    Returns:
        The verdicts. A loss undefined at the null epoch fails them all, and ``reason`` says where.

    Raises:
        SettingsError: if ``num_classes`` or ``kappa`` is outside its range, or the loss is for other classes: one of
            sigmoid outputs is for 2.

    Example:
        >>> from glo_lightning.losses import MeanSquaredErrorLoss
        >>> verdict = trainability(MeanSquaredErrorLoss(), num_classes=10)
        >>> verdict.paper, verdict.exact, verdict.stable, verdict.drive, verdict.ratio
        (True, True, True, 2.0, 1.0)

    Source: Theorem 4 of arXiv:2010.00788 (paper); derivations.md, sections 7.1, 7.3, 7.4 and 7.6.
    """
    check_classes_of(loss, num_classes)
    if kappa is None:
        kappa = default_kappa(num_classes)
    elif not kappa >= 0.0:
        raise SettingsError("kappa of 0 or more", repr(kappa), "Use 0.5, or leave it out.")
    start = null_epoch(loss, num_classes)
    exact = start.drive > 0.0
    margin = start.drive - (num_classes - 2) * start.gamma_nontarget
    return Trainability(
        paper=None if math.isnan(margin) and not start.undefined else margin >= 0.0,
        exact=exact,
        stable=exact and start.curvature > -kappa * start.drive,
        drive=start.drive,
        curvature=start.curvature,
        ratio=start.ratio,
        paper_margin=margin,
        kappa=kappa,
        undefined=start.undefined,
    )


def default_kappa(num_classes: int, rho: float | None = None) -> float:
    r"""Return the threshold on curvature that a number of classes and a kernel call for.

    .. math:: \kappa = \mathrm{clip}(2 C / \rho, 1/4, 1)

    Without a measured rho it is 1/2. Few classes need a lenient threshold, 1 for three and four, and two classes
    none at all: collapse is not what keeps their losses from training.

    Args:
        num_classes: C, 2 or more.
        rho: the kernel's eigenvalue on constants relative to class indicators, from :func:`probe_kernel`.

    Example:
        >>> default_kappa(2), default_kappa(3), default_kappa(10), default_kappa(10, rho=50.0)
        (inf, 1.0, 0.5, 0.4)

    Source: derivations.md, section 7.6.
    """
    check_num_classes(num_classes)
    if num_classes == 2:
        return math.inf
    if num_classes <= 4:
        return 1.0
    return 0.5 if rho is None else min(max(2.0 * num_classes / rho, 0.25), 1.0)
