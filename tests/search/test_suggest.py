"""Losses inside objectives of other people."""

from collections.abc import Mapping
from typing import Any

import optuna
import pytest
import torch
from lightning.pytorch import Trainer
from optuna.trial import FixedTrial, TrialState
from torch.nn import functional

from glo_lightning import GenerationalCmaEsSampler, LossInjection, suggest_loss
from glo_lightning.errors import GloError
from glo_lightning.losses import ClassAwareLoss, Loss, TreeLoss
from glo_lightning.search import SuggestedSpace
from glo_lightning.theory import trainability
from tests.search.toy import ToyData, ToyModel

LOGITS, TARGET = torch.randn(6, 3, generator=torch.Generator().manual_seed(1)), torch.tensor([0, 1, 2, 2, 1, 0])


def fixed(parameters: Mapping[str, Any], prefix: str = "loss.") -> FixedTrial:
    return FixedTrial({prefix + name: value for name, value in parameters.items()})


def at_cross_entropy(space: SuggestedSpace) -> dict[str, float]:
    return dict(zip(space.distributions, space.cross_entropy, strict=True))


@pytest.mark.parametrize("counts", [(), (5, 3, 1)], ids=["", "class-aware"])
def test_where_the_parameters_are_cross_entropys_the_loss_is(counts: tuple[int, ...]) -> None:
    space = SuggestedSpace("drive", num_classes=3, class_counts=counts)
    loss = suggest_loss(FixedTrial(at_cross_entropy(space)), "drive", num_classes=3, class_counts=counts)
    assert isinstance(loss, ClassAwareLoss) == bool(counts)
    torch.testing.assert_close(loss(LOGITS, TARGET), functional.cross_entropy(LOGITS, TARGET))


def test_sigmoid_outputs_have_binary_cross_entropy_there() -> None:
    space = SuggestedSpace("drive", num_classes=2, outputs="sigmoid")
    loss = suggest_loss(FixedTrial(at_cross_entropy(space)), outputs="sigmoid")
    target = functional.one_hot(TARGET, 3).float()
    torch.testing.assert_close(
        loss(LOGITS, target), functional.binary_cross_entropy_with_logits(LOGITS, target), rtol=1e-4, atol=1e-5
    )


def test_predictions_have_the_squared_error_there() -> None:
    space = SuggestedSpace("residual", sigma=3.0)
    loss = suggest_loss(FixedTrial(at_cross_entropy(space)), "residual", sigma=3.0)
    torch.testing.assert_close(loss(LOGITS, -LOGITS), functional.mse_loss(LOGITS, -LOGITS))
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = [suggest_loss(study.ask(), "residual", sigma=3.0) for _ in range(20)]
    assert all(each.outputs == "real" and float(each.sigma) == 3.0 for each in found)


def test_known_losses_can_be_enqueued_before_anything_is_searched() -> None:
    space = SuggestedSpace("drive", num_classes=10, prefix="my.")
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for parameters in space.known:
        study.enqueue_trial(parameters)
    logits, target = torch.randn(6, 10, generator=torch.Generator().manual_seed(1)), torch.arange(6)
    found = [suggest_loss(study.ask(), "drive", num_classes=10, prefix="my.") for _ in space.known]
    torch.testing.assert_close(found[0](logits, target), functional.cross_entropy(logits, target))
    p = logits.softmax(-1)[torch.arange(6), target]
    torch.testing.assert_close(found[1](logits, target), ((1.0 - p**0.7) / 0.7).mean(), rtol=1e-4, atol=1e-5)
    assert SuggestedSpace("residual").known == []


def test_counts_and_spreads_may_be_tensors() -> None:
    counts, target = torch.bincount(TARGET), torch.tensor([[0.0, 2.0], [4.0, 10.0]])
    space = SuggestedSpace("drive", num_classes=3, class_counts=counts)  # type: ignore[arg-type]
    listed = SuggestedSpace("drive", num_classes=3, class_counts=counts.tolist())
    point = dict.fromkeys(space.distributions, 0.3)
    assert space.build(point).to_dict() == listed.build(point).to_dict()
    spread: Any = target.std(0)
    residual = SuggestedSpace("residual", sigma=spread)
    assert residual.build(at_cross_entropy(residual)).to_dict()["parameters"]["sigma"] == spread.tolist()


def test_a_space_says_which_parameters_it_lacks() -> None:
    space = SuggestedSpace("residual")
    with pytest.raises(GloError, match=r"none called loss\.skew"):
        space.build({"loss.alpha": 2.0, "loss.log_scale": 0.0})


def test_losses_of_classes_need_their_number() -> None:
    with pytest.raises(GloError, match="Count the labels"):
        suggest_loss(fixed({}), "drive")


def test_a_tree_is_spelt_from_its_root() -> None:
    baikal = {
        "node": "-", "node.0": "log", "node.0.0": "h", "node.1": "/", "node.1.0": "y", "node.1.1": "h",
    }  # fmt: skip
    loss = suggest_loss(fixed(baikal), "glo", num_classes=3)
    torch.testing.assert_close(loss(LOGITS, TARGET), TreeLoss("log(h) - y / h")(LOGITS, TARGET))


@pytest.mark.parametrize("family, n_trials", [("drive", 30), ("taylor", 30), ("glo", 80)])
def test_any_sampler_finds_losses_that_train_and_prunes_the_others(family: Any, n_trials: int) -> None:
    def objective(trial: optuna.Trial) -> float:
        loss = suggest_loss(trial, family, num_classes=3)
        assert trainability(loss, 3).exact
        value = float(loss(LOGITS, TARGET))
        return value if abs(value) < 1e6 else 1e6

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=n_trials)
    states = {trial.state for trial in study.trials}
    assert states == {TrialState.COMPLETE} if family == "drive" else {TrialState.COMPLETE, TrialState.PRUNED}
    for trial in study.trials:
        if trial.state == TrialState.PRUNED:
            assert trial.user_attrs["loss.pruned"]
        else:
            stored = Loss.from_dict(trial.user_attrs["loss.stored"])
            assert trial.value == pytest.approx(float(stored(LOGITS, TARGET)), rel=1e-5)


def test_without_an_invariant_nothing_is_pruned() -> None:
    uphill = {"node": "h"}
    with pytest.raises(optuna.TrialPruned):
        suggest_loss(fixed(uphill), "glo", num_classes=3)
    assert isinstance(suggest_loss(fixed(uphill), "glo", num_classes=3, invariant="none"), TreeLoss)


def test_the_space_serves_our_sampler_beside_a_learning_rate() -> None:
    space = SuggestedSpace("drive", num_classes=3, prefix="mine.")

    def objective(trial: optuna.Trial) -> float:
        loss = suggest_loss(trial, "drive", num_classes=3, prefix="mine.")
        model = ToyModel()
        model.learning_rate = trial.suggest_float("learning_rate", 0.01, 1.0, log=True)
        trainer = Trainer(
            max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, callbacks=[LossInjection(loss)],
        )  # fmt: skip
        trainer.fit(model, ToyData())
        return float(trainer.callback_metrics["val_loss"])

    sampler = GenerationalCmaEsSampler(
        space.distributions, population_size=4, mean=space.cross_entropy, scales=space.scales, sigma=0.6, seed=0
    )
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=8)
    assert [trial.user_attrs["generation"] for trial in study.trials] == [0] * 4 + [1] * 4
    assert all(len(trial.params) == 6 for trial in study.trials)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"family": "drives"}, r"Did you mean family='drive'\?"),
        ({"invariant": "exat"}, r"Did you mean invariant='exact'\?"),
        ({"outputs": "Sigmoid"}, "sigmoid"),
        ({"num_classes": 1}, "classes"),
        ({"family": "glo", "class_counts": (1, 2, 3)}, "no class_counts with family='glo'"),
        ({"class_counts": (1, 2)}, "class_counts of 3 classes, got 2"),
        ({"class_counts": (1, 2, 0)}, "class_counts above 0"),
        ({"num_classes": None, "outputs": "sigmoid", "class_counts": (1, 2)}, "no class_counts but with softmax"),
        ({"outputs": "sigmoid"}, r"two classes, no and yes.*num_classes=3\. Leave num_classes out"),
        ({"family": "taylor", "outputs": "real"}, "family='residual' to predict numbers"),
        ({"sigma": 2.0}, "family='residual' to predict numbers.*sigma=2.0"),
        ({"family": "residual"}, "no num_classes with family='residual'"),
        ({"prefix": 3}, "prefix as text"),
    ],
    ids=str,
)
def test_bad_arguments_are_refused(arguments: dict[str, Any], said: str) -> None:
    study = optuna.create_study()
    with pytest.raises(GloError, match=said):
        suggest_loss(study.ask(), **{"num_classes": 3, **arguments})(LOGITS, TARGET)
