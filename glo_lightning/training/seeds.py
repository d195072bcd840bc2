"""Seeds that do not meet those of other purposes."""

import numpy as np


def fresh_seeds(seed: int, purpose: str, count: int) -> tuple[int, ...]:
    """Return seeds that other purposes do not use; more of them begin with the same.

    Args:
        seed: 0 or more.
        purpose: a word.
        count: how many.
    """
    entropy = [seed, *purpose.encode()]
    return tuple(int(word) for word in np.random.SeedSequence(entropy).generate_state(count))
