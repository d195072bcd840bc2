"""Losses of every family, for every format."""

import torch

from glo_lightning.losses import (
    ActivePassiveLoss,
    BaikalCMALoss,
    BaikalLoss,
    ClassAwareLoss,
    CrossEntropyLoss,
    DriveLoss,
    FocalLoss,
    Loss,
    MeanSquaredErrorLoss,
    PolyLoss,
    ScaledLoss,
    SigmoidLoss,
    TaylorLoss,
    TreeLoss,
    named_loss,
)

THETA = torch.randn(13, generator=torch.Generator().manual_seed(0)).tolist()
LOSSES: dict[str, Loss] = {
    "cross-entropy": CrossEntropyLoss(label_smoothing=0.1),
    "squared error": MeanSquaredErrorLoss(reduction="sum"),
    "baikal": BaikalLoss(class_reduction="mean"),
    "baikal cma": BaikalCMALoss(label_smoothing=0.05, reduction="none"),
    "focal": FocalLoss(2.0),
    "fractional focal": FocalLoss(0.5),
    "poly": PolyLoss(),
    "taylor": named_loss("taylorglo_1"),
    "taylor in time": TaylorLoss(THETA, inputs=("y", "h", "t")),
    "taylor of logits": TaylorLoss(THETA[:8], inputs=("y", "f"), label_smoothing=0.2),
    "drive": DriveLoss(1.3, 0.4, -0.5, (1.0, -2.0), 4),
    "drive without powers": DriveLoss(c=(0.5, 0.0), num_classes=4, class_reduction="mean"),
    "smoothed drive": ScaledLoss(DriveLoss(q=0.7, g=1.5, c=(), num_classes=4, label_smoothing=0.1), 2.0),
    "class-aware": ClassAwareLoss(CrossEntropyLoss(label_smoothing=0.1), [50, 5, 3, 1], 0.7, 0.5, 0.3),
    "class-aware drive": ScaledLoss(ClassAwareLoss(DriveLoss(q=-0.3, num_classes=4), [50, 5, 3, 1]), 0.5),
    "active-passive": ScaledLoss(ActivePassiveLoss(0.5, 2.0, label_smoothing=0.1), 0.7),
    "tree": TreeLoss("log(h) - y / h"),
    "tree with coefficients": TreeLoss("y * log(h) - square(h) / (1 + y)", [0.5, 1.25, 2.0]),
    "tree of roots": TreeLoss("sqrt(h * y) / h - log(2 * h * h * (h + 1)) * log(2 * h * y + 1) + sqrt(y * (h + 2))"),
    "tree of powers": TreeLoss("sqrt(y + y * (20 + log(h))) - square(log(h * h)) + sqrt((h + 1) * (h + 2))"),
    "tree of powers in sums": TreeLoss("log(h * h + y) - y / h + sqrt(h) / (h * sqrt(h) + 1)"),
    "tree of one minus h": TreeLoss("y * log(h) + (1 - y) * log(1 - h)"),
    "scaled": ScaledLoss(PolyLoss(label_smoothing=0.1), 0.3),
    "class-aware sigmoid": SigmoidLoss(ClassAwareLoss(CrossEntropyLoss(), [9, 1], beta=1.0)),
    "sigmoid": SigmoidLoss(CrossEntropyLoss()),
    "sigmoid drive": SigmoidLoss(DriveLoss(q=0.5, num_classes=2)),
    "sigmoid taylor": ScaledLoss(SigmoidLoss(TaylorLoss(THETA[:8], label_smoothing=0.1)), 2.0),
    "sigmoid of logits": SigmoidLoss(TaylorLoss(THETA[:8], inputs=("y", "f"), reduction="none")),
}  # fmt: skip
