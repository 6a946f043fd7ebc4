"""What fails around a step, in Dagster itself, is told; its records in memory serve several threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from dagster import DagsterInstance, Failure, job, op

from blb_migration.defs.ended_runs import list_failures_around_steps
from blb_migration.defs.internals.memory_events import keeping_connection
from blb_migration_tests.defs.test_event_files import RUN_ID, Connections


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


def test_threads_use_one_connection_to_records_in_memory_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    with DagsterInstance.ephemeral() as instance:
        storage: Any = instance.event_log_storage
        monkeypatch.delattr(storage, "_db_lock", raising=False)  # an older Dagster has none

        def write() -> None:
            for number in range(20):
                instance.report_engine_event(str(number), job_name="job", run_id=RUN_ID)
                instance.all_logs(RUN_ID)

        with keeping_connection(instance):
            with ThreadPoolExecutor(4) as threads, Connections() as opened:
                for done in [threads.submit(write) for _ in range(4)]:
                    done.result()
            assert opened.count == 1
            assert len(instance.all_logs(RUN_ID)) == 80
