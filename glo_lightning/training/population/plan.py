"""What all trainings of a task have in common, worked out once."""

from dataclasses import dataclass

from lightning.pytorch import seed_everything

from glo_lightning.data.tensor_data import Examples, TensorDataModule
from glo_lightning.losses.promises import Promises
from glo_lightning.models.network_module import NetworkModule
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.population.memory import free_memory, models_that_fit
from glo_lightning.training.population.randomness import refusing_random_numbers
from glo_lightning.training.population.recipe import Recipe, limited, read_recipe
from glo_lightning.training.population.scoring import evaluation_batches
from glo_lightning.training.population.support import (
    check_data,
    check_loss,
    check_model,
    check_network,
    check_optimizer,
    kind_of,
)
from glo_lightning.training.run import Split
from glo_lightning.training.task import Task, quiet_lightning


@dataclass(frozen=True)
class Plan:
    """A task made ready for a population.

    Args:
        task: builds the models.
        monitor: the metric that becomes the score.
        recipe: how to train.
        promises: what losses in the place of the model's own keep of it.
        data: orders and prepares the training batches.
        train: the training tensors, on the device.
        val: batches of the validation split, ready for the network.
        test: batches of the test split if that decides the score, else None.
        steps_per_epoch: training batches per epoch.
        capacity: models that fit into memory together.
        kind: of the models.
    """

    task: Task
    monitor: Monitor
    recipe: Recipe
    promises: Promises
    data: TensorDataModule
    train: Examples
    val: list[Examples]
    test: list[Examples] | None
    steps_per_epoch: int
    capacity: int
    kind: type[NetworkModule]

    def build_model(self, seed: int) -> NetworkModule:
        """Return the model that a Trainer would start from with this seed, in the types that it would use."""
        seed_everything(seed, workers=True, verbose=False)
        model = self.task.build_model()
        assert isinstance(model, NetworkModule)
        self.recipe.precision.convert_module(model.network)
        return model

    def examples_at_once(self, num_models: int) -> int:
        """Return how many examples that many models can be evaluated on in no more memory than a full stack trains."""
        return max(1, self.data.batch_size * self.capacity // num_models)


def make_plan(task: Task, monitor: Monitor, attribute: str, epochs: int | None, split: Split) -> Plan:
    """Work out how a population trains a task.

    Args:
        task: the model, the data and the Trainer.
        monitor: the metric that becomes the score.
        attribute: where the model keeps its training loss.
        epochs: overrides the Trainer's ``max_epochs``.
        split: what scores; the test split is not opened unless it does.

    Returns:
        The plan.

    Raises:
        SettingsError: if a population cannot train it; ``got`` says why.
    """
    with quiet_lightning():
        seed_everything(0, workers=True, verbose=False)
        recipe = read_recipe(task.build_trainer([], {} if epochs is None else {"max_epochs": epochs}))
        model = check_model(task.build_model(), attribute, monitor.name)
        check_optimizer(model, recipe.epochs)
        promises = check_loss(model)
    data = check_data(task.datamodule)
    data.prepare_data()
    data.setup("fit")
    inputs, target = recipe.precision.convert_input(data.train_tensors)
    train = inputs.to(recipe.device), target.to(recipe.device)
    network = recipe.precision.convert_module(model.network).to(recipe.device)
    steps_per_epoch = limited(-(-len(target) // data.batch_size), recipe.limit_train_batches)
    first = train[0][: data.batch_size], train[1][: data.batch_size]
    with refusing_random_numbers(f"{type(data).__name__}'s training_batch", recipe.device):
        example, _ = recipe.precision.convert_input(data.training_batch(first, 0, 0))
    with recipe.precision.train_step_context():
        check_network(model, example, target)
        capacity = models_that_fit(network, example, free_memory(recipe.device))
    val = evaluation_batches(data.val_dataloader(), recipe.limit_val_batches, recipe)
    test = None
    if split == "test":
        data.setup("test")
        test = evaluation_batches(data.test_dataloader(), recipe.limit_test_batches, recipe)
    return Plan(task, monitor, recipe, promises, data, train, val, test, steps_per_epoch, capacity, kind_of(model))
