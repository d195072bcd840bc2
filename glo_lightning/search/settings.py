"""The settings of a search. Imports nothing heavy: ``--help`` reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from glo_lightning.errors import SettingsError
from glo_lightning.search.ranges import Range, read_ranges
from glo_lightning.training.monitor import require_direction

Input = Literal["y", "h", "f", "t"]

UNUSED = {
    "taylor": ("stage", "screen", "known", "tuned_trees", "coefficient_generations"),
    "glo": ("order", "inputs", "parameters", "start", "sigma", "on_violation", "joint"),
}
"""Settings that a family has no use for."""


@dataclass(frozen=True)
class SearchSettings:
    """What to search, and how.

    Args:
        family: the losses searched: taylor (TaylorGLO's polynomials, by CMA-ES) or glo (expression trees by genetic
            programming, then their coefficients by CMA-ES).
        order: of family=taylor: order K of the polynomial, 1 or more.
        inputs: of family=taylor: the polynomial's variables: y (label), h (scaled logit), f (logit), t (training
            progress in [0, 1]).
        parameters: of family=taylor: theta (search all parameters, as the papers do) or canonical (only those that
            training can tell apart: 4 instead of 8 at order 3).
        start: of family=taylor: mean of the first generation: zeros, as in the papers, or cross_entropy, its expansion.
        joint: of family=taylor: numbers of the model that CMA-ES searches along with the loss, from where they are
            configured, as JSON, e.g. {"model.learning_rate": {"low": 0.001, "high": 1.0, "log": true}}. Names are those
            of options; a list of numbers is searched as a whole. Further keys: scale (what weighs as much as 1 in
            theta; by default a quarter of the range) and increasing (puts a list in order, for milestones).
        tasks: configuration files, each with a model, data and a Trainer: every candidate is trained on all of them;
            its score is the mean of what it achieves relative to cross-entropy, max(0, (m - m0) / (m_ce - m0)) with the
            monitored metric m, and m0 before training. Options on the command line hold where a file says nothing.
        normalize: drive scales each candidate to start with cross-entropy's gradient, so that shapes compete and not
            learning rates; none leaves the scale to the search.
        generations: generations to run; raise it later to continue a finished search.
        population_size: candidates per generation; by default 20, 40 with an invariant, and 80 trees.
        sigma: of family=taylor: initial step size of CMA-ES.
        invariant: which candidates may train: none (all), paper (the printed invariant), exact (start-up follows
            cross-entropy downhill), stable (exact, and the collapsed output is not attractive). Of family=glo it
            judges coefficients; screen judges trees.
        on_violation: of family=taylor: prune (a violating candidate takes its place in the generation, ranked last) or
            resample (draw until one may train).
        monitor: the validation metric that scores candidates. val_fgsm_accuracy, the accuracy under attack by FGSM with
            changes of 0.1 per pixel, needs nothing of the model.
        mode: whether the monitored metric is better at its max or min.
        stage: of family=glo: trees, coefficients (of the trees that an earlier run found), or both.
        screen: of family=glo: which trees may train: theory (those that are finite and start downhill as the stable
            invariant has it, each behaviour once) or paper (all that have a label and a prediction, each formula once).
        known: of family=glo: expressions that start the first generation, as text or by name: cross_entropy, baikal,
            mean_squared_error.
        tuned_trees: of family=glo: best trees whose coefficients are tuned.
        coefficient_generations: of family=glo: generations of each tuning.
        seed: fixes candidates, initial weights and data order.
        storage: an Optuna storage URL; by default SQLite in the output folder.
        study_name: name of the study; running the same name again continues it.
        output_dir: where results go; by default runs/<study_name>.
        finalists: best candidates that are re-scored with fresh seeds before one is chosen.
        finalist_seeds: fresh seeds per finalist.
        comparison_seeds: full trainings per loss in the final comparison; 0 skips it.
        comparison_epochs: epochs of a full training; by default 4 times the Trainer's max_epochs.
        outputs: what the model's logits mean: softmax (one of C classes for each sample or pixel) or sigmoid (yes or no
            for each logit: binary and multi-label models).
        loss_attribute: the attribute through which the model computes its training loss; dots reach submodules.
        worst_metric: the metric a diverged training gets; by default 0 if higher is better, else 1e6.
        workers: processes that search together on this machine, each with GPUs of its own. Any other machine joins by
            the same command, with the same storage and study_name.
        launcher: how workers start: local (processes on this machine) or ray (tasks on a Ray cluster).
        worker_gpus: GPUs of each Ray worker, as many as the Trainer's devices by default; with a fraction, several
            workers share one.
        pruner: stops unpromising trainings early: none, median, successive_halving, hyperband, or patient (a
            fifth of the epochs worse than before).
        abort_epoch: epoch, from 0, after which a training no better than abort_below is given up and tried again with
            another seed; by default never.
        abort_below: the metric required then (at most, with mode=min); by default 1.5 times chance.
        attempts: times a candidate is tried again after its training crashed or was given up.
        fidelity_sample: candidates, 3 or more, that are also trained fully, to see whether partial trainings rank
            losses as full ones do; 0 skips it.
        evaluator: how candidates train: trainer (one after another, with everything a Lightning Trainer can do),
            population (all of a generation at once, on stacked weights) or auto (the faster of the two).
        verbosity: what is told while the search runs, on standard error: quiet (nothing), normal (every generation and,
            in a terminal, how far it is) or verbose (every candidate, too).
        threads: CPU threads per process; with evaluator=trainer, small models train fastest with 1.
    """

    family: Literal["taylor", "glo"] = "taylor"
    order: int = 3
    inputs: tuple[Input, ...] = ("y", "h")
    parameters: Literal["theta", "canonical"] = "theta"
    start: Literal["zeros", "cross_entropy"] = "zeros"
    joint: dict[str, Range] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    normalize: Literal["none", "drive"] = "none"
    generations: int = 20
    population_size: int | None = None
    sigma: float = 1.2
    invariant: Literal["none", "paper", "exact", "stable"] = "exact"
    on_violation: Literal["prune", "resample"] = "prune"
    monitor: str = "val_accuracy"
    mode: Literal["max", "min"] = "max"
    stage: Literal["both", "trees", "coefficients"] = "both"
    screen: Literal["theory", "paper"] = "theory"
    known: tuple[str, ...] = ()
    tuned_trees: int = 3
    coefficient_generations: int = 10
    seed: int = 0
    storage: str | None = None
    study_name: str = "search"
    output_dir: str | Path | None = None
    finalists: int = 5
    finalist_seeds: int = 3
    comparison_seeds: int = 10
    comparison_epochs: int | None = None
    outputs: Literal["softmax", "sigmoid"] = "softmax"
    loss_attribute: str = "loss_fn"
    worst_metric: float | None = None
    evaluator: Literal["auto", "trainer", "population"] = "auto"
    verbosity: Literal["quiet", "normal", "verbose"] = "normal"
    threads: int = 1
    workers: int = 1
    launcher: Literal["local", "ray"] = "local"
    worker_gpus: float | None = None
    pruner: Literal["none", "median", "successive_halving", "hyperband", "patient"] = "none"
    abort_epoch: int | None = None
    abort_below: float | None = None
    attempts: int = 1
    fidelity_sample: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "joint", read_ranges(self.joint))
        at_least = {
            "order": 1,
            "generations": 1,
            "finalists": 1,
            "finalist_seeds": 1,
            "comparison_seeds": 0,
            "threads": 1,
            "seed": 0,
            "workers": 1,
            "tuned_trees": 1,
            "coefficient_generations": 1,
            "attempts": 0,
            "fidelity_sample": 0,
            "comparison_epochs": 1,
        }
        for name, least in at_least.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise SettingsError(
                    f"{name} of {least} or more",
                    repr(value),
                    f"Set --search.{name}={least} or more.",
                )
        if self.family not in UNUSED:
            raise SettingsError(f"family out of {', '.join(UNUSED)}", repr(self.family), "Leave it out for taylor.")
        for setting in fields(SearchSettings):
            value = getattr(self, setting.name)
            if setting.name in UNUSED[self.family] and value not in (setting.default, {}):
                raise SettingsError(
                    f"no {setting.name} with family={self.family}, which has no use for it",
                    repr(value),
                    f"Leave --search.{setting.name} out, or choose the other family.",
                )
        if self.population_size is not None and self.population_size < 4:
            raise SettingsError(
                "population_size of 4 or more",
                repr(self.population_size),
                "CMA-ES learns from differences: use 20, or 40 with an invariant.",
            )
        if not self.sigma > 0.0:
            raise SettingsError("sigma above 0", repr(self.sigma), "Use 1.2, the papers' value.")
        if self.comparison_seeds == 1:
            raise SettingsError(
                "comparison_seeds of 2 or more, or 0",
                "1",
                "A spread needs two trainings: use 10, or 0 to skip.",
            )
        if self.inputs != ("y", "h") and (self.parameters == "canonical" or self.start == "cross_entropy"):
            raise SettingsError(
                "inputs y and h for parameters=canonical and start=cross_entropy",
                repr(self.inputs),
                "Leave --search.inputs out, or search theta from zeros.",
            )
        if self.parameters == "canonical" and self.order < 2:
            raise SettingsError(
                "order of 2 or more for parameters=canonical", repr(self.order), "At order 1 nothing can train."
            )
        if self.fidelity_sample in (1, 2):
            raise SettingsError(
                "fidelity_sample of 3 or more, or 0",
                repr(self.fidelity_sample),
                "A rank correlation needs a sample: use 10, or 0 to skip.",
            )
        self._check_tasks()
        require_direction(self.monitor, self.mode, "search")
        if self.worker_gpus is not None and (self.launcher != "ray" or self.worker_gpus < 0):
            raise SettingsError(
                "worker_gpus of 0 or more, with launcher=ray only",
                f"{self.worker_gpus!r} with launcher={self.launcher}",
                "Local workers share this machine's GPUs by themselves: leave it out.",
            )
        if self.abort_epoch is not None and self.abort_epoch < 0:
            raise SettingsError("abort_epoch of 0 or more", repr(self.abort_epoch), "Count epochs from 0.")
        if self.abort_below is not None and self.abort_epoch is None:
            raise SettingsError(
                "abort_epoch together with abort_below",
                f"abort_below={self.abort_below:g} alone",
                "Set --search.abort_epoch to the epoch, from 0, after which it is asked for.",
            )
        if self.abort_epoch is not None and self.abort_below is None and self.mode == "min":
            raise SettingsError(
                "abort_below together with abort_epoch, because chance is known for accuracies only",
                "abort_epoch alone and mode='min'",
                "Set --search.abort_below to the metric that a training must have reached.",
            )
        if not self.study_name or "/" in self.study_name:
            raise SettingsError(
                "a study_name without slashes", repr(self.study_name), "It also names the output folder."
            )

    def _check_tasks(self) -> None:
        if not self.tasks:
            return
        if len(self.tasks) != len(set(self.tasks)) or len(self.tasks) == 1:
            raise SettingsError("two or more different tasks", repr(list(self.tasks)), "For one, use --config instead.")
        for name, needed in {"joint": {}, "pruner": "none"}.items():
            if getattr(self, name) != needed:
                raise SettingsError(
                    f"no {name} with several tasks", repr(getattr(self, name)), f"Leave --search.{name} out."
                )

    @property
    def candidates_per_generation(self) -> int:
        """The population size: as set, or 80 trees, or 20, or 40 with an invariant."""
        if self.population_size is not None:
            return self.population_size
        if self.family == "glo":
            return 80
        return 20 if self.invariant == "none" else 40


def read_settings(stored: Mapping[str, Any]) -> SearchSettings:
    """Return the settings among stored JSON values; those of other versions are left out."""
    known = {field.name for field in fields(SearchSettings)}
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in stored.items() if name in known
    }
    return SearchSettings(**given)
