"""What Dagster's event log says of a load while it goes on: enough to follow it, not a row per batch."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pyarrow as pa
import pytest
from dagster import AssetKey, DagsterInstance

from blb_migration.defs.assemble import build_defs
from blb_migration.defs.observer import RunObserver
from blb_migration.defs.progress_log import build_progress_listener, log_whole_run
from blb_migration.defs.resource import MigrationResource
from blb_migration.defs.run_notes import RunNotes
from blb_migration.load.table import TableLoad
from blb_migration.migration import Migration, PhaseBegun, ProgressListener, TableProgress
from blb_migration.plan.table_plans import TablePlan
from blb_migration.progress.rates import LogPace
from blb_migration_tests.catalogs import table as build_table
from blb_migration_tests.chain import Chain
from blb_migration_tests.defs.run_config import QUIET
from blb_migration_tests.defs.stages import Stages, build_shop, connect_to_nothing


@dataclass
class Load:
    """The load of ``orders`` in a process of its own or with all others, on a clock of its own."""

    sees_whole_run: bool = True
    now: float = 0.0
    lines: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        notes = RunNotes(build_shop().plan.tables, RunObserver(), lambda: self.now)
        notes.sees_whole_run = self.sees_whole_run
        notes.table_started("orders")
        self.listener = build_progress_listener(
            "orders", notes, LogPace(clock=lambda: self.now), self.lines.append
        )

    def read(self, seconds: int) -> None:
        """Twenty batches a second, a thousand rows each."""
        for _ in range(seconds * 20):
            self.now += 0.05
            rows = round(self.now * 20_000)
            self.listener(TableProgress("orders", rows, None, rows * 10, self.now))


def test_a_table_of_seconds_says_nothing() -> None:
    load = Load()
    load.read(2)
    load.listener(PhaseBegun("orders", "building indexes"))
    assert load.lines == []


def test_a_table_that_lasts_says_how_far_it_is_and_the_run_with_it() -> None:
    load = Load()
    load.read(11)
    assert [line.split(":")[0] for line in load.lines] == ["orders", "all tables"]
    assert "20,000 rows/s, 20,000 on average" in load.lines[0]
    assert load.lines[1].startswith("all tables: 0 of 4 tables, ")
    assert load.lines[1].endswith("4 tables of unknown size")


def test_a_step_in_a_process_of_its_own_does_not_speak_for_the_run() -> None:
    load = Load(sees_whole_run=False)
    load.read(61)
    assert {line.split(":")[0] for line in load.lines} == {"orders"}


def test_a_phase_is_said_at_once_where_the_rows_have_lasted() -> None:
    load = Load()
    load.read(5)
    load.listener(PhaseBegun("orders", "building indexes"))
    assert load.lines == ["orders: 100,000 rows, 1.0 MB, building indexes"]


def test_a_hundred_tables_of_two_hours_side_by_side_write_less_than_two_rows_a_second() -> None:
    load = Load(sees_whole_run=False)
    load.read(7200)
    assert len(load.lines) * 100 / 7200 < 2
    assert len(load.lines) > 40


def test_after_a_long_load_a_step_of_its_own_says_what_the_ledger_knows_of_the_run(
    new_chain: Callable[..., Chain],
) -> None:
    chain = new_chain()
    for name in ("articles", "customers"):
        chain.database.create_table(build_table(name, "id int not null"))
        chain.database.load(f"dbo.{name}", pa.table({"id": pa.array([1, 2, 3], pa.int32())}))
        chain.execute(f"CREATE TABLE {name} (id integer PRIMARY KEY)")
    migration = chain.migration("project: shop\n")
    chain.load(migration, "articles")
    lines: list[str] = []
    notes = RunNotes(migration.project.plan.tables, RunObserver())
    log_whole_run(migration, notes, 9.0, lines.append)
    assert lines == []
    log_whole_run(migration, notes, 90.0, lines.append)
    assert lines == ["all tables: 1 of 2 loaded, 3 of about 6 rows"]
    notes.sees_whole_run = True
    log_whole_run(migration, notes, 90.0, lines.append)
    assert len(lines) == 1


def test_progress_reported_by_the_threads_of_a_split_table_is_in_the_event_log(
    stages: Stages, kept_instance: DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load_in_parts(migration: Migration, table: TablePlan, on_progress: ProgressListener) -> TableLoad:
        def report(part: int) -> None:
            on_progress(TableProgress(table.label, 3, None, 30, 0.5, part=part))

        for part in (1, 2):
            thread = threading.Thread(target=report, args=(part,))
            thread.start()
            thread.join()
        return TableLoad(table.label, 1, 6, 6, 60, 50, 0.5, None)

    monkeypatch.setattr("blb_migration.load.table.load_table", load_in_parts)
    at_once = functools.partial(LogPace, shortest_seconds=0.0)
    monkeypatch.setattr("blb_migration.progress.rates.LogPace", at_once)
    project = build_shop()
    definitions = build_defs(project, resource=MigrationResource(project, connect_to_nothing))
    result = definitions.resolve_job_def("migration").execute_in_process(
        run_config=QUIET,
        instance=kept_instance,
        raise_on_error=False,
        asset_selection=[AssetKey("customers"), AssetKey("orders")],
    )
    assert result.success
    messages = [record.user_message for record in kept_instance.all_logs(result.run_id)]
    said = [message for message in messages if message.startswith(("orders: ", "all tables: "))]
    assert any(message.startswith("orders: 6 rows of an unknown number, 0.0 MB") for message in said)
    assert any(message.startswith("all tables: 1 of 2 tables, ") for message in said)
