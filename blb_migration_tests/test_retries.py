"""What is tried again, how often, and what the last error is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from blb_migration.retries import becomes_true, retry

PAUSES = (0.0, 0.0)


def failing(*errors: BaseException) -> Callable[[], int]:
    """Return what raises these, one a call, and then answers how often it was called."""
    left, calls = list(errors), []

    def act() -> int:
        calls.append(1)
        if left:
            raise left.pop(0)
        return len(calls)

    return act


def is_broken_pipe(error: Exception) -> bool:
    return isinstance(error, BrokenPipeError)


def test_an_error_worth_it_is_tried_again() -> None:
    assert retry(failing(BrokenPipeError(), BrokenPipeError()), is_broken_pipe, PAUSES) == 3


def test_after_the_last_pause_the_last_error_is_raised_as_it_is() -> None:
    last = BrokenPipeError("third")
    with pytest.raises(BrokenPipeError) as caught:
        retry(failing(BrokenPipeError(), BrokenPipeError(), last), is_broken_pipe, PAUSES)
    assert caught.value is last
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_any_other_error_is_raised_at_once(error: BaseException) -> None:
    act = failing(error)
    with pytest.raises(type(error)):
        retry(act, is_broken_pipe, PAUSES)
    assert act() == 2


def test_an_answer_is_waited_for_but_not_for_ever() -> None:
    answers = [False, False, True]
    assert becomes_true(lambda: answers.pop(0), within_seconds=60.0, pause_seconds=0.0)
    assert answers == []
    refusals = [False]
    assert not becomes_true(refusals.pop, within_seconds=0.0, pause_seconds=0.0)
    assert refusals == []


def test_without_pauses_there_is_one_attempt() -> None:
    assert retry(failing(), is_broken_pipe, ()) == 1
    with pytest.raises(BrokenPipeError):
        retry(failing(BrokenPipeError()), is_broken_pipe, ())
