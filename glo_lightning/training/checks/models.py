"""Refuse to train the same weights again and again."""

from glo_lightning.errors import ModelError
from glo_lightning.training.task import Task
from glo_lightning.training.traces import random_numbers_kept


def require_fresh_models(task: Task) -> None:
    """Refuse a task whose models share weights: each would go on where another candidate's training ended.

    Args:
        task: two of whose models are built.

    Raises:
        ModelError: if these are the same, or have trainable parameters in common.
    """
    with random_numbers_kept():
        first, second = task.build_model(), task.build_model()
    trained = {id(parameter) for parameter in first.parameters() if parameter.requires_grad}
    shared = [name for name, parameter in second.named_parameters() if id(parameter) in trained]
    if shared:
        raise ModelError(
            "a function that returns a new model whenever it is called",
            "the same model again" if first is second else f"models that share weights, {shared[0]} for one",
            "Build all of the model in the function: lambda: MyModel(make_network()), not network = make_network() "
            "before it.",
        )
