"""What the candidates of a stored study mean."""

import optuna

from glo_lightning.search.settings import read_settings
from glo_lightning.search.spaces.asked import as_asked, make_space
from glo_lightning.search.spaces.base import LossSpace
from glo_lightning.search.spaces.rival import RivalSpace
from glo_lightning.search.spaces.trees import CoefficientSpace, ExpressionSpace
from glo_lightning.search.storage.study import fingerprint_of, is_rival, tuned_expression


def space_of(study: optuna.Study) -> LossSpace:
    """Return the space of a study's candidates, told from what the study itself remembers of its search.

    Args:
        study: of a search, of trees, or of an expression's coefficients.
    """
    fingerprint = fingerprint_of(study)
    settings, num_classes = read_settings(fingerprint), fingerprint["num_classes"]
    if is_rival(study.study_name):
        return RivalSpace(settings.outputs, fingerprint["class_counts"], fingerprint.get("target_sigma", 1.0))
    expression = tuned_expression(study.study_name)
    space: LossSpace
    if expression:
        space = CoefficientSpace(expression)
    elif settings.loss_family == "glo":
        space = ExpressionSpace()
    else:
        space = make_space(
            settings,
            num_classes,
            fingerprint.get("num_heads", 1),
            fingerprint.get("class_counts", ()),
            fingerprint.get("target_mean", 0.0),
            fingerprint.get("target_sigma", 1.0),
        )
    return as_asked(space, settings, num_classes)
