"""Which loss to take home, by validation data alone: the discovered one, the best known one, or tuned cross-entropy.

    python tests/benchmarks/choice.py [--searches 4] [--lengths "a quarter"] [--families "known, drive" Taylor]

Digits with wrong labels or rare classes. The three losses are scored on validation twice: as the verdict's finalists
are, with three fresh seeds and as long as a candidate, and by the last epoch of the ten full trainings. The tables say
which of the three either would take home, and what that is worth on the test split, which neither has seen. Searches
whose candidates train as long as the verdict are those of noise.py and long_tails.py, read again where --runs has them;
the others, of which a candidate takes a quarter, have a split and wrong labels of their own each.
"""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import long_tails
import noise
from page.command import options_of
from page.searching import FAMILIES, search
from page.tables import metrics_of
from page.tasks import WORKS

from glo_lightning.compare.rivals import KNOWN, TUNED
from glo_lightning.data import CorruptedDataModule, DigitsDataModule
from glo_lightning.files import write_whole
from glo_lightning.search.records.verdict import DISCOVERED
from glo_lightning.training.monitor import Monitor
from glo_lightning.training.seeds import fresh_seeds

LENGTHS = {"as long": 1, "a quarter": 4}
"""How many times a candidate's training goes into one of the verdict."""

CONDITIONS: dict[str, dict[str, Any]] = {
    "clean": {},
    **noise.CONDITIONS,
    "instance, 40 %": {"label_noise": 0.4, "kind": "instance"},
    **long_tails.CONDITIONS,
}
LOSSES = {"found": DISCOVERED, "best known": KNOWN, "tuned": TUNED}
CLEAR = 0.005
"""Difference in test accuracy that counts as better or worse."""


def main() -> None:
    more = {"--lengths": {"nargs": "+", "choices": list(LENGTHS), "default": list(LENGTHS)}}
    options = options_of(__doc__, (), CONDITIONS, FAMILIES, more=more)
    path = options.output / "choice.json"
    records = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    keys = [
        {"length": length, "condition": condition, "family": family, "search": seed}
        for seed in range(options.searches)
        for length in options.lengths
        for condition in options.conditions
        for family in options.families
    ]
    for key in keys[:1] if options.quick else keys:
        if not any(key.items() <= each.items() for each in records):
            records.append({**key, **measure(key, options.runs, options.quick)})
            print(tell(records[-1]), flush=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, "[\n" + ",\n".join(map(json.dumps, records)) + "\n]\n")
    print(table(records))


def measure(key: Mapping[str, Any], runs: Path, quick: bool) -> dict[str, Any]:
    """Return the metrics of each loss: on validation as a finalist and trained fully, and on the test split."""
    condition, seed, shorter = key["condition"], key["search"], LENGTHS[key["length"]]
    work = WORKS["digits"].quick() if quick else WORKS["digits"]
    is_long_tail = condition in long_tails.CONDITIONS
    if shorter == 1:  # as noise.py and long_tails.py have it
        data, name = work.corrupted(Path(), **CONDITIONS[condition]), "long_tails" if is_long_tail else "noise"
    else:
        digits = DigitsDataModule(batch_size=64, split_seed=seed)
        data, name = CorruptedDataModule(digits, **CONDITIONS[condition], seed=seed), "choice"
    folder = runs / f"{name} digits {condition} {key['family']} {seed}"
    monitor = Monitor("val_balanced_accuracy") if is_long_tail else Monitor()
    searched = search(work, data, key["family"], seed, folder, monitor, is_long_tail, quick, shorter)
    seeds = fresh_seeds(seed, "finalists", 1 if quick else 3)
    measured = {}
    for loss, part in LOSSES.items():
        name = next(each for each in searched.runs if part in each)
        fresh, full = searched.on_validation(name, seeds, -(-work.epochs // shorter))
        metrics = {"fresh": fresh, "full": full, "test": metrics_of(searched.comparison, loss)}
        measured[loss] = {by: [round(metric, 6) for metric in each] for by, each in metrics.items()}
    return measured


def tell(record: Mapping[str, Any]) -> str:
    """Say what one search would take home."""
    name = f"{record['condition']}, {record['family']} {record['search']}, candidates {record['length']}"
    return f"{name}: {best(record, 'full')}, {gain(record, best(record, 'full')):+.3f}"


def table(records: Sequence[Mapping[str, Any]]) -> str:
    """Return a row per condition: what each way to choose gains over always taking the discovered loss home."""
    ways: dict[str, Callable[[Mapping[str, Any]], str]] = {
        "by three fresh seeds": lambda record: best(record, "fresh"),
        "by ten full trainings": lambda record: best(record, "full"),
        **{f"always {loss}": lambda record, loss=loss: loss for loss in ("best known", "tuned")},  # type: ignore[misc]
        "the best there is": lambda record: best(record, "test"),
    }
    lines = []
    for length in LENGTHS:
        own = [each for each in records if each["length"] == length]
        if not own:
            continue
        conditions = {condition: [each for each in own if each["condition"] == condition] for condition in CONDITIONS}
        lines += [["candidates train " + length, "searches", *ways], ["---", "--:", *["--:"] * len(ways)]]
        for condition, here in {**conditions, "all": own}.items():
            if here:
                cells = [cell([gain(each, choose(each)) for each in here]) for choose in ways.values()]
                lines.append([condition, f"{len(here)}", *cells])
        lines.append([])
    return "\n".join("| " + " | ".join(line) + " |" if line else "" for line in lines)


def best(record: Mapping[str, Any], by: str) -> str:
    """Return the loss of the highest mean, the discovered one where there are several."""
    return max(LOSSES, key=lambda loss: statistics.mean(record[loss][by]))


def gain(record: Mapping[str, Any], loss: str) -> float:
    """Return the test accuracy of a loss beyond the discovered one's."""
    return statistics.mean(record[loss]["test"]) - statistics.mean(record["found"]["test"])


def cell(gains: Sequence[float]) -> str:
    """Return the mean gain, and how many searches are better and worse off."""
    better, worse = sum(each > CLEAR for each in gains), sum(each < -CLEAR for each in gains)
    return f"{statistics.mean(gains):+.3f}, {better} ↑ {worse} ↓"


if __name__ == "__main__":
    main()
