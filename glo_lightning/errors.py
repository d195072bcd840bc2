"""Every error a user can cause says what was expected, what was got, and the cure."""

import re


class GloError(Exception):
    """Root of the library's errors.

    Args:
        expected: what would have been accepted.
        got: what was found instead.
        cure: what to do about it, as a full sentence.

    Example:
        >>> str(GloError("an order of 1 or more", "0", "Pass order=3."))
        'Expected an order of 1 or more, got 0. Pass order=3.'
    """

    def __init__(self, expected: str, got: str, cure: str) -> None:
        expected, got, cure = map(hide_passwords, (expected, got, cure))
        super().__init__(expected, got, cure)
        self.expected = expected
        self.got = got
        self.cure = cure

    def __str__(self) -> str:
        return f"Expected {self.expected}, got {self.got}. {self.cure}"


def hide_passwords(text: str) -> str:
    """Return a text without the passwords of the addresses in it.

    Example:
        >>> hide_passwords("postgresql://me:secret@host/db and mysql://host/db?user=me&password=secret")
        'postgresql://me:***@host/db and mysql://host/db?user=me&password=***'
    """
    text = re.sub(r"(\w://[^\s:/@'\"]*):[^\s'\"]*@", r"\1:***@", text)
    return re.sub(r"([?&]\w*password=)[^\s&'\"]+", r"\1***", text)


class LossError(GloError, ValueError):
    """A loss was given parameters, logits or labels it cannot use."""


class LossFileError(GloError, ValueError):
    """A stored loss is damaged, foreign, or newer than this version."""


class DataError(GloError, ValueError):
    """A data module cannot find or split its data."""


class ModelError(GloError, ValueError):
    """A model cannot be built, or cannot take a candidate loss."""


class SettingsError(GloError, ValueError):
    """A search or comparison was asked for something it cannot do."""


class StudyError(GloError, RuntimeError):
    """A study or its storage does not fit the search that wants to use it."""


class EnvironmentMismatchError(GloError, ImportError):
    """The installed packages do not fit together."""
