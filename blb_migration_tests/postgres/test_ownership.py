"""Rows that this tool did not load are found, however the table was treated since."""

from __future__ import annotations

import pyarrow as pa
import pytest

from blb_migration.model import Table
from blb_migration.postgres.copy import empty_table
from blb_migration.postgres.ledger.loads import begin_load, finish_load
from blb_migration.postgres.ledger.records import LoadedTable
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.ownership import ForeignRows, find_foreign_rows, read_load_xid
from blb_migration.postgres.sequences import set_sequence
from blb_migration_tests.postgres.conftest import RUN
from blb_migration_tests.postgres.tables import execute, read_table, write_batches


def load(
    target: TargetConnection,
    ledger: TargetConnection,
    table: Table,
    ids: list[int],
    *,
    in_savepoint: bool = False,
) -> None:
    """One table's load, as the lead's stages do it: ids are written, the next one is 100."""
    rows = pa.record_batch(
        [pa.array(ids, pa.int32()), pa.array(["loaded"] * len(ids), pa.string())], names=["id", "note"]
    )
    load_id = begin_load(ledger, RUN.run_id, table.name, table.name)
    with target.transaction():
        if in_savepoint:
            with target.transaction():
                empty_table(target, table.name)
                write_batches(target, table, [rows], freeze=True)
        else:
            empty_table(target, table.name)
            write_batches(target, table, [rows], freeze=True)
        identity = table.columns_by_name["id"].identity
        if identity is not None and identity.sequence is not None:
            set_sequence(target, identity.sequence, 100)
        loaded = LoadedTable(
            len(ids), len(ids), 0, 0.0, "id" if identity else None, 100 if identity else None
        )
        finish_load(ledger, load_id, loaded, read_load_xid(target, table.name))


@pytest.fixture
def table(target: TargetConnection) -> Table:
    execute(target, "CREATE TABLE t (id serial PRIMARY KEY, note text)")
    return read_table(target, "t")


def test_rows_without_any_load_are_all_foreign(
    target: TargetConnection, table: Table, ledger: TargetConnection
) -> None:
    assert find_foreign_rows(target, table) == ForeignRows(table.name)
    execute(target, "INSERT INTO t (note) VALUES ('theirs'), ('theirs too')")
    assert find_foreign_rows(target, table) == ForeignRows(
        table.name, row_count=2, first_keys=("id=1", "id=2")
    )


def test_rows_without_any_ledger_are_all_foreign(target: TargetConnection, table: Table) -> None:
    execute(target, "INSERT INTO t (note) VALUES ('theirs')")
    assert find_foreign_rows(target, table).row_count == 1


@pytest.mark.parametrize("in_savepoint", [False, True])
@pytest.mark.parametrize(
    "upkeep", ["VACUUM t", "VACUUM FREEZE t", "VACUUM FULL t", "CLUSTER t USING t_pkey", "REINDEX TABLE t"]
)
def test_our_rows_stay_ours_through_maintenance(
    target: TargetConnection, table: Table, ledger: TargetConnection, upkeep: str, in_savepoint: bool
) -> None:
    load(target, ledger, table, [1, 2, 3], in_savepoint=in_savepoint)
    execute(target, upkeep)
    assert find_foreign_rows(target, table) == ForeignRows(table.name)


def test_inserted_rows_are_found_by_their_number(
    target: TargetConnection, table: Table, ledger: TargetConnection
) -> None:
    load(target, ledger, table, [1, 2, 3])
    execute(
        target,
        "DELETE FROM t WHERE id = 1",
        "UPDATE t SET note = 'changed' WHERE id = 2",
        "INSERT INTO t (note) VALUES ('theirs')",
        "VACUUM FULL t",
    )
    assert find_foreign_rows(target, table) == ForeignRows(
        table.name, row_count=1, updated_count=1, first_keys=("id=100",)
    )


def test_inserted_rows_are_found_by_their_count(
    target: TargetConnection, table: Table, ledger: TargetConnection
) -> None:
    load(target, ledger, table, [1, 2, 3])
    execute(target, "INSERT INTO t VALUES (50, 'numbered by hand')")
    found = find_foreign_rows(target, table)
    assert (found.row_count, found.updated_count, found.first_keys) == (1, 0, ("id=50",))


def test_updates_are_reported_but_are_not_foreign_rows(
    target: TargetConnection, table: Table, ledger: TargetConnection
) -> None:
    load(target, ledger, table, [1, 2, 3])
    execute(target, "UPDATE t SET note = 'last login' WHERE id = 2")
    found = find_foreign_rows(target, table)
    assert (found.row_count, found.updated_count, found.first_keys) == (0, 1, ("id=2",))


def test_rows_in_a_table_loaded_empty_are_foreign(
    target: TargetConnection, table: Table, ledger: TargetConnection
) -> None:
    load(target, ledger, table, [])
    assert find_foreign_rows(target, table) == ForeignRows(table.name)
    execute(target, "INSERT INTO t VALUES (1, 'theirs')")
    assert find_foreign_rows(target, table).row_count == 1


def test_a_second_load_owns_its_own_rows(
    target: TargetConnection, table: Table, ledger: TargetConnection
) -> None:
    load(target, ledger, table, [1, 2, 3])
    load(target, ledger, table, [4, 5])
    assert find_foreign_rows(target, table) == ForeignRows(table.name)


def test_numbers_that_count_down(target: TargetConnection, ledger: TargetConnection) -> None:
    execute(
        target,
        "CREATE TABLE t (id int GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1 START 200 MAXVALUE 200"
        " MINVALUE -9) PRIMARY KEY, note text)",
    )
    table = read_table(target, "t")
    load(target, ledger, table, [101, 102])
    execute(target, "DELETE FROM t WHERE id = 102", "INSERT INTO t (note) VALUES ('theirs')")
    found = find_foreign_rows(target, table)
    assert (found.row_count, found.first_keys) == (1, ("id=100",))


def test_rows_without_a_key_are_named_by_their_place(
    target: TargetConnection, ledger: TargetConnection
) -> None:
    execute(target, "CREATE TABLE bare (id int, note text)", "INSERT INTO bare VALUES (1, 'theirs')")
    found = find_foreign_rows(target, read_table(target, "bare"))
    assert found.first_keys == ("ctid=(0,1)",)
