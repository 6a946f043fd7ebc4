"""A step in a thread: it stops when asked, only within its own code, and whatever it waits for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from dagster import DagsterExecutionInterruptedError

from blb_migration.defs.step_threads import StepThread, cancel_on_interrupt, interruptible
from blb_migration_tests.chain import Chain

TIMEOUT_SECONDS = 60


def run_interrupted(work: Callable[[threading.Event], None], seen: list[str]) -> None:
    """Interrupt ``work`` once it says that it has begun; what ends it is added to ``seen``."""
    begun = threading.Event()

    def watched() -> None:
        try:
            work(begun)
        except DagsterExecutionInterruptedError:
            seen.append("interrupted")

    thread = StepThread("step", watched)
    thread.start()
    assert begun.wait(TIMEOUT_SECONDS)
    thread.interrupt()
    thread.join(TIMEOUT_SECONDS)
    assert not thread.is_alive()


def test_a_steps_own_code_is_broken_off() -> None:
    seen: list[str] = []

    def work(begun: threading.Event) -> None:
        with interruptible():
            begun.set()
            while True:
                time.sleep(0.01)

    run_interrupted(work, seen)
    assert seen == ["interrupted"]


def test_code_around_it_is_not_and_the_next_of_its_own_does_not_begin() -> None:
    seen: list[str] = []

    def work(begun: threading.Event) -> None:
        with interruptible():
            seen.append("first")
        begun.set()
        for _ in range(20):
            time.sleep(0.01)
        seen.append("around")
        with interruptible():
            seen.append("second")

    run_interrupted(work, seen)
    assert seen == ["first", "around", "interrupted"]


def test_a_statement_that_the_target_works_on_is_cancelled(new_chain: Callable[..., Chain]) -> None:
    target = new_chain().target
    seen: list[str] = []

    def work(begun: threading.Event) -> None:
        cancel_on_interrupt(target.cancel_running)
        with interruptible(), target.connect() as connection:
            threading.Timer(0.2, begun.set).start()
            connection.execute("SELECT pg_sleep(600)")
            seen.append("slept it out")

    run_interrupted(work, seen)
    assert seen == ["interrupted"]


def test_on_the_main_thread_nothing_changes() -> None:
    with interruptible():
        cancel_on_interrupt(lambda: pytest.fail("nobody has asked"))
