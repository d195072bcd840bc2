"""Losses that have a name: the classic ones and those the papers published."""

from collections.abc import Callable, Collection, Sequence
from pathlib import Path

from glo_lightning.errors import LossError
from glo_lightning.losses.active_passive import ActivePassiveLoss
from glo_lightning.losses.baikal import BaikalCMALoss, BaikalLoss
from glo_lightning.losses.base import Loss
from glo_lightning.losses.classic import CrossEntropyLoss, FocalLoss, MeanSquaredErrorLoss, PolyLoss
from glo_lightning.losses.known import known_losses
from glo_lightning.losses.loss_file import load_loss
from glo_lightning.losses.options import Outputs
from glo_lightning.losses.outputs import for_outputs
from glo_lightning.losses.residual import ResidualLoss
from glo_lightning.losses.robust import AbsoluteErrorLoss, HuberLoss, LogCoshLoss, QuantileLoss
from glo_lightning.losses.sigmoid import SigmoidLoss
from glo_lightning.losses.taylor import TaylorLoss
from glo_lightning.losses.tversky import TverskyLoss
from glo_lightning.losses.two_sided import TwoSidedLoss, asymmetric_loss

TAYLORGLO_1 = (0.8439, 1.4872, 1.5742, -1.4446, 2.3616, -0.6632, -2.8569, -1.1313)
TAYLORGLO_2 = (-10.9408, 7.5216, 8.2896, 0.2415, 7.8726, 8.9666, 2.0184, 7.0513)
"""The two parameter vectors the TaylorGLO authors published: third order, folded, centre first."""

BEST_LOSS = "best_loss.json"
"""What every search calls the file of the loss to take home."""

DISCOVERED_LOSS = "discovered_loss.json"
"""What every search calls the file of its winner, beside it."""

BEST_KNOWN = "best_known.json"
"""What every search calls the file of the best loss of the literature, beside them."""

NAMED_LOSSES: dict[str, Callable[[], Loss]] = {
    "cross_entropy": CrossEntropyLoss,
    "binary_cross_entropy": lambda: SigmoidLoss(CrossEntropyLoss()),
    "label_smoothing": lambda: CrossEntropyLoss(label_smoothing=0.1),
    "mean_squared_error": MeanSquaredErrorLoss,
    "mse": MeanSquaredErrorLoss,
    "focal": FocalLoss,
    "poly": PolyLoss,
    "active_passive": ActivePassiveLoss,
    "asymmetric": asymmetric_loss,
    "dice": TverskyLoss,
    "binary_dice": lambda: SigmoidLoss(TwoSidedLoss(TverskyLoss(class_reduction="sum"))),
    "tversky": lambda: TverskyLoss(0.3, 0.7),
    "baikal": BaikalLoss,
    "baikal_cma": BaikalCMALoss,
    "taylorglo_1": lambda: TaylorLoss(TAYLORGLO_1, folded=True),
    "taylorglo_2": lambda: TaylorLoss(TAYLORGLO_2, folded=True),
    "squared_error": ResidualLoss,
    "absolute_error": AbsoluteErrorLoss,
    "huber": HuberLoss,
    "pseudo_huber": lambda: ResidualLoss(1.0),
    "log_cosh": LogCoshLoss,
    "cauchy": lambda: ResidualLoss(0.0),
    "geman_mcclure": lambda: ResidualLoss(-2.0),
    "quantile": QuantileLoss,
}


def named_loss(name: str) -> Loss:
    """Return a new loss by its name.

    Args:
        name: one of ``NAMED_LOSSES``.

    Raises:
        LossError: if no loss has this name.

    Example:
        >>> named_loss("cross_entropy")
        CrossEntropyLoss(class_reduction='sum', reduction='mean', label_smoothing=0.0)

    Source: derivations.md, sections 2 and 7.5.
    """
    if name not in NAMED_LOSSES:
        cure = _how_to_make(name) or "Check it, or load a stored loss."
        raise LossError(f"a name out of {', '.join(NAMED_LOSSES)}", repr(name), cure)
    return NAMED_LOSSES[name]()


def find_loss(name: str) -> Loss:
    """Return a loss by its name, or from the file it is stored in.

    Args:
        name: one of ``NAMED_LOSSES``, or a JSON file that :func:`save_loss` wrote.

    Raises:
        LossError: if it is neither.
        LossFileError: if the file is no stored loss.
    """
    if name in NAMED_LOSSES:
        return named_loss(name)
    if not Path(name).is_file():
        raise LossError(
            f"a stored loss's file, or a name out of {', '.join(NAMED_LOSSES)}",
            f"{name!r}, which is neither",
            _how_to_make(name) or "Check the path; a search leaves its loss in runs/<study_name>/best_loss.json.",
        )
    return load_loss(name)


def _how_to_make(name: str) -> str:
    """Say how to get a loss of the literature that depends on the number of classes; nothing of other names."""
    if name not in known_losses(2, (1, 1)):
        return ""
    counts = ", class_counts" if name not in known_losses(2) else ""
    return (
        f"It depends on the classes: save_loss(known_losses(10{counts})[{name!r}].loss, '{name}.json') makes a file of "
        "it; a search leaves its best known loss in runs/<study_name>/best_known.json."
    )


def load_losses(
    names: Sequence[str], outputs: Outputs | None = "softmax", reserved: Collection[str] = ()
) -> dict[str, Loss]:
    """Load losses by name or file, each once.

    Args:
        names: what :func:`find_loss` takes.
        outputs: of the model, for which losses found by name are made; a stored loss knows its own. None if there is
            no model, and every loss stays what it is.
        reserved: what no stored loss shall be called, as no stored loss is called like a named one.

    Returns:
        Losses by what to call them: their name, or the file's; a ``best_loss.json`` or another file that every search
        leaves is called like its folder, and a file by its whole path where another loss has a right to the short name.

    Raises:
        LossError: if something is neither a name nor a file, nothing tells two losses apart, or a loss is of classes
            and the outputs are numbers, or the other way round.
        LossFileError: if a file is no stored loss.
    """
    losses: dict[str, Loss] = {}
    for name in dict.fromkeys(names):
        loss = find_loss(name)
        if name in NAMED_LOSSES:
            losses[name] = loss if outputs is None else for_outputs(loss, outputs)
            continue
        short = short_name(name)
        called = name if short in {*NAMED_LOSSES, *reserved, *losses} else short
        if outputs is not None and (loss.outputs == "real") != (outputs == "real"):
            for_outputs(loss, outputs)  # which refuses it
        if called in losses:
            raise LossError("losses that can be told apart", f"two called {called!r}", "Rename one of the files.")
        losses[called] = loss
    return losses


def short_name(name: str) -> str:
    """Return what a loss is called where nothing else is called so.

    Args:
        name: what :func:`find_loss` takes.
    """
    path = Path(name)
    if name in NAMED_LOSSES or path.name not in (BEST_LOSS, DISCOVERED_LOSS, BEST_KNOWN):
        return path.stem
    return path.resolve().parent.name
