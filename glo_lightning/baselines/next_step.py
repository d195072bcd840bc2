"""What to do after the baselines, ready to be pasted."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from glo_lightning.baselines.advice import Advice
from glo_lightning.baselines.trainings import Trained
from glo_lightning.errors import SettingsError
from glo_lightning.search.settings import SearchSettings
from glo_lightning.train.settings import TrainSettings
from glo_lightning.training.task import Task

BEST_BASELINE = "best_baseline.json"
"""The best of the leaderboard, readable by ``load_loss``."""

LEARNING_RATES = ("model.learning_rate", "model.lr", "optimizer.lr")
"""What options for a learning rate are called."""


def in_python(given: SearchSettings, trained: Trained, advice: Advice, settings: SearchSettings) -> str:
    """Return what to do next in Python, as :func:`as_command` does for the command line.

    Args:
        given: settings of the search as they were given.
        trained: what is known.
        advice: what it says.
        settings: of the search, under the name that it should have.
    """
    if advice.answer == "does not pay" and advice.best.member.loss is not None:
        return f"model.loss_fn = load_loss({str(settings.folder / BEST_BASELINE)!r})"
    epochs = f"trainer={{..., 'max_epochs': {advice.epochs}}}"
    verb, changes, trainer = "run", _changes(given, advice, settings), epochs
    if advice.more_seeds is not None:
        verb, changes, trainer = "baselines", {"baseline_seeds": advice.more_seeds}, "trainer={...}"
    arguments = ", ".join(f"{name}={value!r}" for name, value in changes.items())
    return f"replace(search, {arguments}).{verb}(model, data, {trainer})"


def as_command(
    arguments: Sequence[str],
    task: Task,
    has_own_cli: bool,
    given: SearchSettings,
    trained: Trained,
    advice: Advice,
    settings: SearchSettings,
) -> str:
    """Return the search that is advised, a training where none is, or more seeds where that cannot be told.

    Args:
        arguments: of the command line that led to it.
        task: that it describes.
        has_own_cli: whether a LightningCLI of the user's own reads it, which the verb train has no use for.
        given: settings of the search as they were given.
        trained: what is known.
        advice: what it says.
        settings: of the search, under the name that it should have.
    """
    if advice.answer == "does not pay" and advice.best.member.loss is not None and not has_own_cli:
        return _training(arguments, task, trained, advice, settings)
    if advice.more_seeds is not None:
        return _command("baselines", arguments, {"search.baseline_seeds": advice.more_seeds})
    is_other = advice.epochs != trained.task.epochs
    length = {"trainer.max_epochs": advice.epochs} if is_other else {}
    return _command("search", arguments, {**_in("search", _changes(given, advice, settings)), **length})


def _changes(given: SearchSettings, advice: Advice, settings: SearchSettings) -> dict[str, Any]:
    """Return the settings that are advised and not given already."""
    advised = {"study_name": settings.study_name, **advice.settings}
    return {name: value for name, value in advised.items() if value != getattr(given, name)}


def _training(arguments: Sequence[str], task: Task, trained: Trained, advice: Advice, settings: SearchSettings) -> str:
    """Return the full training with the best of the leaderboard."""
    name, plain = f"{settings.study_name}_best_baseline", TrainSettings()
    asked: dict[str, Any] = {
        "loss": str(settings.folder / BEST_BASELINE),
        "name": name,
        "epochs": trained.leaderboard.epochs,
    }
    if replace(plain, name=name).folder.exists():  # perhaps of another loss
        asked["resume"] = False
    shared = ("monitor", "mode", "outputs", "loss_attribute")
    asked |= {name: getattr(settings, name) for name in shared if getattr(settings, name) != getattr(plain, name)}
    own = _left(arguments, lambda option: not option.startswith("search."))
    return _command("train", own, {**_in("train", asked), **_learning_rate(task, advice.best.rate)})


def _learning_rate(task: Task, factor: float) -> dict[str, Any]:
    """Return the option that multiplies the learning rate; none where no option of the model is it."""
    for name in LEARNING_RATES if factor != 1.0 else ():
        with suppress(SettingsError, TypeError):
            return {name: float(f"{task.configured(name) * factor:.4g}")}
    return {}


def _in(section: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{section}.{name}": value for name, value in values.items()}


def _command(verb: str, arguments: Sequence[str], changes: Mapping[str, Any]) -> str:
    """Return a command line with some options in place of what was said of them."""
    kept = _left(arguments, lambda option: option not in changes)
    written = [f"--{name}={_text(value)}" for name, value in changes.items()]
    return shlex.join(["python", "-m", f"glo_lightning.{verb}", *kept, *written])


def _left(arguments: Sequence[str], is_kept: Callable[[str], bool]) -> list[str]:
    """Return the arguments without some options, and without the values that follow them."""
    left: list[str] = []
    keeps = True
    for argument in arguments:
        if argument.startswith("-") and not _is_number(argument):
            keeps = not argument.startswith("--") or is_kept(argument[2:].partition("=")[0])
        left += [argument] if keeps else []
    return left


def _is_number(text: str) -> bool:
    with suppress(ValueError):
        float(text)
        return True
    return False


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(list(value) if isinstance(value, tuple) else value)
