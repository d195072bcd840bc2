"""Data in three parts by their shares: training, validation and test."""

from collections.abc import Sequence

from sklearn.model_selection import train_test_split

from glo_lightning.errors import DataError

CURE = "Use 0.2 and 0.2."


def require_fractions(validation_fraction: float, test_fraction: float) -> None:
    """Refuse shares that leave nothing to train on.

    Raises:
        DataError: unless both are positive and sum to less than 1.
    """
    if min(validation_fraction, test_fraction) <= 0.0 or validation_fraction + test_fraction >= 1.0:
        raise DataError(
            "positive validation_fraction and test_fraction that sum to less than 1",
            f"{validation_fraction!r} and {test_fraction!r}",
            CURE,
        )


def three_parts(
    count: int,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
    least: str,
    labels: Sequence[int] | None = None,
) -> tuple[list[int], list[int], list[int]]:
    """Split numbers 0..count-1 at random into those to train on, to validate on and to test on.

    Args:
        count: of samples.
        validation_fraction: share of all samples.
        test_fraction: share of all samples.
        seed: of the split.
        least: what every part must have, for the error.
        labels: of the samples, if every part shall have each in the same proportion.

    Raises:
        DataError: if a part would lack what it must have.

    Example:
        >>> [len(part) for part in three_parts(10, 0.2, 0.3, seed=0, least="at least one sample")]
        [5, 2, 3]
    """
    num_val, num_test = (round(fraction * count) for fraction in (validation_fraction, test_fraction))
    try:
        rest, test = train_test_split(range(count), test_size=num_test, stratify=labels, random_state=seed)
        left = None if labels is None else [labels[each] for each in rest]
        train, val = train_test_split(rest, test_size=num_val, stratify=left, random_state=seed)
    except ValueError as error:
        raise DataError(
            f"fractions that leave {least} in each split",
            f"validation_fraction={validation_fraction}, test_fraction={test_fraction} ({error})",
            CURE,
        ) from error
    return train, val, test
