"""Optuna's pruners, set up for generations of short trainings."""

from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner, PatientPruner, SuccessiveHalvingPruner

from glo_lightning.search.settings import SearchSettings


def make_pruner(settings: SearchSettings, max_epochs: int) -> BasePruner:
    """Return the pruner that the settings ask for.

    Pruned candidates rank below the completed ones of their generation, by the epoch they reached and then by their
    metric. With several workers, what a pruner compares a training with depends on who is faster: such a search still
    continues where it stopped, but two of them need not agree. Trainings that may yet be given up and tried again with
    another seed, by ``abort_epoch``, are reported once that is decided.

    Args:
        settings: of the search.
        max_epochs: epochs of a training.
    """
    if settings.pruner == "median":
        return MedianPruner(n_startup_trials=settings.candidates_per_generation)
    if settings.pruner == "successive_halving":
        return SuccessiveHalvingPruner()
    if settings.pruner == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=max_epochs)
    if settings.pruner == "patient":
        return PatientPruner(None, patience=max(1, max_epochs // 5))
    return NopPruner()
