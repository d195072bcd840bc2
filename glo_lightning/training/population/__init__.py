"""Many models trained at once, as one stack: the same network with different losses, seeds or both."""

from glo_lightning.training.population.evaluator import PopulationEvaluator

__all__ = ["PopulationEvaluator"]
