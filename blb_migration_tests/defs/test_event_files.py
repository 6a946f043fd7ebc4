"""Dagster's SQLite files under the configured storage: while a run lasts, for other readers, afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    instance_for_test,
)
from sqlalchemy import event
from sqlalchemy.engine import Engine

from blb_migration.defs.event_batches import recording_in_batches
from blb_migration.defs.event_storage import EventStorage, kept_event_files
from blb_migration_tests.defs.stages import Stages
from blb_migration_tests.defs.test_runs import build_rehearsal, run

ROW_COUNT = AssetCheckKey(AssetKey("orders"), "row_count")
RUN_ID = "5f3a7c1e-0000-4000-8000-000000000001"
STORAGE = {
    "event_log_storage": {
        "module": "blb_migration.defs.event_storage",
        "class": "EventStorage",
        "config": {},
    }
}


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[DagsterInstance]:
    with instance_for_test(STORAGE, temp_dir=str(tmp_path)) as instance:
        assert isinstance(instance.event_log_storage, EventStorage)
        yield instance


def write(instance: DagsterInstance, message: str) -> None:
    instance.report_engine_event(message, job_name="job", run_id=RUN_ID)


def write_ten(instance: DagsterInstance) -> None:
    for number in range(10):
        write(instance, str(number))


def read(folder: Path) -> list[str]:
    """As the web server does it: in an instance of its own."""
    with DagsterInstance.local_temp(str(folder)) as other:
        return [entry.message for entry in other.all_logs(RUN_ID)]


def find_file(instance: DagsterInstance) -> Path:
    [file] = Path(instance.root_directory).rglob(f"{RUN_ID}.db")
    return file


def create_run(instance: DagsterInstance) -> str:
    """Record a run that does not begin, with all that is planned of it."""
    return instance.create_run_for_job(build_rehearsal()).run_id


class Counter:
    """How many times SQLAlchemy does something."""

    def __init__(self, name: str) -> None:
        self.count = 0
        self._name = name

    def __enter__(self) -> Counter:
        event.listen(Engine, self._name, self._on_event)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(Engine, self._name, self._on_event)

    def _on_event(self, *_: object) -> None:
        self.count += 1


Connections, Transactions = partial(Counter, "connect"), partial(Counter, "begin")
Statements = partial(Counter, "before_cursor_execute")


def test_events_cost_no_connection_each(stored: DagsterInstance) -> None:
    with kept_event_files(stored):
        write(stored, "first")
        with Connections() as opened:
            for number in range(20):
                write(stored, str(number))
    assert opened.count == 0, "dagster reaches its files by another way than the one that is kept"


def test_results_of_checks_cost_no_connection_each(stored: DagsterInstance) -> None:
    def report() -> None:
        result = AssetCheckEvaluation(asset_key=ROW_COUNT.asset_key, check_name=ROW_COUNT.name, passed=True)
        stored.report_runless_asset_event(result)

    with kept_event_files(stored):
        report()
        with Connections() as opened:
            for _ in range(5):
                report()
    assert opened.count == 0


def test_a_run_opens_few_connections(stages: Stages, stored: DagsterInstance) -> None:
    with Connections() as opened:
        result = run(build_rehearsal(), stored)
    assert result.success
    # Dagster writes what is planned before the run has its resources; what comes after costs nothing.
    planned = [entry for entry in stored.all_logs(result.run_id) if "intends to" in entry.message]
    assert opened.count < 10 * len(planned)


def test_a_run_knows_the_last_materialization_of_each_asset_without_asking(stored: DagsterInstance) -> None:
    keys = [AssetKey("orders"), AssetKey("never_loaded")]

    def materialize(number: int) -> None:
        stored.report_runless_asset_event(AssetMaterialization(keys[0], metadata={"number": number}))

    def find_numbers() -> list[object]:
        records = stored.get_asset_records(keys)
        found = [record.asset_entry.last_materialization for record in records]
        made = [each.asset_materialization for each in found if each is not None]
        return [each.metadata["number"].value for each in made if each is not None]

    materialize(1)
    with kept_event_files(stored):
        assert find_numbers() == [1]
        materialize(2)
        with Statements() as sent:
            assert find_numbers() == [2]
        assert sent.count == 0
        known = stored.get_asset_records(keys)
    [own], [read] = known, stored.get_asset_records(keys)
    assert own.asset_entry.last_materialization_record == read.asset_entry.last_materialization_record
    assert own.storage_id == read.storage_id


def test_another_reader_sees_every_event_at_once(stored: DagsterInstance, tmp_path: Path) -> None:
    with kept_event_files(stored):
        for number in range(3):
            write(stored, str(number))
            assert len(read(tmp_path)) == number + 1


def test_the_web_server_is_told_of_every_event(stored: DagsterInstance, tmp_path: Path) -> None:
    told = threading.Semaphore(0)
    with DagsterInstance.local_temp(str(tmp_path)) as web_server, kept_event_files(stored):
        write(stored, "first")
        web_server.watch_event_logs(RUN_ID, None, lambda *_: told.release())
        for number in range(3):
            write(stored, str(number))
            assert told.acquire(timeout=30)


def test_the_log_is_merged_and_gone_when_the_run_is_over(stored: DagsterInstance, tmp_path: Path) -> None:
    with kept_event_files(stored):
        write(stored, "first")
        log = Path(f"{find_file(stored)}-wal")
        assert log.exists()
    assert not log.exists()
    assert len(read(tmp_path)) == 1


def test_after_the_run_files_are_opened_as_before(stored: DagsterInstance, tmp_path: Path) -> None:
    with kept_event_files(stored), kept_event_files(stored):
        write(stored, "within")
    with Connections() as opened:
        write(stored, "after")
    assert opened.count > 0
    assert len(read(tmp_path)) == 2


def test_threads_take_turns(stored: DagsterInstance, tmp_path: Path) -> None:
    with kept_event_files(stored):
        threads = [threading.Thread(target=write_ten, args=(stored,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(read(tmp_path)) == 40


def test_a_home_without_the_setting_reads_and_writes_the_same_files(
    stored: DagsterInstance, tmp_path: Path
) -> None:
    write(stored, "with")
    (tmp_path / "dagster.yaml").unlink()
    with DagsterInstance.local_temp(str(tmp_path)) as without:
        with kept_event_files(without):
            write(without, "without")
        assert not isinstance(without.event_log_storage, EventStorage)
    assert [entry.message for entry in stored.all_logs(RUN_ID)] == ["with", "without"]


def test_the_files_may_be_put_elsewhere(tmp_path: Path) -> None:
    storage = {
        "event_log_storage": {**STORAGE["event_log_storage"], "config": {"base_dir": str(tmp_path / "x")}}
    }
    with instance_for_test(storage) as instance:
        write(instance, "first")
    assert (tmp_path / "x" / f"{RUN_ID}.db").exists()


def test_what_is_planned_is_recorded_in_few_transactions(
    stages: Stages, stored: DagsterInstance, tmp_path: Path
) -> None:
    with Transactions() as one_by_one:
        first = create_run(stored)
    with recording_in_batches(), Transactions() as together:
        second = create_run(stored)
    with DagsterInstance.local_temp(str(tmp_path)) as other:
        planned, batched = ([entry.message for entry in other.all_logs(run)] for run in (first, second))
        assert one_by_one.count - together.count > 2 * len(planned) > 20
        assert sorted(batched) == sorted(planned)
        history = other.event_log_storage.get_asset_check_execution_history(ROW_COUNT, limit=9)
        assert [record.run_id for record in history] == [second, first]


def test_a_batch_that_fails_is_recorded_event_by_event_and_none_twice(
    stages: Stages, stored: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = [entry.message for entry in stored.all_logs(create_run(stored))]
    store, seen = EventStorage.store_asset_check_event, []

    def fail_once(storage: EventStorage, *arguments: Any) -> None:
        seen.append(arguments)
        if len(seen) == 3:
            raise OSError("the disk is full")
        store(storage, *arguments)

    monkeypatch.setattr(EventStorage, "store_asset_check_event", fail_once)
    with recording_in_batches():
        batched = [entry.message for entry in stored.all_logs(create_run(stored))]
    assert len(seen) > 3
    assert sorted(batched) == sorted(planned)


def test_an_instance_that_keeps_its_events_elsewhere_is_left_alone(instance: DagsterInstance) -> None:
    with kept_event_files(instance):
        write(instance, "first")
    assert len(instance.all_logs(RUN_ID)) == 1
