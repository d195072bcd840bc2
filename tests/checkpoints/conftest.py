"""Checkpoints that the verbs judge."""

import pytest
from lightning.pytorch import Trainer, seed_everything

from glo_lightning.callbacks import LossInjection
from glo_lightning.data import DigitsDataModule
from glo_lightning.losses import named_loss, save_loss
from glo_lightning.models import Classifier, mlp


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two short trainings of the default model, each in a folder of its own and beside its loss."""
    files = []
    for name in ("cross_entropy", "baikal"):
        folder = tmp_path_factory.mktemp("runs") / name
        folder.mkdir()
        seed_everything(0, verbose=False)
        trainer = Trainer(
            max_epochs=5, accelerator="cpu", callbacks=[LossInjection(named_loss(name))], logger=False,
            enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(Classifier(mlp()), DigitsDataModule())
        trainer.save_checkpoint(folder / "last.ckpt")
        save_loss(named_loss(name), folder / "loss.json")
        files.append(str(folder / "last.ckpt"))
    return files
