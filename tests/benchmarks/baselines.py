"""What the verb baselines predicts of a search, and what the verdict of that search says.

python tests/benchmarks/baselines.py [--tasks clean "half wrong" ...] [--seed 0]

The tasks are those of verdicts.py, and rare positives judged by F1. Of each, what is known is trained first, with eight
seeds, on training and validation data alone; where it asks for more seeds, it gets them, once. Then the search runs
that was advised, from the best baseline, and its verdict is by ten seeds on the test split. A search has paid if what
it found beats cross-entropy (of numbers, Huber's loss) tuned with as many trainings, and is not beaten by the best
known loss. Where the prediction was that it cannot be told, the verdict must not tell the loss found from the tuned
rival either.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from lightning.pytorch import LightningDataModule, LightningModule
from sklearn.datasets import make_classification
from torch import Tensor, nn
from torchmetrics.classification import BinaryF1Score
from verdicts import TASKS

from glo_lightning.compare.comparison import Comparison
from glo_lightning.compare.rivals import KNOWN, TUNED
from glo_lightning.data.tensor_data import Splits, TensorDataModule
from glo_lightning.search import LossSearch
from glo_lightning.search.records.verdict import DISCOVERED
from glo_lightning.words import number


class RarePositives(TensorDataModule):
    """Numbers of which one row in fifteen is a yes, and one label in fifty is wrong."""

    num_classes, input_shape = 2, (20,)

    def __init__(self) -> None:
        super().__init__(batch_size=64)

    def load(self) -> Splits:
        rows, labels = make_classification(
            3000, 20, n_informative=6, weights=[0.93], flip_y=0.02, class_sep=0.8, random_state=0
        )
        inputs, targets = torch.from_numpy(rows).float(), torch.from_numpy(labels)
        return Splits(*((inputs[start : start + 1000], targets[start : start + 1000]) for start in (0, 1000, 2000)))


class YesOrNo(LightningModule):
    """A small perceptron with one output."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 1), nn.Flatten(0))
        self.loss_fn: Any = nn.BCEWithLogitsLoss()
        self.f1 = nn.ModuleDict({split: BinaryF1Score() for split in ("val_", "test_")})

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        loss: Tensor = self.loss_fn(self.net(batch[0]), batch[1].float())
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._measure(batch, "val_")

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._measure(batch, "test_")

    def _measure(self, batch: tuple[Tensor, Tensor], split: str) -> None:
        metric = self.f1[split]
        metric(self.net(batch[0]), batch[1])
        self.log(f"{split}f1", metric, on_step=False, on_epoch=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.05, momentum=0.9)


Kind = tuple[Callable[[], LightningModule], Callable[[], LightningDataModule], int, dict[str, Any]]
YES_OR_NO: Kind = (YesOrNo, RarePositives, 10, {"outputs": "sigmoid", "monitor": "val_f1"})
ALL: dict[str, Kind] = {**TASKS, "rare positives, by F1": YES_OR_NO}


def has_paid(comparison: Comparison) -> tuple[bool, bool, str]:
    """Return whether a search has paid, whether the tuned rival can be told from what it found, and both in words."""
    names = [result.name for result in comparison.results]
    tuned = next(name for name in names if name.endswith(TUNED))
    known = next(name for name in names if name.startswith(KNOWN))
    told = [
        f"{number(result.difference or 0.0, '+')} over {name} (p = {result.adjusted_p:.2g})"
        for name in (tuned, known)
        for result in [comparison.against(DISCOVERED, name)]
    ]
    paid = comparison.beats(DISCOVERED, tuned) and not comparison.beats(known, DISCOVERED)
    tells = comparison.beats(DISCOVERED, tuned) or comparison.beats(tuned, DISCOVERED)
    return paid, tells, ", ".join(told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=ALL, default=list(ALL))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print("| data | seeds | headroom, in reach | least shown | predicted | discovered | search has paid | agree |")
    print("|---|---|---|---|---|---|---|---|")
    for name in arguments.tasks:
        model, data, epochs, settings = ALL[name]
        trainer = {"max_epochs": epochs, "accelerator": "cpu"}
        started = time.process_time()
        with tempfile.TemporaryDirectory() as folder:
            search = LossSearch(
                **settings, comparison_epochs=epochs, seed=arguments.seed, output_dir=folder, verbosity="quiet"
            )
            baselines = search.baselines(model, data(), trainer)
            seeds = baselines.advice.more_seeds
            if seeds is not None:
                baselines = replace(search, baseline_seeds=seeds).baselines(model, data(), trainer)
            advice, seconds = baselines.advice, time.process_time() - started
            advised = {**advice.settings, "comparison_epochs": epochs}
            result = replace(search, **advised).run(model, data(), {**trainer, "max_epochs": advice.epochs})
        assert result.comparison is not None
        paid, tells, told = has_paid(result.comparison)
        agree = {"pays": paid, "does not pay": not paid, "cannot be told": not tells}[advice.answer]
        answers = f"{advice.answer} | {told} | {'yes' if paid else 'no'} | {'yes' if agree else '**no**'}"
        measured = f"{seeds or search.baseline_seeds} | {advice.headroom}, {advice.reach} | {number(advice.worthwhile)}"
        print(f"| {name} | {measured} | {answers} |", flush=True)
        cost = f"{seconds:.0f} s of processor time, then {time.process_time() - started - seconds:.0f} s"
        print(f"<!-- {cost}; {' '.join(advice.sentences)} -->", flush=True)


if __name__ == "__main__":
    main()
