"""What a Lightning Trainer costs over a bare loop, and what we add to it: 3 epochs of a small CNN on the digits.

All three train the same network with the same loss, optimizer and batches, and validate after each epoch: a loop, a
plain LightningModule in a Trainer with nothing but what it must have, and a candidate of a search, with our classifier,
its metrics, the injected loss and the watch over it. They take turns. Times are of the processor, which a busy machine
disturbs least; with one thread they are those of the clock on an idle one.

    OMP_NUM_THREADS=1 python tests/benchmarks/trainer_overhead.py [--network mlp] [--repeats 20]
"""

import argparse
import gc
import statistics
import time

import torch
from lightning.pytorch import LightningModule, Trainer
from torch.nn.functional import cross_entropy

from glo_lightning.data import DigitsDataModule
from glo_lightning.data.tensor_data import EVALUATION_BATCH_SIZE
from glo_lightning.losses import TaylorLoss
from glo_lightning.models import Classifier, mlp, small_cnn
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Run
from glo_lightning.training.task import LEAN_TRAINER, python_task, quiet_lightning
from glo_lightning.training.trainer import TrainerEvaluator

THETA = [0.8439, 1.4872, 1.5742, -1.4446, 2.3616, -0.6632, -2.8569, -1.1313]
EPOCHS = 3
SEED = 0


def bare_loop(network, loss, data):
    """The shortest honest loop over tensors."""
    model = Classifier(network)
    optimizer = model.make_optimizer(network.parameters())
    inputs, targets = data.train_tensors
    val_inputs, val_targets = data.val_tensors
    for epoch in range(EPOCHS):
        network.train()
        for chosen in data.train_order(epoch).split(data.batch_size):
            optimizer.zero_grad()
            loss(network(inputs[chosen]), targets[chosen]).backward()
            optimizer.step()
        network.eval()
        hits, total = 0.0, 0.0
        with torch.no_grad():
            for x, y in zip(
                val_inputs.split(EVALUATION_BATCH_SIZE), val_targets.split(EVALUATION_BATCH_SIZE), strict=True
            ):
                logits = network(x)
                hits += (logits.argmax(-1) == y).sum()
                total += cross_entropy(logits, y, reduction="sum")
    return float(hits) / len(val_targets)


class Plain(LightningModule):
    """What somebody would write for Lightning alone."""

    def __init__(self, network, loss):
        super().__init__()
        self.network, self.loss = network, loss

    def training_step(self, batch, batch_idx):
        inputs, target = batch
        return self.loss(self.network(inputs), target)

    def validation_step(self, batch, batch_idx):
        inputs, target = batch
        logits = self.network(inputs)
        metrics = {
            "val_accuracy": (logits.argmax(-1) == target).float().mean(),
            "val_loss": cross_entropy(logits, target),
        }
        self.log_dict(metrics, batch_size=len(target))

    def configure_optimizers(self):
        return Classifier(self.network).make_optimizer(self.network.parameters())


def lightning_alone(network, loss, data):
    trainer = Trainer(max_epochs=EPOCHS, accelerator="cpu", **LEAN_TRAINER)
    trainer.fit(Plain(network, loss), data)
    return float(trainer.callback_metrics["val_accuracy"])


def candidate(network, loss, data):
    task = python_task(lambda: Classifier(network), data, {"max_epochs": EPOCHS, "accelerator": "cpu"})
    (evaluation,) = TrainerEvaluator(task, Monitor("val_accuracy", "max")).evaluate([Run(loss, SEED)])
    return evaluation.metric


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=["small_cnn", "mlp"], default="small_cnn")
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    build = {"small_cnn": small_cnn, "mlp": mlp}[arguments.network]
    data, loss = DigitsDataModule(), TaylorLoss(THETA)
    ways = {"bare loop": bare_loop, "Lightning alone": lightning_alone, "our candidate": candidate}
    seconds = {name: [] for name in ways}
    scores = {}
    with quiet_lightning():
        for repeat in range(arguments.repeats + 1):
            for name, fit in ways.items():
                torch.manual_seed(SEED)
                network = build()
                gc.collect()  # what the one before has left
                started = time.process_time()
                scores[name] = fit(network, loss, data)
                if repeat:  # the first is warm-up
                    seconds[name].append(time.process_time() - started)
    print(
        f"{arguments.network}, digits, {EPOCHS} epochs, {torch.get_num_threads()} thread(s), torch {torch.__version__}"
    )
    print(f"{'':16}{'val accuracy':>14}{'min ms':>10}{'median ms':>12}{'over loop':>12}{'over Lightning':>16}")
    for name, values in seconds.items():
        # Of neighbours in time, which a busy machine slows down alike.
        over = [
            statistics.median(own / other for own, other in zip(values, seconds[base], strict=True)) - 1
            for base in ("bare loop", "Lightning alone")
        ]
        best, median = min(values), statistics.median(values)
        print(f"{name:16}{scores[name]:14.4f}{best * 1e3:10.1f}{median * 1e3:12.1f}{over[0]:12.1%}{over[1]:16.1%}")


if __name__ == "__main__":
    main()
