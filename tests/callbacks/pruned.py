"""A study with pruning, as one process or as a rank of two."""

import json
import os
from pathlib import Path

import optuna
import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from glo_lightning.callbacks import OptunaPruning


class Line(LightningModule):
    """Fits a line; a learning rate of 2 only makes it worse."""

    def __init__(self, learning_rate: float) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)
        self.learning_rate = learning_rate

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        return nn.functional.mse_loss(self.layer(batch[0]), batch[1])

    def validation_step(self, batch: list[Tensor], batch_idx: int) -> None:
        self.log("val_loss", nn.functional.mse_loss(self.layer(batch[0]), batch[1]), sync_dist=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), self.learning_rate)


class ClosingLogger(CSVLogger):
    """Remembers how it was closed."""

    status = ""

    def finalize(self, status: str) -> None:
        super().finalize(status)
        self.status = status


def loader() -> DataLoader[tuple[Tensor, ...]]:
    x = torch.linspace(-1, 1, 32).unsqueeze(1)
    return DataLoader(TensorDataset(x, 2 * x + 1), batch_size=8)


def optimize(storage: str, folder: Path, pruner: str, devices: int = 1) -> None:
    """Run three trials, the last of them hopeless, and leave what this rank saw in a file."""
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    study = open_study(storage, pruner) if rank == 0 else None
    seen = []
    for learning_rate in (0.2, 0.2, 2.0):
        torch.manual_seed(0)
        trial = study.ask() if study is not None else None
        pruning = OptunaPruning(trial, monitor="val_loss")
        logger, checkpoint = ClosingLogger(folder / f"logs{rank}"), ModelCheckpoint(folder / f"checkpoints{rank}")
        trainer = Trainer(
            max_epochs=6, accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto",
            callbacks=[pruning, checkpoint], logger=logger, log_every_n_steps=1, enable_progress_bar=False,
            enable_model_summary=False,
        )  # fmt: skip
        model = Line(learning_rate)
        trainer.fit(model, loader(), loader())
        seen.append(
            {
                "stopped": pruning.stopped, "epochs": trainer.current_epoch, "closed": logger.status,
                "finished": trainer.state.finished, "weight": model.layer.weight.item(),
                "checkpoint": rank > 0 or Path(checkpoint.best_model_path).is_file(),
            }
        )  # fmt: skip
        if study is not None and pruning.stopped:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        elif study is not None:
            study.tell(trial, trainer.callback_metrics["val_loss"].item())
    (folder / f"rank{rank}.json").write_text(json.dumps(seen))


def without_trial(folder: Path) -> None:
    """Forget the trial on both ranks."""
    trainer = Trainer(
        max_epochs=1, accelerator="cpu", devices=2, strategy="ddp", callbacks=[OptunaPruning(None, "val_loss")],
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(Line(0.1), loader(), loader())


PRUNERS = {
    "median": lambda: optuna.pruners.MedianPruner(n_startup_trials=2),
    "successive_halving": lambda: optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2),
    "hyperband": lambda: optuna.pruners.HyperbandPruner(min_resource=1, max_resource=6, reduction_factor=2),
    "patient": lambda: optuna.pruners.PatientPruner(None, patience=1),
}


def open_study(storage: str, pruner: str) -> optuna.Study:
    from glo_lightning.search.storage.open import open_storage

    return optuna.create_study(
        study_name="pruned", storage=open_storage(storage), pruner=PRUNERS[pruner](), load_if_exists=True
    )
