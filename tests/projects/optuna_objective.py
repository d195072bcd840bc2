"""An Optuna objective that searches a learning rate, and prunes."""

import optuna
import torch
from torch import nn

from glo_lightning import suggest_loss
from glo_lightning.losses import Loss

INPUTS = torch.randn(256, 2, generator=torch.Generator().manual_seed(0))
TARGET = (INPUTS.prod(-1) > 0).long()


def objective(trial: optuna.Trial) -> float:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = torch.optim.Adam(network.parameters(), trial.suggest_float("lr", 1e-3, 1e-1, log=True))
    loss_fn = suggest_loss(trial, "drive", num_classes=2)
    accuracy = 0.0
    for epoch in range(5):
        for inputs, target in zip(INPUTS[:192].split(32), TARGET[:192].split(32), strict=True):
            optimizer.zero_grad()
            loss_fn(network(inputs), target).backward()
            optimizer.step()
        accuracy = float((network(INPUTS[192:]).argmax(-1) == TARGET[192:]).float().mean())
        trial.report(accuracy, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return accuracy


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=0), pruner=optuna.pruners.MedianPruner()
    )
    study.optimize(objective, n_trials=12)
    print("trained:", study.best_value, Loss.from_dict(study.best_trial.user_attrs["loss.stored"]).formula())
