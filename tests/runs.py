"""Small finished and unfinished searches, for tests of what looks at searches."""

from pathlib import Path
from typing import Any

import pytest


def search(folder: Path, **settings: Any) -> Path:
    """Search with a toy model, and return the output folder."""
    from glo_lightning.search import LossSearch
    from tests.search.toy import TRAINER, ToyData, ToyModel

    small = {
        "generations": 3, "population_size": 6, "finalists": 2, "finalist_seeds": 2, "comparison_seeds": 3,
        "comparison_epochs": 2, "evaluator": "trainer", "study_name": "toy", "output_dir": folder,
    }  # fmt: skip
    LossSearch(**{**small, **settings}).run(ToyModel, ToyData(), TRAINER)
    return folder


@pytest.fixture(scope="session")
def taylor_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return search(tmp_path_factory.mktemp("taylor"), fidelity_sample=4, pruner="median")


@pytest.fixture(scope="session")
def glo_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("glo")
    return search(folder, family="glo", population_size=8, tuned_trees=1, coefficient_generations=2, comparison_seeds=0)


@pytest.fixture(scope="session")
def unfinished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from glo_lightning.search import LossSearch
    from tests.search.toy import TRAINER, ToyData, ToyModel

    folder = tmp_path_factory.mktemp("unfinished")

    def interrupt() -> ToyModel:
        interrupt.models += 1  # type: ignore[attr-defined]
        if interrupt.models > 9:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return ToyModel()

    interrupt.models = 0  # type: ignore[attr-defined]
    settings: dict[str, Any] = {"generations": 5, "population_size": 4, "invariant": "none", "evaluator": "trainer"}
    with pytest.raises(KeyboardInterrupt):
        LossSearch(study_name="<b>half", output_dir=folder, **settings).run(interrupt, ToyData(), TRAINER)
    return folder
