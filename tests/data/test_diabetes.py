import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_diabetes

from glo_lightning.data import CorruptedDataModule, DiabetesDataModule
from glo_lightning.data.tensor_data import Splits, TensorDataModule
from glo_lightning.errors import DataError
from tests.data.test_digits import all_splits


def test_splits_hold_every_patient_once_and_are_standardised_by_the_training_part():
    parts = all_splits(DiabetesDataModule())
    assert [len(targets) for _, targets in parts] == [266, 88, 88]
    inputs, targets = parts[0]
    assert (inputs.shape[1:], targets.shape[1:]) == ((10,), (1,))
    assert inputs.dtype == targets.dtype == torch.float32
    torch.testing.assert_close(inputs.mean(0), torch.zeros(10), atol=1e-5, rtol=0.0)
    torch.testing.assert_close(torch.cat([inputs, targets], 1).std(0), torch.ones(11))
    measured, progress = load_diabetes(return_X_y=True, scaled=False)
    age, moved = torch.cat([x for x, _ in parts])[:, 0], torch.cat([y for _, y in parts])[:, 0]
    for found, known in ((age, measured[:, 0]), (moved, progress)):
        known = torch.from_numpy(known).sort().values
        found = found.double().sort().values
        slope = (known[-1] - known[0]) / (found[-1] - found[0])
        torch.testing.assert_close(known[0] + slope * (found - found[0]), known, rtol=1e-5, atol=1e-4)


def test_the_split_follows_its_own_seed():
    first, again, other = DiabetesDataModule(seed=1), DiabetesDataModule(seed=2), DiabetesDataModule(split_seed=1)
    assert torch.equal(first.val_tensors[0], again.val_tensors[0])
    assert not torch.equal(first.val_tensors[0], other.val_tensors[0])


@settings(max_examples=25)
@given(validation=st.floats(-1, 2), test=st.floats(-1, 2))
def test_any_fractions_split_or_are_refused(validation, test):
    try:
        data = DiabetesDataModule(validation_fraction=validation, test_fraction=test)
        data.setup()
    except DataError:
        return
    assert sum(len(targets) for _, targets in all_splits(data)) == 442


def test_outliers_are_put_into_training_and_validation_alone():
    clean, data = DiabetesDataModule(), CorruptedDataModule(DiabetesDataModule(), outliers=0.1)
    (_, train), (_, val), (_, test) = all_splits(data.tensor_data)
    expected = all_splits(clean)
    assert torch.equal(test, expected[2][1])
    for found, (_, target) in ((train, expected[0]), (val, expected[1])):
        moved = (found - target).abs() / target.std()
        share = (moved > 0).float().mean()
        assert 0.04 < share < 0.2
        assert moved[moved > 0].min() > 4.99


@pytest.mark.parametrize(
    "targets", [torch.tensor([1.0, torch.nan]), torch.tensor([torch.inf, 0.0]), torch.ones(2, 1, 1)]
)
def test_targets_that_are_none_are_refused(targets):
    class Broken(TensorDataModule):
        input_shape = (3,)

        def load(self):
            return Splits(*(((torch.zeros(2, 3), targets),) * 3))

    with pytest.raises(DataError, match="finite train targets"):
        Broken().setup()
