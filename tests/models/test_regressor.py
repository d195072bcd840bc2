import pytest
import sklearn.metrics
import torch
from lightning.pytorch import Trainer

from glo_lightning.data import DiabetesDataModule
from glo_lightning.errors import ModelError
from glo_lightning.models import Regressor, mlp
from tests.models.test_classifier import quiet_trainer


def network():
    return mlp(num_classes=1, in_features=10, hidden=(8,))


def test_validation_and_test_report_what_scikit_learn_does():
    torch.manual_seed(0)
    model, data = Regressor(network()), DiabetesDataModule(batch_size=50)
    trainer: Trainer = quiet_trainer(max_epochs=2)
    trainer.fit(model, data)
    for split, metrics in (("val", trainer.validate(model, data)[0]), ("test", trainer.test(model, data)[0])):
        inputs, targets = data.val_tensors if split == "val" else next(iter(data.test_dataloader()))
        with torch.no_grad():
            predicted = model(inputs)
        assert set(metrics) == {f"{split}_loss", f"{split}_mae", f"{split}_r2"}
        assert metrics[f"{split}_loss"] == pytest.approx(sklearn.metrics.mean_squared_error(targets, predicted))
        assert metrics[f"{split}_mae"] == pytest.approx(sklearn.metrics.mean_absolute_error(targets, predicted))
        assert metrics[f"{split}_r2"] == pytest.approx(sklearn.metrics.r2_score(targets, predicted), abs=1e-5)


def test_it_trains_with_the_squared_error():
    torch.manual_seed(0)
    model, data = Regressor(network(), learning_rate=0.02, momentum=0.5), DiabetesDataModule(seed=3)
    bare = network()
    bare.load_state_dict(model.network.state_dict())
    quiet_trainer(max_epochs=2).fit(model, data)
    optimizer = torch.optim.SGD(bare.parameters(), 0.02, 0.5)
    inputs, targets = data.train_tensors
    for epoch in range(2):
        for chosen in data.train_order(epoch).split(data.batch_size):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(bare(inputs[chosen]), targets[chosen]).backward()
            optimizer.step()
    for found, expected in zip(model.network.parameters(), bare.parameters(), strict=True):
        torch.testing.assert_close(found, expected)


def test_a_prediction_that_is_no_number_reaches_the_log():
    model, data = Regressor(network()), DiabetesDataModule()
    with torch.no_grad():
        model.network[-1].bias.fill_(torch.nan)
    (metrics,) = quiet_trainer().validate(model, data)
    assert all(value != value for value in metrics.values())


@pytest.mark.parametrize("argument", [{"learning_rate": 0.0}, {"momentum": 1.0}, {"scheduler": "step"}, {"decay": 2.0}])
def test_arguments_are_checked(argument):
    with pytest.raises(ModelError):
        Regressor(network(), **argument)
