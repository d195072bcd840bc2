"""Have one of many workers decide something that all must agree on."""

import itertools
from collections.abc import Callable
from contextlib import suppress

import optuna
from optuna.exceptions import UpdateFinishedTrialError

from glo_lightning.errors import StudyError
from glo_lightning.search.samplers.fixed import FixedListSampler, read_verdicts
from glo_lightning.search.samplers.optuna_adapter import storage_of
from glo_lightning.search.storage.study import was_given_up_earlier


def decide_once(lead: optuna.Study, question: str, decide: Callable[[], str]) -> str:
    """Have one worker decide something that all must agree on; the others wait for its answer.

    Args:
        lead: the study of the search or the comparison; the answer is kept beside it, as ``NAME/QUESTION``.
        question: what is decided, in a word.
        decide: returns the answer; called by one worker, once in the life of a study. What it raises is raised here,
            and the next worker, or the next run, decides.

    Raises:
        StudyError: if workers died over it every time; the next run decides.
    """
    name = f"{lead.study_name}/{question}"
    for attempt in itertools.count(1):
        sampler = FixedListSampler(1)
        study = optuna.create_study(
            study_name=name if attempt == 1 else f"{name}/{attempt}",
            storage=storage_of(lead),
            sampler=sampler,
            load_if_exists=True,
        )
        answer = _ask(study, sampler, decide)
        if answer is not None:
            return answer
        if not was_given_up_earlier(study, lead):
            break
    raise StudyError(
        f"a decision on {question}",
        "none: its workers died",
        "Look for a lack of memory, or for what killed them; the same command decides again.",
    )


class _DecidedElsewhereError(Exception):
    """Another worker is at it."""


def decide_unless_another_does(lead: optuna.Study, question: str, decide: Callable[[], str]) -> str | None:
    """Decide something once in the life of a study, without waiting for a worker that is at it.

    Args:
        lead: as of :func:`decide_once`.
        question: as of :func:`decide_once`.
        decide: returns the answer; what it raises is raised here.

    Returns:
        The answer; None while there is none, or if workers died over it every time.
    """

    def leave_it() -> None:
        raise _DecidedElsewhereError

    sampler = FixedListSampler(1)
    study = optuna.create_study(
        study_name=f"{lead.study_name}/{question}", storage=storage_of(lead), sampler=sampler, load_if_exists=True
    )
    try:
        return _ask(study, sampler, decide, leave_it)
    except _DecidedElsewhereError:
        return None


def _ask(
    study: optuna.Study,
    sampler: FixedListSampler,
    decide: Callable[[], str],
    on_wait: Callable[[], None] = lambda: None,
) -> str | None:
    """Decide, or wait for whoever does; None if nobody lived to tell."""
    while trials := sampler.claim(study, on_wait=on_wait):
        try:
            with suppress(UpdateFinishedTrialError):  # taken for dead: another decides
                trials[0].set_user_attr("answer", decide())
            study.tell(trials[0], 0.0, skip_if_finished=True)
        except BaseException as error:
            sampler.release(study, trials, reason=type(error).__name__)
            raise
    answer: str | None = read_verdicts(study)[0].user_attrs.get("answer")
    return answer
