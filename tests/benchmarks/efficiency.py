"""How many trainings a search needs, and what makes it need fewer.

python tests/benchmarks/efficiency.py --tasks noisy clean --variants drive canonical [--seeds 10] [--data DIR]
python tests/benchmarks/efficiency.py --variants --against drive --at 24 48    # only the table of what was measured

A search is the beginning of every longer one of the same seed. For each budget of trainings the five best candidates
until then are scored again on validation with three fresh seeds, as a search does, and the winner is measured on the
test split with five more, which no search sees. Each seed is another split of the data with other wrong labels, the
same for all variants, which are therefore compared by pairs. Digits, 64-64-10; "mnist" is MNIST averaged to 14 x 14,
3,000 images to train on and 1,500 to validate, 196-64-10, and needs --data, a folder with MNIST/raw. "noisy" has half
of the training and validation labels wrong. What has been measured is kept in --output, and not measured again.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cost.measure import CROSS_ENTROPY, LITERATURE, measure, read
from cost.tasks import TASKS
from cost.variants import LONG_BUDGETS, VARIANTS
from scipy.stats import ttest_rel


def print_table(options: argparse.Namespace) -> None:
    """Print mean and standard error over seeds for each budget, and the comparison with one variant by pairs."""
    done = read(options.output)
    for task in options.tasks:
        print(f"\n{task}: test accuracy after so many trainings, ± standard error; p against {options.against}")
        for variant in (CROSS_ENTROPY, LITERATURE, *VARIANTS):
            seeds = sorted(seed for where, what, seed in done if (where, what) == (task, variant))
            if not seeds:
                continue
            cells = []
            for budget in done[task, variant, seeds[0]]:
                own = np.array([done[task, variant, seed][budget][0] for seed in seeds])
                error = own.std(ddof=1) / len(own) ** 0.5 if len(own) > 1 else 0.0
                cells.append(f"{budget}: {own.mean():.4f} ± {error:.4f}")
            print(f"{variant:42} {len(seeds):2}  {'  '.join(cells)}  {_compared(done, task, variant, options)}")


def _compared(done: Mapping[Any, Any], task: str, variant: str, options: argparse.Namespace) -> str:
    """Return the mean differences from the variant that all are compared with, and their paired p."""
    cells = []
    for at in map(str, options.at):
        pairs = [
            (found[at][0], done[task, options.against, seed][at][0])
            for (where, what, seed), found in done.items()
            if (where, what) == (task, variant) and (task, options.against, seed) in done and at in found
        ]
        if variant != options.against and len(pairs) > 1:
            own, other = np.array(pairs).T
            cells.append(f"{(own - other).mean():+.4f} at {at}, p = {ttest_rel(own, other).pvalue:.3f}")
    return "  ".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=["noisy", "clean", "long_tail"])
    parser.add_argument("--variants", nargs="*", choices=list(VARIANTS), default=["drive", "canonical", "theta"])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--longest", type=int, default=max(LONG_BUDGETS), help="largest budget")
    parser.add_argument("--data", default="data", help="folder with MNIST/raw")
    parser.add_argument("--output", type=Path, default=Path("efficiency.jsonl"), help="what has been measured")
    parser.add_argument("--against", choices=list(VARIANTS), default="drive", help="what all are compared with")
    parser.add_argument("--at", type=int, nargs="+", default=[48], help="after how many trainings")
    options = parser.parse_args()
    torch.set_num_threads(1)
    measure(options, {name: VARIANTS[name] for name in options.variants})
    print_table(options)


if __name__ == "__main__":
    main()
