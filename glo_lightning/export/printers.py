"""Expressions of losses as PyTorch code."""

# ruff: noqa: N802  (sympy finds its printing methods by the names of its classes)

from typing import TYPE_CHECKING

import sympy
from sympy.printing.precedence import PRECEDENCE

from glo_lightning.losses.formula import BatchMean, PythonPrinter

if TYPE_CHECKING:
    from sympy import Expr

H, Y = sympy.symbols("h y")


class TorchPrinter(PythonPrinter):
    """Prints an expression over tensors; logarithms and negative powers of h come from ``log_h``.

    Args:
        is_smooth: whether powers of h may round to 0.
    """

    def __init__(self, is_smooth: bool) -> None:
        super().__init__()
        self._is_smooth = is_smooth

    def _print_Symbol(self, symbol: sympy.Symbol) -> str:
        return {"f": "logits", "t": "self.progress", "s": "sum_log_h"}.get(symbol.name, str(symbol.name))

    def _print_Integral(self, integral: sympy.Integral) -> str:
        return "integral"

    def _print_Max(self, expression: sympy.Max) -> str:
        (rest,) = (self._print(each) for each in expression.args if each != 0)
        return f"({rest}).clamp(min=tiny)"

    def _print_BatchMean(self, mean: BatchMean) -> str:
        return f"torch.mean({self._print(mean.args[0])}, dim=over, keepdim=True)"

    def _print_log(self, expression: sympy.log) -> str:
        if expression.is_number:
            return _number(expression)
        terms = []
        for factor in _apart(expression.args[0]):
            base, exponent = factor.as_base_exp()
            if base == H:
                terms.append(_multiple_of_log_h(exponent))
            else:
                terms.append(_number(sympy.log(factor)) if factor.is_number else f"torch.log({self._print(factor)})")
        text = " + ".join(terms)
        return text if text == "log_h" or (len(terms) == 1 and text.startswith("torch.log")) else f"({text})"

    def _print_Pow(self, power: sympy.Pow, rational: bool = False) -> str:
        if power.is_number:
            return _number(power)
        base, exponent = power.args
        if base == H and not exponent.is_positive:
            return f"torch.exp(({_multiple_of_log_h(exponent)}).clamp(max=largest))"
        if base == H and not self._is_smooth:
            return f"(h**{_number(exponent)}).clamp(min=tiny)"
        factors = _apart(base if exponent.is_Integer else sympy.factor_terms(base))
        if len(factors) > 1:  # apart, because the slope of sqrt(h*y) at y = 0 would be 0 / 0
            return f"({'*'.join(self.parenthesize(factor**exponent, PRECEDENCE['Mul']) for factor in factors)})"
        if exponent == sympy.Rational(1, 2):
            return f"torch.sqrt({self._print(base)})"
        return f"{self.parenthesize(base, PRECEDENCE['Pow'])}**{_number(exponent)}"

    def _print_Mul(self, product: sympy.Mul) -> str:
        # One factor after another: fractions would hide the powers of h in a denominator.
        number, factors = product.as_coeff_mul()
        texts = [self.parenthesize(factor, PRECEDENCE["Mul"]) for factor in factors]
        if number == -1:
            return "-" + "*".join(texts)
        return "*".join(texts if number == 1 else [_number(number), *texts])

    def _print_Rational(self, number: sympy.Rational) -> str:
        return _number(number)


class ResidualPrinter(PythonPrinter):
    """Prints an expression of the residual r over tensors."""

    def _print_Symbol(self, symbol: sympy.Symbol) -> str:
        return "self.progress" if symbol.name == "t" else str(symbol.name)

    def _print_Abs(self, expression: sympy.Abs) -> str:
        return f"{self.parenthesize(expression.args[0], PRECEDENCE['Atom'])}.abs()"

    def _print_Min(self, expression: sympy.Min) -> str:
        """Write the lesser of a number and a tensor."""
        number, tensor = sorted(expression.args, key=lambda each: not each.is_number)
        return f"{self.parenthesize(tensor, PRECEDENCE['Atom'])}.clamp(max={self._print(number)})"

    def _print_Function(self, expression: sympy.Function) -> str:
        return f"torch.{expression.func.__name__}({self._print(expression.args[0])})"

    def _print_Rational(self, number: sympy.Rational) -> str:
        return _number(number)


def _apart(product: "Expr") -> "list[Expr]":
    """Return the powers of h and of y in a product, and what is left if anything is."""
    powers = [factor for factor in sympy.Mul.make_args(product) if factor.as_base_exp()[0] in (H, Y)]
    rest = product / sympy.Mul(*powers)
    return [*powers, *([] if rest == 1 else [rest])]


def _multiple_of_log_h(factor: "Expr") -> str:
    return {1: "log_h", -1: "-log_h"}.get(factor) or f"{_number(factor)}*log_h"


def _number(expression: "Expr") -> str:
    if expression.is_Integer:
        return str(expression)
    value = complex(expression)
    return 'float("nan")' if value.imag else repr(value.real)  # as logarithms and roots of negative numbers are
