"""Train a stack of models, from the first batch until the last of them has ended."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from glo_lightning.callbacks.divergence import StopOnDivergence
from glo_lightning.data.tensor_data import Examples
from glo_lightning.hyperparameters import learning_rate_factor
from glo_lightning.training.abort import AbortRule, ValidationFollower
from glo_lightning.training.population.batches import Batch, Batches
from glo_lightning.training.population.losses import LossStack, by_structure
from glo_lightning.training.population.networks import NetworkStack
from glo_lightning.training.population.plan import Plan
from glo_lightning.training.population.scoring import score
from glo_lightning.training.run import Evaluation, Run, Status


@dataclass(frozen=True)
class Member:
    """A model in the stack.

    Args:
        place: of its run among all runs.
        seed: of its run.
        follower: of its validations.
    """

    place: int
    seed: int
    follower: ValidationFollower


class Population:
    """Models that train together, each with its own loss, weights, optimizer state and end.

    Every model starts from the weights a Trainer would give it and takes the steps a Trainer would take. One that has
    diverged, or is told to stop, leaves the stack.

    Args:
        plan: what they have in common.
        runs: what they differ in, each with a loss; one per model.
        abort: when a model is given up; None for never.
    """

    def __init__(self, plan: Plan, runs: Sequence[Run], abort: AbortRule | None = None) -> None:
        self._plan = plan
        losses = [plan.promises.keep(run.loss) for run in runs if run.loss is not None]
        order = by_structure(losses)
        self._members = [
            Member(place, runs[place].seed, ValidationFollower(plan.monitor, runs[place].report, abort))
            for place in order
        ]
        seeds = [member.seed for member in self._members]
        models = {seed: plan.build_model(seed) for seed in dict.fromkeys(seeds)}
        device = plan.recipe.device
        self._networks = NetworkStack([models[seed].network for seed in seeds], seeds, device)
        self._losses = LossStack([losses[place] for place in order], device)
        self._batches = Batches(plan, seeds)
        self._weights = [weight for weight in self._networks.parameters.values() if weight.requires_grad]
        self._optimizer = models[seeds[0]].make_optimizer(self._weights)
        for group in self._optimizer.param_groups:
            if "fused" in group:
                group["fused"] = True
        factors = torch.tensor([learning_rate_factor(runs[place].hyperparameters)[0] for place in order], device=device)
        self._rate_factors = factors if bool((factors != 1.0).any()) else None
        self._scheduler = models[seeds[0]].make_scheduler(self._optimizer, plan.recipe.epochs)
        self._check_interval = 1 if device.type == "cpu" else StopOnDivergence().interval
        self._steps = 0
        self._ended: dict[int, tuple[Evaluation, int]] = {}

    def train(self) -> list[Evaluation]:
        """Train until every model has ended.

        Returns:
            Their evaluations in the order of the runs; ``seconds`` is a model's share of the time, by its steps.
        """
        started = time.perf_counter()
        for epoch in range(self._plan.recipe.epochs):
            self._train_epoch(epoch)
            if self._members and (epoch + 1) % self._plan.recipe.validation_interval == 0:
                self._validate(epoch)
            if not self._members:
                break
        seconds_per_step = (time.perf_counter() - started) / sum(steps for _, steps in self._ended.values())
        ended = [self._ended[place] for place in sorted(self._ended)]
        return [replace(evaluation, seconds=seconds_per_step * steps) for evaluation, steps in ended]

    def _train_epoch(self, epoch: int) -> None:
        for number, batch in enumerate(self._batches.epoch(epoch), start=1):
            losses = self._step(batch)
            is_checked = self._steps % self._check_interval == 0 or number == self._plan.steps_per_epoch
            if is_checked and not math.isfinite(losses.sum()):
                self._drop_diverged(losses)
            if not self._members:
                return
        self._scheduler.step()

    def _step(self, batch: Batch) -> Tensor:
        recipe = self._plan.recipe
        if self._losses.uses_progress:
            self._losses.set_progress(self._steps / (recipe.epochs * self._plan.steps_per_epoch))
        with recipe.precision.train_step_context():
            logits = self._networks(batch.inputs, batch.shared, training=True)
            losses, gradient = self._losses.differentiate(logits.detach(), batch.target, batch.shared)
        # The models have no weight in common, so that one backward pass gives each its own gradient.
        torch.autograd.backward(logits, gradient, inputs=self._weights)
        if recipe.clip_gradients is not None:
            recipe.clip_gradients(weight.grad for weight in self._weights if weight.grad is not None)
        self._update()
        # Freed before the next ones are computed, gradients stay in the same memory, which a cache then still holds.
        self._optimizer.zero_grad()
        self._steps += 1
        return losses

    def _update(self) -> None:
        """Take the optimizer's step, each model's as long as its learning rate is: steps are linear in it."""
        if self._rate_factors is None:
            self._optimizer.step()
            return
        before = [weight.detach().clone() for weight in self._weights]
        self._optimizer.step()
        with torch.no_grad():
            for weight, old in zip(self._weights, before, strict=True):
                factors = self._rate_factors.to(weight.dtype).view(-1, *[1] * (weight.ndim - 1))
                weight.copy_(old.lerp(weight, factors))

    def _drop_diverged(self, losses: Tensor) -> None:
        finite = losses.isfinite()
        reason = f"training loss was not finite at step {self._steps}"
        for model in finite.logical_not().nonzero().flatten().tolist():
            self._end(model, self._plan.monitor.worst_metric, Status.DIVERGED, reason)
        self._keep(finite.nonzero().flatten())

    def _validate(self, epoch: int) -> None:
        metrics = self._score(self._plan.val)
        stopped = [member.follower.see(epoch, metric) for member, metric in zip(self._members, metrics, strict=True)]
        is_last = epoch + 1 == self._plan.recipe.epochs
        if not (is_last or any(stopped)):
            return
        if self._plan.test is not None:
            metrics = self._score(self._plan.test)
        monitor = self._plan.monitor
        for model, metric in enumerate(metrics):
            if is_last or stopped[model]:
                follower = self._members[model].follower
                if math.isfinite(metric):
                    self._end(model, metric, follower.status, follower.reason)
                else:
                    self._end(model, monitor.worst_metric, Status.DIVERGED, f"{monitor.name} was {metric}")
        self._keep(torch.tensor([model for model, stop in enumerate(stopped) if not (is_last or stop)]))

    def _score(self, batches: Sequence[Examples]) -> list[float]:
        at_once = self._plan.examples_at_once(len(self._members))
        return score(self._networks, batches, self._plan.monitor.name, self._plan.recipe, at_once, self._plan.kind)

    def _end(self, model: int, metric: float, status: Status, reason: str) -> None:
        member = self._members[model]
        seen = member.follower
        evaluation = Evaluation(metric, status, reason, seed=member.seed, epoch=seen.epoch, curve=tuple(seen.curve))
        self._ended[member.place] = evaluation, self._steps

    def _keep(self, models: Tensor) -> None:
        self._members = [self._members[model] for model in models.tolist()]
        models = models.long().to(self._plan.recipe.device)
        for weight in self._weights:
            for name, value in self._optimizer.state[weight].items():
                if isinstance(value, Tensor) and value.shape == weight.shape:
                    self._optimizer.state[weight][name] = value[models]
        if self._rate_factors is not None:
            self._rate_factors = self._rate_factors[models]
        self._networks.keep(models)
        self._losses.keep(models)
        self._batches.keep(models)
