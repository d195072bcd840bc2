"""A loss as plain PyTorch code, written from its own expression."""

import math
import textwrap
from typing import TYPE_CHECKING

import sympy

from glo_lightning.errors import LossError
from glo_lightning.export.integrals import drive_of, write_constants, write_quadrature
from glo_lightning.export.printers import H, ResidualPrinter, TorchPrinter, Y
from glo_lightning.losses import ClassAwareLoss, Loss, Outputs, Reduction, TwoSidedLoss
from glo_lightning.losses.formula import BatchMean
from glo_lightning.losses.regression import RegressionLoss
from glo_lightning.losses.scaled import unscaled
from glo_lightning.losses.standardized import StandardizedLoss
from glo_lightning.losses.wrapped import WrappedLoss

if TYPE_CHECKING:
    from sympy import Expr

S = sympy.Symbol("s")
INDENT = "    "

MODULE = '''\
"""A training loss found by glo_lightning; needs PyTorch alone.

{formula}
"""

import torch
from torch import Tensor, nn


class FoundLoss(nn.Module):
    """{call}"""

{progress}{forward}'''

PROGRESS = "    progress: float = 0.0  # set it to step / all_steps before each step\n\n"

CALLS: dict[Outputs, str] = {
    "softmax": "Called as loss(logits, target): (N, C, ...) with class indices (N, ...) or distributions (N, C, ...).",
    "sigmoid": "Called as loss(logits, target): one logit per yes-or-no question, any shape, and floating labels.",
    "real": "Called as loss(prediction, target): floating, of one shape, (N,), (N, 1) or (N, D).",
}

TARGETS: dict[Outputs, str] = {
    "softmax": """\
soft = target.is_floating_point()
shape = logits.shape if soft else logits.shape[:1] + logits.shape[2:]
fits = target.shape == shape and (soft or target.dtype == torch.int64)
if logits.dim() < 2 or {wrong_classes} or not fits:
    wanted = "logits (N, C, ...) and int64 labels (N, ...) or floating ones (N, C, ...)"
    raise ValueError(wanted + " wanted, got " + str(logits.shape) + " and " + str(target.shape))
y = target.to(logits.dtype) if soft else torch.zeros_like(logits).scatter(1, target.unsqueeze(1), 1.0)""",
    "sigmoid": """\
if not (logits.is_floating_point() and target.is_floating_point() and logits.shape == target.shape):
    wanted = "floating logits and labels of one shape"
    raise ValueError(wanted + " wanted, got " + str(logits.shape) + " and " + str(target.shape))
y = torch.stack([1.0 - target, target], 1).to(logits.dtype)
logits = torch.stack([-logits, logits], 1) / 2""",
    "real": """\
fits = logits.is_floating_point() and target.is_floating_point() and logits.shape == target.shape
if not fits or logits.dim() > 2 or {wrong_width}:
    wanted = "floating predictions and targets of one shape, {shape}"
    raise ValueError(wanted + " wanted, got " + str(logits.shape) + " and " + str(target.shape))""",
}

HALF_PRECISION = "logits = logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits"

OPEN_INTERVAL = """\
double = logits.dtype == torch.float64  # softmax reaches neither 0 nor 1; where rounding does, stay between
log_h = log_h.clamp(max=-1.1102230246251565e-16 if double else -5.960464477539063e-08)
tiny = 2.2250738585072014e-308 if double else 1.1754943508222875e-38"""

MASKED = "log_h = log_h.masked_fill(y == 0, 0.0)  # 0 times a masked class's minus infinity would be NaN"

BELOW_ONE = """\
closest, least = (2.0**-53, -708.3964185) if logits.dtype == torch.float64 else (2.0**-24, -87.33654475)
log_h = logits.log_softmax(1).clamp(max=-closest)  # softmax reaches neither 0 nor 1"""

ON_TARGET = """\
if not soft:  # elsewhere it is 0
    log_h, y = log_h.gather(1, target.unsqueeze(1)), torch.ones_like(target).unsqueeze(1)"""

VIEW = ".view([3, 1, -1] + [1] * (logits.dim() - 2))"

CLASS_AWARE = """\
{classes}
logits = logits + classes[0] - y * classes[1]
weight = {weight}(y * classes[2]).sum(1)"""

OVER_BATCH = "over = [0] + [place for place in range(2, y.dim())]"

SIDES = "both_log_h, both_y = log_h, y  # what is asked of the second class, yes, differs from what is asked of no"

SIDE = "log_h, y = both_log_h[:, {place}:{after}], both_y[:, {place}:{after}]"

REDUCTIONS: dict[Reduction, str] = {
    "mean": "return losses.sum() / torch.ones_like(losses).sum().clamp(min=1.0)",  # the mean of nothing is 0
    "sum": "return losses.sum()",
    "none": "return losses",
}

LARGEST = "largest = 638.8044416040456 if double else 79.85055514686152  # leaves room for summing a batch"


def write_module(loss: Loss) -> str:
    """Write a loss as a Python file that needs torch alone.

    It has about 40 lines, and beside them those of the numbers that a :class:`ClassAwareLoss` has for every class.

    Args:
        loss: a loss of any family.

    Returns:
        The file's text: a module ``FoundLoss``, called as ``loss(logits, target)``, with the loss's own reductions
        and label smoothing.

    Raises:
        LossError: if the expression is no real number anywhere.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss
        >>> write_module(CrossEntropyLoss()).splitlines()[-1].strip()
        'return losses.sum() / torch.ones_like(losses).sum().clamp(min=1.0)'
    """
    return MODULE.format(
        formula=loss.formula("unicode"),
        call=CALLS[loss.outputs],
        progress=PROGRESS if loss.uses_progress else "",
        forward=textwrap.indent(write_forward(loss), INDENT),
    )


def write_forward(loss: Loss) -> str:
    """Write the method ``forward(self, logits, target)``, in words that Python and TorchScript share.

    Args:
        loss: a loss of any family but :class:`HeadsLoss`.

    Raises:
        LossError: if the expression is no real number anywhere, or there are several.
    """
    check_one_head(loss)
    if loss.outputs == "real":
        return _write_forward_of_predictions(loss)
    sides = _sides(loss)
    expressions = [side.expression() for side in sides if side is not None]
    for expression in expressions:
        _check_expression(expression)
    wrong_classes = "logits.shape[1] < 2" if loss.num_classes is None else f"logits.shape[1] != {loss.num_classes}"
    body = [
        HALF_PRECISION,
        TARGETS[loss.outputs].format(wrong_classes=wrong_classes),
    ]
    class_aware = class_aware_losses(loss)
    for place, each in enumerate(class_aware):
        classes, weight = write_constants("classes", each.numbers(), VIEW), "weight * " if place else ""
        body.append(CLASS_AWARE.format(classes=classes, weight=weight))
    if loss.label_smoothing:
        keep = 1.0 - loss.label_smoothing
        body.append(f"y = {keep!r} * y + {loss.label_smoothing!r} / logits.shape[1]")
    integrals = any(expression.has(sympy.Integral) for expression in expressions)
    body.append(BELOW_ONE if integrals else "log_h = logits.log_softmax(1)")
    if not all(expression.has(sympy.Integral) or _is_smooth(expression) for expression in expressions):
        body.append(OPEN_INTERVAL)
    weighted = "weight * " if class_aware else ""
    drives = [] if len(sides) == 1 else [drive_of(each) for each in expressions]
    if len(drives) == len(sides) and None not in drives:
        body += [MASKED, write_quadrature(drives), f"losses = {weighted}(y*integral).{loss.class_reduction}(1)"]
    elif len(sides) == 1:
        if integrals and not loss.label_smoothing and loss.class_reduction == "sum" and loss.outputs == "softmax":
            body.append(ON_TARGET)
        lines, text = _entries(expressions[0])
        body += [*lines, f"losses = {weighted}({text}).{loss.class_reduction}(1)"]
    else:
        body.append(SIDES)
        texts = []
        for place, side in enumerate(sides):
            if side is not None:
                lines, text = _entries(side.expression())
                body += [SIDE.format(place=place, after=place + 1), *lines, f"losses_{place} = {text}"]
                texts.append(f"losses_{place}")
        half = " / 2" if loss.class_reduction == "mean" else ""
        body.append(f"losses = {weighted}({' + '.join(texts)}).sum(1){half}")
    body.append(REDUCTIONS[loss.reduction])
    head = "def forward(self, logits: Tensor, target: Tensor) -> Tensor:\n"
    return head + textwrap.indent("\n".join(body), INDENT) + "\n"


def _write_forward_of_predictions(loss: Loss) -> str:
    inside, factor = unscaled(loss)
    assert isinstance(inside, RegressionLoss | StandardizedLoss)
    several = inside.sigma.ndim > 0
    width = f"(N, {inside.sigma.numel()})" if several else "(N,), (N, 1) or (N, D)"
    wrong_width = f"logits.shape[1:] != ({inside.sigma.numel()},)" if several else "logits.dim() < 1"
    body = [HALF_PRECISION, TARGETS["real"].format(wrong_width=wrong_width, shape=width)]
    sigma, listed = _numbers("sigma", inside.sigma.tolist())
    body += listed
    if isinstance(inside, RegressionLoss):
        body.append(f"r = (logits - target.to(logits.dtype)) / {sigma}")
        expression = inside.in_units(inside.of_residual(sympy.Symbol("r", real=True)))
    else:
        mean, listed = _numbers("mean", inside.mean.tolist())
        body += [
            *listed,
            f"h = (logits - {mean}) / {sigma}",
            f"y = (target.to(logits.dtype) - {mean}) / {sigma}",
        ]
        expression = inside.loss.expression() * (sympy.Symbol("sigma") if several else inside.sigma.item()) ** 2
    text = ResidualPrinter().doprint(expression if factor == 1.0 else factor * expression)
    body += [f"losses = {text}", REDUCTIONS[loss.reduction]]
    head = "def forward(self, logits: Tensor, target: Tensor) -> Tensor:\n"
    return head + textwrap.indent("\n".join(body), INDENT) + "\n"


def _numbers(name: str, values: float | list[float]) -> tuple[str, list[str]]:
    """Return how an expression writes one number, or several, and the lines that define them."""
    if not isinstance(values, list):
        return repr(values), []
    listed = ", ".join(map(repr, values))
    return name, [f"{name} = torch.tensor([{listed}], dtype=logits.dtype, device=logits.device)"]


def _sides(loss: Loss) -> list[Loss | None]:
    """Return the loss itself; of one that tells yes from no, the losses of the no and of the yes."""
    if isinstance(loss, TwoSidedLoss):
        return list(loss.sides)
    if not isinstance(loss, WrappedLoss):
        return [loss]
    sides = _sides(loss.loss)
    return [loss] if len(sides) == 1 else [None if side is None else _around(loss, side) for side in sides]


def _around(loss: WrappedLoss, inside: Loss) -> Loss:
    """Return what is around a loss around another one."""
    return loss.rewrapped(lambda _: inside)


def _check_expression(expression: "Expr") -> None:
    """Refuse what is no real number anywhere, or of more than y, h, f, t and the sum of all log h."""
    overflows = any(math.isinf(float(number)) for number in expression.atoms(sympy.Float))
    if overflows or expression.has(sympy.I, sympy.zoo, sympy.oo, sympy.nan):
        raise LossError("a real number", str(expression), "This loss is undefined everywhere: export another.")
    if unknown := expression.free_symbols - {H, Y, S, *sympy.symbols("f t")}:
        raise LossError("a loss of y, h, f and t", f"one of {', '.join(map(str, unknown))}, too", "Export another.")


def _entries(expression: "Expr") -> tuple[list[str], str]:
    """Write the loss of each entry of ``log_h`` and ``y``: lines that prepare it, and the expression itself."""
    is_smooth, integrals = _is_smooth(expression), expression.atoms(sympy.Integral)
    text = TorchPrinter(is_smooth).doprint(expression)
    lines = []
    if "largest" in text:
        lines.append(LARGEST)
    if H not in expression.free_symbols and sympy.Symbol("f") not in expression.free_symbols:
        text = f"{text} + 0.0 * log_h"
    if S in expression.free_symbols:
        lines.append("sum_log_h = log_h.sum(1, keepdim=True)")
    if expression.has(BatchMean):
        lines.append(OVER_BATCH)
    if integrals:
        return [*lines, MASKED, *(write_quadrature([integral]) for integral in integrals)], text
    lines.append("h = log_h.exp()" if is_smooth else "h = log_h.exp().clamp(min=tiny)")
    if _vanishes_off_target(expression):
        lines.append(MASKED)
    return lines, text


def check_one_head(loss: Loss) -> None:
    """Refuse a loss of several heads.

    Raises:
        LossError: if it is one.
    """
    if loss.num_heads > 1:
        raise LossError(
            "a loss of one head",
            f"losses of {loss.num_heads} heads",
            "Store and export each head's by itself: save_loss(loss.losses[0], ...).",
        )


def class_aware_losses(loss: Loss) -> list[ClassAwareLoss]:
    """Return the class-aware losses that a loss is or holds, the outermost first."""
    found = []
    while isinstance(loss, WrappedLoss):
        if isinstance(loss, ClassAwareLoss):
            found.append(loss)
        loss = loss.loss
    return found


def _is_smooth(expression: "Expr") -> bool:
    """Tell whether h = 0 and h = 1, which rounding can reach, are harmless."""
    names = sympy.symbols("h y f t log_h")
    return bool(expression.subs(sympy.log(H), names[-1]).is_polynomial(*names))


def _vanishes_off_target(expression: "Expr") -> bool:
    """Tell whether the loss is 0 where y is 0, whatever finite value its logarithms have there."""
    log_h = sympy.Dummy()
    polynomial = expression.replace(sympy.log, lambda argument: log_h)
    return bool(polynomial.has(log_h) and polynomial.is_polynomial(log_h) and polynomial.subs(Y, 0) == 0)
