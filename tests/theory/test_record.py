"""A record comes back as it was written; any other file is an error."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from glo_lightning.errors import DataError
from glo_lightning.theory import AttractionRecord

ARRAYS: dict[str, Any] = {
    "epochs": np.arange(2),
    "confidence": np.zeros((2, 3), np.float16),
    "attraction": np.ones((2, 3), np.float16),
    "index": np.arange(3),
    "target": np.arange(3),
}


def test_it_comes_back_as_it_was_written(tmp_path: Path) -> None:
    record = AttractionRecord(*map(torch.from_numpy, ARRAYS.values()))
    record.write(tmp_path / "new" / "attraction.npz")
    again = AttractionRecord.read(tmp_path / "new" / "attraction.npz")
    assert all(torch.equal(getattr(again, name), getattr(record, name)) for name in ARRAYS)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["attraction.npz"]


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("epochs", np.arange(3)),
        ("epochs", np.zeros((), int)),
        ("epochs", np.zeros(2)),
        ("epochs", np.zeros((2, 3), "V0")),
        ("epochs", np.array([{}], object)),
        ("index", np.arange(4)),
        ("target", np.arange(3, dtype=np.int32)),
        ("target", np.array(["a", "b", "c"])),
        ("confidence", np.zeros((3, 2), np.float16)),
        ("confidence", np.zeros((2, 3))),
        ("attraction", np.zeros((2, 3, 1), np.float16)),
        ("attraction", np.zeros(0, np.float16)),
    ],
)
def test_other_arrays_are_refused(name: str, array: Any, tmp_path: Path) -> None:
    path = tmp_path / "attraction.npz"
    np.savez(path, **{**ARRAYS, name: array})
    with pytest.raises(DataError):
        AttractionRecord.read(path)


def test_a_record_of_no_epochs_or_no_samples_is_refused(tmp_path: Path) -> None:
    nothing = np.zeros(0, int)
    for empty in ({"epochs": nothing}, {"index": nothing, "target": nothing}):
        arrays = {**ARRAYS, **empty}
        halves = np.zeros((len(arrays["epochs"]), len(arrays["index"])), np.float16)
        np.savez(tmp_path / "attraction.npz", **{**arrays, "confidence": halves, "attraction": halves})
        with pytest.raises(DataError, match="one epoch and sample or more"):
            AttractionRecord.read(tmp_path / "attraction.npz")


def test_a_header_may_claim_no_more_than_is_there(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": (10**14,)})
    with zipfile.ZipFile(tmp_path / "attraction.npz", "w") as archive:
        archive.writestr("epochs.npy", header.getvalue())
    with pytest.raises(DataError):
        AttractionRecord.read(tmp_path / "attraction.npz")


def test_any_damage_gives_a_record_or_an_error(tmp_path: Path) -> None:
    path = tmp_path / "attraction.npz"
    np.savez(path, **ARRAYS)
    whole = path.read_bytes()
    np.savez_compressed(path, **ARRAYS)
    with pytest.raises(DataError, match="grows when it is unpacked"):
        AttractionRecord.read(path)
    for place in range(0, len(whole), 7):
        for damaged in (whole[:place], whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]):
            path.write_bytes(damaged)
            try:
                AttractionRecord.read(path)
            except DataError:
                continue
