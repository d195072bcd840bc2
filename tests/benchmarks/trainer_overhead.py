"""What a Lightning Trainer costs over a bare PyTorch loop: 3 epochs of a small CNN on the digits.

Both train the same network with the same loss, optimizer and batches, and validate after each epoch. Times are of
the processor, which a busy machine disturbs least; with one thread they are those of the clock on an idle one.

    OMP_NUM_THREADS=1 python tests/benchmarks/trainer_overhead.py [--network mlp] [--repeats 20]
"""

import argparse
import statistics
import time

import torch
from lightning.pytorch import Trainer
from torch.nn.functional import cross_entropy

from glo_lightning.callbacks import LossInjection
from glo_lightning.data import DigitsDataModule
from glo_lightning.data.tensor_data import EVALUATION_BATCH_SIZE
from glo_lightning.losses import TaylorLoss
from glo_lightning.models import Classifier, mlp, small_cnn
from glo_lightning.training.task import LEAN_TRAINER, quiet_lightning

THETA = [0.8439, 1.4872, 1.5742, -1.4446, 2.3616, -0.6632, -2.8569, -1.1313]
EPOCHS = 3


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


def lightning_fit(network, loss, data):
    trainer = Trainer(max_epochs=EPOCHS, accelerator="cpu", callbacks=[LossInjection(loss)], **LEAN_TRAINER)
    trainer.fit(Classifier(network), data)
    return float(trainer.callback_metrics["val_accuracy"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--network", choices=["small_cnn", "mlp"], default="small_cnn")
    parser.add_argument("--repeats", type=int, default=20)
    arguments = parser.parse_args()
    build = {"small_cnn": small_cnn, "mlp": mlp}[arguments.network]
    data, loss = DigitsDataModule(), TaylorLoss(THETA)
    seconds = {"bare loop": [], "Trainer": []}
    scores = {}
    with quiet_lightning():
        for repeat in range(arguments.repeats + 1):
            for name, fit in (("bare loop", bare_loop), ("Trainer", lightning_fit)):
                torch.manual_seed(0)
                network = build()
                started = time.process_time()
                scores[name] = fit(network, loss, data)
                if repeat:  # the first is warm-up
                    seconds[name].append(time.process_time() - started)
    print(
        f"{arguments.network}, digits, {EPOCHS} epochs, {torch.get_num_threads()} thread(s), torch {torch.__version__}"
    )
    print(f"{'':12}{'val accuracy':>14}{'min ms':>10}{'median ms':>12}{'overhead':>10}")
    base = statistics.median(seconds["bare loop"])
    for name, values in seconds.items():
        best, median = min(values), statistics.median(values)
        print(f"{name:12}{scores[name]:14.4f}{best * 1e3:10.1f}{median * 1e3:12.1f}{median / base - 1:10.1%}")


if __name__ == "__main__":
    main()
