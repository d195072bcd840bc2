"""Which way to train: as told, as possible, as fast as possible."""

import time
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor, nn

from glo_lightning.data import DigitsDataModule
from glo_lightning.models import Classifier, mlp
from glo_lightning.training import choice
from glo_lightning.training.choice import choose_evaluator
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population import PopulationEvaluator
from glo_lightning.training.run import Evaluation, Run
from glo_lightning.training.task import Task, python_task


class Counted(nn.Module):
    """A network that counts its calls."""

    calls = 0

    def __init__(self) -> None:
        super().__init__()
        self.network = mlp(hidden=(8,))

    def forward(self, x: Tensor) -> Tensor:
        Counted.calls += 1
        return self.network(x)


def _task(**trainer: object) -> Task:
    return python_task(
        lambda: Classifier(Counted()), DigitsDataModule(), {"accelerator": "cpu", "max_epochs": 3, **trainer}
    )


def _choose(wanted: str, task: Task, together: int = 20) -> tuple[str, list[str]]:
    said: list[str] = []
    return choose_evaluator(wanted, task, Monitor(), together=together, say=said.append), said  # type: ignore[arg-type]


def test_a_wish_is_granted_in_silence() -> None:
    assert _choose("trainer", _task()) == ("trainer", [])
    assert _choose("population", _task()) == ("population", [])


@pytest.mark.parametrize("wanted", ["auto", "population"])
def test_an_obstacle_is_named_in_one_line(wanted: str) -> None:
    way, said = _choose(wanted, _task(accumulate_grad_batches=2))
    assert way == "trainer"
    assert said == ["Training one candidate after another: the Trainer has accumulate_grad_batches=2."]


def test_one_candidate_needs_no_population() -> None:
    assert _choose("auto", _task(), together=1) == ("trainer", [])


def test_auto_measures_a_few_steps_and_takes_the_faster() -> None:
    torch.set_num_threads(1)
    Counted.calls = 0
    way, (line,) = _choose("auto", _task(), together=20)
    assert way == "population"
    assert line.startswith("Training 20 candidates together: on the first steps, one took ")
    steps = choice.WARM_UP_STEPS + choice.TRIAL_STEPS
    assert Counted.calls < 3 * steps


def test_auto_takes_the_trainer_where_that_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "_seconds", lambda evaluator, loss, count, clock: {1: 0.010, 20: 0.500}[count])
    way, (line,) = _choose("auto", _task())
    assert way == "trainer"
    assert line == (
        "Training one candidate after another: on the first steps, one took 10 ms alone and 25 ms among 20."
    )


@pytest.mark.parametrize("threads, pauses", [(1, [0.0, 1.0]), (2, [0.0, 1.0, 0.0])], ids=["processor", "wall"])
def test_what_others_do_meanwhile_does_not_mislead(
    threads: int, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    train, left = PopulationEvaluator.evaluate, list(pauses)

    def disturbed(self: PopulationEvaluator, runs: Sequence[Run]) -> list[Evaluation]:
        time.sleep(left.pop(0) if left else 0.0)
        return train(self, runs)

    torch.set_num_threads(1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    monkeypatch.setattr(PopulationEvaluator, "evaluate", disturbed)
    way, (line,) = _choose("auto", _task(), together=20)
    assert way == "population", line
    assert not left


@pytest.mark.parametrize("crashing", ["build", "forward"])
def test_what_crashes_together_is_trained_one_by_one(crashing: str) -> None:
    class Crashing(Counted):
        def forward(self, x: Tensor) -> Tensor:
            if crashing == "forward" and len(x) == 64 and self.training:
                raise RuntimeError("out of luck")
            return super().forward(x)

    def build() -> Classifier:
        if crashing == "build":
            raise RuntimeError("out of luck")
        return Classifier(Crashing())

    data = DigitsDataModule(batch_size=64)
    task = python_task(build, data, {"accelerator": "cpu", "max_epochs": 3})
    way, (line,) = _choose("auto", task)
    assert way == "trainer"
    assert "out of luck" in line


def test_the_trial_opens_no_test_split_and_leaves_the_task_as_it_was() -> None:
    class Guarded(DigitsDataModule):
        def test_dataloader(self) -> object:
            raise AssertionError("opened")

    task = python_task(lambda: Classifier(mlp()), Guarded(), {"accelerator": "cpu", "max_epochs": 3})
    assert _choose("auto", task)[0] in ("trainer", "population")
    assert task.build_trainer([], {}).max_epochs == 3
