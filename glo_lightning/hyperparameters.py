"""What else than the loss a training is told, by name. Reading a search needs this much, and not Lightning."""

import json
from collections.abc import Mapping
from typing import Any

Hyperparameters = Mapping[str, Any]
"""JSON values by the name of what they configure, such as ``{"model.learning_rate": 0.1}``."""

LEARNING_RATE_FACTOR = "learning_rate_factor"
"""Hyperparameter that every task has: what multiplies all learning rates, 1 unless it is searched."""


def learning_rate_factor(hyperparameters: Hyperparameters) -> tuple[float, Hyperparameters]:
    """Return what multiplies all learning rates, and the hyperparameters that are the model's own."""
    own = {name: value for name, value in hyperparameters.items() if name != LEARNING_RATE_FACTOR}
    return float(hyperparameters.get(LEARNING_RATE_FACTOR, 1.0)), own


def describe(hyperparameters: Hyperparameters) -> list[str]:
    """Return a line for each, for people: the option that sets it, or what multiplies all learning rates.

    Example:
        >>> describe({"model.dropout": 0.25, LEARNING_RATE_FACTOR: 3.14159})
        ['--model.dropout=0.25', 'all learning rates × 3.142']
    """
    return [
        f"all learning rates × {value:.4g}" if name == LEARNING_RATE_FACTOR else f"--{name}={json.dumps(value)}"
        for name, value in hyperparameters.items()
    ]
