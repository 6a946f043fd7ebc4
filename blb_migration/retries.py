"""The one way to try again: how often and after which pauses. What is worth it, the caller says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    retry_if_result,
    stop_after_attempt,
    stop_after_delay,
    wait_chain,
    wait_fixed,
)

ResultT = TypeVar("ResultT")


def retry(
    act: Callable[[], ResultT], is_worth_it: Callable[[Exception], bool], pauses_seconds: Sequence[float]
) -> ResultT:
    """Return what ``act`` returns, trying once more after each pause; raises the error of the last attempt.

    Without pauses there is one attempt. An error that is not worth it, an interruption too, is raised at
    once.
    """
    attempts = Retrying(
        retry=retry_if_exception(lambda error: isinstance(error, Exception) and is_worth_it(error)),
        wait=wait_chain(*(wait_fixed(pause) for pause in pauses_seconds or (0,))),
        stop=stop_after_attempt(len(pauses_seconds) + 1),
        reraise=True,
    )
    return attempts(act)


def becomes_true(ask: Callable[[], bool], *, within_seconds: float, pause_seconds: float) -> bool:
    """Whether ``ask`` answers True within the time; asked at least once."""
    attempts = Retrying(
        retry=retry_if_result(lambda answer: not answer),
        wait=wait_fixed(pause_seconds),
        stop=stop_after_delay(within_seconds),
        retry_error_callback=_give_up,
    )
    return attempts(ask)


def _give_up(_state: RetryCallState) -> bool:
    return False
