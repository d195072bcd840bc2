"""The settings of a search. Imports nothing heavy: ``--help`` reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, Literal

from glo_lightning.checked import default_of, setting
from glo_lightning.cli.settings import MAX_SEED, PLACE, SCORED, ScoreSettings
from glo_lightning.errors import SettingsError
from glo_lightning.losses.options import Input
from glo_lightning.options import option
from glo_lightning.search.ranges import Range, read_ranges
from glo_lightning.telling import Verbosity
from glo_lightning.time_span import read_time_span

LossFamily = Literal["taylor", "drive", "residual", "glo"]
Parameters = Literal["canonical", "theta"]
Start = Literal["zeros", "cross_entropy", "baselines"]

GENERATIONS = 20
"""Generations of a search, unless the settings or a time say otherwise."""

POPULATION_SIZES = {"drive": 8, "residual": 8, "glo": 80}
"""Candidates per generation, of families whose population does not depend on the invariant."""

RIVAL_POPULATION = 20
"""Most candidates in a generation of the rival: two to four parameters need many generations rather than large ones."""

SEARCHED = "what is searched"
LENGTH = "how long"
VERDICT = "the verdict"
BEFORE = "before a search"

OF_TREES = ("stage", "screen", "known", "tuned_trees", "coefficient_generations")
OF_POLYNOMIALS = ("order", "inputs", "parameters")
OF_DRIVES = ("known_first",)

STARTS = {
    "taylor": ("auto", "zeros", "cross_entropy"),
    "drive": ("auto", "zeros", "baselines"),
    "residual": ("auto", "zeros", "baselines"),
    "glo": ("auto", "zeros"),
}
"""Where a search of each family may begin; zeros are cross-entropy, or the squared error, but for polynomials."""

UNUSED = {
    "taylor": (*OF_TREES, *OF_DRIVES),
    "drive": (*OF_TREES, *OF_POLYNOMIALS, "normalize"),
    "residual": (*OF_TREES, *OF_POLYNOMIALS, *OF_DRIVES, "normalize", "class_aware"),
    "glo": (*OF_POLYNOMIALS, *OF_DRIVES, "sigma", "on_violation", "joint", "class_aware"),
}
"""Settings that a family has no use for."""


@dataclass(frozen=True, kw_only=True)
class SearchSettings(ScoreSettings):
    """What to search, and how.

    Args:
        family: the losses searched: taylor (TaylorGLO's polynomials, by CMA-ES), drive (losses of the target's
            confidence, with outputs=sigmoid one of the yes and one of the no, by CMA-ES from cross-entropy: few
            candidates serve, and label noise is where they win), residual (with outputs=real, losses of the residual,
            by CMA-ES from the squared error: outliers are where they win), glo (expression trees by genetic
            programming, then their coefficients by CMA-ES) or auto (residual with outputs=real, else taylor).
        order: of family=taylor: order K of the polynomial, 1 or more.
        inputs: of family=taylor: the polynomial's variables: y (label), h (scaled logit), f (logit), t (training
            progress in [0, 1]). With outputs=real, y is the standardised target and h the standardised prediction.
        parameters: of family=taylor: canonical (search only those that training can tell apart: 4 instead of 8 at
            order 3), theta (all, as the papers do) or auto (canonical, but theta with invariant=paper, with
            outputs=real, at order 1 or with other inputs than y and h).
        start: mean of the first generation. Of family=taylor: zeros, as in the papers, cross_entropy, its expansion
            (with outputs=real, the squared error), or auto (cross_entropy if canonical parameters are searched, which
            takes fewer candidates, zeros if theta is). Of families drive and residual: zeros, which are cross-entropy
            (the squared error), or baselines, the best of what python -m glo_lightning.baselines has trained.
        known_first: of family=drive: whether losses of the literature that stand label noise open the first generation,
            in the place of draws (with outputs=softmax).
        class_aware: of families taylor and drive: whether losses know how frequent the classes are, for long tails; the
            strengths of logit adjustment, class weights and margins are searched along.
        joint: of families taylor, drive and residual: numbers of the model that CMA-ES searches along with the loss,
            from where they are configured, as JSON, e.g. {"model.learning_rate": {"low": 0.001, "high": 1.0, "log":
            true}}. Names are those of options; a list of numbers is searched as a whole. Further keys: scale (what
            weighs as much as 1 in theta; by default a quarter of the range) and increasing (puts a list in order, for
            milestones).
        normalize: drive scales each candidate to start with cross-entropy's gradient, so that shapes compete and not
            learning rates; none leaves the scale to the search.
        sigma: of families taylor, drive and residual: initial step size of CMA-ES; by default 1.2, the papers', or 0.6
            for the other two.
        invariant: which candidates may train: none (all), paper (the printed invariant), exact (start-up follows
            cross-entropy downhill; with outputs=real, the squared error), stable (exact, and the collapsed output is
            not attractive). Of family=glo it judges coefficients; screen judges trees.
        on_violation: of families taylor, drive and residual: prune (a violating candidate takes its place in the
            generation, ranked last) or resample (draw until one may train).
        stage: of family=glo: trees, coefficients (of the trees that an earlier run found), or both.
        screen: of family=glo: which trees may train: theory (those that are finite and start downhill as the stable
            invariant has it, each behaviour once) or paper (all that have a label and a prediction, each formula once).
        known: of family=glo: expressions that start the first generation, as text or by name: cross_entropy, baikal,
            mean_squared_error.
        seed: fixes candidates, initial weights and data order.
        generations: generations to run, by default 20, or as many as fit into time_budget; raise it later to continue
            a finished search.
        time_budget: time for the whole search, the verdict included: 10min, 1h30min, 90s, a number of seconds, or
            DD:HH:MM:SS as the Trainer's max_time. Trainings are measured, and as many generations run as fit; with
            generations, no more than these. How many that were is kept: what a search wrote repeats it without a
            clock, and the same command does not run it again.
        population_size: candidates per generation; by default 20, 40 with an invariant, 8 drive or residual
            losses and 80 trees.
        tuned_trees: of family=glo: best trees whose coefficients are tuned.
        coefficient_generations: of family=glo: generations of each tuning.
        pruner: stops unpromising trainings early: none, median, successive_halving, hyperband, or patient (a
            fifth of the epochs worse than before).
        abort_epoch: epoch, from 0, from which on the next validation decides whether a training no better than
            abort_below is given up and tried again with another seed; by default never.
        abort_below: the metric required then (at most, with mode=min); by default 1.5 times chance.
        attempts: times a candidate is tried again after its training crashed or was given up.
        tasks: configuration files, each with a model, data and a Trainer: every candidate is trained on all of them;
            its score is the mean of what it achieves relative to cross-entropy, max(0, (m - m0) / (m_ce - m0)) with the
            monitored metric m, and m0 before training. Options on the command line hold where a file says nothing.
        finalists: best candidates that are re-scored with fresh seeds before one is chosen.
        finalist_seeds: fresh seeds per finalist.
        comparison_seeds: full trainings per loss in the final comparison; 0 skips it.
        rival_budget: trainings that tune cross-entropy by the same machine, as a share of those of the search: its
            learning rate, label smoothing and, where classes are unbalanced, their weights. The comparison has it and
            the best of the literature's losses beside the winner; 0 leaves both out.
        comparison_epochs: epochs of a full training; by default 4 times the Trainer's max_epochs.
        fidelity_sample: candidates, 3 or more, that are also trained fully, to see whether partial trainings rank
            losses as full ones do; 0 skips it.
        baseline_seeds: of python -m glo_lightning.baselines, which comes before a search: trainings of each known loss.
            The more there are, the smaller a gain that it can tell.
        storage: an Optuna storage URL; by default SQLite in the output folder.
        study_name: name of the study; running the same name again continues it.
        workers: processes that search, or train baselines, together on this machine, each with GPUs of its own. Any
            other machine joins by the same command, with the same storage and study_name.
        launcher: how workers start: local (processes on this machine) or ray (tasks on a Ray cluster).
        worker_gpus: GPUs of each Ray worker, as many as the Trainer's devices by default; with a fraction, several
            workers share one.
        threads: CPU threads per process; with evaluator=trainer, small models train fastest with 1.
        verbosity: what is told while the search runs: quiet (warnings alone), normal (every generation and, in a
            terminal, how far it is) or verbose (every candidate, too); on standard error, or by the handlers that
            somebody gave Python's logging, as records of glo_lightning.
    """

    family: Literal["auto", LossFamily] = setting("auto", section=SEARCHED)
    order: int = setting(3, at_least=1, section=SEARCHED)
    inputs: tuple[Input, ...] = setting(("y", "h"), section=SEARCHED)
    parameters: Literal["auto", Parameters] = setting("auto", section=SEARCHED)
    start: Literal["auto", Start] = setting("auto", section=SEARCHED)
    known_first: bool = setting(True, section=SEARCHED)
    class_aware: bool = setting(False, section=SEARCHED)
    joint: dict[str, Range] = setting({}, section=SEARCHED)
    normalize: Literal["none", "drive"] = setting("none", section=SEARCHED)
    sigma: float | None = setting(None, above=0, cure="Use 1.2, the papers' value.", section=SEARCHED)
    invariant: Literal["none", "paper", "exact", "stable"] = setting("exact", section=SEARCHED)
    on_violation: Literal["prune", "resample"] = setting("prune", section=SEARCHED)
    stage: Literal["both", "trees", "coefficients"] = setting("both", section=SEARCHED)
    screen: Literal["theory", "paper"] = setting("theory", section=SEARCHED)
    known: tuple[str, ...] = setting((), section=SEARCHED)
    seed: int = setting(0, at_least=0, at_most=MAX_SEED, section=SEARCHED)

    generations: int | None = setting(None, at_least=1, section=LENGTH)
    time_budget: str | float | timedelta | None = setting(None, section=LENGTH)
    population_size: int | None = setting(
        None,
        at_least=4,
        cure="CMA-ES learns from differences: use 20, or 40 with an invariant.",
        section=LENGTH,
    )
    tuned_trees: int = setting(3, at_least=1, section=LENGTH)
    coefficient_generations: int = setting(10, at_least=1, section=LENGTH)
    pruner: Literal["none", "median", "successive_halving", "hyperband", "patient"] = setting("none", section=LENGTH)
    abort_epoch: int | None = setting(None, at_least=0, section=LENGTH)
    abort_below: float | None = setting(None, section=LENGTH)
    attempts: int = setting(1, at_least=0, section=LENGTH)

    tasks: tuple[str, ...] = setting((), section=SCORED)

    finalists: int = setting(5, at_least=1, section=VERDICT)
    finalist_seeds: int = setting(3, at_least=1, section=VERDICT)
    comparison_seeds: int = setting(
        10, at_least=2, off=0, cure="A spread needs two trainings: use 10, or 0 to skip.", section=VERDICT
    )
    rival_budget: float = setting(1.0, at_least=0, section=VERDICT)
    comparison_epochs: int | None = setting(None, at_least=1, section=VERDICT)
    fidelity_sample: int = setting(
        0, at_least=3, off=0, cure="A rank correlation needs a sample: use 10, or 0 to skip.", section=VERDICT
    )

    baseline_seeds: int = setting(8, at_least=3, cure="A spread needs some trainings: use 8.", section=BEFORE)

    storage: str | None = setting(None, section=PLACE)
    study_name: str = setting("search", names_folder=True, section=PLACE)
    workers: int = setting(1, at_least=1, section=PLACE)
    launcher: Literal["local", "ray"] = setting("local", section=PLACE)
    worker_gpus: float | None = setting(None, at_least=0, section=PLACE)
    threads: int = setting(1, at_least=1, section=PLACE)
    verbosity: Verbosity = setting("normal", section=PLACE)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_family()
        self._check_outputs()
        self._check_polynomial()
        self._check_tasks()
        self._check_abort()
        if self.time_budget is not None and self.stage == "coefficients":
            raise SettingsError(
                f"no {option('time_budget')} with {option('stage', 'coefficients')}, whose trees are there already",
                repr(self.time_budget),
                f"Leave it out: {option('coefficient_generations')} says how long it takes.",
            )
        if self.worker_gpus is not None and self.launcher != "ray":
            raise SettingsError(
                f"{option('worker_gpus')} with {option('launcher', 'ray')} only",
                option("launcher", self.launcher),
                f"Local workers share this machine's GPUs by themselves: leave {option('worker_gpus')} out.",
            )

    @classmethod
    def fitted(cls, name: str, value: Any) -> Any:
        """Return a value as the setting of that name keeps it; ranges may be given by their arguments."""
        fitted = super().fitted(name, read_ranges(value) if name == "joint" else value)
        if name == "time_budget" and fitted is not None:
            read_time_span(fitted, option(name))
        return fitted

    def _check_family(self) -> None:
        for field in fields(SearchSettings):
            value = getattr(self, field.name)
            if field.name in UNUSED[self.loss_family] and value != default_of(field):
                raise SettingsError(
                    f"no {option(field.name)} with {option('family', self.loss_family)}, which has no use for it",
                    repr(value),
                    f"Leave {option(field.name)} out, or choose another family.",
                )
        starts = STARTS[self.loss_family]
        if self.start not in starts:
            others = " or ".join(option("family", family) for family, each in STARTS.items() if self.start in each)
            raise SettingsError(
                f"{option('start')} out of {', '.join(starts)} with {option('family', self.loss_family)}",
                option("start", self.start),
                f"Leave {option('start')} out, or use {others}.",
            )

    def _check_outputs(self) -> None:
        """Refuse losses of classes for predicted numbers, and losses of numbers for classes."""
        if self.family == "residual" and self.outputs != "real":
            raise SettingsError(
                f"{option('outputs', 'real')} with {option('family', 'residual')}, losses of predicted numbers",
                option("outputs", self.outputs),
                f"Set {option('outputs', 'real')} for regression, or choose another family.",
            )
        if self.outputs != "real":
            return
        if self.loss_family not in ("residual", "taylor"):
            raise SettingsError(
                f"{option('family', 'residual')} or {option('family', 'taylor')} with {option('outputs', 'real')}",
                option("family", self.family),
                f"Set {option('family', 'residual')}, or leave {option('family')} out.",
            )
        about_classes = {
            "parameters": self.loss_parameters == "canonical",
            "normalize": self.normalize != "none",
            "class_aware": self.class_aware,
        }
        for name, is_set in about_classes.items():
            if is_set and self.loss_family == "taylor":
                raise SettingsError(
                    f"no {option(name)} with {option('outputs', 'real')}, for it is about classes",
                    repr(getattr(self, name)),
                    f"Leave {option(name)} out.",
                )
        if "f" in self.inputs or (self.order < 2 and self.start == "cross_entropy"):
            raise SettingsError(
                f"{option('inputs')} out of y, h and t with {option('outputs', 'real')}, and an order of 2 or more for "
                "the squared error to start from",
                f"{option('inputs', self.inputs)} and {option('order', self.order)}",
                "The prediction is h: there is no other output.",
            )
        if self.invariant == "paper":
            raise SettingsError(
                f"{option('invariant')} exact, stable or none with {option('outputs', 'real')}",
                option("invariant", "paper"),
                "The printed invariant is about classes: leave it out.",
            )
        if self.tasks:
            raise SettingsError(
                f"one task with {option('outputs', 'real')}",
                repr(list(self.tasks)),
                f"Leave {option('tasks')} out: each has targets of a spread of its own.",
            )

    def _check_polynomial(self) -> None:
        if self.inputs != ("y", "h") and (self.loss_parameters == "canonical" or self.start == "cross_entropy"):
            raise SettingsError(
                f"inputs y and h for {option('parameters', 'canonical')} and {option('start', 'cross_entropy')}",
                option("inputs", self.inputs),
                f"Leave {option('inputs')} out, or search theta from zeros.",
            )
        if not self.inputs or len(set(self.inputs)) < len(self.inputs):
            raise SettingsError(
                f"{option('inputs')} as one or more variables, each once",
                option("inputs", self.inputs),
                f"Leave {option('inputs')} out for y and h.",
            )
        if self.loss_parameters == "canonical" and self.order < 2:
            raise SettingsError(
                f"{option('order')} of 2 or more for {option('parameters', 'canonical')}",
                repr(self.order),
                "At order 1 nothing can train: raise it.",
            )

    def _check_tasks(self) -> None:
        if not self.tasks:
            return
        if len(self.tasks) != len(set(self.tasks)) or len(self.tasks) == 1:
            raise SettingsError(
                f"two or more different {option('tasks')}",
                repr(list(self.tasks)),
                "For one, leave them out, and use --config on the command line.",
            )
        for name, needed in {"joint": {}, "pruner": "none", "class_aware": False}.items():
            if getattr(self, name) != needed:
                raise SettingsError(
                    f"no {option(name)} with several tasks", repr(getattr(self, name)), f"Leave {option(name)} out."
                )

    def _check_abort(self) -> None:
        if self.abort_below is not None and self.abort_epoch is None:
            raise SettingsError(
                f"{option('abort_epoch')} together with {option('abort_below')}",
                f"{option('abort_below', self.abort_below)} alone",
                f"Set {option('abort_epoch')} to the epoch, from 0, after which it is asked for.",
            )
        has_chance = self.mode == "max" and self.outputs != "real"
        if self.abort_epoch is not None and self.abort_below is None and not has_chance:
            raise SettingsError(
                f"{option('abort_below')} together with {option('abort_epoch')}, because chance is known for "
                "accuracies only",
                f"{option('abort_epoch', self.abort_epoch)} alone and "
                + (option("mode", "min") if self.mode == "min" else option("outputs", "real")),
                f"Set {option('abort_below')} to the metric that a training must have reached.",
            )

    @property
    def name_of_results(self) -> str:
        """That of the study."""
        return self.study_name

    @property
    def loss_family(self) -> LossFamily:
        """The losses searched: as set, or residual with real outputs, or taylor."""
        if self.family != "auto":
            return self.family
        return "residual" if self.outputs == "real" else "taylor"

    @property
    def loss_parameters(self) -> Parameters:
        """Of polynomials, what is searched: as set, or canonical where training cannot tell more, or theta."""
        if self.parameters != "auto":
            return self.parameters
        can_tell = self.invariant != "paper" and self.outputs != "real"
        return "canonical" if can_tell and self.order >= 2 and self.inputs == ("y", "h") else "theta"

    @property
    def generation_count(self) -> int:
        """The generations to run: as set, or 20."""
        return GENERATIONS if self.generations is None else self.generations

    @property
    def budget_seconds(self) -> float | None:
        """The time for the whole search, in seconds; None for no end."""
        return None if self.time_budget is None else read_time_span(self.time_budget)

    @property
    def loss_start(self) -> Start:
        """Where CMA-ES begins: as set, or at cross-entropy's expansion with canonical parameters, or at zeros."""
        if self.start != "auto":
            return self.start
        is_canonical = self.loss_family == "taylor" and self.loss_parameters == "canonical"
        return "cross_entropy" if is_canonical else "zeros"

    @property
    def opens_with_known(self) -> bool:
        """Whether losses of the literature are the first candidates."""
        return self.known_first and self.loss_family == "drive" and self.outputs == "softmax"

    @property
    def candidates_per_generation(self) -> int:
        """The population size: as set, or 80 trees, or 8 drive or residual losses, or 20, or 40 with an invariant."""
        if self.population_size is not None:
            return self.population_size
        if self.loss_family in POPULATION_SIZES:
            return POPULATION_SIZES[self.loss_family]
        return 20 if self.invariant == "none" else 40

    @property
    def rivals_per_generation(self) -> int:
        """The population size of the search that tunes cross-entropy."""
        return min(RIVAL_POPULATION, self.candidates_per_generation)

    @property
    def step_size(self) -> float:
        """CMA-ES's initial step size: as set, or 0.6 for drive and residual losses, or 1.2."""
        return self.sigma or (0.6 if self.loss_family in ("drive", "residual") else 1.2)


def read_settings(stored: Mapping[str, Any]) -> SearchSettings:
    """Return the settings among stored JSON values; those of other versions are left out."""
    known = {field.name for field in fields(SearchSettings)}
    return SearchSettings(**{name: value for name, value in stored.items() if name in known})
