"""Random numbers of every epoch from a seed of its own."""

from lightning.pytorch import LightningModule, Trainer

from glo_lightning.callbacks.lean import LeanCallback
from glo_lightning.training.generators import seed_generators, seed_globally
from glo_lightning.training.seeds import fresh_seeds


class SeededEpochs(LeanCallback):
    """Seeds every epoch after the first anew, so that one that is gone on with is what it would have been.

    Order of the data, augmentation and dropout then depend on the seed and the number of the epoch alone, and no state
    of a generator need be kept; those that the data hold are seeded, too. It must stand before callbacks that draw.
    Workers that persist from epoch to epoch go on with random numbers of their own.

    Args:
        seed: of the training, 0 or more.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Seed Python, NumPy, torch on all devices, and the generators in the data."""
        if trainer.current_epoch == 0:  # as the whole training was seeded
            return
        (seed,) = fresh_seeds(self.seed, f"epoch {trainer.current_epoch}", 1)
        seed_globally(seed)
        seed_generators([trainer.datamodule, trainer.train_dataloader, trainer.val_dataloaders], seed)  # type: ignore[attr-defined]
        # Going on, Lightning asked the loaders for their order before this hook; this lets it ask again, as it does in
        # every other epoch.
        trainer.fit_loop._resuming_from_checkpoint = False
