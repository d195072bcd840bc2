"""Labels out of range on a GPU, which notices them late and then can be used no more."""

from collections.abc import Iterator
from contextlib import contextmanager

from glo_lightning.errors import LossError


@contextmanager
def gpu_labels_explained() -> Iterator[None]:
    """Explain what a GPU says of a class index that is none.

    Raises:
        LossError: in its place; no other training of this process could go on either.
    """
    try:
        yield
    except RuntimeError as error:
        if "device-side assert" not in str(error):
            raise
        raise LossError(
            "labels in 0..C-1",
            "an index that the GPU refuses",
            "Train with --trainer.accelerator=cpu, which tells the labels and what to do about them.",
        ) from error
