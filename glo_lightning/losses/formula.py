r"""A loss as text: for a paper, for a terminal, or to paste into code.

Imported only when a formula is asked for, because it needs sympy.

Example:
    >>> y, h = sympy.symbols("y h")
    >>> print(render(0.123456 * (h - y) ** 2, "latex"))
    L = \sum_i 0.1235 \left(h_{i} - y_{i}\right)^{2}
    >>> print(render(0.123456 * (h - y) ** 2, "unicode"))
    L = Σᵢ 0.1235·(hᵢ − yᵢ)²
    >>> print(render(0.123456 * (h - y) ** 2, "python"))
    (0.123456*(h - y)**2).sum(-1)
"""

# ruff: noqa: N802  (sympy finds its printing methods by the names of its classes)

import math
from functools import reduce
from typing import ClassVar

import sympy
import torch
from sympy.codegen.cfunctions import expm1, log1p
from sympy.printing.latex import LatexPrinter
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter
from torch import Tensor

from glo_lightning.errors import LossError
from glo_lightning.losses.options import ClassReduction, FormulaStyle
from glo_lightning.losses.quadrature import NODES, gauss_jacobi

_INDEXED = {sympy.Symbol(name): f"{name}_{{i}}" for name in ("y", "h", "f")}
_SIDES = {sympy.Symbol(f"{name}_{place}"): f"{name}[..., {place}]" for name in ("y", "h") for place in (0, 1)}
_KNOWN = {*sympy.symbols("y h f t"), *_SIDES}
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUBSCRIPTS = str.maketrans("_01", " ₀₁")


class BatchMean(sympy.Function):  # type: ignore[misc]
    """The mean of an entry over all samples and positions of a batch."""


def render(expression: sympy.Expr, style: FormulaStyle, class_reduction: ClassReduction = "sum") -> str:
    """Write an elementwise loss, reduced over classes, as one line of text.

    Args:
        expression: in the symbols y, h, f and t; see :meth:`Loss.expression`. Of a loss that treats its two classes
            differently, in y_0, h_0, y_1 and h_1, and summed over them already.
        style: ``"latex"`` or ``"unicode"``, with four significant digits; or ``"python"``, with all of them: an
            expression over arrays y, h, f of shape (N, C) and a number t, for numpy and torch alike.
        class_reduction: ``"sum"`` or ``"mean"``.

    Returns:
        The formula.

    Raises:
        LossError: if the style is unknown.
    """
    if style == "python":
        if unknown := expression.free_symbols - _KNOWN:
            raise LossError(
                "a loss of y, h, f and t alone for a formula in Python",
                f"one of {', '.join(map(str, unknown))}, too",
                "Export it instead: glo-lightning export.",
            )
        text = PythonPrinter().doprint(expression)
        if expression.free_symbols & _SIDES.keys():
            return text if class_reduction == "sum" else f"({text})/2"
        if not expression.free_symbols - {sympy.Symbol("t")}:
            text = f"{text} + 0*h"  # an array even where the loss is constant
        return f"({text}).{class_reduction}(-1)"
    if style not in ("latex", "unicode"):
        raise LossError("style 'latex', 'unicode' or 'python'", repr(style), "Use 'unicode' for a terminal.")
    rounded = expression.xreplace({number: _round(number) for number in expression.atoms(sympy.Float)})
    is_summed = bool(rounded.free_symbols & _SIDES.keys())
    negative = not (rounded.is_Add or is_summed) and rounded.could_extract_minus_sign()
    body = -rounded if negative else rounded
    if is_summed:
        return _render_sides(body, style, class_reduction)
    if style == "latex":
        text = _LatexPrinter({"symbol_names": _INDEXED}).doprint(body)
        text = rf"\left({text}\right)" if body.is_Add else text
        sum_over_classes = r"\sum_i" if class_reduction == "sum" else r"\frac{1}{C} \sum_i"
        return f"L = {'- ' if negative else ''}{sum_over_classes} {text}"
    text = _UnicodePrinter().doprint(body).replace("*", "·").replace("-", "−")
    text = f"[{text}]" if body.is_Add else text
    return f"L = {'−' if negative else ''}{'Σᵢ' if class_reduction == 'sum' else '(1/C)·Σᵢ'} {text}"


def render_residual(expression: sympy.Expr, style: FormulaStyle, sigma: float | list[float]) -> str:
    """Write a function of the residual as one line of text.

    Args:
        expression: in the symbol r, real.
        style: ``"latex"`` or ``"unicode"``, with four significant digits; or ``"python"``, with all of them: an
            expression over arrays f and y.
        sigma: what the residual is divided by.

    Returns:
        The loss of one prediction.

    Raises:
        LossError: if the style is unknown, or there is a sigma for each prediction and no name for them in Python.

    Example:
        >>> r = sympy.Symbol("r", real=True)
        >>> print(render_residual(r**2 / 2, "unicode", 77.1))
        L = r²/2, r = (f − y)/77.1
        >>> print(render_residual(r**2 / 2, "python", 77.1))
        ((f - y)/77.1)**2/2
    """
    if style == "python":
        if isinstance(sigma, list):
            raise LossError(
                "one sigma for a formula in Python", f"{len(sigma)}", "Export it instead: glo-lightning export."
            )
        code: str = PythonPrinter({"residual": f"(f - y)/{sigma!r}"}).doprint(expression)
        return code
    if style not in ("latex", "unicode"):
        raise LossError("style 'latex', 'unicode' or 'python'", repr(style), "Use 'unicode' for a terminal.")
    readable = expression.rewrite([log1p], sympy.log).rewrite([expm1], sympy.exp)
    rounded = _turned(readable.xreplace({number: _round(number) for number in readable.atoms(sympy.Float)}))
    spread = r"\sigma" if style == "latex" else "σ"
    if not isinstance(sigma, list):
        spread = f"{sigma:.4g}"
    if style == "latex":
        residual = "f - y" if spread == "1" else rf"\left(f - y\right) / {spread}"
        return rf"L = {_LatexPrinter().doprint(rounded)},\ r = {residual}"
    text = _UnicodePrinter().doprint(rounded).replace("*", "·").replace("-", "−")
    return f"L = {text}, r = {'f − y' if spread == '1' else f'(f − y)/{spread}'}"


def _render_sides(body: sympy.Expr, style: FormulaStyle, class_reduction: ClassReduction) -> str:
    """Write the sum of two classes, which no sign for a sum is needed for."""
    if style == "latex":
        text = _LatexPrinter().doprint(body)
        return f"L = {text}" if class_reduction == "sum" else rf"L = \frac{{1}}{{2}} \left({text}\right)"
    text = _UnicodePrinter().doprint(body).replace("*", "·").replace("-", "−")
    return f"L = {text}" if class_reduction == "sum" else f"L = (1/2)·[{text}]"


def _turned(product: sympy.Expr) -> sympy.Expr:
    """Write -a (x - 1) as a (1 - x), as one reads what grows from 0."""
    coefficient, rest = product.as_coeff_Mul()
    factors = list(sympy.Mul.make_args(rest))
    for place, factor in enumerate(factors):
        if coefficient < 0 and factor.is_Add and factor.as_coeff_Add()[0] == -1:
            factors[place] = -factor
            return sympy.Mul(-coefficient, *factors)
    return product


def render_standardized(
    expression: sympy.Expr, style: FormulaStyle, mean: float | list[float], sigma: float | list[float]
) -> str:
    """Write a function of a standardised target y and prediction h as one line of text.

    Args:
        expression: in the symbols y, h and t.
        style: as in :func:`render_residual`.
        mean: of the targets.
        sigma: their standard deviation.

    Raises:
        LossError: as from :func:`render_residual`.

    Example:
        >>> y, h = sympy.symbols("y h")
        >>> print(render_standardized((h - y) ** 2, "unicode", 152.1, 77.1))
        L = 5944·(h − y)², h = (f − 152.1)/77.1, y likewise
    """
    numbers = None if isinstance(mean, list) or isinstance(sigma, list) else (mean, sigma)
    scaled = expression * (sympy.Symbol("sigma") if numbers is None else sympy.Float(numbers[1])) ** 2
    if style == "python":
        if numbers is None:
            raise LossError("one sigma for a formula in Python", "several", "Export it instead: glo-lightning export.")
        centre, spread = map(repr, numbers)
        standard = {"h": f"((f - {centre})/{spread})", "y": f"((y - {centre})/{spread})"}
        code: str = PythonPrinter(standard).doprint(scaled)
        return code
    if style not in ("latex", "unicode"):
        raise LossError("style 'latex', 'unicode' or 'python'", repr(style), "Use 'unicode' for a terminal.")
    rounded = scaled.xreplace({number: _round(number) for number in scaled.atoms(sympy.Float)})
    mu, spread = (r"\mu", r"\sigma") if style == "latex" else ("μ", "σ")
    centred = f"f - {mu}"
    if numbers is not None:
        centred, spread = f"f {'-' if numbers[0] >= 0.0 else '+'} {abs(numbers[0]):.4g}", f"{numbers[1]:.4g}"
    if style == "latex":
        return rf"L = {_LatexPrinter().doprint(rounded)},\ h = ({centred}) / {spread},\ y\ \mathrm{{likewise}}"
    text = _UnicodePrinter({"indexed": False}).doprint(rounded)
    return f"L = {text}, h = ({centred})/{spread}, y likewise".replace("*", "·").replace("-", "−")


def _round(number: sympy.Float) -> sympy.Number:
    rounded = float(f"{float(number):.4g}")
    if math.isinf(rounded):
        return number
    return sympy.Integer(rounded) if rounded == int(rounded) and abs(rounded) < 1e6 else sympy.Float(rounded)


def _mantissa_and_exponent(number: sympy.Float) -> tuple[str, int]:
    text = str(number.n(4)) if math.isinf(float(number)) else f"{float(number):.4g}"
    mantissa, _, exponent = text.partition("e")
    return f"{float(mantissa):g}", int(exponent or 0)


def split_drive(drive: sympy.Expr, p: sympy.Symbol) -> tuple[float, float, sympy.Expr]:
    """Take a drive apart: the exponents of p and of 1 - p, and the polynomial that they are multiplied by."""
    powers = {
        base: sympy.Mul(*(factor for factor in sympy.Mul.make_args(drive) if factor.as_base_exp()[0] == base))
        for base in (p, 1 - p)
    }
    of_p, of_rest = (0.0 if power == 1 else float(power.as_base_exp()[1]) for power in powers.values())
    return of_p, of_rest, drive / sympy.Mul(*powers.values())


def nodes_of(drive: sympy.Expr, p: sympy.Symbol, tolerance: float = 0.0, at_least: int = 8) -> tuple[Tensor, Tensor]:
    """Return the nodes and weights that integrate a drive from h to 1; see :class:`~.drive_shape.DriveShape`.

    Args:
        drive: a product with powers of p and of 1 - p.
        p: what is integrated over.
        tolerance: relative error for h above 1e-6, for fewer nodes; all by default.
        at_least: how many nodes there are at least.
    """
    exponent, g, polynomial = split_drive(drive, p)
    coefficients = [float(each) for each in sympy.Poly(polynomial, p).all_coeffs()]
    log_h = -torch.logspace(-2.0, 1.14, 24, dtype=torch.float64)
    rules = [gauss_jacobi(g, count) for count in range(at_least, NODES + 1, 2)]
    sums = []
    for nodes, weights in rules:
        log_t = log_h.unsqueeze(-1) * nodes
        value = reduce(lambda total, each: total * log_t.exp() + each, coefficients, torch.zeros_like(log_t))
        sums.append((value * ((exponent + 1.0) * log_t).exp() * (-log_t.expm1()) ** g * weights).sum(-1))
    exact = sums[-1]
    enough = [((own - exact).abs() <= tolerance * exact.abs()).all() for own in sums]
    # Where sums overflow, none is close to another.
    return next((rule for rule, good in zip(rules, enough, strict=True) if good), rules[-1])


class PythonPrinter(StrPrinter):  # type: ignore[misc]
    """Prints what Python reads back to the last bit."""

    _default_settings: ClassVar = {**StrPrinter._default_settings, "residual": "r", "h": "h", "y": "y"}

    def _print_Float(self, number: sympy.Float) -> str:
        return repr(float(number)).replace("inf", "1e999")

    def _print_Symbol(self, symbol: sympy.Symbol) -> str:
        if symbol.name == "r":
            return f"({self._settings['residual']})"
        return _SIDES.get(symbol) or str(self._settings[symbol.name] if symbol.name in ("h", "y") else symbol.name)

    def _print_Max(self, expression: sympy.Max) -> str:
        """Write max(0, x) by what numpy and torch call alike."""
        (rest,) = (self._print(each) for each in expression.args if each != 0)
        return f"((abs({rest}) + {rest})/2)"

    def _print_BatchMean(self, mean: BatchMean) -> str:
        return f"({self._print(mean.args[0])}).mean(0)"

    def _print_Abs(self, expression: sympy.Abs) -> str:
        return f"abs({self._print(expression.args[0])})"

    def _print_Min(self, expression: sympy.Min) -> str:
        """Write the lesser of two by operations that numbers and arrays share."""
        first, second = map(self._print, expression.args)
        return f"(({first} + {second} - abs({first} - {second}))/2)"

    def _print_Integral(self, integral: sympy.Integral) -> str:
        """Write the integral of a drive from h to 1 as a sum over nodes."""
        (p, low, _), drive = integral.limits[0], integral.function
        nodes, weights = (numbers.tolist() for numbers in nodes_of(drive, p))
        terms = [weight * (p * drive).subs(p, low**node) for node, weight in zip(nodes, weights, strict=True)]
        return f"(-log({self._print(low)})*({self._print(sympy.Add(*terms, evaluate=False))}))"


class _UnicodePrinter(StrPrinter):  # type: ignore[misc]
    """Prints indices below and exponents above the line; the caller replaces - and *."""

    _default_settings: ClassVar = {**StrPrinter._default_settings, "indexed": True}

    def _print_Symbol(self, symbol: sympy.Symbol) -> str:
        if symbol in _SIDES:
            return str(symbol.name).translate(_SUBSCRIPTS).replace(" ", "")
        is_indexed = symbol in _INDEXED and self._settings["indexed"]
        return f"{symbol.name}ᵢ" if is_indexed else str(symbol.name).replace("sigma", "σ")

    def _print_Max(self, expression: sympy.Max) -> str:
        return f"max({', '.join(map(self._print, expression.args))})"

    def _print_BatchMean(self, mean: BatchMean) -> str:
        return f"⟨{self._print(mean.args[0])}⟩"

    def _print_Float(self, number: sympy.Float) -> str:
        mantissa, exponent = _mantissa_and_exponent(number)
        return f"{mantissa}·10{str(exponent).translate(_SUPERSCRIPTS)}" if exponent else mantissa

    def _print_Abs(self, expression: sympy.Abs) -> str:
        return f"|{self._print(expression.args[0])}|"

    def _print_Min(self, expression: sympy.Min) -> str:
        return f"min({', '.join(map(self._print, expression.args))})"

    def _print_Integral(self, integral: sympy.Integral) -> str:
        ((p, low, high),) = integral.limits
        return f"∫[{self._print(low)}, {self._print(high)}] {self._print(integral.function)} d{p}"

    def _print_Pow(self, power: sympy.Pow, rational: bool = False) -> str:
        if not power.exp.is_Integer or power.exp < 2:
            text: str = super()._print_Pow(power, rational).replace("**", "^")
            return text
        base = self.parenthesize(power.base, PRECEDENCE["Pow"])
        return f"{base}{str(power.exp).translate(_SUPERSCRIPTS)}"


class _LatexPrinter(LatexPrinter):  # type: ignore[misc]
    """Prints numbers with four significant digits."""

    def _print_BatchMean(self, mean: BatchMean) -> str:
        return rf"\left\langle {self._print(mean.args[0])} \right\rangle"

    def _print_Float(self, number: sympy.Float) -> str:
        mantissa, exponent = _mantissa_and_exponent(number)
        return rf"{mantissa} \cdot 10^{{{exponent}}}" if exponent else mantissa
