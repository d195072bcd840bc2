"""Integrals of drives as sums over the nodes of a quadrature, in PyTorch code."""

import math
import textwrap
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

import sympy

from glo_lightning.errors import LossError
from glo_lightning.export.printers import Y
from glo_lightning.losses.formula import nodes_of, split_drive

if TYPE_CHECKING:
    from sympy import Expr

    Numbers: TypeAlias = Sequence[float] | Sequence["Numbers"]

QUADRATURE = """\
{constants}
log_t = log_h{columns}.clamp(min=least).unsqueeze(-1) * rule[0]
{lines}drive = {size}{polynomial} * torch.exp({ends})
value, half = -log_h * (drive * rule[1]).sum(-1){back}, drive[..., -1]{back} / 2
integral = value.detach() - (half + half.detach()) * (log_h - log_h.detach())  # exact slopes"""

EXPONENTIAL = "t = log_t.exp()\n"

REST = "rest = (torch.tanh(log_t / -2.0) * (1.0 + {t})).clamp(min=1e-19)  # 1 - t\n"

TOLERANCE = 1e-9
"""Relative error of an integral for h above 1e-6."""


def drive_of(expression: "Expr") -> "sympy.Integral | None":
    """Return the integral of a drive by which y is multiplied; None if a loss is anything else."""
    factor, integral = (expression / Y).as_independent(sympy.Integral)
    if not (isinstance(integral, sympy.Integral) and factor.is_number):
        return None
    return sympy.Integral(factor * integral.function, *integral.limits)


def write_quadrature(integrals: "Sequence[sympy.Integral]") -> str:
    """Write the integral of a drive from h to 1 as a sum over nodes; of two, each in the column of its class."""
    p = integrals[0].limits[0][0]
    rules = [nodes_of(integral.function, p, TOLERANCE) for integral in integrals]
    most = max(len(nodes) for nodes, _ in rules)
    rules = [nodes_of(integral.function, p, TOLERANCE, most) for integral in integrals]
    parts = [split_drive(integral.function, p) for integral in integrals]
    polynomials = [sympy.Poly(polynomial, p).all_coeffs()[::-1] for *_, polynomial in parts]
    degree = max(map(len, polynomials))
    own: list[list[list[float]]] = []

    def number(values: Sequence[float]) -> str:
        """Return how to call a number that each class has its own of."""
        if len(values) == 1:
            return repr(float(values[0]))
        own.append([[float(value)] for value in values])
        return f"own[{len(own) - 1}]"

    ends = {"log_t": [each + 1.0 for each, *_ in parts], "rest.log()": [each for _, each, _ in parts]}
    texts = [f"{number(exponents)}*{log}" for log, exponents in ends.items() if any(exponents)]
    # As shares of the largest, lest integers be too coarse.
    both = len(integrals) > 1
    size = max(abs(float(each)) for row in polynomials for each in row) or 1.0 if both else 1.0
    polynomials = [[float(each) / size for each in row] for row in polynomials]
    factor = number([row[-1] if len(row) == degree else 0.0 for row in polynomials])
    for power in range(degree - 2, -1, -1):
        factor = f"({factor}*t + {number([row[power] if power < len(row) else 0.0 for row in polynomials])})"
    lines = EXPONENTIAL if degree > 1 else ""
    if any(ends["rest.log()"]):
        lines += REST.format(t="t" if lines else "log_t.exp()")
    if degree > 1:
        lines, factor = f"{lines}polynomial = {factor}\n", "polynomial"
    # One more node, that counts for nothing, is h itself: the drive there is the slope, which the sum has wrong for
    # the smallest h.
    nodes, weights = ([numbers.tolist() for numbers in each] for each in zip(*rules, strict=True))
    rule = [[[*each, 1.0] for each in nodes], [[*each, 0.0] for each in weights]]
    constants = [write_constants("rule", rule if both else [each[0] for each in rule], digits=10)]
    return QUADRATURE.format(
        constants="\n".join([*constants, write_constants("own", own)] if own else constants),
        columns=".movedim(1, -1)" if both else "",
        back=".movedim(-1, 1)" if both else "",
        lines=lines,
        polynomial=factor,
        size=f"{size!r} * " if both else "",
        ends=" + ".join(texts) or "0.0*log_t",
    )


def write_constants(name: str, numbers: "Numbers", view: str = "", digits: int = 14) -> str:
    """Write numbers as a tensor, in lines of a file's width; as integers, for TorchScript rounds lists of floats.

    Args:
        name: of the tensor.
        numbers: finite; nested as the tensor's dimensions are.
        view: what is written behind it.
        digits: decimals that will do for numbers of ordinary size.

    Raises:
        LossError: if a number is not finite.
    """
    sizes = [abs(number) for number in _flat(numbers) if number]
    if not all(map(math.isfinite, sizes)):
        raise LossError("finite numbers", f"{name} of {max(sizes)}", "This loss overflows: export another.")
    if all(1e-5 <= size < 2**63 / 10**digits for size in sizes):
        tensor = f"torch.tensor({_written(numbers, lambda number: f'{number * 10**digits:.0f}')}).double() / 1e{digits}"
    else:
        mantissas = _written(numbers, lambda number: _decimal(number)[0])
        exponents = _written(numbers, lambda number: _decimal(number)[1])
        tensor = f"torch.tensor({mantissas}).double() * 10.0 ** torch.tensor({exponents}).double()"
    return textwrap.fill(f"{name} = ({tensor}).to(logits.dtype).to(logits.device){view}", 112, subsequent_indent="    ")


def _decimal(number: float) -> tuple[str, str]:
    """Return a number's digits as an integer, and the power of ten that it is multiplied by."""
    decimal = Decimal(repr(number)).normalize()
    exponent = decimal.as_tuple().exponent
    assert isinstance(exponent, int)
    return str(int(decimal.scaleb(-exponent))), str(exponent)


def _flat(numbers: "Numbers | float") -> list[float]:
    return [numbers] if isinstance(numbers, float) else [inner for each in numbers for inner in _flat(each)]


def _written(numbers: "Numbers | float", write: Callable[[float], str]) -> str:
    if isinstance(numbers, float):
        return write(numbers)
    return f"[{', '.join(_written(each, write) for each in numbers)}]"
