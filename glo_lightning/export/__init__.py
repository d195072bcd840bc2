"""A found loss for where this package is not: plain PyTorch code, TorchScript, ONNX and LaTeX."""

from glo_lightning.export.formats import FORMATS, export_loss
from glo_lightning.export.source import write_module

__all__ = ["FORMATS", "export_loss", "write_module"]
