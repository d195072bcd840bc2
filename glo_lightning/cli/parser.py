"""LightningCLI's parser, which reads YAML safely and says in one line what it cannot read."""

from typing import Any, NoReturn

import yaml
from jsonargparse import get_loader, set_dumper, set_loader
from lightning.pytorch.cli import LightningArgumentParser

from glo_lightning.errors import GloError
from glo_lightning.safe_yaml import require_ordinary, write_yaml

MODE = "safe_yaml"
"""What this package's way to load values is registered as; other parsers keep theirs."""


class TaskParser(LightningArgumentParser):
    """Raises a GloError where its base prints pages and ends the process."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        set_loader(MODE, _load, (yaml.YAMLError,))
        set_dumper(MODE, write_yaml)
        super().__init__(*args, **{**kwargs, "parser_mode": MODE, "allow_abbrev": False})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Refuse a command line or a configuration file."""
        cause: BaseException | None = ex
        while self.exit_on_error and cause is not None:
            if isinstance(cause, GloError):
                raise cause from None
            cause = cause.__cause__ or cause.__context__
        super().error(message, ex)


def _load(text: str) -> Any:
    require_ordinary(text)
    return get_loader("yaml")(text)
