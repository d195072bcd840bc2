import os
import re
import signal
import socket

import pytest
import torch
import torch.multiprocessing
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import BatchSizeFinder, LearningRateFinder, ModelCheckpoint
from torch import nn
from torch.nn.functional import cross_entropy

from glo_lightning.callbacks import LossInjection
from glo_lightning.data import DigitsDataModule
from glo_lightning.errors import ModelError
from glo_lightning.losses import MeanSquaredErrorLoss
from glo_lightning.models import Classifier, mlp


class Watcher(nn.Module):
    """A candidate that counts its calls; persistent state that must reach no checkpoint."""

    def __init__(self):
        super().__init__()
        self.register_buffer("theta", torch.ones(3))
        self.calls = 0

    def forward(self, logits, target):
        self.calls += 1
        return cross_entropy(logits, target)


class Base(LightningModule):
    def __init__(self):
        super().__init__()
        self.network = mlp()

    def validation_step(self, batch, batch_idx):
        self.log("val_objective", self.objective(*self.split(batch)))

    def training_step(self, batch, batch_idx):
        return self.objective(*self.split(batch))

    def split(self, batch):
        return self.network(batch[0]), batch[1]

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


class WithModule(Base):
    """Holds its loss as a submodule with a state of its own."""

    def __init__(self):
        super().__init__()
        self.objective = nn.CrossEntropyLoss(weight=torch.ones(10))


class WithFunction(Base):
    """Holds its loss as a plain function in its __dict__."""

    def __init__(self):
        super().__init__()
        self.objective = cross_entropy


class WithMethod(Base):
    """Computes its loss in a method."""

    def objective(self, logits, target):
        return cross_entropy(logits, target)


class WithClassFunction(Base):
    objective = staticmethod(cross_entropy)


@pytest.fixture
def interrupts():
    """Lightning ignores Ctrl-C after the first; later tests should not."""
    handler = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, handler)


KINDS = pytest.mark.parametrize("kind", [WithModule, WithFunction, WithMethod, WithClassFunction])


def quiet_trainer(*callbacks, **options):
    settings = {
        "max_epochs": 1,
        "limit_train_batches": 4,
        "limit_val_batches": 2,
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "accelerator": "cpu",
    }
    return Trainer(callbacks=list(callbacks), **{**settings, **options})


def attributes_of(module):
    return {name: value for name, value in vars(module).items() if name == "objective"}


@KINDS
def test_trains_with_the_candidate_and_validates_without(kind):
    candidate, model = Watcher(), kind()
    trainer = quiet_trainer(LossInjection(candidate, "objective"), max_epochs=2)
    trainer.fit(model, DigitsDataModule())
    assert candidate.calls == 8
    inputs, targets = next(iter(DigitsDataModule(batch_size=128).val_dataloader()))
    expected = cross_entropy(model.network(inputs), targets)
    assert trainer.callback_metrics["val_objective"].item() == pytest.approx(expected.item(), rel=1e-5)


@KINDS
def test_restores_the_module(kind):
    model = kind()
    state, own, meaning = set(model.state_dict()), attributes_of(model), model.objective
    quiet_trainer(LossInjection(Watcher(), "objective")).fit(model, DigitsDataModule())
    assert (set(model.state_dict()), attributes_of(model)) == (state, own)
    assert model.objective == meaning


@KINDS
@pytest.mark.parametrize("where", ["training_step", "validation_step", "on_train_epoch_end"])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_restores_the_module_after_an_exception(kind, where, error, interrupts):
    class Failing(kind):
        pass

    def fail(self, *args):
        raise error

    setattr(Failing, where, fail)
    model = Failing()
    state, own, meaning = set(model.state_dict()), attributes_of(model), model.objective
    with pytest.raises((RuntimeError, SystemExit)):
        quiet_trainer(LossInjection(Watcher(), "objective"), num_sanity_val_steps=0).fit(model, DigitsDataModule())
    assert (set(model.state_dict()), attributes_of(model)) == (state, own)
    assert model.objective == meaning


@KINDS
def test_checkpoints_are_those_of_the_module_alone(kind, tmp_path):
    model = kind()
    names = set(model.state_dict())
    checkpoint = ModelCheckpoint(tmp_path, filename="model", save_on_train_epoch_end=True)
    trainer = quiet_trainer(LossInjection(Watcher(), "objective"), checkpoint, enable_checkpointing=True)
    trainer.fit(model, DigitsDataModule())
    stored = torch.load(tmp_path / "model.ckpt", weights_only=True)
    assert set(stored["state_dict"]) == names
    assert not any("LossInjection" in key for key in stored["callbacks"])
    kind().load_state_dict(stored["state_dict"])


def test_equals_a_module_that_owns_the_loss():
    weights = []
    for inject in (True, False):
        torch.manual_seed(0)
        model, callbacks = Classifier(mlp()), []
        if inject:
            callbacks.append(LossInjection(MeanSquaredErrorLoss()))
        else:
            model.loss_fn = MeanSquaredErrorLoss()
        quiet_trainer(*callbacks, max_epochs=2).fit(model, DigitsDataModule())
        weights.append(torch.cat([p.flatten() for p in model.network.parameters()]))
    assert torch.equal(*weights)


@pytest.mark.parametrize("hook", ["setup", "configure_model"])
@pytest.mark.parametrize("sanity_steps", [0, 2])
@pytest.mark.parametrize("before", [None, cross_entropy, nn.CrossEntropyLoss()], ids=["nothing", "function", "module"])
def test_a_loss_that_the_module_sets_up_is_replaced_and_returned_to(hook, sanity_steps, before):
    own = nn.CrossEntropyLoss(label_smoothing=0.1)

    class Late(Base):
        pass

    setattr(Late, hook, lambda self, stage=None: setattr(self, "objective", own))
    candidate, model = Watcher(), Late()
    if before is not None:
        model.objective = before
    trainer = quiet_trainer(LossInjection(candidate, "objective"), num_sanity_val_steps=sanity_steps)
    trainer.fit(model, DigitsDataModule())
    assert candidate.calls == 4
    assert model.objective is own
    inputs, targets = next(iter(DigitsDataModule(batch_size=128).val_dataloader()))
    expected = own(model.network(inputs), targets)
    assert trainer.callback_metrics["val_objective"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_dots_lead_into_submodules():
    class Headed(WithModule):
        def __init__(self):
            super().__init__()
            self.head = nn.Module()
            self.head.criterion = nn.CrossEntropyLoss()

        def training_step(self, batch, batch_idx):
            return self.head.criterion(*self.split(batch))

    candidate, model = Watcher(), Headed()
    original = model.head.criterion
    quiet_trainer(LossInjection(candidate, "head.criterion")).fit(model, DigitsDataModule())
    assert candidate.calls == 4
    assert model.head.criterion is original


def test_serves_fit_after_fit():
    candidate = Watcher()
    injection, data = LossInjection(candidate, "objective"), DigitsDataModule()
    for model in (WithModule(), WithMethod()):
        quiet_trainer(injection).fit(model, data)
    assert candidate.calls == 8


class TwoOptimizers(WithModule):
    """Optimizes by hand, and calls its loss in every other step only."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    def configure_optimizers(self):
        return [torch.optim.SGD(self.parameters(), lr=0.1) for _ in range(2)]

    def training_step(self, batch, batch_idx):
        for optimizer in self.optimizers():
            optimizer.zero_grad()
            if batch_idx % 2:
                self.manual_backward(self.objective(*self.split(batch)))
            optimizer.step()


@pytest.mark.parametrize("tuner", [LearningRateFinder, BatchSizeFinder])
@pytest.mark.parametrize("place", [0, 1], ids=["before", "behind"])
def test_callbacks_that_fit_before_the_fit_do_so_with_the_candidate(tuner, place, tmp_path):
    calls = []

    class Own(nn.CrossEntropyLoss):
        def forward(self, logits, target):
            calls.append(self)
            return super().forward(logits, target)

    class Tuned(Base):
        def __init__(self):
            super().__init__()
            self.objective, self.lr = Own(), 0.1

        def validation_step(self, batch, batch_idx):
            self.split(batch)

    candidate, model = Watcher(), Tuned()
    steps = {"num_training_steps": 4} if tuner is LearningRateFinder else {"steps_per_trial": 2, "max_trials": 2}
    callbacks = [LossInjection(candidate, "objective")]
    callbacks.insert(place, tuner(**steps))
    quiet_trainer(*callbacks, default_root_dir=tmp_path, limit_val_batches=0).fit(model, DigitsDataModule())
    assert calls == []
    assert candidate.calls > 4 + 3
    assert isinstance(model.objective, Own)


def refusal(model, injection):
    with pytest.raises(ModelError) as caught:
        quiet_trainer(injection).fit(model, DigitsDataModule())
    return str(caught.value)


def test_missing_attribute_names_what_looks_like_a_loss():
    class Odd(WithModule):
        def __init__(self):
            super().__init__()
            self.my_criterion = nn.CrossEntropyLoss()
            self.same_criterion = self.my_criterion
            self.head = nn.Module()
            self.head.loss = cross_entropy
            self.loss_weight = 3.0

        def compute_loss(self, logits, target):
            return 0

    message = refusal(Odd(), LossInjection(Watcher()))
    assert "'loss_fn'" in message
    assert "candidates: compute_loss, my_criterion, same_criterion, head.loss." in message
    assert "loss_weight" not in message
    assert "'head.missing'" in refusal(Odd(), LossInjection(Watcher(), "head.missing"))
    assert "'nobody.loss'" in refusal(Odd(), LossInjection(Watcher(), "nobody.loss"))


def test_the_attribute_that_the_cure_names_works():
    message = refusal(WithModule(), LossInjection(Watcher(), "objectives"))
    assert message.endswith("Compute the training loss through such an attribute."), "there is none to name"

    class Own(WithModule):
        def __init__(self):
            super().__init__()
            self.criterion = nn.CrossEntropyLoss()

        def training_step(self, batch, batch_idx):
            return self.criterion(*self.split(batch))

    named = re.search(r"LossInjection\(loss, '(\w+)'\)", refusal(Own(), LossInjection(Watcher())))
    candidate = Watcher()
    quiet_trainer(LossInjection(candidate, named[1])).fit(Own(), DigitsDataModule())
    assert candidate.calls


@pytest.mark.parametrize(
    ("call", "got"),
    [
        (lambda loss, f, y: loss(input=f, target=y), "self.objective(input=..., target=...)"),
        (lambda loss, f, y: loss(f, y, reduction="none"), "self.objective(..., ..., reduction=...)"),
        (lambda loss, f, y: loss(f), "self.objective(...)"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_with_one_that_does(call, got):
    class Odd(WithModule):
        def training_step(self, batch, batch_idx):
            return call(self.objective, *self.split(batch))

    message = refusal(Odd(), LossInjection(MeanSquaredErrorLoss(), "objective"))
    assert f"got {got}. Call self.objective(logits, target)" in message


def test_a_module_that_never_calls_the_attribute_is_refused_after_one_batch():
    class Deaf(WithModule):
        steps = 0

        def training_step(self, batch, batch_idx):
            self.steps += 1
            return cross_entropy(*self.split(batch))

    model = Deaf()
    assert "training_step that calls self.objective" in refusal(model, LossInjection(Watcher(), "objective"))
    assert model.steps == 1


def test_a_module_that_skips_its_first_batch_is_not_refused_for_that():
    class Skipping(WithModule):
        def training_step(self, batch, batch_idx):
            return None if batch_idx == 0 else super().training_step(batch, batch_idx)

    candidate = Watcher()
    quiet_trainer(LossInjection(candidate, "objective")).fit(Skipping(), DigitsDataModule())
    assert candidate.calls == 3


@pytest.mark.parametrize(
    ("kind", "other"),
    [(WithModule, nn.CrossEntropyLoss()), (WithFunction, cross_entropy), (WithFunction, nn.CrossEntropyLoss())],
)
def test_a_module_that_changes_its_loss_while_it_trains_is_refused(kind, other):
    class Fickle(kind):
        def on_train_epoch_start(self):
            if self.current_epoch == 2:
                self.objective = other

    model = Fickle()
    with pytest.raises(ModelError) as raised:
        quiet_trainer(LossInjection(Watcher(), "objective"), max_epochs=4).fit(model, DigitsDataModule())
    assert "a Fickle that puts another loss there in epoch 2" in str(raised.value)
    assert (model.current_epoch, model.global_step) == (2, 9), "after the first batch of the third epoch"


def test_a_module_that_optimizes_by_hand_without_the_attribute_is_refused_after_an_epoch():
    class Deaf(TwoOptimizers):
        def training_step(self, batch, batch_idx):
            for optimizer in self.optimizers():
                optimizer.step()

    assert "training_step that calls self.objective" in refusal(Deaf(), LossInjection(Watcher(), "objective"))


def test_what_cannot_be_called_or_replaced_is_refused():
    class Fixed(WithModule):
        weight = 3.0

        @property
        def loss_fn(self):
            return cross_entropy

    assert "a callable in 'weight'" in refusal(Fixed(), LossInjection(Watcher(), "weight"))
    assert "can be replaced" in refusal(Fixed(), LossInjection(Watcher()))


@pytest.mark.parametrize("arguments", [(cross_entropy,), (Watcher(), ""), (Watcher(), "loss fn"), (Watcher(), "a.")])
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(ModelError):
        LossInjection(*arguments)


def test_two_losses_for_one_attribute_are_refused():
    with pytest.raises(ModelError, match="several"):
        quiet_trainer(LossInjection(Watcher()), LossInjection(Watcher())).fit(Classifier(mlp()), DigitsDataModule())


def fit_on_rank(rank, port, folder):
    os.environ.update(
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=str(port),
        WORLD_SIZE="2",
        RANK=str(rank),
        LOCAL_RANK=str(rank),
        TORCHELASTIC_RUN_ID="test",
    )
    torch.set_num_threads(1)
    torch.manual_seed(0)
    candidate, model = Watcher(), WithModule()
    original = model.objective
    trainer = quiet_trainer(LossInjection(candidate, "objective"), devices=2, strategy="ddp")
    trainer.fit(model, DigitsDataModule(batch_size=32))
    assert candidate.calls == 4
    assert model.objective is original
    torch.save(model.network.state_dict(), folder / f"{rank}.pt")


def test_two_ranks_train_one_model_with_the_candidate(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    torch.multiprocessing.start_processes(fit_on_rank, (port, tmp_path), nprocs=2, start_method="fork")
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_validate_and_test_leave_the_module_alone():
    candidate, model = Watcher(), WithModule()
    quiet_trainer(LossInjection(candidate, "objective")).validate(model, DigitsDataModule(), verbose=False)
    assert candidate.calls == 0
    assert isinstance(model.objective, nn.CrossEntropyLoss)
