"""What fails around a step, in Dagster itself, is told; its records in memory serve several threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from dagster import DagsterInstance, Failure, job, op

from blb_migration.defs.ended_runs import list_failures_around_steps
from blb_migration.defs.internals.memory_events import take_turns


@op
def breaks() -> None:
    raise ValueError("the records are locked")


@op
def is_told() -> None:
    raise Failure("told by the step itself")


@job
def both() -> None:
    breaks()
    is_told()


def test_only_what_nobody_else_tells_is_listed() -> None:
    with DagsterInstance.ephemeral() as instance:
        run = both.execute_in_process(instance=instance, raise_on_error=False)
        [(step, error)] = list_failures_around_steps(instance, run.run_id)
    assert step == "breaks"
    assert str(error) == "Dagster could not carry out breaks: ValueError: the records are locked"


def test_threads_take_turns_at_records_that_have_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[int] = []
    most: list[int] = []

    @contextmanager
    def connect() -> Iterator[None]:
        inside.append(0)
        most.append(len(inside))
        time.sleep(0.01)
        inside.pop()
        yield

    with DagsterInstance.ephemeral() as instance:
        storage: Any = instance.event_log_storage
        monkeypatch.delattr(storage, "_db_lock", raising=False)  # an older Dagster has none
        monkeypatch.setattr(storage, "_connect", connect)
        take_turns(instance)

        def ask() -> None:
            with storage.index_connection():
                pass

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert most == [1, 1, 1, 1]
