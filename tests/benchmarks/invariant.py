"""What an invariant buys: none, the printed one, the exact and the stable one; pruned or drawn again.

python tests/benchmarks/invariant.py --tasks noisy clean [--seeds 10] [--data DIR] [--output invariant.jsonl]

TaylorGLO as in the paper, theta in eight parameters from zeros, with populations of 20 and 40. A candidate that
violates the invariant takes its place in the generation without training (prune), or is drawn again (resample). What
is compared after as many trainings is the loss found, trained afresh and measured on the test split, as efficiency.py
does it; p is Welch's against no invariant with the same population, as in the paper.
"""

import argparse
from itertools import product
from pathlib import Path

import numpy as np
import torch
from cost.measure import measure, read
from cost.tasks import TASKS
from cost.variant import Variant
from cost.variants import THETA
from scipy.stats import ttest_ind

BUDGETS = (24, 48, 96, 192)
NONE = "none, {}"


def variants(population: int) -> dict[str, Variant]:
    """Return the searches of one population size, by name."""
    base = THETA.but(population_size=population, budgets=BUDGETS)
    kinds = product(("paper", "exact", "stable"), ("prune", "resample"))
    return {
        NONE.format(population): base.but(invariant="none"),
        **{f"{name}, {do}, {population}": base.but(invariant=name, on_violation=do) for name, do in kinds},
    }


VARIANTS = {**variants(20), **variants(40)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=["noisy", "clean"])
    parser.add_argument("--populations", nargs="+", type=int, choices=(20, 40), default=[20])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--longest", type=int, default=max(BUDGETS), help="largest budget")
    parser.add_argument("--data", default="data", help="folder with MNIST/raw")
    parser.add_argument("--output", type=Path, default=Path("invariant.jsonl"), help="what has been measured")
    options = parser.parse_args()
    torch.set_num_threads(1)
    wanted = {name: each for population in options.populations for name, each in variants(population).items()}
    measure(options, wanted)
    done = read(options.output)
    for task in options.tasks:
        print(
            f"\n{task}: test accuracy, mean ± standard deviation; Welch's p against none; candidates of which trained"
        )
        for name in wanted:
            none = NONE.format(name.rsplit(", ", 1)[1])
            cells = []
            for budget in [str(each) for each in BUDGETS if each <= options.longest]:
                own, other = (
                    [found[budget] for (where, what, _), found in done.items() if (where, what) == (task, each)]
                    for each in (name, none)
                )
                accuracy, plain = np.array(own)[:, 0], np.array(other)[:, 0]
                p = "" if name == none else f", p = {ttest_ind(accuracy, plain, equal_var=False).pvalue:.2g}"
                proposed = np.mean([each[2] for each in own])
                cells.append(f"{budget}: {accuracy.mean():.4f} ± {accuracy.std(ddof=1):.4f}{p} ({proposed:.0f})")
            print(f"{name:22} {'  '.join(cells)}")


if __name__ == "__main__":
    main()
