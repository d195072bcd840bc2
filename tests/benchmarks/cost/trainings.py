"""What a search asks to be trained, and how it chooses among what was."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from cost.tasks import CLASSES, Problem
from glo_lightning.losses import Loss, known_losses
from glo_lightning.training.run import Evaluation, Run

FINALISTS, RESCORES, TESTS = 5, 3, 5


@dataclass(frozen=True)
class Request:
    """Trainings that a search waits for."""

    runs: Sequence[Run]
    split: str = "val"


Search = Generator[Request, list[Evaluation], dict[str, list[float]]]


def score(losses: Sequence[Loss], seed: int, split: str) -> Generator[Request, list[Evaluation], list[float]]:
    """Train losses with fresh seeds, and return the mean metric of each."""
    first, count = (1000, RESCORES) if split == "val" else (2000, TESTS)
    seeds = range(first + 100_000 * (seed + 1), first + 100_000 * (seed + 1) + count)
    evaluations = yield Request([Run(loss, own) for loss in losses for own in seeds], split)
    means: list[float] = np.array([each.metric for each in evaluations]).reshape(-1, count).mean(-1).tolist()
    return means


def list_known(problem: Problem, counts: Sequence[int]) -> list[Loss]:
    return [each.loss for each in known_losses(CLASSES, counts if problem.class_aware else None).values()]


def choose(losses: Sequence[Loss], seed: int) -> Search:
    """Search nothing: train each loss once, and choose among them as a search does."""
    evaluations = yield Request([Run(loss, seed) for loss in losses])
    best = sorted(range(len(losses)), key=lambda place: -evaluations[place].metric)[:FINALISTS]
    rescored = yield from score([losses[place] for place in best], seed, "val")
    winner = int(np.argmax(rescored))
    tested = yield from score([losses[best[winner]]], seed, "test")
    return {str(len(losses)): [tested[0], rescored[winner], len(losses)]}
