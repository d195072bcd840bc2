"""Write a loss as text: LaTeX, one line of Unicode, or Python."""

from functools import cache
from typing import TYPE_CHECKING, Any

from glo_lightning.errors import LossError
from glo_lightning.losses.base import ClassReduction, FormulaStyle

if TYPE_CHECKING:
    import sympy

SIGNIFICANT_DIGITS = 4
"""Digits of a coefficient in formulas for people; Python formulas keep all of them."""

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def render(expression: "sympy.Expr", style: FormulaStyle, class_reduction: ClassReduction) -> str:
    r"""Write the loss of one sample, its sum or mean over classes included.

    Args:
        expression: l in y (label), h (scaled logit), f (unscaled logit) and t (training progress).
        style: ``"latex"``, ``"unicode"`` or ``"python"``.
        class_reduction: ``"sum"`` or ``"mean"`` over classes.

    Returns:
        The formula. In Python, an expression over arrays ``y``, ``h``, ``f`` of shape (..., C) and a number ``t``, with
        ``log`` and ``sqrt`` from the array library.

    Raises:
        LossError: if the style is unknown.

    Example:
        >>> import sympy
        >>> y, h = sympy.symbols("y h")
        >>> render(-y * sympy.log(h), "unicode", "sum")
        'L = Σ(−y·log h)'
        >>> render(2.0 * (h - y) ** 2, "latex", "mean")
        'L = \\frac{1}{n} \\sum_{i=1}^{n} \\left( 2 \\left(h - y\\right)^{2} \\right)'
        >>> render((h - y) ** 2, "python", "sum")
        '((h - y)**2).sum(-1)'
    """
    if style == "python":
        constant = not {symbol.name for symbol in expression.free_symbols} & {"y", "h", "f"}
        text = _printers()["python"].doprint(expression)
        return f"({'0 * h + ' if constant else ''}{text}).{class_reduction}(-1)"
    if style == "latex":
        import sympy

        mean = r"\frac{1}{n} " if class_reduction == "mean" else ""
        return rf"L = {mean}\sum_{{i=1}}^{{n}} \left( {sympy.latex(_rounded(expression))} \right)"
    if style == "unicode":
        mean = "1/n " if class_reduction == "mean" else ""
        return f"L = {mean}Σ({_printers()['unicode'].doprint(_rounded(expression))})"
    raise LossError("a style of 'latex', 'unicode' or 'python'", repr(style), "Use 'unicode' for a terminal.")


def _rounded(expression: "sympy.Expr") -> "sympy.Expr":
    """Round coefficients for reading, and show whole ones as whole."""
    import sympy

    def shorten(number: sympy.Float) -> sympy.Expr:
        short = float(f"{float(number):.{SIGNIFICANT_DIGITS}g}")
        return sympy.Integer(int(short)) if short.is_integer() else sympy.Float(short, SIGNIFICANT_DIGITS)

    return expression.xreplace({number: shorten(number) for number in expression.atoms(sympy.Float)})


@cache
def _printers() -> dict[str, Any]:
    # Defined here because sympy takes half a second to import, and most uses of a loss print nothing.
    import sympy
    from sympy.printing.str import StrPrinter

    class PythonPrinter(StrPrinter):  # type: ignore[misc]
        """Full precision, Python's operators."""

        def _print_Float(self, number: sympy.Float) -> str:  # noqa: N802
            return repr(float(number))

    class UnicodePrinter(StrPrinter):  # type: ignore[misc]
        """One line: superscripts, roots, a dot for products, log without parentheses around a letter."""

        def doprint(self, expression: sympy.Expr) -> str:
            return str(super().doprint(expression)).replace("-", "−").replace("*", "·")

        def _print_Float(self, number: sympy.Float) -> str:  # noqa: N802
            return f"{float(number):.{SIGNIFICANT_DIGITS}g}"

        def _print_Pow(self, power: sympy.Pow, rational: bool = False) -> str:  # noqa: N802
            if power.exp == sympy.Rational(1, 2):
                return f"√({self._print(power.base)})"
            if not (power.exp.is_Integer and power.exp > 0):
                return str(super()._print_Pow(power, rational)).replace("**", "^")
            base: str = self.parenthesize(power.base, sympy.printing.precedence.PRECEDENCE["Pow"])
            return base + str(power.exp).translate(_SUPERSCRIPTS)

        def _print_log(self, function: sympy.log) -> str:
            (argument,) = function.args
            return f"log {argument}" if argument.is_Symbol else f"log({self._print(argument)})"

    return {"python": PythonPrinter(), "unicode": UnicodePrinter()}
