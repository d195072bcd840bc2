"""Finished trainings on disk, so that none is done twice."""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from glo_lightning.errors import ModelError
from glo_lightning.training.run import Evaluation, Evaluator, Run, Status


class Ledger:
    """A file of finished trainings, one JSON object per line, each with the key it is found by.

    Args:
        path: the file; created with the first entry. A line that a power cut left unfinished or spoilt does not count.
        writes: whether this process writes the file; one of several ranks does.
    """

    def __init__(self, path: Path, writes: bool = True) -> None:
        self.path = path
        self.writes = writes
        self._entries: dict[str, dict[str, Any]] = {}
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []:
            try:
                entry = json.loads(line)
                if "evaluation" in entry:
                    self._entries[entry["key"]] = entry
            except (ValueError, TypeError, KeyError):
                continue

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def __getitem__(self, key: str) -> Mapping[str, Any]:
        return self._entries[key]

    def last(self, name: str, default: Any) -> Any:
        """Return a value of the latest entry, or the default if there is no entry."""
        return next(reversed(self._entries.values()))[name] if self._entries else default

    def add(self, key: str, entry: Mapping[str, Any]) -> None:
        """Keep an entry, on disk before anything else happens."""
        self._entries[key] = {"key": key, **entry}
        if not self.writes:
            return
        with self.path.open("a+b") as file:
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    file.write(b"\n")
            file.write(json.dumps(self._entries[key]).encode() + b"\n")


class LedgerEvaluator:
    """Has those runs trained that a ledger does not know, and remembers the metric after every validation.

    Args:
        make: makes what trains, when something is missing.
        ledger: of finished trainings.
        identity: JSON values that tell apart trainings with equal losses and seeds: task, epochs, split, metric.
        notes: of them, what entries show to whoever reads the file.
        together: runs to train at once; they are kept when all of them have ended.
        advance: called with the number of trainings just finished.
    """

    def __init__(
        self,
        make: Callable[[], Evaluator],
        ledger: Ledger,
        identity: Mapping[str, Any],
        notes: Collection[str] = (),
        together: int = 1,
        advance: Callable[[int], None] = lambda count: None,
    ) -> None:
        self.make = make
        self.ledger = ledger
        self.identity = identity
        self.notes = notes
        self.together = together
        self.advance = advance

    def missing(self, runs: Sequence[Run]) -> list[Run]:
        """Return the runs that the ledger does not know, each once."""
        return list({self._key(run): run for run in runs if self._key(run) not in self.ledger}.values())

    def evaluate(self, runs: Sequence[Run]) -> list[Evaluation]:
        """Train what is missing and return all evaluations, in the order given.

        Raises:
            ModelError: if a training crashed; what had finished before is kept.
        """
        missing = self.missing(runs)
        if missing:
            evaluator = self.make()
            for start in range(0, len(missing), self.together):
                self._train(evaluator, missing[start : start + self.together])
        entries = [self.ledger[self._key(run)]["evaluation"] for run in runs]
        return [Evaluation(**{**entry, "status": Status(entry["status"])}) for entry in entries]

    def curve(self, run: Run) -> list[float]:
        """Return the metrics of a finished run after each of its validations."""
        return list(self.ledger[self._key(run)]["curve"])

    def _train(self, evaluator: Evaluator, runs: Sequence[Run]) -> None:
        curves: list[list[float]] = [[] for _ in runs]
        watched = [replace(run, report=partial(_note, curve)) for run, curve in zip(runs, curves, strict=True)]
        evaluations = evaluator.evaluate(watched)
        for run, evaluation, curve in zip(runs, evaluations, curves, strict=True):
            if evaluation.status is not Status.FAILED:
                shown = {name: self.identity[name] for name in self.notes}
                entry = {"loss": run.loss.to_dict(), **shown, "evaluation": asdict(evaluation), "curve": curve}
                self.ledger.add(self._key(run), entry)
        failures = [evaluation.reason for evaluation in evaluations if evaluation.status is Status.FAILED]
        if failures:
            raise ModelError(
                "trainings that run to their end",
                f"one that crashed ({failures[0]})",
                "Mend the cause; what has finished is kept, and the same command trains the rest.",
            )
        self.advance(len(runs))

    def _key(self, run: Run) -> str:
        own = {"loss": run.loss.to_dict(), "seed": run.seed, "hyperparameters": dict(run.hyperparameters)}
        text = json.dumps({**self.identity, **own}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def _note(curve: list[float], epoch: int, metric: float) -> bool:
    curve.append(metric)
    return False
