"""The short form of the campaign with a source that is written to at a random moment."""

from __future__ import annotations

from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration_tests.faults.changing_source import run_campaign

RUNS = 9


def test_no_more_is_called_equal_than_was_read(
    engine: TsqlEngine, emulator: SqlServerEmulator, embedded_postgres: EmbeddedPostgres
) -> None:
    outcomes = run_campaign(RUNS, 7, engine, emulator, embedded_postgres)
    assert sum(outcomes.values()) == RUNS
    assert [outcome for _, outcome in outcomes if outcome.startswith("FALSE")] == []
