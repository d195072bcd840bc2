"""The language of GLO: expressions in label and prediction, read, written, evaluated and simplified."""

from glo_lightning.losses.expression.nodes import Node
from glo_lightning.losses.expression.parser import parse

__all__ = ["Node", "parse"]
