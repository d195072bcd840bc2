"""Settings of more than one verb, each declared and explained once. Imports nothing heavy: ``--help`` reads it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from glo_lightning.checked import Checked, setting
from glo_lightning.cli.explained import explain
from glo_lightning.losses.options import Outputs
from glo_lightning.options import option
from glo_lightning.training.monitor import Mode, Monitor, require_direction

SCORED = "how it is scored"
PLACE = "where it runs"

WORST_REAL = -1e6
"""What a diverged training of real-valued predictions gets if higher is better."""

MAX_SEED = 2**32 - 1
"""The greatest seed that NumPy, and so Lightning, takes."""


@dataclass(frozen=True, kw_only=True)
class Settings(Checked):
    """Settings of a verb.

    Args:
        seed: fixes what is drawn at random.
        output_dir: where results go; by default runs/NAME, with the name of the study, the training or the comparison,
            or that of the verb.
    """

    seed: int = setting(0, at_least=0, at_most=MAX_SEED)
    output_dir: str | Path | None = setting(None, section=PLACE)

    def __init_subclass__(cls) -> None:
        explain(cls)

    @staticmethod
    def called(name: str, *value: Any) -> str:
        """Return how errors call a setting: as the user wrote it."""
        return option(name, *value)

    @property
    def name_of_results(self) -> str:
        """What the output folder is called unless it is given."""
        raise NotImplementedError

    @property
    def folder(self) -> Path:
        """The output folder."""
        return Path("runs") / self.name_of_results if self.output_dir is None else Path(self.output_dir)


@dataclass(frozen=True, kw_only=True)
class TaskSettings(Settings):
    """Settings of a verb that trains.

    Args:
        monitor: the validation metric that decides: which candidate, which epoch, which loss is better. The verdict is
            by its like on the test split. val_fgsm_accuracy and val_pgd_accuracy, the accuracy under attack by FGSM or,
            stronger, PGD with changes of 0.1 per pixel, need nothing of the model.
        mode: whether the monitored metric is better at its max or min.
        outputs: what the model's outputs mean: softmax (logits of one of C classes for each sample or pixel), sigmoid
            (yes or no for each logit: binary and multi-label models) or real (predicted numbers: regression).
        loss_attribute: the attribute through which the model computes its training loss; dots reach submodules.
    """

    monitor: str = setting("val_accuracy", section=SCORED)
    mode: Mode = setting("max", section=SCORED)
    outputs: Outputs = setting("softmax", section=SCORED)
    loss_attribute: str = setting("loss_fn", section=SCORED)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_direction(self.monitor, self.mode)


@dataclass(frozen=True, kw_only=True)
class ScoreSettings(TaskSettings):
    """Settings of a verb that trains many times and compares.

    Args:
        worst_metric: the metric a diverged training gets; by default 0 if higher is better, else 1e6; -1e6 if higher is
            better with outputs=real, for R² has no lower end.
        evaluator: how to train: trainer (one after another, with everything a Lightning Trainer can do), population
            (many at once, on stacked weights) or auto (the faster of the two on the first steps, where both can).
    """

    worst_metric: float | None = setting(None, section=SCORED)
    evaluator: Literal["auto", "trainer", "population"] = setting("auto", section=PLACE)

    @property
    def metric(self) -> Monitor:
        """The metric that scores trainings, and which way is up."""
        worst = self.worst_metric
        if worst is None and self.outputs == "real" and self.mode == "max":
            worst = WORST_REAL
        return Monitor(self.monitor, self.mode, worst)
