"""A loss in every format that it is exported to."""

import io
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from glo_lightning.errors import LossError
from glo_lightning.export.source import check_one_head, class_aware_losses, write_forward, write_module
from glo_lightning.extras import require_extra
from glo_lightning.losses import ClassAwareLoss, Loss, ScaledLoss, SigmoidLoss, label_distribution
from glo_lightning.losses.regression import RegressionLoss
from glo_lightning.losses.scaled import unscaled
from glo_lightning.losses.standardized import StandardizedLoss


def export_loss(loss: Loss, format: str) -> bytes:
    """Turn a loss into a file's content.

    Args:
        loss: a loss of any family.
        format: one of :data:`FORMATS`: ``"python"`` (a module ``FoundLoss`` that needs torch alone), ``"torchscript"``
            (read it with ``torch.jit.load``), ``"onnx"`` (inputs ``logits`` (N, C) float32 and ``target`` (N,) int64,
            or (N, C) float32 of a :class:`SigmoidLoss` or a loss of predictions; output ``loss``) or ``"latex"``.

    Returns:
        The content.

    Raises:
        LossError: if the format is unknown, or cannot hold this loss.
        EnvironmentMismatchError: if a package for ONNX is missing.

    Example:
        >>> from glo_lightning.losses import CrossEntropyLoss
        >>> print(export_loss(CrossEntropyLoss(), "latex").decode().strip())
        L = - \\sum_i y_{i} \\log{\\left(h_{i} \\right)}, \\qquad h = \\operatorname{softmax}(f)
    """
    if format not in FORMATS:
        raise LossError(f"a format out of {', '.join(FORMATS)}", repr(format), "Use python for your own code.")
    return FORMATS[format](loss)


def _python(loss: Loss) -> bytes:
    return write_module(loss).encode()


def _latex(loss: Loss) -> bytes:
    if loss.outputs == "real":
        return loss.formula("latex").encode() + b"\n"
    sigmoid = loss.outputs == "sigmoid"
    outputs = r"(1 - \sigma(f),\ \sigma(f))" if sigmoid else r"\operatorname{softmax}(f)"
    definition = rf", \qquad h = {outputs}"
    if class_aware_losses(loss):  # whose formula defines h by softmax
        definition = rf", \qquad \mathrm{{softmax}}(f) = {outputs}" if sigmoid else ""
    return f"{loss.formula('latex')}{definition}\n".encode()


def _torchscript(loss: Loss) -> bytes:
    # A class of its own for each loss: TorchScript compiles a class once.
    class FoundLoss(torch.jit.ScriptModule):
        def __init__(self) -> None:
            super().__init__()
            self.progress = torch.jit.Attribute(0.0, float)

    content = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch prefers torch.export now, but still reads TorchScript
        module = FoundLoss()
        module.define(write_forward(loss))
        torch.jit.save(module, content)
    return content.getvalue()


def _onnx(loss: Loss) -> bytes:
    require_extra("onnx", "ONNX")
    if loss.uses_progress:
        raise LossError(
            "a loss that does not change with training progress for ONNX",
            "one that does",
            "Export it as python or torchscript, where progress can be set.",
        )
    check_one_head(loss)
    alike = loss.outputs != "softmax"  # labels of the logits' shape
    samples = torch.export.Dim("N")
    width = _width(loss)
    logits = torch.zeros(3, width or 4)
    labels = torch.zeros_like(logits) if alike else torch.zeros(3, dtype=torch.int64)
    shape = {0: samples}
    if width is None:
        shape[1] = torch.export.Dim("C", min=1 if alike else 2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about the training mode, which means nothing to a loss
        program = torch.onnx.export(
            _Definition(loss),
            (logits, labels),
            input_names=["logits", "target"],
            output_names=["loss"],
            dynamic_shapes=(shape, shape if alike else {0: samples}),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    content: bytes = program.model_proto.SerializeToString()
    return content


def _width(loss: Loss) -> int | None:
    """Return how many outputs a loss is called with; None if any number will do."""
    if loss.outputs == "real":
        inside, _ = unscaled(loss)
        assert isinstance(inside, RegressionLoss | StandardizedLoss)
        sigma = inside.sigma
        return len(sigma) if sigma.ndim else None
    return loss.num_classes if loss.outputs == "softmax" else None


class _Definition(nn.Module):
    """A loss by its definition: ONNX has torch's cross-entropy too, but leaves out the label smoothing."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        # ONNX asserts nothing, but joining and selecting refuse shapes and labels that do not fit.
        if self.loss.outputs != "softmax":
            logits, target = torch.stack([logits, target]).unbind()
        else:
            second = logits.select(1, 1).unsqueeze(1)
            logits = torch.cat([logits, second, target.unsqueeze(1).to(logits.dtype)], 1)[:, :-2]
            target = torch.where(target < 0, logits.shape[1], target)
        rows, labels, shape = self.loss.rows(logits, target)
        y = labels if self.loss.outputs == "real" else label_distribution(rows, labels)
        losses = _losses(self.loss, rows, y)
        if self.loss.reduction == "none":
            return losses.reshape(shape)
        total = losses.sum()
        # The mean of nothing is 0.
        return total / torch.ones_like(losses).sum().clamp(min=1.0) if self.loss.reduction == "mean" else total


def _losses(loss: Loss, logits: Tensor, y: Tensor) -> Tensor:
    """Return the loss of each row by operations that ONNX has."""
    if isinstance(loss, ClassAwareLoss):
        adjusted, weight = loss.adjust(logits, y)
        return weight * _losses(loss.loss, adjusted, y)
    if isinstance(loss, ScaledLoss):
        return loss.factor * _losses(loss.loss, logits, y)
    if isinstance(loss, SigmoidLoss):
        return _losses(loss.loss, logits, y)
    if isinstance(loss, RegressionLoss | StandardizedLoss):
        return loss.elementwise(logits, y)
    return Loss._compute(loss, logits, y, "none")


FORMATS: dict[str, Callable[[Loss], bytes]] = {
    "python": _python,
    "torchscript": _torchscript,
    "onnx": _onnx,
    "latex": _latex,
}
"""How to write each format."""
