"""The task of somebody's own LightningCLI: their parser, links, defaults and classes, as they are."""

import functools
import importlib
import io
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, suppress
from typing import Any, Generic

from jsonargparse import Namespace
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.cli import LightningCLI

from glo_lightning.cli.parser import TaskParser
from glo_lightning.cli.refusals import explained
from glo_lightning.cli.shared_file import CLI, split_file
from glo_lightning.cli.task_cli import find_option
from glo_lightning.cli.verb import SettingsT, Verb
from glo_lightning.errors import ModelError, SettingsError
from glo_lightning.hyperparameters import Hyperparameters
from glo_lightning.plain_parser import PlainParser
from glo_lightning.safe_yaml import read_yaml, write_yaml
from glo_lightning.training.task import (
    LEAN_TRAINER,
    Task,
    copied,
    quiet_lightning,
    saves_checkpoints,
    with_callbacks,
)

OwnCLI = type[LightningCLI] | functools.partial[LightningCLI]
"""A class of it, or a partial with the arguments that it is called with."""

CONFIG_FILE = ("-c", "--config")
"""What a LightningCLI calls a configuration file."""


def cli_task(cli: OwnCLI, arguments: Sequence[str]) -> Task:
    """Return the task that a command line of somebody's own CLI describes; nothing runs.

    Args:
        cli: a LightningCLI class that can be called without arguments, or a ``functools.partial`` of one with them.
        arguments: the command line without the program's name; ``fit`` may be left out.

    Raises:
        SettingsError: if it asks for anything but a fit, or the arguments do not fit the parser.
        ModelError: if ``cli`` is no LightningCLI.
    """
    made = cli.func if isinstance(cli, functools.partial) else cli
    if not (isinstance(made, type) and issubclass(made, LightningCLI)):
        raise ModelError(
            "a LightningCLI class, or a functools.partial of one with its arguments",
            f"{made!r:.60}",
            "As in functools.partial(MyCLI, MyModel, MyData).",
        )
    if isinstance(arguments, str):
        raise SettingsError("the arguments of a fit, in a list", repr(arguments), "Pass shlex.split(arguments).")
    asked = list(arguments)
    if asked and not asked[0].startswith("-"):
        if asked[0] != "fit":
            raise SettingsError("the arguments of a fit", asked[0], "Leave the subcommand out.")
        del asked[0]
    held = _Held(made, cli.keywords if isinstance(cli, functools.partial) else {}, _positional(cli), asked)
    return Task(
        held.build_model,
        held.cli.datamodule,
        held.build_trainer,
        held.description(),
        functools.partial(cli_task, cli, tuple(arguments)),
        held.configured,
    )


def whole_configuration(cli: OwnCLI, task: Task, section: str, values: Mapping[str, Any]) -> str | None:
    """Return all options as YAML, so that ``--config``, with ``--cli``, repeats what was done with a CLI.

    Args:
        cli: of which the task is.
        task: from :func:`cli_task`.
        section: of a verb.
        values: of its options.

    Returns:
        None of a CLI without an import path, such as a partial, or a class of a script or of a function.
    """
    path = f"{cli.__module__}.{cli.__qualname__}" if isinstance(cli, type) and cli.__module__ != "__main__" else ""
    with suppress(ModelError):
        return _written(path, task, section, values) if load_cli(path) is cli else None
    return None


def _written(path: str, task: Task, section: str, values: Mapping[str, Any]) -> str:
    return write_yaml({CLI: path, **task.description, section: values})


def load_cli(path: str) -> OwnCLI:
    """Return the CLI of an import path, such as ``my_project.cli.MyCLI``.

    Raises:
        ModelError: if there is none.
    """
    module, _, name = path.rpartition(".")
    try:
        found: OwnCLI = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ModelError(
            "a LightningCLI by its import path", f"{path!r} ({error})", "Check the name, and the folder to start from."
        ) from None
    return found


def _positional(cli: OwnCLI) -> tuple[Any, ...]:
    return cli.args if isinstance(cli, functools.partial) else ()


class OwnCLIArguments(Generic[SettingsT]):
    """A command line of which the verb's options are read here, and all others by a CLI of somebody's own.

    A configuration file may have a section of the verb beside those of the CLI.

    Args:
        verb: whose options begin with its section.
        arguments: the command line without the program's name.
        flag: before the import path of the CLI.

    Attributes:
        given: the whole command line.
        arguments: those that are left to the CLI.

    Raises:
        SettingsError: if the import path is missing.
    """

    def __init__(self, verb: Verb[SettingsT], arguments: Sequence[str], flag: str) -> None:
        self.verb = verb
        self.given = tuple(arguments)
        parser = PlainParser(verb.section, add_help=False)
        parser.add_argument(flag, dest="cli")
        found, rest = parser.parse_known_args(arguments)
        self._cli: str = found.cli
        self.arguments: tuple[str, ...] = ()
        of_files: list[str] = []
        own: list[str] = []
        while rest:
            option, *rest = rest
            name, is_whole, value = option.partition("=")
            if not name.startswith(f"--{verb.section}.") and name not in CONFIG_FILE:
                self.arguments += (option,)
                continue
            if not is_whole:
                value, *rest = rest or [""]
            if not value:  # which the parsers will refuse
                own.append(name)
            elif name in CONFIG_FILE:
                options, value = split_file(value, verb.section)
                of_files += options
                self.arguments += (f"--config={value}",)
            else:
                own.append(f"{name}={value}")
        self._own = [*of_files, *own]

    def settings(self) -> SettingsT:
        """Return the verb's own options."""
        return self.verb.read(self._values())

    def task(self) -> Task:
        """Return the task that the other options describe."""
        return self._task

    def whole_configuration(self) -> str:
        """Return all options as YAML, so that ``--config``, with the same CLI, repeats the command."""
        return _written(self._cli, self._task, self.verb.section, self._values())

    @functools.cached_property
    def _task(self) -> Task:
        return cli_task(load_cli(self._cli), self.arguments)

    def _values(self) -> dict[str, Any]:
        parser = TaskParser(prog=self.verb.program, usage=self.verb.usage)
        self.verb.add_options(parser)
        values: dict[str, Any] = vars(parser.parse_args(self._own)[self.verb.section])
        return values


@contextmanager
def _explained() -> Iterator[None]:
    """Raise an error where a parser prints pages and ends the process; of help, which it prints, nothing changes."""
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            yield
    except SystemExit as ended:
        _, is_error, reason = said.getvalue().rpartition("error: ")
        if ended.code and is_error:
            said.truncate(0)
            raise explained(reason.strip(), ()) from None
        raise
    finally:
        sys.stderr.write(said.getvalue())


class _Built(Exception):  # noqa: N818  # no error: it ends a command before it trains
    """All objects of a command line have been made."""


class _Held:
    """A CLI that has parsed, and builds models and Trainers when it is asked."""

    def __init__(
        self, made: type[LightningCLI], keywords: Mapping[str, Any], positional: Sequence[Any], arguments: Sequence[str]
    ) -> None:
        built: list[LightningCLI] = []

        def before_fit(self: LightningCLI) -> None:
            built.append(self)
            raise _Built

        def instantiate_trainer(self: Any, **kwargs: Any) -> Trainer:
            section = self.config_init["fit"]["trainer"]
            own = section.get("callbacks")
            if isinstance(own, list):  # which the Trainer would fill with its own
                section["callbacks"] = list(own)
            trainer: Trainer = made.instantiate_trainer(self, **kwargs)
            section["callbacks"] = own
            return trainer

        changes = {"before_fit": before_fit, "instantiate_trainer": instantiate_trainer}
        stopped = type(made.__name__, (made,), changes)
        with quiet_lightning(), warnings.catch_warnings():
            # Lightning suspects a mistake where arguments are passed while sys.argv has some, too.
            warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
            with suppress(_Built), _explained():
                stopped(*positional, **{**keywords, "args": ["fit", *arguments]})
        if not built:
            raise ModelError(
                "a LightningCLI that fits", f"{made.__name__}, which did not come that far", "Let it take args and run."
            )
        (self.cli,) = built
        self.cli.save_config_callback = None
        self._defaults = self.cli.trainer_defaults
        self._is_fresh = True

    def build_model(self, hyperparameters: Hyperparameters | None = None) -> LightningModule:
        """Build a new model, with whatever their CLI does to it, and what a new Trainer is made of."""
        configured = self.cli.config
        self.cli.config = configured.clone()
        for name, value in (hyperparameters or {}).items():
            place, last = find_option(self._own, name)
            place[last] = value
        try:
            self.cli.instantiate_classes()
            self.cli.after_instantiate_classes()
        finally:
            self.cli.config = configured
        self._is_fresh = True
        model: LightningModule = self.cli.model
        return model

    def build_trainer(self, callbacks: Sequence[Callback], overrides: Mapping[str, Any]) -> Trainer:
        """Build a Trainer with new callbacks and loggers of theirs, and ours before them."""
        if not self._is_fresh:
            self.build_model()
        self._is_fresh = False
        # Among the defaults of a class are callbacks, which remember.
        self.cli.trainer_defaults = {name: copied(name, value) for name, value in self._defaults.items()}
        trainer = self._own["trainer"]
        unset = {name: value for name, value in LEAN_TRAINER.items() if trainer.get(name) in (None, "auto")}
        if saves_checkpoints(self._callbacks()):
            unset["enable_checkpointing"] = True
        return with_callbacks(self.cli.instantiate_trainer(**{**unset, **overrides}), callbacks)

    def configured(self, name: str) -> Any:
        """Return the value of an option of the model, the optimizer or the schedule."""
        place, last = find_option(self._own, name)
        return place[last]

    def description(self) -> dict[str, Any]:
        """Return all options, as a configuration file has them."""
        options: dict[str, Any] = read_yaml(self.cli.parser.dump(self.cli.config))["fit"]
        return {section: values for section, values in options.items() if section != "config"}

    @property
    def _own(self) -> Namespace:
        own: Namespace = self.cli.config["fit"]
        return own

    def _callbacks(self) -> list[Callback]:
        """Return the callbacks of the command line: the Trainer's, and those with sections of their own."""
        made = vars(self.cli.config_init["fit"])
        of_trainer = made["trainer"].get("callbacks") or []
        listed = of_trainer if isinstance(of_trainer, list) else [of_trainer]
        return [each for each in [*listed, *made.values()] if isinstance(each, Callback)]
