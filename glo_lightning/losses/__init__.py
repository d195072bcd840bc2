"""What a candidate is: loss families, their stored form and their formulas. Needs torch alone."""

from glo_lightning.losses.base import Loss, label_distribution
from glo_lightning.losses.classic import (
    BaikalCMALoss,
    BaikalLoss,
    CrossEntropyLoss,
    FocalLoss,
    MeanSquaredErrorLoss,
    PolyLoss,
)
from glo_lightning.losses.heads import HeadsLoss
from glo_lightning.losses.loss_file import load_loss, save_loss
from glo_lightning.losses.multi_index import Input, fold, multi_indices, num_parameters, unfold
from glo_lightning.losses.named import NAMED_LOSSES, find_loss, load_losses, named_loss
from glo_lightning.losses.options import ClassReduction, FormulaStyle, Outputs, Reduction
from glo_lightning.losses.scaled import ScaledLoss
from glo_lightning.losses.sigmoid import SigmoidLoss, for_outputs, outputs_of
from glo_lightning.losses.taylor import TaylorLoss, cross_entropy_taylor, mean_squared_error_taylor
from glo_lightning.losses.tree import TreeLoss

__all__ = [
    "NAMED_LOSSES",
    "BaikalCMALoss",
    "BaikalLoss",
    "ClassReduction",
    "CrossEntropyLoss",
    "FocalLoss",
    "FormulaStyle",
    "HeadsLoss",
    "Input",
    "Loss",
    "MeanSquaredErrorLoss",
    "Outputs",
    "PolyLoss",
    "Reduction",
    "ScaledLoss",
    "SigmoidLoss",
    "TaylorLoss",
    "TreeLoss",
    "cross_entropy_taylor",
    "find_loss",
    "fold",
    "for_outputs",
    "label_distribution",
    "load_loss",
    "load_losses",
    "mean_squared_error_taylor",
    "multi_indices",
    "named_loss",
    "num_parameters",
    "outputs_of",
    "save_loss",
    "unfold",
]
