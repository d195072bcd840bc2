"""What a search found along with a loss: it stands in a file of its own beside that of the loss."""

import logging
from collections.abc import Iterable
from pathlib import Path

from glo_lightning.errors import LossFileError
from glo_lightning.hyperparameters import Hyperparameters, describe
from glo_lightning.losses.loss_file import read_stored
from glo_lightning.losses.named import BEST_LOSS, DISCOVERED_LOSS, NAMED_LOSSES

BEST_HYPERPARAMETERS = "best_hyperparameters.json"
"""The file of what the loss to take home was trained with."""

DISCOVERED_HYPERPARAMETERS = "discovered_hyperparameters.json"
"""The file of what was found along with the winner of the search."""

_BESIDE = {BEST_LOSS: BEST_HYPERPARAMETERS, DISCOVERED_LOSS: DISCOVERED_HYPERPARAMETERS}

_logger = logging.getLogger(__name__)


def found_along(name: str) -> Hyperparameters:
    """Return the hyperparameters that a loss was trained with, where they differ from those of the model.

    Args:
        name: what :func:`~glo_lightning.losses.find_loss` takes.

    Raises:
        LossFileError: if the file of them cannot be read.
    """
    path = Path(name)
    if name in NAMED_LOSSES or path.name not in _BESIDE:
        return {}
    beside = path.with_name(_BESIDE[path.name])
    if not beside.is_file():
        return {}
    try:
        stored: Hyperparameters = read_stored(beside)
        describe(stored)
    except (LossFileError, AttributeError, ValueError, TypeError) as error:
        raise LossFileError(
            "hyperparameters by name, in JSON",
            f"{str(beside)!r}, which holds something else",
            "Run its search again, which writes it anew, or remove it.",
        ) from error
    return stored


def warn_of_what_goes_along(names: Iterable[str]) -> None:
    """Warn of losses that were trained with hyperparameters of their own, which no file of a loss holds.

    Args:
        names: what :func:`~glo_lightning.losses.find_loss` takes.

    Raises:
        LossFileError: if what was found along cannot be read.
    """
    for name in names:
        told = describe(found_along(name))
        if told:
            _logger.warning(
                "%s was trained with %s. Set that, too: its file holds the loss alone.", name, ", ".join(told)
            )
