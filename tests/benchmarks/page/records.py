"""Verdicts as JSON, one record each, written as soon as it is there: tables and plots are made of nothing else."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from filelock import FileLock

from glo_lightning.compare.comparison import Comparison, Origin, compare_metrics
from glo_lightning.compare.tables import headline
from glo_lightning.files import write_whole
from glo_lightning.training.monitor import Monitor
from page.searching import Searched

KEY = ("task", "condition", "family", "search")
"""What tells records apart."""

PLAIN = (*KEY, "trainings", "found", "loss")
"""What of a record is JSON as it is."""


@dataclass(frozen=True)
class Record:
    """One search and its verdict.

    Args:
        task: the name of what was trained.
        condition: what was done to its labels.
        family: what was searched.
        search: its seed.
        trainings: that finding and comparing the losses took.
        cpu_seconds: processor time of them.
        comparison: on the test split.
        others: of the same losses, at another epoch or by another metric.
        found: the loss, as a formula.
        loss: the same, as it is stored.
    """

    task: str
    condition: str
    family: str
    search: int
    trainings: int
    cpu_seconds: float
    comparison: Comparison
    others: Mapping[str, Comparison] = field(default_factory=dict)
    found: str = ""
    loss: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, searched: Searched, task: str, condition: str, family: str, search: int, **others: Comparison) -> Self:
        """Take down a search; the comparisons of the same losses are told by their names."""
        loss = searched.result.discovered_loss
        return cls(
            task, condition, family, search, searched.trainings, searched.cpu_seconds, searched.comparison, others,
            loss.formula("unicode"), loss.to_dict(),
        )  # fmt: skip

    @property
    def key(self) -> tuple[str, str, str, int]:
        return self.task, self.condition, self.family, self.search

    def __str__(self) -> str:
        return f"{self.task}, {self.condition}, {self.family} {self.search}: {headline(self.comparison)}"

    def to_dict(self) -> dict[str, Any]:
        return {
            **{name: getattr(self, name) for name in PLAIN},
            "cpu_seconds": round(self.cpu_seconds, 1),
            "comparison": _to_dict(self.comparison),
            "others": {name: _to_dict(each) for name, each in self.others.items()},
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Record":
        others = {name: _from_dict(each) for name, each in stored["others"].items()}
        return cls(**{**stored, "comparison": _from_dict(stored["comparison"]), "others": others})


@dataclass(frozen=True)
class Records:
    """A file of records.

    Args:
        path: of the file; there need not be one yet.
    """

    path: Path

    def read(self) -> list[Record]:
        return [Record.from_dict(each) for each in self._stored()]

    def keep(self, record: Record) -> None:
        """Add a record, or put it in the place of an earlier one, whose time stays if that was longer.

        A finished search answers from its study: what it took is told by whoever ran it first. Processes that share
        the work write one after another, so that each adds to what the others have written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        added = record.to_dict()
        with FileLock(self.path.with_suffix(".lock")):
            kept = {tuple(each[name] for name in KEY): each for each in self._stored()}
            before = kept.get(record.key, added)
            kept[record.key] = added | {"cpu_seconds": max(added["cpu_seconds"], before["cpu_seconds"])}
            lines = ",\n".join(json.dumps(each) for each in kept.values())
            write_whole(self.path, f"[\n{lines}\n]\n")

    def _stored(self) -> list[dict[str, Any]]:
        stored: list[dict[str, Any]] = json.loads(self.path.read_text("utf-8")) if self.path.exists() else []
        return stored


def _to_dict(comparison: Comparison) -> dict[str, Any]:
    """Return what cannot be worked out again."""
    return {
        "monitor": comparison.monitor.name,
        "mode": comparison.monitor.mode,
        "seeds": comparison.seeds,
        "epochs": comparison.epochs,
        "focus": comparison.focus,
        "losses": {
            each.name: {
                "metrics": [round(metric, 6) for metric in each.metrics],
                "divergences": each.divergences if any(each.divergences) else [],
                "cost": each.origin.cost,
                "note": each.origin.note,
            }
            for each in comparison.results
        },
    }


def _from_dict(stored: Mapping[str, Any]) -> Comparison:
    losses = stored["losses"]
    return compare_metrics(
        {name: each["metrics"] for name, each in losses.items()},
        Monitor(stored["monitor"], stored["mode"]),
        stored["seeds"],
        epochs=stored["epochs"],
        focus=stored["focus"],
        divergences={name: each["divergences"] or [""] * len(each["metrics"]) for name, each in losses.items()},
        origins={name: Origin(each["cost"], each["note"]) for name, each in losses.items()},
    )
