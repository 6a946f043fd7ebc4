"""Loads of the shop whose table is split: whole runs, what holds at their end, and loads that break off."""

from __future__ import annotations

from typing import Any

import pytest

from blb_migration.compare.run_checks import CHECK_NAMES, run_check
from blb_migration.compare.verdict import read_verdict
from blb_migration.errors import TableFailed
from blb_migration.load.finish import restore_constraints
from blb_migration.load.table import TableLoad, load_table
from blb_migration.migration import Loading, Migration, ProgressEvent, TableProgress
from blb_migration.postgres.ledger.reasons import ReasonCode
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration_tests.chain import Chain
from blb_migration_tests.load.chunks.chunk_shop import LABEL, MAKERS, begin_run

WHOLE = Loading(chunked_from_rows=10**9)
DEADLOCK = SqlServerError(1205, "Transaction was deadlocked on lock resources.", 13)


def load(migration: Migration, label: str = LABEL, **options: Any) -> TableLoad:
    return load_table(migration, migration.project.plan.tables_by_label[label], **options)


def load_all(chain: Chain, migration: Migration) -> None:
    """Do a whole run; everything it promises holds at its end."""
    load(migration, MAKERS)
    load(migration)
    restore_constraints(migration)
    assert_equal(chain, migration)


def assert_equal(chain: Chain, migration: Migration) -> None:
    for table in migration.project.plan.tables:
        for name in CHECK_NAMES:
            result = run_check(migration, table, name)
            assert result.passed, (table.label, name, result.comparisons)
    assert read_reasons(migration) == {LABEL: (), MAKERS: ()}
    assert chain.execute("SELECT * FROM notes") == []
    assert chain.execute("SELECT tgenabled FROM pg_trigger WHERE tgname = 'parts_note'") == [("O",)]
    assert chain.execute("SELECT nextval(pg_get_serial_sequence('parts', 'id'))") == [(100_001,)]
    assert chain.execute("SELECT * FROM blb_migration.chunked_loads") == []


def read_reasons(migration: Migration) -> dict[str, tuple[ReasonCode, ...]]:
    """Return what speaks against each table."""
    with migration.target.connect() as connection:
        verdict = read_verdict(connection, migration.project.plan)
    return {label: tuple(reason.code for reason in reasons) for label, reasons in verdict.by_label.items()}


def break_off(chain: Chain, emulator: SqlServerEmulator, after_ranges: int = 3, **run: Any) -> Migration:
    """Return a load that fails once so many chunks are finished; the error is the source's."""
    migration = begin_run(chain, **run)
    seen = set[int]()

    def watch(event: ProgressEvent) -> None:
        if isinstance(event, TableProgress):
            seen.add(event.part)
            if len(seen) > after_ranges:
                emulator.faults.add(Fault(r"\[parts\] WHERE", error=DEADLOCK))

    try:
        with pytest.raises(TableFailed, match="finished chunks stayed") as caught:
            load(migration, on_progress=watch)
    finally:
        emulator.faults.clear()
    assert "deadlock" in str(caught.value)
    assert 0 < count_ranges(chain, "finished") < count_ranges(chain)
    return migration


def count_ranges(chain: Chain, status: str | None = None) -> int:
    return int(
        chain.execute(
            "SELECT count(*) FROM blb_migration.table_chunks WHERE status = coalesce(%s, status)", status
        )[0][0]
    )
