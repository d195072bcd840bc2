"""``help()`` of every public name describes every argument, where it stands."""

import inspect
import pydoc
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

from glo_lightning import LossSearch

DOORS = ("", ".callbacks", ".data", ".losses", ".models", ".search", ".theory")

PROMISED = {
    "": ["LossSearch", "LossInjection", "GenerationalCmaEsSampler", "load_loss", "suggest_loss"],
    ".losses": [
        "Loss", "TaylorLoss", "DriveLoss", "TreeLoss", "ResidualLoss", "ClassAwareLoss", "CrossEntropyLoss",
        "known_losses", "load_loss", "save_loss",
    ],
    ".search": ["LossSearch", "SearchResult", "SuggestedSpace", "suggest_loss", "GenerationalCmaEsSampler", "Range"],
    ".theory": ["trainability", "attraction", "smooth_labels", "canonical"],
}  # fmt: skip

ELSEWHERE = re.compile(r"^(likewise|as (:\w+:)?`|see )", re.IGNORECASE)


def described(text: str) -> dict[str, str]:
    """Return the arguments, or the attributes of what is only read, that a docstring describes, with their words."""
    found = re.search(r"^(Args|Attributes):\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    entries = re.findall(r"^    (\w+): (.+?)(?=^    \S|\Z)", found[2] if found else "", re.MULTILINE | re.DOTALL)
    return {name: " ".join(words.split()) for name, words in entries}


def arguments(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self" and not name.startswith("_")]


def public() -> Iterator[tuple[str, Any]]:
    """Yield functions and classes of the doors, and the methods of what searches, by what help() calls them."""
    for door in DOORS:
        module = import_module(f"glo_lightning{door}")
        for name in module.__all__:
            thing, where = getattr(module, name), f"glo_lightning{door}.{name}"
            if not callable(thing) or not str(getattr(thing, "__module__", "")).startswith("glo_lightning"):
                continue
            yield where, thing
            if door == ".search" and thing.__module__ != "glo_lightning.search.samplers.cma_es":
                methods = (each for each in vars(thing) if not each.startswith("_")) if inspect.isclass(thing) else ()
                yield from (
                    (f"{where}.{each}", getattr(thing, each)) for each in methods if callable(getattr(thing, each))
                )


@pytest.mark.parametrize(("where", "thing"), list(public()), ids=lambda each: each if isinstance(each, str) else "")
def test_every_argument_is_described(where: str, thing: Any) -> None:
    told = described(inspect.getdoc(thing) or "")
    missing = [name for name in arguments(thing) if name not in told]
    assert not missing, f"help({where}) says nothing of {', '.join(missing)}"
    referred = [name for name, words in told.items() if ELSEWHERE.match(words)]
    assert not referred, f"help({where}) sends readers elsewhere for {', '.join(referred)}"


def test_help_shows_every_option_of_a_search() -> None:
    shown = pydoc.render_doc(LossSearch, renderer=pydoc.plaintext)
    for name in arguments(LossSearch):
        assert re.search(rf"^ \|      {name}: \w+", shown, re.MULTILINE), name


def test_promised_names_are_there() -> None:
    for door, names in PROMISED.items():
        module = import_module(f"glo_lightning{door}")
        for name in names:
            assert inspect.getdoc(getattr(module, name)), name
