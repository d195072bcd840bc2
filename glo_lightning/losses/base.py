"""The contract every candidate loss keeps."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from torch import Tensor, nn

from glo_lightning.errors import LossError
from glo_lightning.losses.families import register
from glo_lightning.losses.options import ClassReduction, FormulaStyle, Reduction
from glo_lightning.losses.stored_form import from_stored, to_stored

if TYPE_CHECKING:
    import sympy


class Loss(nn.Module, ABC):
    r"""A classification loss that is a sum over classes of one elementwise function.

    .. math:: L = \frac{1}{N} \sum_{b=1}^{N} \sum_{i=1}^{C} \ell(y_{bi}, h_{bi}), \qquad h = \mathrm{softmax}(f)

    A family is a subclass with a ``family`` name, ``elementwise``, ``hyperparameters`` and ``expression``;
    everything else (reductions, label smoothing, gamma, storage, formulas) follows from those.

    Args:
        class_reduction: ``"sum"`` over classes, as torch's cross-entropy and the authors' code do, or
            ``"mean"``, the papers' 1/n.
        reduction: over the batch: ``"mean"``, ``"sum"`` or ``"none"``, as in torch.
        label_smoothing: alpha in [0, 1): labels become ``(1 - alpha) y + alpha / C``.

    Raises:
        LossError: if an argument is outside its range.

    Source: derivations.md, section 1 (conventions).
    """

    family: ClassVar[str]
    num_classes: int | None = None
    """How many classes the logits must have, if that matters."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "family" in cls.__dict__:
            register(cls.family, cls)

    def __init__(
        self,
        class_reduction: ClassReduction = "sum",
        reduction: Reduction = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        if class_reduction not in ("sum", "mean"):
            raise LossError("class_reduction 'sum' or 'mean'", repr(class_reduction), "Use 'sum' to match torch.")
        if reduction not in ("mean", "sum", "none"):
            raise LossError("reduction 'mean', 'sum' or 'none'", repr(reduction), "Use 'mean' to match torch.")
        if not 0.0 <= finite_number(label_smoothing, "label_smoothing") < 1.0:
            raise LossError("label_smoothing in [0, 1)", repr(label_smoothing), "Use 0.0 for hard labels.")
        self.class_reduction: ClassReduction = class_reduction
        self.reduction: Reduction = reduction
        self.label_smoothing = float(label_smoothing)
        self._progress: Tensor
        # Within torch.device("meta") the number would be lost.
        self.register_buffer("_progress", torch.zeros((), dtype=torch.float64, device="cpu"), persistent=False)

    @property
    def num_heads(self) -> int:
        """How many heads of a network the loss has parameters of its own for."""
        return 1

    @property
    def uses_progress(self) -> bool:
        """Whether the loss changes with training progress, so that somebody must set it."""
        return False

    @property
    def progress(self) -> float:
        """Training progress t in [0, 1]: 0 at the first step, 1 at the last."""
        return float(self._progress)

    @progress.setter
    def progress(self, value: float) -> None:
        if not 0.0 <= value <= 1.0:
            raise LossError("training progress in [0, 1]", repr(value), "Pass step / total_steps.")
        self._progress.fill_(value)

    @abstractmethod
    def elementwise(self, h: Tensor, y: Tensor) -> Tensor:
        """Evaluate l(y, h) entry by entry.

        Args:
            h: scaled logits, shape (..., C), floating, in [0, 1].
            y: labels, shape (..., C), floating, in [0, 1].

        Returns:
            Losses, shape (..., C).
        """

    def per_class(self, logits: Tensor, y: Tensor) -> Tensor:
        """Evaluate l(y, softmax(logits)); families override it where log-softmax is more stable.

        Args:
            logits: unscaled logits, shape (..., C), floating.
            y: labels, shape (..., C), floating.

        Returns:
            Losses, shape (..., C).
        """
        return self.elementwise(logits.softmax(-1), y)

    def forward(self, logits: Tensor | tuple[Tensor, ...], target: Tensor) -> Tensor:
        """Compute the loss of a batch, in float32 or wider.

        Args:
            logits: unscaled logits, shape (N, C) or (N, C, ...), floating, C >= 2; further dimensions are positions,
                as in segmentation, and each of them counts as a sample. Of a network with several heads: the logits of
                each head, whose losses are added up.
            target: class indices, shape (N,) or (N, ...), int64, in 0..C-1; or label distributions, floating, of the
                logits' shape.

        Returns:
            The loss, shape () or, with ``reduction="none"``, shape (N,) or (N, ...). An empty batch has loss 0.

        Raises:
            LossError: if shapes, dtypes or label values do not fit.
        """
        if isinstance(logits, tuple):
            return torch.stack([self(head, target) for head in logits]).sum(0)
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        rows, labels, shape = self.rows(logits, target)
        check_batch(rows, labels, self.num_classes)
        # The mean of nothing is no number, and a batch without labels no divergence: it costs nothing.
        reduction = "sum" if self.reduction == "mean" and not rows.numel() else self.reduction
        losses = self._compute(rows, labels, reduction)
        return losses.reshape(shape) if reduction == "none" else losses

    def rows(self, logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor, torch.Size]:
        """Lay the arguments of a call out as rows, one per sample or position, with a logit for every class.

        Args:
            logits: as in :meth:`forward`.
            target: as in :meth:`forward`.

        Returns:
            Logits, shape (M, C); labels, shape (M,) or (M, C); and the shape that M losses go back to.

        Raises:
            LossError: if the shapes do not fit.
        """
        if logits.ndim <= 2:
            return logits, target, logits.shape[:1]
        positions = torch.Size([logits.shape[0], *logits.shape[2:]])
        if target.shape != (logits.shape if target.is_floating_point() else positions):
            raise LossError(
                f"labels of shape {tuple(positions)} and dtype int64, or floating of shape {tuple(logits.shape)}",
                describe(target),
                "Dimension 1 of the logits holds the classes, as in torch: move it there with logits.movedim(-1, 1).",
            )
        labels = target.movedim(1, -1).flatten(0, -2) if target.is_floating_point() else target.flatten()
        return logits.movedim(1, -1).flatten(0, -2), labels, positions

    def _compute(self, logits: Tensor, target: Tensor, reduction: Reduction) -> Tensor:
        """Compute the loss of rows that fit, in the logits' precision; families override it for a shorter way."""
        per_class = self.per_class(logits, self.smooth(label_distribution(logits, target)))
        return reduce_batch(per_class.sum(-1) if self.class_reduction == "sum" else per_class.mean(-1), reduction)

    def smooth(self, y: Tensor) -> Tensor:
        """Return ``(1 - alpha) y + alpha / C``, the labels this loss sees; shape (..., C)."""
        if self.label_smoothing == 0.0:
            return y
        return (1.0 - self.label_smoothing) * y + self.label_smoothing / y.shape[-1]

    def gamma(self, h: Tensor, y: Tensor) -> Tensor:
        r"""Return the learning-rule factor, positive where training raises the scaled logit.

        .. math:: \gamma_i = -\frac{\partial \ell(y_i, h_i)}{\partial h_i}

        Args:
            h: scaled logits, shape (..., C), floating.
            y: labels as the loss sees them (already smoothed, if smoothing is wanted), shape (..., C).

        Returns:
            Factors, shape (..., C), without 1/C and 1/N.

        Source: derivations.md, section 1.
        """
        y = torch.as_tensor(y, dtype=h.dtype, device=h.device)
        slope: Tensor = torch.func.grad(lambda x: self.elementwise(x, y).sum())(h)
        return -slope

    @abstractmethod
    def hyperparameters(self) -> dict[str, Any]:
        """Return the family's own constructor arguments as JSON values."""

    def arguments(self) -> dict[str, Any]:
        """Return the constructor arguments that rebuild the loss, as JSON values."""
        return {
            **self.hyperparameters(),
            "class_reduction": self.class_reduction,
            "reduction": self.reduction,
            "label_smoothing": self.label_smoothing,
        }

    @abstractmethod
    def expression(self) -> "sympy.Expr":
        """Return l as a sympy expression in y (label), h (scaled logit), f (logit) and t (progress)."""

    def formula(self, style: FormulaStyle = "unicode") -> str:
        """Write the loss as text.

        Args:
            style: ``"latex"``, ``"unicode"`` (one line) or ``"python"`` (an expression over arrays).

        Returns:
            The formula of the whole loss, sum over classes included.
        """
        from glo_lightning.losses.formula import render

        return render(self.expression(), style, self.class_reduction) + self.formula_note(style)

    def formula_note(self, style: FormulaStyle) -> str:
        """Return what stands behind the formula, as text: how its h is made, where that is more than softmax."""
        return ""

    def to_dict(self) -> dict[str, Any]:
        """Return the stored form: JSON values only; see :mod:`glo_lightning.losses.stored_form`."""
        return to_stored(self.family, self.arguments())

    @classmethod
    def from_dict(cls, stored: object) -> Self:
        """Build a loss from its stored form.

        Args:
            stored: what :meth:`to_dict` returned, possibly damaged.

        Raises:
            LossFileError: if the form is damaged, foreign, or describes a loss of another class.

        Example:
            >>> from glo_lightning.losses import FocalLoss
            >>> stored = FocalLoss(2.0).to_dict()
            >>> stored["family"], stored["parameters"]["focusing"]
            ('focal', 2.0)
            >>> Loss.from_dict(stored)
            FocalLoss(focusing=2.0, class_reduction='sum', reduction='mean', label_smoothing=0.0)
        """
        return from_stored(stored, cls)

    def extra_repr(self) -> str:
        """Show the arguments that rebuild the loss."""
        return ", ".join(f"{name}={value!r}" for name, value in self.arguments().items())

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        # The numbers that define the loss change their device alone: model.half() must not round them.
        numbers, self._buffers = self._buffers, {}
        try:
            super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        finally:
            self._buffers = numbers
        for name, number in numbers.items():
            if number is not None:
                device = fn(torch.empty(0, device=number.device)).device
                numbers[name] = number.to(double_device(device))
        return self


def double_device(device: torch.device) -> torch.device:
    """Return where float64 numbers for computations on a device are kept: there, or on the CPU if it can hold none.

    Example:
        >>> double_device(torch.device("mps"))
        device(type='cpu')
    """
    return torch.device("cpu") if device.type in ("mps", "meta") else device


def numbers_like(numbers: Tensor, tensor: Tensor) -> Tensor:
    """Return numbers in the precision and on the device of a tensor, to which float64 may be foreign."""
    return numbers.to(tensor.dtype).to(tensor.device)


def label_distribution(logits: Tensor, target: Tensor) -> Tensor:
    """Turn class indices or label distributions into labels of the logits' shape.

    Args:
        logits: shape (N, C), floating, C >= 2.
        target: shape (N,), int64, in 0..C-1; or shape (N, C), floating.

    Returns:
        Labels, shape (N, C), dtype of the logits.

    Raises:
        LossError: if shapes, dtypes or class indices do not fit.

    Example:
        >>> label_distribution(torch.zeros(2, 3), torch.tensor([2, 0]))
        tensor([[0., 0., 1.],
                [1., 0., 0.]])
    """
    check_batch(logits, target)
    if target.is_floating_point():
        return target.to(logits.dtype)
    try:
        return torch.zeros_like(logits).scatter(-1, target.unsqueeze(-1), 1.0)
    except (RuntimeError, IndexError) as error:
        raise explain_labels(error, logits, target) from None


def check_batch(logits: Tensor, target: Tensor, num_classes: int | None = None) -> None:
    """Refuse logits and labels whose shapes or dtypes do not fit each other.

    Args:
        logits: as in :func:`label_distribution`.
        target: as in :func:`label_distribution`.
        num_classes: C, where a loss is for so many alone.

    Raises:
        LossError: if they do not fit.
    """
    shape = logits.shape
    if len(shape) != 2 or shape[1] < 2 or not logits.is_floating_point():
        raise LossError(
            "floating logits of shape (N, C) or (N, C, ...) with C >= 2",
            describe(logits),
            "Give every class a logit; for yes-or-no questions with one logit each, use SigmoidLoss(loss).",
        )
    if num_classes not in (None, shape[1]):
        raise LossError(
            f"logits of {num_classes} classes, for which the loss was made",
            f"{shape[1]}",
            f"Make it for {shape[1]} classes.",
        )
    if (
        target.is_floating_point()
        if target.shape == shape
        else target.shape == shape[:1] and target.dtype == torch.int64
    ):
        return
    raise LossError(
        f"labels of shape {tuple(shape[:1])} and dtype int64, or floating of shape {tuple(shape)}",
        describe(target),
        "Convert class indices with .long(), label distributions with .float(); cut real values into classes.",
    )


def explain_labels(error: Exception, logits: Tensor, target: Tensor) -> Exception:
    """Turn torch's complaint about a class index out of bounds into one that says what to do.

    Args:
        error: what torch raised.
        logits: shape (N, C).
        target: shape (N,), int64.

    Returns:
        A :class:`LossError`, or the error itself if it is about something else.
    """
    if "out of bounds" not in str(error):
        return error
    target = torch.func.debug_unwrap(target, recurse=True)
    return LossError(
        f"labels in 0..{logits.shape[-1] - 1}",
        f"labels from {int(target.min())} to {int(target.max())}",
        "Give the network one output per class, map the labels to 0..C-1, and leave out what has no label: "
        f"keep = (target >= 0) & (target < {logits.shape[-1]}), then logits.movedim(1, -1)[keep] and target[keep].",
    )


def reduce_batch(per_sample: Tensor, reduction: Reduction) -> Tensor:
    """Return the mean or sum over the batch, shape (), or with ``"none"`` the losses as they are, shape (N,)."""
    if reduction == "none":
        return per_sample
    return per_sample.mean() if reduction == "mean" else per_sample.sum()


def finite_number(value: object, name: str) -> float:
    """Return a parameter as a float.

    Args:
        value: what the user gave.
        name: what the parameter is called.

    Raises:
        LossError: if it is not a finite number.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max:
        return float(value)
    raise LossError(f"a finite number for {name}", repr(value)[:80], "Pass a float.")


def describe(tensor: Tensor) -> str:
    """Tell a tensor's dtype and shape in words."""
    return f"{str(tensor.dtype).removeprefix('torch.')} of shape {tuple(tensor.shape)}"
