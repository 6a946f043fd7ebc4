"""A step's work ends when it is asked to, at places of its own choosing, whatever it waits for."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from blb_migration.cancellation import Cancellation, Interrupted
from blb_migration.defs.cancelling import cancellation_of_run, find_cancellation, run_cancellable
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration_tests.chain import Chain

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(os.name == "nt", reason="Windows cannot send a process a signal of its own"),
]
SOON_SECONDS = 10  # on a busy machine; the servers answer at once
FOR_EVER = 600


def interrupt_soon(seconds: float = 0.3) -> None:
    threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGINT)).start()


def test_work_that_nobody_interrupts_gives_its_result_or_its_error() -> None:
    assert run_cancellable(lambda: threading.current_thread().name, Cancellation()) == "blb-step"
    with pytest.raises(ZeroDivisionError):
        run_cancellable(lambda: 1 // 0, Cancellation())


def test_an_interrupt_is_seen_where_the_work_looks_and_nowhere_else() -> None:
    cancellation = Cancellation()
    seen: list[str] = []

    def work() -> None:
        try:
            interrupt_soon()
            while not cancellation.is_asked:
                time.sleep(0.01)
        finally:
            for _ in range(30):
                time.sleep(0.01)
            seen.append("put in order")
        cancellation.check()
        seen.append("went on")

    with pytest.raises(Interrupted):
        run_cancellable(work, cancellation)
    assert seen == ["put in order"]


def test_work_that_never_looks_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blb_migration.cancellation.PATIENCE_SECONDS", 0.3)
    released = threading.Event()
    interrupt_soon()
    started = time.monotonic()
    with pytest.raises(Interrupted):
        run_cancellable(lambda: released.wait(FOR_EVER), Cancellation())
    released.set()
    assert time.monotonic() - started < SOON_SECONDS


def test_a_statement_that_the_target_works_on_is_cancelled_and_none_begins_after_it(
    new_chain: Callable[..., Chain],
) -> None:
    target = new_chain().target
    cancellation = Cancellation()
    noted: list[object] = []

    def work() -> None:
        with target.connect(outlives_cancel=True) as notes:
            try:
                with target.connect() as connection:
                    interrupt_soon()
                    connection.execute(f"SELECT pg_sleep({FOR_EVER})")
            except Interrupted:
                noted.extend(notes.execute("SELECT 'interrupted'").fetchone() or ())
                with target.connect() as connection:
                    connection.execute("SELECT 1")

    started = time.monotonic()
    with target.cancelled_by(cancellation), pytest.raises(Interrupted):
        run_cancellable(work, cancellation)
    assert noted == ["interrupted"]
    assert time.monotonic() - started < SOON_SECONDS
    with target.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)


def test_a_statement_that_the_source_works_on_is_cancelled(
    new_chain: Callable[..., Chain], emulator: SqlServerEmulator
) -> None:
    source = new_chain().source
    cancellation = Cancellation()
    emulator.faults.add(Fault("held for ever", batch_delay_seconds=FOR_EVER))

    def work() -> None:
        with source.connect() as session:
            interrupt_soon()
            session.read_rows("SELECT 'held for ever'", action="waiting")

    started = time.monotonic()
    try:
        with source.cancelled_by(cancellation), pytest.raises(Interrupted):
            run_cancellable(work, cancellation)
    finally:
        emulator.faults.clear()
    assert time.monotonic() - started < SOON_SECONDS


def test_the_threads_of_a_run_find_its_cancellation_by_its_id() -> None:
    with cancellation_of_run("run") as cancellation:
        assert find_cancellation("run") is cancellation
        assert find_cancellation("another") is not cancellation
    assert find_cancellation("run") is not cancellation
