"""What a candidate is: loss families, their stored form and their formulas. Needs torch alone."""

from typing import TYPE_CHECKING

from glo_lightning.lazy import lazy_names

if TYPE_CHECKING:
    from glo_lightning.losses.active_passive import ActivePassiveLoss
    from glo_lightning.losses.baikal import BaikalCMALoss, BaikalLoss
    from glo_lightning.losses.base import Loss
    from glo_lightning.losses.batch import label_distribution
    from glo_lightning.losses.class_aware import ClassAwareLoss
    from glo_lightning.losses.classic import CrossEntropyLoss, FocalLoss, MeanSquaredErrorLoss, PolyLoss
    from glo_lightning.losses.drive import DriveLoss
    from glo_lightning.losses.expansions import cross_entropy_taylor, mean_squared_error_taylor
    from glo_lightning.losses.heads import HeadsLoss
    from glo_lightning.losses.known import KnownLoss, known_losses, known_regression_losses
    from glo_lightning.losses.loss_file import load_loss, save_loss
    from glo_lightning.losses.multi_index import multi_indices, num_parameters
    from glo_lightning.losses.named import NAMED_LOSSES, find_loss, load_losses, named_loss
    from glo_lightning.losses.options import ClassReduction, FormulaStyle, Input, Outputs, Reduction
    from glo_lightning.losses.outputs import baseline_loss, for_outputs, in_units_of
    from glo_lightning.losses.regression import RegressionLoss
    from glo_lightning.losses.residual import ResidualLoss
    from glo_lightning.losses.robust import AbsoluteErrorLoss, HuberLoss, LogCoshLoss, QuantileLoss
    from glo_lightning.losses.scaled import ScaledLoss
    from glo_lightning.losses.sigmoid import SigmoidLoss
    from glo_lightning.losses.standardized import StandardizedLoss
    from glo_lightning.losses.taylor import TaylorLoss
    from glo_lightning.losses.tree import TreeLoss
    from glo_lightning.losses.tversky import TverskyLoss
    from glo_lightning.losses.two_sided import TwoSidedLoss, asymmetric_loss, two_sided_drive

__all__ = [
    "NAMED_LOSSES",
    "AbsoluteErrorLoss",
    "ActivePassiveLoss",
    "BaikalCMALoss",
    "BaikalLoss",
    "ClassAwareLoss",
    "ClassReduction",
    "CrossEntropyLoss",
    "DriveLoss",
    "FocalLoss",
    "FormulaStyle",
    "HeadsLoss",
    "HuberLoss",
    "Input",
    "KnownLoss",
    "LogCoshLoss",
    "Loss",
    "MeanSquaredErrorLoss",
    "Outputs",
    "PolyLoss",
    "QuantileLoss",
    "Reduction",
    "RegressionLoss",
    "ResidualLoss",
    "ScaledLoss",
    "SigmoidLoss",
    "StandardizedLoss",
    "TaylorLoss",
    "TreeLoss",
    "TverskyLoss",
    "TwoSidedLoss",
    "asymmetric_loss",
    "baseline_loss",
    "cross_entropy_taylor",
    "find_loss",
    "for_outputs",
    "in_units_of",
    "known_losses",
    "known_regression_losses",
    "label_distribution",
    "load_loss",
    "load_losses",
    "mean_squared_error_taylor",
    "multi_indices",
    "named_loss",
    "num_parameters",
    "save_loss",
    "two_sided_drive",
]
__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "active_passive": ["ActivePassiveLoss"],
        "baikal": ["BaikalCMALoss", "BaikalLoss"],
        "base": ["Loss"],
        "batch": ["label_distribution"],
        "class_aware": ["ClassAwareLoss"],
        "classic": ["CrossEntropyLoss", "FocalLoss", "MeanSquaredErrorLoss", "PolyLoss"],
        "drive": ["DriveLoss"],
        "expansions": ["cross_entropy_taylor", "mean_squared_error_taylor"],
        "heads": ["HeadsLoss"],
        "known": ["KnownLoss", "known_losses", "known_regression_losses"],
        "loss_file": ["load_loss", "save_loss"],
        "multi_index": ["multi_indices", "num_parameters"],
        "named": ["NAMED_LOSSES", "find_loss", "load_losses", "named_loss"],
        "options": ["ClassReduction", "FormulaStyle", "Input", "Outputs", "Reduction"],
        "outputs": ["baseline_loss", "for_outputs", "in_units_of"],
        "regression": ["RegressionLoss"],
        "residual": ["ResidualLoss"],
        "robust": ["AbsoluteErrorLoss", "HuberLoss", "LogCoshLoss", "QuantileLoss"],
        "scaled": ["ScaledLoss"],
        "sigmoid": ["SigmoidLoss"],
        "standardized": ["StandardizedLoss"],
        "taylor": ["TaylorLoss"],
        "tree": ["TreeLoss"],
        "tversky": ["TverskyLoss"],
        "two_sided": ["TwoSidedLoss", "asymmetric_loss", "two_sided_drive"],
    },
)
