"""Explain every setting once, in the docstring of the class that declares it; Python's help and ``--help`` read it."""

import inspect
import re
import textwrap
from collections.abc import Mapping

SECTION = r"^(?:Args|Attributes|Returns|Raises|Example|Source):"


def explain(cls: type) -> None:
    """Complete the ``Args`` of a class's docstring by those of its bases, where it does not explain them itself."""
    if not cls.__doc__:
        return  # Python runs with -OO
    before, _, after = _parts(cls)
    arguments = "\n".join(_wrapped(name, text) for name, text in explanations(cls).items())
    cls.__doc__ = "\n\n".join(part for part in (before, f"Args:\n{arguments}", after) if part) + "\n"


def explanations(cls: type) -> Mapping[str, str]:
    """Return what docstrings say about the arguments of a class, by their names, its own first.

    Example:
        >>> class Base:
        ...     '''What is common.
        ...
        ...     Args:
        ...         length: how long, in
        ...             steps.
        ...     '''
        >>> class Own(Base):
        ...     '''What is not.'''
        >>> dict(explanations(Own))
        {'length': 'how long, in steps.'}
    """
    texts: dict[str, str] = {}
    for each in cls.__mro__[:-1]:
        for name, text in re.findall(r"^    (\w+): ((?:.|\n(?!    \w))*)", _parts(each)[1], re.MULTILINE):
            texts.setdefault(name, " ".join(text.split()))
    return texts


def _parts(cls: type) -> tuple[str, str, str]:
    """Return a docstring up to its sections, its arguments, and the sections behind them."""
    text = inspect.cleandoc(cls.__doc__ or "")
    before, *sections = re.split(rf"(?={SECTION})", text, flags=re.MULTILINE)
    arguments = "".join(each for each in sections if each.startswith("Args:"))
    others = "".join(each for each in sections if not each.startswith("Args:"))
    return before.rstrip(), arguments, others.rstrip()


def _wrapped(name: str, text: str) -> str:
    return textwrap.fill(
        f"{name}: {text}",
        100,
        initial_indent=" " * 4,
        subsequent_indent=" " * 8,
        break_long_words=False,
        break_on_hyphens=False,
    )
