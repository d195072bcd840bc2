"""The LightningCLI of a verb: it parses once and builds model and Trainer afresh for every training."""

import functools
import warnings
from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic

from jsonargparse import Namespace
from lightning.pytorch import Callback, LightningDataModule, LightningModule, Trainer
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI

from glo_lightning.cli.config_file import ConfigFileWithBase
from glo_lightning.cli.parser import TaskParser
from glo_lightning.cli.verb import SettingsT, Verb
from glo_lightning.errors import SettingsError
from glo_lightning.files import write_whole
from glo_lightning.hyperparameters import Hyperparameters
from glo_lightning.options import option
from glo_lightning.training.task import LEAN_TRAINER, Task, saves_checkpoints, with_callbacks

DEFAULTS: dict[str, dict[str, Any]] = {
    "model": {
        "class_path": "glo_lightning.models.Classifier",
        "init_args": {"network": {"class_path": "glo_lightning.models.mlp"}},
    },
    "data": {"class_path": "glo_lightning.data.DigitsDataModule"},
}

NAMING_CLASSES = ("-c", "--config", *(f"--{section}" for section in DEFAULTS))
"""How arguments begin that can name other classes than the defaults."""


class TaskCLI(LightningCLI, Generic[SettingsT]):
    """Parses model, data, Trainer and a verb's own options, and builds nothing until asked.

    Args:
        verb: whose options these are. Those of other verbs may be in a configuration file, and are not read.
        arguments: the command line without the program's name.

    Attributes:
        notes: lines about what was not read.
    """

    def __init__(self, verb: Verb[SettingsT], arguments: Sequence[str]) -> None:
        self.verb = verb
        self.arguments = tuple(arguments)
        with warnings.catch_warnings():
            # Lightning suspects a mistake where arguments are passed while sys.argv has some, too.
            warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
            super().__init__(
                LightningModule,
                LightningDataModule,
                subclass_mode_model=True,
                subclass_mode_data=True,
                save_config_callback=None,
                seed_everything_default=False,
                trainer_defaults={**LEAN_TRAINER, "max_epochs": 3},
                parser_kwargs={"prog": verb.program, "usage": verb.usage},
                parser_class=TaskParser,
                run=False,
                args=["--help" if each == "--help=all" else each for each in verb.spell_out(arguments)],
            )

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        """Return a parser for configuration files that may have a base."""
        parser = TaskParser(**kwargs)
        parser.verb, self.notes = self.verb.section, parser.notes
        parser.add_argument("-c", "--config", action=ConfigFileWithBase, help="Path to a YAML file.")
        return parser

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add the verb's own options, and the defaults that make a bare command run."""
        self.verb.add_options(parser)
        parser.set_defaults(DEFAULTS)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse the command line; null means not set, for the Trainer, too."""
        self._forget_other_defaults(parser, args)
        super().parse_arguments(parser, args)
        for name, default in self.trainer_defaults.items():
            if self.config.trainer[name] is None:
                self.config.trainer[name] = default
        seed = self.config.get("seed_everything")
        if seed is not None and seed is not False:  # 0 is a seed
            self.notes.append(
                f"seed_everything={seed} is not read: {option('seed', self.settings().seed)} is the seed."
            )
        self.config["seed_everything"] = False

    def _forget_other_defaults(self, parser: LightningArgumentParser, args: Sequence[str]) -> None:
        """Let classes other than our own have their own defaults; the parser would keep ours of the same names."""
        if not any(each.startswith(NAMING_CLASSES) for each in args):
            return
        parser.exit_on_error = False
        try:
            first = parser.parse_args([each for each in args if not each.startswith("--print_config")])
        except ArgumentError:
            return  # which the parser will explain
        finally:
            parser.exit_on_error = True
        chosen = {section: first[section].class_path for section in DEFAULTS if first[section] is not None}
        others = {section: path for section, path in chosen.items() if path != DEFAULTS[section]["class_path"]}
        parser.set_defaults({section: {"class_path": path} for section, path in others.items()})

    def instantiate_classes(self) -> None:
        """Build nothing yet: every training gets objects of its own."""
        self._dump_config()

    def settings(self) -> SettingsT:
        """Return the verb's own options."""
        return self.verb.read(vars(self.config[self.verb.section]))

    def task(self) -> Task:
        """Return the task the command line describes."""
        datamodule = self._instantiate("data").data
        rebuild = functools.partial(task_from_command_line, self.verb, self.arguments)
        return Task(self.build_model, datamodule, self.build_trainer, self.description(), rebuild, self.configured)

    def configured(self, name: str) -> Any:
        """Return the value of an option of the model, the optimizer or the schedule.

        Args:
            name: as on the command line, without dashes; dots lead into arguments that are objects, too.

        Raises:
            SettingsError: if there is no such option.
        """
        place, last = find_option(self.config, name)
        return place[last]

    def build_model(self, hyperparameters: Hyperparameters | None = None) -> LightningModule:
        """Build a new model, with the optimizer of the command line if there is one.

        Args:
            hyperparameters: options that shall have other values than the command line gives them.
        """
        sections = self._sections("model", "optimizer", "lr_scheduler").clone()
        for name, value in (hyperparameters or {}).items():
            place, last = find_option(sections, name)
            place[last] = value
        self.config_init = self.parser.instantiate(sections)
        model: LightningModule = self.config_init.model
        self.model = model
        self._add_configure_optimizers_method_to_model(None)
        return model

    def build_trainer(self, callbacks: Sequence[Callback], overrides: Mapping[str, Any]) -> Trainer:
        """Build a Trainer with new callbacks and loggers of the user's, and ours."""
        self.config_init = self._instantiate("trainer")
        own = self.config_init.trainer.callbacks or []
        if saves_checkpoints(own if isinstance(own, list) else [own]):
            overrides = {"enable_checkpointing": True, **overrides}
        return with_callbacks(self.instantiate_trainer(**overrides), callbacks)

    def _instantiate(self, *sections: str) -> Namespace:
        built: Namespace = self.parser.instantiate(self._sections(*sections))
        return built

    def _sections(self, *names: str) -> Namespace:
        return Namespace(**{name: self.config[name] for name in names if name in self.config})  # type: ignore[no-untyped-call]

    def description(self) -> dict[str, Any]:
        """Return what tells this task from another: the options of its parts that are set."""
        return {
            section: {name: value for name, value in (self.config_dump[section] or {}).items() if value is not None}
            for section in ("model", "data", "trainer", "optimizer", "lr_scheduler")
            if section in ("model", "data", "trainer") or self.config_dump.get(section)
        }

    def save_config(self, path: Path) -> None:
        """Write the whole configuration, so that ``--config`` repeats the command."""
        write_whole(path, self.whole_configuration())

    def whole_configuration(self) -> str:
        """Return the whole configuration as YAML, so that ``--config`` repeats the command."""
        text: str = self.parser.dump(self.config, skip_unset=False)
        return text


def find_option(config: Namespace, name: str) -> tuple[Namespace, str]:
    """Return where an option is, and what it is called there.

    Raises:
        SettingsError: if there is no such option.
    """
    place: Any = config
    *path, last = name.split(".")
    for part in path:
        place = _arguments(place.get(part)) if isinstance(place, Namespace) else None
    if path and path[0] in ("model", "optimizer", "lr_scheduler") and isinstance(place, Namespace) and last in place:
        return place, last
    found = path and isinstance(place, Namespace)
    known = f"options of {'.'.join(path)}: {', '.join(vars(place))}" if found else "--model.*"
    raise SettingsError(
        f"an option of the model, the optimizer or the schedule, such as model.learning_rate; {known}",
        repr(name),
        "Check the name; --print_config shows them all.",
    )


def _arguments(value: Any) -> Any:
    """Return the arguments of an object that the configuration describes."""
    return value.get("init_args") if isinstance(value, Namespace) and "class_path" in value else value


def task_from_command_line(verb: Verb[Any], arguments: Sequence[str]) -> Task:
    """Return the task of a command line; this is how other processes build it."""
    return TaskCLI(verb, arguments).task()
