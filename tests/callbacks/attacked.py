"""A validation under attack, as one process or as a rank of two."""

import json
import os
from pathlib import Path

import torch
from lightning.pytorch import Trainer

from glo_lightning.callbacks import AdversarialValidation
from glo_lightning.data import DigitsDataModule
from glo_lightning.models import Classifier, mlp


def validate(folder: Path, devices: int) -> None:
    """Validate on 180 images, which ranks share, and test on 359, which they all take; write what was logged."""
    torch.manual_seed(0)
    trainer = Trainer(
        accelerator="cpu", devices=devices, strategy="ddp" if devices > 1 else "auto", logger=False,
        callbacks=[AdversarialValidation(0.05)], enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False,
    )  # fmt: skip
    model, data = Classifier(mlp()), DigitsDataModule(validation_fraction=0.1)
    (validated,) = trainer.validate(model, data, verbose=False)
    (tested,) = trainer.test(model, data, verbose=False)
    rank = os.environ.get("LOCAL_RANK", "0")
    (folder / f"{devices}-{rank}.json").write_text(json.dumps({**validated, **tested}))
