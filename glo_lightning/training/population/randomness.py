"""Refuse what draws random numbers from a generator that a whole process shares: models would disturb each other."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from glo_lightning.training.population.recipe import refuse


@contextmanager
def refusing_random_numbers(drawer: str, device: torch.device) -> Iterator[None]:
    """Refuse a task if somebody draws in the block.

    Args:
        drawer: who would be to blame.
        device: where the population trains.

    Raises:
        SettingsError: if so; ``got`` says who.
    """
    before = _states(device)
    yield
    if _states(device) != before:  # which no drawing leaves as they were
        refuse(f"{drawer} draws random numbers of its own, which would tie scores to neighbours")


def _states(device: torch.device) -> list[object]:
    name, keys, *others = np.random.get_state()
    states: list[object] = [random.getstate(), name, keys.tobytes(), *others, torch.get_rng_state().tolist()]  # type: ignore[attr-defined]
    return [*states, torch.cuda.get_rng_state(device).tolist()] if device.type == "cuda" else states
