"""A target with many tables: no transaction takes more locks than a server has, which is a few thousand."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from blb_migration.model import Table
from blb_migration.plan.relocate import relocate_table
from blb_migration.postgres.catalog import read_catalog
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.dropping.foreign_key_drops import drop_recorded_foreign_keys, restore_foreign_keys
from blb_migration.postgres.ledger.dropped_keys import read_dropped_keys
from blb_migration.postgres.ledger.runs import start_run
from blb_migration.postgres.ledger.versions import create_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.scratch_copies import (
    SCRATCH_PREFIX,
    create_scratch_tables,
    drop_scratch_schemas,
)
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.settings import parse_target_url
from blb_migration_tests.postgres.conftest import RUN
from blb_migration_tests.postgres.tables import execute, scalar

TABLE_COUNT = 250
SMALL = {"max_locks_per_transaction": 10, "max_connections": 10, "max_worker_processes": 1}


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TargetConnection]:
    """Yield a session of a server that has few locks, with tables that take more of them all together."""
    with EmbeddedPostgres(tmp_path_factory.mktemp("few-locks")) as server:
        with psycopg.connect(server.url(), autocommit=True) as connection:
            for name, value in SMALL.items():
                connection.execute(f"ALTER SYSTEM SET {name} = {value}")
        server.stop()
        server.start()
        with TargetConnector(parse_target_url(server.create_database("crowded"))).connect() as connection:
            create_ledger(connection)
            start_run(connection, RUN)
            execute(connection, "CREATE TABLE parent (id int PRIMARY KEY)")
            for number in range(TABLE_COUNT):
                execute(
                    connection,
                    f"CREATE TABLE child_{number} (id serial PRIMARY KEY, parent_id int"
                    f" CONSTRAINT key_{number} REFERENCES parent)",
                )
            yield connection


@pytest.fixture
def tables(crowded: TargetConnection) -> tuple[Table, ...]:
    return tuple(table for table in read_catalog(crowded).tables if table.name.schema == "public")


def test_all_at_once_the_tables_take_more_locks_than_there_are(crowded: TargetConnection) -> None:
    names = ", ".join(f"child_{number}" for number in range(TABLE_COUNT))
    with pytest.raises(psycopg.errors.OutOfMemory):
        execute(crowded, f"DROP TABLE {names}")


def test_their_foreign_keys_are_dropped_and_restored(
    crowded: TargetConnection, tables: tuple[Table, ...]
) -> None:
    dropped = drop_recorded_foreign_keys(crowded, RUN.run_id, [table.name for table in tables])
    assert len(dropped) == len(read_dropped_keys(crowded)) == TABLE_COUNT
    assert {key.error for key in restore_foreign_keys(crowded)} == {None}
    assert read_dropped_keys(crowded) == ()


def test_their_scratch_copies_are_made_and_dropped(
    crowded: TargetConnection, tables: tuple[Table, ...]
) -> None:
    planned = {table.name for table in tables}
    copies = [(table.name, relocate_table(table, SCRATCH_PREFIX, planned)) for table in tables]
    create_scratch_tables(crowded, copies)
    schema = f"{SCRATCH_PREFIX}public"
    keys = "SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND connamespace = '{}'::regnamespace"
    assert scalar(crowded, keys.format(schema)) == TABLE_COUNT
    drop_scratch_schemas(crowded, [schema])
    assert scalar(crowded, f"SELECT count(*) FROM pg_namespace WHERE nspname = '{schema}'") == 0
