"""What a loss will do, told before anyone trains with it."""

from glo_lightning.theory.attraction import attraction, sample_attraction
from glo_lightning.theory.behaviour import behaviour_key
from glo_lightning.theory.canonical import CanonicalForm, canonical, canonical_terms
from glo_lightning.theory.descent import FirstBatch, descends, startup_descent
from glo_lightning.theory.gamma import AnyLoss, drive, gamma_polynomials, symmetric_gamma
from glo_lightning.theory.influence import InfluenceSummary, influence, summarize_influence
from glo_lightning.theory.mean_field import predict_accuracy
from glo_lightning.theory.probe import KernelProbe, probe_kernel
from glo_lightning.theory.record import AttractionRecord
from glo_lightning.theory.regime import (
    Equilibrium,
    NullEpoch,
    equilibria,
    equilibrium_confidence,
    implied_smoothing,
    null_epoch,
    zero_error_drive,
)
from glo_lightning.theory.scale import normalize_drive, scale_loss, startup_drive
from glo_lightning.theory.smoothing import smooth_labels
from glo_lightning.theory.summary import LossSummary, summarize
from glo_lightning.theory.trainability import Trainability, default_kappa, trainability

__all__ = [
    "AnyLoss",
    "AttractionRecord",
    "CanonicalForm",
    "Equilibrium",
    "FirstBatch",
    "InfluenceSummary",
    "KernelProbe",
    "LossSummary",
    "NullEpoch",
    "Trainability",
    "attraction",
    "behaviour_key",
    "canonical",
    "canonical_terms",
    "default_kappa",
    "descends",
    "drive",
    "equilibria",
    "equilibrium_confidence",
    "gamma_polynomials",
    "implied_smoothing",
    "influence",
    "normalize_drive",
    "null_epoch",
    "predict_accuracy",
    "probe_kernel",
    "sample_attraction",
    "scale_loss",
    "smooth_labels",
    "startup_descent",
    "startup_drive",
    "summarize",
    "summarize_influence",
    "symmetric_gamma",
    "trainability",
    "zero_error_drive",
]
