"""Models that share weights would go on where another candidate's training ended."""

import pytest
import torch
from torch import nn

from glo_lightning.errors import ModelError
from glo_lightning.models import Classifier, mlp
from glo_lightning.training.checks.models import require_fresh_models
from glo_lightning.training.task import python_task
from tests.search.toy import ToyData, ToyModel

MODEL, NETWORK = ToyModel(), mlp(3, in_features=4)
FROZEN = nn.Linear(4, 4).requires_grad_(False)


def check(make: object) -> None:
    require_fresh_models(python_task(make, ToyData(), {"accelerator": "cpu"}))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "got"),
    [(lambda: MODEL, "the same model again"), (lambda: Classifier(NETWORK), "share weights, network.1.weight for one")],
)
def test_models_that_share_weights_are_refused(make: object, got: str) -> None:
    with pytest.raises(ModelError, match=got) as caught:
        check(make)
    assert "lambda: MyModel(make_network())" in caught.value.cure


@pytest.mark.parametrize(
    "make",
    [ToyModel, lambda: Classifier(mlp(3, in_features=4)), lambda: Classifier(nn.Sequential(FROZEN, nn.Linear(4, 3)))],
    ids=["class", "function", "frozen parts"],
)
def test_models_of_their_own_are_accepted(make: object) -> None:
    before = torch.get_rng_state()
    check(make)
    assert torch.equal(torch.get_rng_state(), before)
