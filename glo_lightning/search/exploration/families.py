"""What a family's search consists of: one stage of vectors, or trees and then their coefficients."""

from glo_lightning.search.exploration.context import ExplorationContext, Source
from glo_lightning.search.exploration.glo import explore_trees
from glo_lightning.search.exploration.vectors import explore_vectors


def explore(context: ExplorationContext) -> list[Source]:
    """Run the search of the family that the settings name, and return its studies, the main one first."""
    return explore_trees(context) if context.settings.loss_family == "glo" else explore_vectors(context)
