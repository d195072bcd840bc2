"""What a Lightning Trainer costs over a bare loop, and what we add to it: 3 epochs of a small CNN on the digits.

All train the same network with the same loss, optimizer and batches, seed and build it, and validate after each epoch:
a loop; a plain LightningModule in a Trainer with nothing but what it must have; the same that logs as many metrics as
our classifier; the same with its loss injected, as somebody's own model has it; and a candidate of a search, with our
classifier, the injected loss and the watch over it. They take turns. Times are of the processor, which a busy machine
disturbs least; with one thread they are those of the clock on an idle one. What a candidate costs once, before its
first batch and after its last, stands apart from what each of 51 batches and of 3 validations costs.

    OMP_NUM_THREADS=1 python tests/benchmarks/trainer_overhead.py [--network mlp] [--repeats 20]
"""

import argparse
import functools
import gc
import statistics
import time

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from torch import nn
from torch.nn.functional import cross_entropy

from glo_lightning.callbacks import LossInjection
from glo_lightning.data import DigitsDataModule
from glo_lightning.data.tensor_data import EVALUATION_BATCH_SIZE
from glo_lightning.losses import TaylorLoss
from glo_lightning.models import Classifier, mlp, small_cnn
from glo_lightning.models.classifier import accuracies
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.run import Run
from glo_lightning.training.task import LEAN_TRAINER, python_task, quiet_lightning
from glo_lightning.training.trainer import TrainerEvaluator

THETA = [0.8439, 1.4872, 1.5742, -1.4446, 2.3616, -0.6632, -2.8569, -1.1313]
EPOCHS = 3
SEED = 0

PHASES = ("building", "batch", "validation", "end")
LOOP, ALONE = "bare loop", "Lightning alone"


class Stopwatch:
    """Takes the processor time of every lap: all that is built, each batch, each validation, and the end."""

    def __init__(self):
        self.laps = []
        self._since = time.process_time()

    def lap(self, phase):
        now = time.process_time()
        self.laps.append((phase, now - self._since))
        self._since = now


class Timed(LightningModule):
    """Tells a stopwatch when Lightning is through with something."""

    watch: Stopwatch

    def on_train_start(self):
        self.watch.lap("building")

    def on_train_batch_end(self, outputs, batch, batch_idx):
        self.watch.lap("batch")

    def on_validation_end(self):
        self.watch.lap("validation")


def bare_loop(build, loss, data, watch):
    """The shortest honest loop over tensors."""
    torch.manual_seed(SEED)
    network = build()
    optimizer = Classifier(network).make_optimizer(network.parameters())
    inputs, targets = data.train_tensors
    val_inputs, val_targets = data.val_tensors
    watch.lap("building")
    for epoch in range(EPOCHS):
        network.train()
        for chosen in data.train_order(epoch).split(data.batch_size):
            optimizer.zero_grad()
            loss(network(inputs[chosen]), targets[chosen]).backward()
            optimizer.step()
            watch.lap("batch")
        network.eval()
        hits, total = 0.0, 0.0
        with torch.no_grad():
            for x, y in zip(
                val_inputs.split(EVALUATION_BATCH_SIZE), val_targets.split(EVALUATION_BATCH_SIZE), strict=True
            ):
                logits = network(x)
                hits += (logits.argmax(-1) == y).sum()
                total += cross_entropy(logits, y, reduction="sum")
        watch.lap("validation")
    return float(hits) / len(val_targets)


class Plain(Timed):
    """What somebody would write for Lightning alone."""

    def __init__(self, network, loss):
        super().__init__()
        self.network, self.loss_fn = network, loss

    def training_step(self, batch, batch_idx):
        inputs, target = batch
        return self.loss_fn(self.network(inputs), target)

    def validation_step(self, batch, batch_idx):
        inputs, target = batch
        self.measure(self.network(inputs), target)

    def measure(self, logits, target):
        metrics = {
            "val_accuracy": (logits.argmax(-1) == target).float().mean(),
            "val_loss": cross_entropy(logits, target),
        }
        self.log_dict(metrics, batch_size=len(target))

    def configure_optimizers(self):
        return Classifier(self.network).make_optimizer(self.network.parameters())


class FourMetrics(Plain):
    """The same with the metrics that our classifier logs; right as there is one batch."""

    def measure(self, logits, target):
        right, count = target[logits.argmax(-1) == target].bincount(minlength=10), target.bincount(minlength=10)
        metrics = {f"val_{name}": value for name, value in accuracies(right, count).items()}
        self.log_dict({**metrics, "val_loss": cross_entropy(logits, target)}, batch_size=len(target))


class TimedClassifier(Timed, Classifier):
    """Our classifier on the clock."""


def in_a_trainer(kind, with_injection, build, loss, data, watch):
    seed_everything(SEED, workers=True, verbose=False)
    Timed.watch = watch
    model = kind(build(), nn.CrossEntropyLoss() if with_injection else loss)
    callbacks = [LossInjection(loss)] if with_injection else []
    trainer = Trainer(max_epochs=EPOCHS, accelerator="cpu", callbacks=callbacks, **LEAN_TRAINER)
    trainer.fit(model, data)
    return float(trainer.callback_metrics["val_accuracy"])


@functools.cache
def searching(build, data):
    """Return what trains all candidates of a search."""
    task = python_task(lambda: TimedClassifier(build()), data, {"max_epochs": EPOCHS, "accelerator": "cpu"})
    return TrainerEvaluator(task, Monitor("val_accuracy", "max"))


def candidate(build, loss, data, watch):
    Timed.watch = watch
    (evaluation,) = searching(build, data).evaluate([Run(loss, SEED)])
    return evaluation.metric


WAYS = {
    LOOP: bare_loop,
    ALONE: functools.partial(in_a_trainer, Plain, False),
    "four metrics": functools.partial(in_a_trainer, FourMetrics, False),
    "LossInjection": functools.partial(in_a_trainer, Plain, True),
    "our candidate": candidate,
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=["small_cnn", "mlp"], default="small_cnn")
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    build = {"small_cnn": small_cnn, "mlp": mlp}[arguments.network]
    data, loss = DigitsDataModule(), TaylorLoss(THETA)
    rounds = {name: [] for name in WAYS}
    scores = {}
    with quiet_lightning():
        for repeat in range(arguments.repeats + 1):
            for name, fit in WAYS.items():
                gc.collect()  # what the one before has left
                watch = Stopwatch()
                scores[name] = fit(build, loss, data, watch)
                watch.lap("end")
                if repeat:  # the first is warm-up
                    rounds[name].append(watch.laps)
    print(
        f"{arguments.network}, digits, {EPOCHS} epochs, {torch.get_num_threads()} thread(s), torch {torch.__version__}"
    )
    print(f"{'median us':16}{'val accuracy':>14}" + "".join(f"{phase:>12}" for phase in PHASES), end="")
    print(f"{'over loop':>18}{'over Lightning':>18}")
    for name in WAYS:
        print(f"{name:16}{scores[name]:14.4f}", end="")
        print("".join(f"{1e6 * median_lap(rounds[name], phase):12.0f}" for phase in PHASES), end="")
        print("".join(f"{over(rounds[name], rounds[base]):>18}" for base in (LOOP, ALONE)))


def median_lap(rounds, phase):
    return statistics.median(spent for laps in rounds for lap, spent in laps if lap == phase)


def over(rounds, others):
    """Return the mean ratio of neighbours in time, which a busy machine slows down alike, with its standard error."""
    ratios = [
        sum(spent for _, spent in own) / sum(spent for _, spent in other) - 1
        for own, other in zip(rounds, others, strict=True)
    ]
    return f"{statistics.mean(ratios):.1%} ± {statistics.stdev(ratios) / len(ratios) ** 0.5:.1%}"


if __name__ == "__main__":
    main()
