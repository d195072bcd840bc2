"""What a family's search consists of: one stage of vectors, or trees and then their coefficients."""

from glo_lightning.search.stages.bench import Bench, Source
from glo_lightning.search.stages.taylor import explore_taylor
from glo_lightning.search.stages.trees import explore_trees

__all__ = ["Bench", "Source", "explore"]


def explore(bench: Bench) -> list[Source]:
    """Run the search of the family that the settings name, and return its studies, the main one first."""
    return explore_trees(bench) if bench.settings.family == "glo" else explore_taylor(bench)
