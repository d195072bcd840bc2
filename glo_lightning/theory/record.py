"""What the attraction recorder leaves behind: one file of small arrays."""

import io
import os
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from glo_lightning.errors import DataError
from glo_lightning.files import check_archive, write_whole
from glo_lightning.losses.batch import describe


@dataclass(frozen=True)
class AttractionRecord:
    """Confidence and attraction of the same samples over the epochs of one training.

    Attributes:
        epochs: epochs done at each record, shape (E,), int64, rising; 0 is before training.
        confidence: h_T, shape (E, S), float16.
        attraction: the change of h_T in one step on the logits, shape (E, S), float16.
        index: positions of the samples in the training set, shape (S,), int64.
        target: their class indices, shape (S,), int64.

    Source: Figure 2 of arXiv:2010.00788; derivations.md, section 5.
    """

    epochs: Tensor
    confidence: Tensor
    attraction: Tensor
    index: Tensor
    target: Tensor

    @classmethod
    def empty(cls, index: Tensor, target: Tensor) -> "AttractionRecord":
        """Start a record of samples (S,) that has no epochs yet."""
        nothing = torch.zeros(0, len(index), dtype=torch.float16)
        return cls(torch.zeros(0, dtype=torch.int64), nothing, nothing, index.cpu(), target.cpu())

    def extended(self, epochs: Tensor, confidence: Tensor, attraction: Tensor) -> "AttractionRecord":
        """Return the record with more epochs (E,), their confidences and attractions (E, S)."""
        return AttractionRecord(
            torch.cat([self.epochs, epochs.cpu()]),
            torch.cat([self.confidence, confidence.cpu().half()]),
            torch.cat([self.attraction, attraction.cpu().half()]),
            self.index,
            self.target,
        )

    def until(self, epoch: int) -> "AttractionRecord":
        """Return the part of the record before an epoch."""
        kept = self.epochs < epoch
        return AttractionRecord(
            self.epochs[kept], self.confidence[kept], self.attraction[kept], self.index, self.target
        )

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "AttractionRecord":
        """Read what :meth:`write` wrote.

        Args:
            path: the ``attraction.npz`` of a recorder.

        Raises:
            DataError: if there is no such file, or it is damaged, or holds other arrays.
        """
        try:
            check_archive(Path(path))
            with np.load(path, allow_pickle=False) as stored:
                record = cls(**{field.name: torch.from_numpy(stored[field.name]) for field in fields(cls)})
        except Exception as error:  # damaged files raise errors of many kinds
            raise DataError(
                "the attraction.npz of an AttractionRecorder",
                f"{path} ({error})",
                "Train with the callback AttractionRecorder, and pass the file in its folder.",
            ) from error
        epochs, samples = record.epochs.numel(), record.index.numel()
        integers = {"epochs": (epochs,), "index": (samples,), "target": (samples,)}
        halves = dict.fromkeys(("confidence", "attraction"), (epochs, samples))
        for names, dtype in ((integers, torch.int64), (halves, torch.float16)):
            for name, shape in names.items():
                array = getattr(record, name)
                if array.shape != shape or array.dtype != dtype or not array.numel():
                    raise DataError(
                        f"{name} of shape {shape} and {dtype} in {path}, of one epoch and sample or more",
                        describe(array),
                        "Record again.",
                    )
        return record

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the record, whole or not at all, so that readers and resumed runs find no half file."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = io.BytesIO()
        np.savez(content, **{field.name: getattr(self, field.name).numpy() for field in fields(self)})
        write_whole(path, content.getvalue())
