"""The words that the options of a loss take."""

from typing import Literal

ClassReduction = Literal["sum", "mean"]
"""Over the classes: as torch's cross-entropy and the authors' code do, or the papers' 1/n."""

Reduction = Literal["mean", "sum", "none"]
"""Over the batch, as in torch."""

FormulaStyle = Literal["latex", "unicode", "python"]
"""For a paper, for a terminal, or to paste into code."""

Input = Literal["y", "h", "f", "t"]
"""What a Taylor polynomial is of: label, scaled logit, logit, training progress."""

Outputs = Literal["softmax", "sigmoid", "real"]
"""What a model's outputs mean: logits of one choice among C classes, or of a yes or no each; or predicted numbers."""
