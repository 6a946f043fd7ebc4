"""A run that is terminated, in each of its phases: it ends in seconds, and leaves nothing half done."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest
from dagster import DagsterInstance

from blb_migration.cancellation import Cancellation
from blb_migration.defs.in_process import RunOutcome, run_in_process
from blb_migration.defs.observer import RunObserver
from blb_migration.documents import INSTANCE_FILE, read_document
from blb_migration.migration import Migration
from blb_migration.plan.project import save_project
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration_tests.catalogs import table
from blb_migration_tests.chain import Chain

pytestmark = [
    pytest.mark.alone,
    pytest.mark.skipif(os.name == "nt", reason="sends the signal that a terminal sends for Ctrl-C"),
]
ROWS = 30_000  # enough for indexes to be built after the rows
ENDS_WITHIN_SECONDS = 8  # on a busy machine
STARTS_WITHIN_SECONDS = 90
FOR_EVER = 600
DECISIONS = "project: shop\n"
TARGET_TABLES = """
CREATE TABLE customers (id integer PRIMARY KEY);
CREATE TABLE orders (id integer PRIMARY KEY, customer_id integer REFERENCES customers);
CREATE INDEX orders_customer ON orders (customer_id);
"""
# Holds a command of the target for ever; a superuser's means, like a lock that somebody forgot.
HOLD = """
CREATE FUNCTION hold() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_query() ~* '{pattern}' THEN PERFORM pg_sleep(600); END IF;
END $$;
CREATE EVENT TRIGGER hold ON ddl_command_start EXECUTE FUNCTION hold();
"""
BUSY = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
IN_PLACE = (
    "SELECT conname FROM pg_constraint"
    " WHERE contype = 'f' AND convalidated AND connamespace = 'public'::regnamespace"
)
INDEXES = "SELECT indexname FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1"


@dataclass(frozen=True)
class Phase:
    """Where the run is held: at a statement of the source, or at one of the target."""

    source: str | None = None
    target: str | None = None


PHASES = {
    "preflight": Phase(source=r"sys\.foreign_keys"),
    "before the first batch": Phase(source=r"^SELECT \[id\].*\[orders\](?! WHERE 1 = 0)"),
    "index": Phase(target="^CREATE INDEX orders_customer"),
    "check": Phase(source=r"SUM\(.*\[orders\]"),
    "keys": Phase(target="^ALTER TABLE [^;]*orders[^;]*FOREIGN KEY"),
}


@pytest.fixture
def chain(new_chain: Callable[..., Chain], emulator: SqlServerEmulator) -> Iterator[Chain]:
    chain = new_chain()
    chain.database.create_table(table("customers", "id int not null"))
    chain.database.create_table(
        table("orders", "id int not null", "customer_id int", references={"customer_id": "customers"})
    )
    ids = pa.array(range(ROWS), pa.int32())
    chain.database.load("dbo.customers", pa.table({"id": ids}))
    chain.database.load("dbo.orders", pa.table({"id": ids, "customer_id": ids}))
    chain.execute(TARGET_TABLES)
    yield chain
    emulator.faults.clear()


def hold(chain: Chain, emulator: SqlServerEmulator, phase: Phase) -> Callable[[], bool]:
    """Have the run held there; returns what says whether it has got so far."""
    if phase.target is not None:
        chain.execute(HOLD.format(pattern=phase.target))
        asleep = f"{BUSY} AND wait_event = 'PgSleep'"
        return lambda: chain.execute(asleep) != [(0,)]
    assert phase.source is not None
    pattern = re.compile(phase.source, re.IGNORECASE | re.DOTALL)
    before = len(emulator.statements)
    emulator.faults.add(Fault(phase.source, batch_delay_seconds=FOR_EVER))
    return lambda: any(pattern.search(sent.text) for sent in emulator.statements[before:])


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.1)


class Seen(RunObserver):
    def __init__(self) -> None:
        self.interrupted: list[str] = []
        self.failed: list[BaseException] = []

    def step_interrupted(self, step: str) -> None:
        self.interrupted.append(step)

    def step_failed(self, step: str, error: BaseException) -> None:
        self.failed.append(error)


def run_interrupted(
    migration: Migration, has_come: Callable[[], bool], seen: Seen, giving_up: Cancellation
) -> tuple[RunOutcome, float]:
    """Return the command's run, interrupted where it is held; how it ended, and after how many seconds."""
    asked_at: list[float] = []

    def interrupt() -> None:
        wait_for(has_come, STARTS_WITHIN_SECONDS)
        time.sleep(0.5)
        asked_at.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    outcome = run_in_process(migration, seen, giving_up=giving_up)
    ended_at = time.monotonic()
    watcher.join()
    return outcome, ended_at - asked_at[0]


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("executor", ["threads", "in_process"])
def test_an_interrupted_run_ends_soon_and_leaves_nothing_half_done(
    chain: Chain, emulator: SqlServerEmulator, monkeypatch: pytest.MonkeyPatch, phase: str, executor: str
) -> None:
    monkeypatch.setenv("BLB_EXECUTOR", executor)
    monkeypatch.setenv("BLB_MAX_CONCURRENT", "2" if executor == "threads" else "1")
    indexes = chain.execute(INDEXES)
    seen = Seen()
    migration = chain.migration(DECISIONS)
    giving_up = Cancellation()
    if phase == "keys":  # which would be held there again at the run's end: the second Ctrl-C
        giving_up.ask()
    outcome, seconds = run_interrupted(migration, hold(chain, emulator, PHASES[phase]), seen, giving_up)
    assert outcome.is_interrupted
    assert seconds < ENDS_WITHIN_SECONDS
    assert seen.failed == []
    assert len(seen.interrupted) == 1
    wait_for(lambda: chain.execute(BUSY) == [(0,)], ENDS_WITHIN_SECONDS)
    assert chain.execute(INDEXES) == indexes
    [(orders,)] = chain.execute("SELECT count(*) FROM orders")
    assert orders == (ROWS if phase in ("check", "keys") else 0)
    [(ending, errors)] = chain.execute("SELECT outcome, errors FROM blb_migration.runs")
    assert isinstance(errors, list)
    assert ending == "interrupted"
    assert "the run was interrupted" in errors
    if phase == "preflight":  # no table was written
        assert chain.execute("SELECT 1 FROM blb_migration.table_loads") == []
        assert len(chain.execute(IN_PLACE)) == 1
        return
    failed = chain.execute("SELECT error FROM blb_migration.table_loads WHERE status <> 'finished'")
    assert failed == ([] if phase in ("preflight", "check", "keys") else [("the run was interrupted",)])
    # The keys are back, or on record: the next run puts them back.
    assert len(chain.execute(IN_PLACE)) == (0 if phase == "keys" else 1)
    assert len(errors) == (2 if phase == "keys" else 1)
    chain.execute("DROP EVENT TRIGGER IF EXISTS hold")
    emulator.faults.clear()
    assert run_in_process(chain.migration(DECISIONS), Seen()).is_success
    assert len(chain.execute(IN_PLACE)) == 1


@pytest.mark.parametrize("executor", ["threads", "in_process", "multiprocess"])
def test_a_run_of_dagsters_that_is_terminated_is_canceled(
    chain: Chain,
    emulator: SqlServerEmulator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    executor: str,
) -> None:
    save_project(replace(chain.project(DECISIONS), folder=tmp_path / "project"))
    home = tmp_path / "home"
    home.mkdir()
    (home / INSTANCE_FILE).write_text(read_document(INSTANCE_FILE), encoding="utf-8")
    environment = {
        "DAGSTER_HOME": str(home),
        "BLB_PROJECT": str(tmp_path / "project"),
        "BLB_SOURCE_CONN": chain.source_url,
        "BLB_TARGET_CONN": chain.target_url,
        "BLB_EXECUTOR": executor,
        "BLB_MAX_CONCURRENT": "2",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    has_come = hold(chain, emulator, PHASES["before the first batch"])
    command = [sys.executable, "-m", "dagster", "job", "execute"]
    command += ["--module-name", "blb_migration.definitions", "--job", "migration"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        try:
            wait_for(has_come, STARTS_WITHIN_SECONDS)
            with DagsterInstance.get() as instance:
                [run] = instance.get_runs()
                instance.report_run_canceling(run)
                asked_at = time.monotonic()
                worker.send_signal(signal.SIGINT)  # as Dagster's own run worker signals itself
                wait_for(lambda: instance.get_runs()[0].is_finished, ENDS_WITHIN_SECONDS)
                assert time.monotonic() - asked_at < ENDS_WITHIN_SECONDS
                assert instance.get_runs()[0].status.value == "CANCELED"
        finally:
            worker.wait(STARTS_WITHIN_SECONDS)
    wait_for(lambda: chain.execute(BUSY) == [(0,)], ENDS_WITHIN_SECONDS)
    assert chain.execute("SELECT outcome, errors FROM blb_migration.runs") == [
        ("interrupted", ["the run was interrupted"])
    ]
    assert chain.execute("SELECT count(*) FROM orders") == [(0,)]
