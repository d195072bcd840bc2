"""What a search returns."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from glo_lightning.checked import Checked, Limits, fitted
from glo_lightning.cli.settings import MAX_SEED
from glo_lightning.compare.comparison import Comparison
from glo_lightning.compare.tables import legend, render
from glo_lightning.errors import SettingsError
from glo_lightning.extras import require_extra
from glo_lightning.hyperparameters import Hyperparameters, describe
from glo_lightning.losses import Loss
from glo_lightning.losses.named import BEST_KNOWN, BEST_LOSS, DISCOVERED_LOSS
from glo_lightning.search.records.candidates import read_candidates
from glo_lightning.search.records.verdict import Fidelity
from glo_lightning.search.storage.study import later_stages
from glo_lightning.words import place

if TYPE_CHECKING:
    import pandas as pd
    from lightning.pytorch import LightningModule


@dataclass(frozen=True)
class SearchResult:
    """A finished search.

    Args:
        best_loss: the loss to take home: of the discovered one and its rivals, the best on validation data.
        discovered_loss: of all candidates, the one that did best when re-scored with fresh seeds.
        study: the Optuna study with every candidate.
        comparison: the verdict on the test split; None if it was skipped.
        output_dir: where the files are.
        fidelity: how well partial trainings predict full ones; None if it was not asked.
        best_hyperparameters: of the model that the best loss was trained with, where they differ from those it is
            configured with: found by a joint search along with the loss, or tuned along with cross-entropy.
        discovered_hyperparameters: what a joint search found along with the discovered loss.
        comparisons: of a search on several tasks: the verdict on each, by its name.
        warning: why the winner should not be trusted, if it should not.
        best_known: the best of the literature's losses on validation data; None if they were not tried.
        advice: which loss is the best one, and why, in words; empty where there was nothing to choose from.
        trainer: trains a model fully with the best loss, from a seed; None of a search on several tasks.
    """

    best_loss: Loss
    discovered_loss: Loss
    study: optuna.Study
    comparison: Comparison | None
    output_dir: Path
    fidelity: Fidelity | None = None
    best_hyperparameters: Hyperparameters = field(default_factory=dict)
    discovered_hyperparameters: Hyperparameters = field(default_factory=dict)
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    warning: str = ""
    best_known: Loss | None = None
    advice: str = ""
    trainer: "Callable[[int], LightningModule] | None" = field(default=None, repr=False)

    def train(self, seed: int = 0) -> "LightningModule":
        """Train a model fully with the best loss, and what was found along with it.

        Args:
            seed: of its weights and the order of its data, 0 or more.

        Returns:
            The trained model, with the loss of its own put back.

        Raises:
            SettingsError: after a search on several tasks, or if the seed is none.
            StudyError: if the training diverged or crashed.
        """
        if self.trainer is None:
            raise SettingsError(
                "a search on one task", "one on several", f"Train each task with the train verb and {BEST_LOSS}."
            )
        return self.trainer(
            fitted("seed", seed, int, Limits(at_least=0, at_most=MAX_SEED), default=0, called=Checked.called)
        )

    def __str__(self) -> str:
        by_task = "".join(f"{name}:\n{render(each)}\n" for name, each in self.comparisons.items())
        overall = "All tasks:\n" if by_task else ""
        table = ""
        if self.comparison is not None:
            table = by_task + overall + render(self.comparison) + "\n".join(legend(self.comparison)) + "\n"
        warning = f"{self.warning}\n" if self.warning else ""
        fidelity = "" if self.fidelity is None else f"{self.fidelity}\n"
        formula = self.discovered_loss.formula("unicode")
        found = "".join(f"  {line}\n" for line in describe(self.discovered_hyperparameters))
        along = f"found along with\n{found}" if found else ""
        advice = f"{self.advice}\n" if self.advice else ""
        known = "" if self.best_known is None else f", the best known loss {BEST_KNOWN}"
        return (
            f"{table}{fidelity}{warning}\nThe discovered loss:\n  {formula}\n{along}{advice}"
            f"Files in {place(self.output_dir)}: to take home is {BEST_LOSS}, "
            f"the discovered loss is {DISCOVERED_LOSS}{known}"
        )

    def to_frame(self) -> "pd.DataFrame":
        """Return one row per candidate: generation, index, metric, theta, formula, theory, status, seconds.

        Raises:
            EnvironmentMismatchError: if pandas is missing.
        """
        require_extra("frames", "data frames")
        import pandas as pd

        return pd.DataFrame(candidate_rows(self.study, formulas=True))


def candidate_rows(study: optuna.Study, formulas: bool = False) -> list[dict[str, Any]]:
    """Return the candidates of a search, in order, those of later stages last.

    Args:
        study: of the search.
        formulas: whether to write the losses as text, beside the parameters that say the same; that takes longer than
            a small network's training.
    """
    rows = []
    for candidate in (each for stage in (study, *later_stages(study)) for each in read_candidates(stage)):
        row = {each.name: getattr(candidate, each.name) for each in fields(candidate)}
        del row["step"], row["written"], row["write"]  # the reason begins with the step
        if formulas:
            row["formula"] = candidate.formula
        parameters, theory, origin = row.pop("parameters"), row.pop("theory"), row.pop("origin")
        descent = {name: origin[name] for name in ("operation", "parents", "mutations") if name in origin}
        by_task = {f"metric[{name}]": metric for name, metric in row.pop("metrics").items()}
        rows.append({**row, **by_task, **parameters, **descent, **theory})
    return rows
