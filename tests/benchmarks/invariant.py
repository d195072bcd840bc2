"""What an invariant buys: none, the printed one, the exact and the stable one; pruned or drawn again.

python tests/benchmarks/invariant.py --tasks noisy clean [--seeds 10] [--data DIR] [--output invariant.jsonl]

TaylorGLO as in the paper, theta in eight parameters from zeros, with populations of 20 and 40. A candidate that
violates the invariant takes its place in the generation without training (prune), or is drawn again (resample). What
is compared after as many trainings is the loss found, trained afresh and measured on the test split, as efficiency.py
does it; p is Welch's against no invariant with the same population, as in the paper, and then by pairs of searches on
the same split, over all populations.
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
from scipy.stats import ttest_ind, ttest_rel

BUDGETS = (24, 48, 96, 192)
NONE = "none, {}"
KINDS = {f"{name}, {do}": (name, do) for name, do in product(("paper", "exact", "stable"), ("prune", "resample"))}


def variants(population: int) -> dict[str, Variant]:
    """Return the searches of one population size, by name."""
    base = THETA.but(population_size=population, budgets=BUDGETS)
    kinds = {f"{kind}, {population}": base.but(invariant=name, on_violation=do) for kind, (name, do) in KINDS.items()}
    return {NONE.format(population): base.but(invariant="none"), **kinds}


def print_table(options: argparse.Namespace, task: str) -> None:
    """Print what each kind of search found, and Welch's p against no invariant with the same population."""
    done = read(options.output)
    print(f"\n{task}: test accuracy, mean ± standard deviation; Welch's p against none; candidates of which trained")
    for name in (each for population in options.populations for each in variants(population)):
        none = NONE.format(name.rsplit(", ", 1)[1])
        cells = []
        for budget in budgets(options):
            own, other = (
                [found[budget] for (where, what, _), found in done.items() if (where, what) == (task, each)]
                for each in (name, none)
            )
            accuracy, plain = np.array(own)[:, 0], np.array(other)[:, 0]
            p = "" if name == none else f", p = {ttest_ind(accuracy, plain, equal_var=False).pvalue:.2g}"
            proposed = np.mean([each[2] for each in own])
            cells.append(f"{budget}: {accuracy.mean():.4f} ± {accuracy.std(ddof=1):.4f}{p} ({proposed:.0f})")
        print(f"{name:22} {'  '.join(cells)}")


def print_pairs(options: argparse.Namespace, task: str) -> None:
    """Print what each invariant gains over none on the same splits, over all populations, and its paired p."""
    done = read(options.output)
    print(f"\n{task}: gain over none by pairs of a split and a population, and p")
    for kind in KINDS:
        cells = []
        for budget in budgets(options):
            pairs = [
                (done[task, f"{kind}, {size}", seed][budget][0], done[task, NONE.format(size), seed][budget][0])
                for size, seed in product(options.populations, range(options.seeds))
            ]
            own, other = np.array(pairs).T
            cells.append(f"{budget}: {(own - other).mean():+.4f}, p = {ttest_rel(own, other).pvalue:.2g}")
        print(f"{kind:22} {'  '.join(cells)}")


def budgets(options: argparse.Namespace) -> list[str]:
    return [str(each) for each in BUDGETS if each <= options.longest]


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
    measure(options, {name: each for size in options.populations for name, each in variants(size).items()})
    for task in options.tasks:
        print_table(options, task)
        print_pairs(options, task)


if __name__ == "__main__":
    main()
