"""A loss inside anybody's Optuna objective."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from optuna import TrialPruned
from optuna.distributions import FloatDistribution
from optuna.trial import BaseTrial

from glo_lightning.checked import Checked, fitted
from glo_lightning.errors import LossError, SettingsError
from glo_lightning.losses import Loss, Outputs
from glo_lightning.losses.class_aware import counts_of
from glo_lightning.losses.precision import listed
from glo_lightning.search.records.suggested import PRUNED, note_suggestion
from glo_lightning.search.settings import SearchSettings
from glo_lightning.search.spaces.asked import as_asked, make_space
from glo_lightning.search.spaces.trees import ExpressionSpace, suggest_expression
from glo_lightning.theory import trainability
from glo_lightning.theory.gamma import check_num_classes
from glo_lightning.theory.trainability import Invariant

Family = Literal["drive", "taylor", "glo", "residual"]
Vectors = Literal["drive", "taylor", "residual"]
AnyInvariant = Literal["none", Invariant]

REACH = 4.0
"""Initial step sizes of CMA-ES to either side of where a search starts, within which parameters are suggested."""


class SuggestedSpace:
    """A family of losses as parameters of an Optuna study, within bounds that any sampler can search.

    ``distributions`` may be given to :class:`~glo_lightning.search.samplers.GenerationalCmaEsSampler`, beside
    ``cross_entropy`` as its mean and ``scales``.

    Args:
        family: drive, taylor or, to predict numbers, residual.
        num_classes: classes of the task, 2 or more; not of residual, and 2 of sigmoid outputs.
        outputs: what the model's outputs mean; always real of residual.
        class_counts: training samples of each class, for losses that know how frequent the classes are; of softmax
            outputs alone.
        sigma: of residual: standard deviation of the training targets, one number or one for each predicted number.
        prefix: of the parameters' names.

    Raises:
        GloError: if an argument is none of those it may be.

    Example:
        >>> space = SuggestedSpace("drive", num_classes=10)
        >>> list(space.distributions)
        ['loss.log_scale', 'loss.q', 'loss.g', 'loss.c_1', 'loss.c_2']
        >>> space.build(dict.fromkeys(space.distributions, 0.0)).to_dict()["family"]
        'drive'
        >>> import optuna
        >>> study = optuna.create_study()
        >>> for parameters in space.known:  # cross-entropy first
        ...     study.enqueue_trial(parameters)
    """

    def __init__(
        self,
        family: Vectors = "drive",
        *,
        num_classes: int | None = None,
        outputs: Outputs = "softmax",
        class_counts: Sequence[int] = (),
        sigma: float | Sequence[float] = 1.0,
        prefix: str = "loss.",
    ) -> None:
        family = fitted("family", family, Vectors, default="drive", called=Checked.called)
        num_classes = _required_classes(family, num_classes, outputs, sigma)
        settings = SearchSettings(family=family, outputs="real" if family == "residual" else outputs)
        counts = _fitting_counts(settings, num_classes, class_counts)
        self._prefix = fitted("prefix", prefix, str, default="loss.", called=Checked.called)
        self._own = make_space(settings, num_classes, class_counts=counts, sigma=sigma)
        self._losses = as_asked(self._own, settings, num_classes)
        start = dict(zip(self._own.distributions, self._own.cross_entropy, strict=True))
        reach = {name: REACH * settings.step_size * self._own.scales.get(name, 1.0) for name in start}
        self.distributions = {
            prefix + name: _around(start[name], reach[name], bounds) for name, bounds in self._own.distributions.items()
        }
        self.scales = {prefix + name: unit for name, unit in self._own.scales.items()}
        self.cross_entropy = self._own.cross_entropy

    @property
    def known(self) -> list[dict[str, float]]:
        """Parameters of losses of the literature that lie within the ranges; of drive alone, cross-entropy first."""
        points = [dict(zip(self.distributions, point, strict=True)) for point in self._own.known]
        ranges = self.distributions
        return [each for each in points if all(ranges[name].low <= each[name] <= ranges[name].high for name in each)]

    def build(self, parameters: Mapping[str, Any]) -> Loss:
        """Make the loss with some parameters.

        Args:
            parameters: numbers by their prefixed names, such as the params of a trial; others are not read.

        Raises:
            SettingsError: if one is missing.
        """
        missing = [name for name in self.distributions if name not in parameters]
        if missing:
            raise SettingsError(
                f"parameters {', '.join(self.distributions)}",
                f"none called {', '.join(missing)}",
                "Pass the params of a trial that this space was suggested in.",
            )
        own = {name: parameters[self._prefix + name] for name in self._own.distributions}
        return self._losses.build(own)


def suggest_loss(
    trial: BaseTrial,
    family: Family = "drive",
    *,
    num_classes: int | None = None,
    outputs: Outputs = "softmax",
    class_counts: Sequence[int] = (),
    sigma: float | Sequence[float] = 1.0,
    invariant: AnyInvariant = "exact",
    prefix: str = "loss.",
) -> Loss:
    """Suggest a loss within an objective, beside whatever else it searches.

    The trial's user attributes keep the loss, as :meth:`Loss.from_dict` reads it. ``glo-lightning report`` and
    ``dashboard``, which take the storage of the study, show its formula.

    Args:
        trial: a running trial, or a fixed one.
        family: drive, taylor, residual (to predict numbers) or glo; its trees want a sampler of conditional spaces,
            such as Optuna's TPE, and many trials, most of which are pruned at once.
        num_classes: classes of the task, 2 or more; not of residual, and 2 of sigmoid outputs.
        outputs: what the model's outputs mean; always real of residual.
        class_counts: training samples of each class, for losses that know how frequent the classes are; of softmax
            outputs alone, and not with glo.
        sigma: of residual: standard deviation of the training targets, one number or one for each predicted number.
        invariant: what a loss must meet to be trained at all; none for no such test. Residual losses meet it.
        prefix: of the parameters' names.

    Returns:
        The loss, for :class:`LossInjection` or ``model.loss_fn``.

    Raises:
        TrialPruned: if theory says that the loss will not train; the reason is a user attribute.
        GloError: if an argument is none of those it may be.

    Example:
        >>> import optuna, torch
        >>> trial = optuna.trial.FixedTrial({f"loss.{name}": 0.0 for name in ("log_scale", "q", "g", "c_1", "c_2")})
        >>> suggest_loss(trial, "drive", num_classes=10)(torch.zeros(1, 10), torch.tensor([3]))
        tensor(2.3026)
    """
    family = fitted("family", family, Family, default="drive", called=Checked.called)
    invariant = fitted("invariant", invariant, AnyInvariant, default="exact", called=Checked.called)
    classes = _required_classes(family, num_classes, outputs, sigma)
    if family == "glo":
        if listed(class_counts):
            raise SettingsError(
                "no class_counts with family='glo'", repr(class_counts), "Leave them out, or suggest drive."
            )
        expression = suggest_expression(trial, prefix + "node")
        settings = SearchSettings(family="glo", outputs=outputs)
        try:
            loss: Loss = as_asked(ExpressionSpace(), settings, classes).build({"expression": expression})
        except LossError as error:
            raise _pruned(trial, prefix, str(error)) from None
    else:
        space = SuggestedSpace(
            family, num_classes=num_classes, outputs=outputs, class_counts=class_counts, sigma=sigma, prefix=prefix
        )
        suggested = {
            name: trial.suggest_float(name, each.low, each.high, log=each.log)
            for name, each in space.distributions.items()
        }
        loss = space.build(suggested)
    note_suggestion(trial, prefix, loss, classes)
    if invariant != "none" and loss.outputs != "real":
        verdict = trainability(loss, classes)
        if getattr(verdict, invariant) is False:
            raise _pruned(trial, prefix, verdict.reason)
    return loss


def _required_classes(family: Family, num_classes: int | None, outputs: Outputs, sigma: float | Sequence[float]) -> int:
    """Return the classes of a family, of residual 1; refuse what says of classes what is of numbers, or vice versa."""
    if family == "residual":
        if num_classes is not None:
            raise SettingsError("no num_classes with family='residual'", repr(num_classes), "Leave it out.")
        return 1
    if outputs == "real" or listed(sigma) != [1.0]:
        raise SettingsError(
            "family='residual' to predict numbers",
            f"family={family!r} with " + ("outputs='real'" if outputs == "real" else f"sigma={sigma!r:.60}"),
            "Suggest residual; of classes, leave sigma out.",
        )
    if outputs == "sigmoid":  # theory would start at 1 / C
        if num_classes not in (None, 2):
            raise SettingsError(
                "two classes, no and yes, with outputs='sigmoid'",
                f"num_classes={num_classes!r}",
                "Leave num_classes out, however many labels there are: each is judged by itself.",
            )
        return 2
    if num_classes is None:
        raise SettingsError(
            f"num_classes with family={family!r}", "none", "Count the labels; to predict numbers, suggest residual."
        )
    check_num_classes(num_classes)
    return num_classes


def _fitting_counts(settings: SearchSettings, num_classes: int, class_counts: Sequence[int]) -> tuple[float, ...]:
    """Return training samples of each class, none where losses shall not know them; refuse those of other tasks."""
    if not listed(class_counts):
        return ()
    if settings.outputs != "softmax":
        raise SettingsError(
            "no class_counts but with softmax outputs", f"outputs={settings.outputs!r} and some", "Leave them out."
        )
    return counts_of(class_counts, num_classes)


def _around(start: float, reach: float, bounds: FloatDistribution) -> FloatDistribution:
    return FloatDistribution(max(bounds.low, start - reach), min(bounds.high, start + reach))


def _pruned(trial: BaseTrial, prefix: str, reason: str) -> TrialPruned:
    trial.set_user_attr(prefix + PRUNED, reason)
    return TrialPruned(reason)
