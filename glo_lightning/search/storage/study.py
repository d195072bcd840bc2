"""Open the Optuna study of a search, and refuse one that belongs to another."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal

import optuna
from optuna.pruners import BasePruner, NopPruner
from optuna.samplers import BaseSampler

from glo_lightning.errors import StudyError
from glo_lightning.options import option
from glo_lightning.search.samplers.optuna_adapter import storage_of
from glo_lightning.search.storage.attributes import Attributes

LATER_STAGE = "/coefficients/"
"""What stands between the name of a search and the expression whose coefficients a study tunes."""


RIVAL_STAGE = "/rival"
"""What follows the name of a search in that of the study that tunes its rival."""


def later_stages(study: optuna.Study) -> list[optuna.Study]:
    """Return the studies of coefficients that belong to a study of trees."""
    names = optuna.get_all_study_names(storage_of(study))
    own = study.study_name + LATER_STAGE
    return [
        optuna.load_study(study_name=name, storage=storage_of(study)) for name in sorted(names) if name.startswith(own)
    ]


def tuned_expression(study_name: str) -> str:
    """Return the expression whose coefficients a study tunes; empty for a search's first stage."""
    return study_name.partition(LATER_STAGE)[2]


def is_rival(study_name: str) -> bool:
    """Whether a study tunes the rival of what a search finds."""
    return study_name.endswith(RIVAL_STAGE)


def stage_title(study_name: str) -> str:
    """Return what a stage is called where people read it."""
    if is_rival(study_name):
        return "the tuned rival"
    expression = tuned_expression(study_name)
    return f"coefficients of {expression}" if expression else "search"


ENVIRONMENTS = "environments"
"""User attribute of a study that lists the versions and machines it ran with."""


def note_environment(study: optuna.Study, environment: dict[str, str]) -> None:
    """Remember which versions and machine a search runs with, if it did not run with the same before."""
    before = study.user_attrs.get(ENVIRONMENTS, [])
    if environment not in before:
        study.set_user_attr(ENVIRONMENTS, [*before, environment])


RUNS = "runs"
"""User attribute of a study that counts how often its search was begun or gone on with."""


def count_run(name: str, storage: optuna.storages.BaseStorage) -> None:
    """Count another run of a search, unless it is the first, whose study is not there yet."""
    study = find_study(name, storage)
    if study is not None:
        study.set_user_attr(RUNS, study.user_attrs.get(RUNS, 0) + 1)


def find_study(name: str, storage: optuna.storages.BaseStorage) -> optuna.Study | None:
    """Return the study of that name; None if there is none yet."""
    with suppress(KeyError):
        return optuna.load_study(study_name=name, storage=storage)
    return None


GIVEN_UP = "given up in run"
"""User attribute of a study beside a search: the run of the search in which its crashed work was given up."""


def was_given_up_earlier(study: optuna.Study, lead: optuna.Study) -> bool:
    """Note the run in which a list ended with crashes: a worker that is started again belongs to the same.

    Args:
        study: of the list.
        lead: the study whose runs are counted.

    Returns:
        Whether an earlier run than this one gave up.
    """
    run = lead.user_attrs.get(RUNS, 0)
    given_up = study.user_attrs.get(GIVEN_UP)
    if given_up is None:
        study.set_user_attr(GIVEN_UP, run)
    return given_up is not None and given_up < run


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silence Optuna's log of every trial, and its notes on features it calls experimental."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)


FINGERPRINT = "search"
"""User attribute of a study that says which search it belongs to."""

DIGESTS = frozenset({"weights", "training samples", "validation samples"})
"""What of it counts only where both know it: earlier versions kept none, and not all data can be told from others."""


def fingerprint_of(study: optuna.Study) -> dict[str, Any]:
    """Return what a study says of its search.

    Raises:
        StudyError: if it says nothing, or something else.
    """
    fingerprint = Attributes.of_study(study).inside(FINGERPRINT)
    fingerprint.count("num_classes", least=1)
    return fingerprint.values


def open_study(
    name: str,
    storage: optuna.storages.BaseStorage,
    sampler: BaseSampler,
    direction: Literal["minimize", "maximize"],
    fingerprint: dict[str, Any],
    pruner: BasePruner | None = None,
) -> optuna.Study:
    """Create the study, or open it if it exists and belongs to the same search.

    Args:
        name: the study's name.
        storage: where it lives.
        sampler: proposes the candidates.
        direction: "maximize" or "minimize".
        fingerprint: JSON values that must not change while a search runs: space, task, seed.
        pruner: stops unpromising trainings; by default none does.

    Returns:
        The study.

    Raises:
        StudyError: if a study of that name belongs to another search.
    """
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        sampler=sampler,
        pruner=pruner or NopPruner(),
        direction=direction,
        load_if_exists=True,
    )
    # In this order: another worker that begins the same study leaves the fingerprint before the first trial.
    has_trials = bool(study.get_trials(deepcopy=False))
    stored = study.user_attrs.get(FINGERPRINT)
    if stored is None:
        if has_trials:
            raise StudyError(
                f"a study made by glo_lightning under the name {name!r}",
                "one with trials of something else",
                f"Choose another {option('study_name')}.",
            )
        study.set_user_attr(FINGERPRINT, fingerprint)
        return study
    stored, fingerprint = _comparable(stored, fingerprint), _comparable(fingerprint, stored)
    changed = sorted(
        key for key in {*stored, *fingerprint} if stored.get(key, "nothing") != fingerprint.get(key, "nothing")
    )
    if changed:
        before, now = (_flat({key: each.get(key) for key in changed}) for each in (stored, fingerprint))
        names = [key for key in {**before, **now} if before.get(key) != now.get(key)] or changed
        raise StudyError(
            f"study {name!r} to continue with the " + ", ".join(f"{key} {before.get(key)!r}" for key in names),
            ", ".join(f"{key} {now.get(key)!r}" for key in names),
            f"Use the earlier {_what(names)} to continue it, or another {option('study_name')} to start afresh.",
        )
    return study


def _comparable(values: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out the digests that others do not know."""
    return {
        name: _comparable(value, each) if isinstance(value, Mapping) and isinstance(each, Mapping) else value
        for name, value in values.items()
        if (each := others.get(name)) is not None or name not in DIGESTS
    }


def _what(names: Sequence[str]) -> str:
    """Say what would have to be as it was."""
    kinds = {name.rpartition(".")[2] for name in names}
    if not kinds <= DIGESTS:
        return "settings"
    return "weights" if kinds == {"weights"} else "data, with a seed of its own for a split that is drawn,"


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return what is in mappings in mappings by its names, with dots between them."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{above}{name}.") if isinstance(value, Mapping) else {f"{above}{name}": value}
    return flat
