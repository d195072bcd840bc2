import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glo_lightning.data.splits import hold_out
from glo_lightning.errors import DataError


def test_equals_the_published_split():
    expected = np.arange(50_000)
    np.random.RandomState(42).shuffle(expected)
    train, val = hold_out(50_000, 5_000)
    assert train[:5].tolist() == [33553, 9427, 199, 12447, 39489]
    assert val[:5].tolist() == [5741, 33418, 22423, 11094, 18642]
    assert torch.cat([train, val]).tolist() == expected.tolist()


@given(num_examples=st.integers(0, 300), num_val=st.integers(-5, 400))
def test_any_sizes_split_or_are_refused(num_examples, num_val):
    if not 0 < num_val < num_examples:
        with pytest.raises(DataError):
            hold_out(num_examples, num_val)
        return
    train, val = hold_out(num_examples, num_val)
    assert len(val) == num_val
    assert sorted([*train.tolist(), *val.tolist()]) == list(range(num_examples))
