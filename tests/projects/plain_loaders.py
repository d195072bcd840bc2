"""A script with two loaders and a model of its own."""

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from glo_lightning import LossSearch


class Network(LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
        self.loss_fn = nn.CrossEntropyLoss()

    def training_step(self, batch, batch_idx):
        inputs, target = batch
        return self.loss_fn(self.layers(inputs), target)

    def validation_step(self, batch, batch_idx):
        inputs, target = batch
        self.log("val_accuracy", (self.layers(inputs).argmax(-1) == target).float().mean())

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 0.02)


def loader(count: int, seed: int) -> DataLoader:
    inputs = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
    return DataLoader(TensorDataset(inputs, (inputs.prod(-1) > 0).long()), 32, shuffle=True)


if __name__ == "__main__":
    seed_everything(0)
    trainer = {"max_epochs": 2, "accelerator": "cpu", "logger": False, "enable_checkpointing": False}
    search = LossSearch(generations=2, population_size=6, comparison_seeds=0)
    result = search.run(Network, train_dataloaders=loader(256, 0), val_dataloaders=loader(128, 1), trainer=trainer)
    model = Network()
    model.loss_fn = result.best_loss
    fitted = Trainer(**trainer, enable_progress_bar=False)
    fitted.fit(model, loader(256, 0), loader(128, 1))
    print("trained:", float(fitted.callback_metrics["val_accuracy"]))
