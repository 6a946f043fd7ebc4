"""Rows are ours only as our last load left them: what others did is found, however the table was treated."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from blb_migration.model import Table
from blb_migration.postgres.binary.digest import ContentKey, Digester
from blb_migration.postgres.binary.hash_functions import CURRENT_HASH, HashFunction
from blb_migration.postgres.content_form import ContentForm
from blb_migration.postgres.copy import empty_table
from blb_migration.postgres.ledger.left_rows import record_left_rows, record_others_digest
from blb_migration.postgres.ledger.loads import begin_load, finish_load, record_digest
from blb_migration.postgres.ledger.records import LoadedTable
from blb_migration.postgres.left_content import digest_others
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.ownership import ChangedRows, Loader, find_changed_rows, read_load_xid
from blb_migration.postgres.read_back import read_row_blocks
from blb_migration_tests.older_loads import hashing_by_blake2b
from blb_migration_tests.postgres.conftest import RUN
from blb_migration_tests.postgres.tables import execute, read_table, write_batches

OURS = Loader(RUN.project, RUN.source_identity)


def load(
    target: TargetConnection,
    table: Table,
    ids: list[int],
    *,
    in_savepoint: bool = False,
    function: HashFunction = CURRENT_HASH,
) -> None:
    """One table's load, as ``load/`` does it; its digest is of the rows as they stand."""
    rows = pa.record_batch(
        [pa.array(ids, pa.int32()), pa.array(["loaded"] * len(ids), pa.string())], names=["id", "note"]
    )
    loaded = [table.columns_by_name[name] for name in ("id", "note")]
    key = ContentKey((0,) if table.primary_key else (), is_ordered=table.primary_key is not None)
    form = ContentForm.of_table(table, loaded, key)
    load_id = begin_load(target, RUN.run_id, table.name, table.name)
    with target.transaction():
        record_left_rows(target, load_id, table.name, form)
        if in_savepoint:
            with target.transaction():
                empty_table(target, table.name)
                write_batches(target, table, [rows], freeze=True)
        else:
            empty_table(target, table.name)
            write_batches(target, table, [rows], freeze=True)
        digester = Digester(key, function)
        for block in read_row_blocks(target, table.name, loaded, loaded[:1] if key.is_ordered else ()):
            digester.add(block)
        record_digest(target, load_id, digester.finish())
        others_digest = digest_others(target, table, form, function)
        if others_digest is not None:
            record_others_digest(target, load_id, others_digest)
        finish_load(
            target, load_id, LoadedTable(len(ids), len(ids), 0, 0.0), read_load_xid(target, table.name)
        )


def judge(target: TargetConnection, name: str = "t", loader: Loader = OURS) -> ChangedRows | None:
    return find_changed_rows(target, read_table(target, name), loader)


@pytest.fixture
def table(ledger: TargetConnection) -> Table:
    execute(ledger, "CREATE TABLE t (id serial PRIMARY KEY, note text)")
    return read_table(ledger, "t")


def test_rows_without_any_load_are_of_others(target: TargetConnection, table: Table) -> None:
    assert judge(target) is None
    execute(target, "INSERT INTO t (note) VALUES ('theirs'), ('theirs too')")
    found = judge(target)
    assert found == ChangedRows(
        table.name, "it holds 2 rows that this tool did not load", 2, ("id=1", "id=2")
    )


def test_rows_without_any_ledger_are_of_others(target: TargetConnection) -> None:
    execute(target, "CREATE TABLE t (id int)", "INSERT INTO t VALUES (1)")
    found = judge(target)
    assert found is not None
    assert found.first_keys == ("ctid=(0,1)",)


@pytest.mark.parametrize(
    "upkeep",
    [
        "VACUUM t",
        "VACUUM FREEZE t",
        "VACUUM FULL t",
        "CLUSTER t USING t_pkey",
        "REINDEX TABLE t",
        "ALTER TABLE t ALTER id TYPE bigint",
        "ALTER TABLE t ALTER note TYPE varchar(80)",
        "ALTER TABLE t ALTER id TYPE numeric(12, 2)",
        "ALTER TABLE t ADD state text NOT NULL DEFAULT 'new', ADD at timestamptz",
        "ALTER TABLE t ADD number bigint GENERATED ALWAYS AS (id * 2) STORED",
        "UPDATE t SET note = note",
        "SELECT nextval('t_id_seq')",
        "CREATE TABLE u (LIKE t INCLUDING ALL); INSERT INTO u SELECT * FROM t; DROP TABLE t CASCADE;"
        " ALTER TABLE u RENAME TO t",
    ],
)
def test_our_rows_stay_ours_however_they_are_stored(
    target: TargetConnection, table: Table, upkeep: str
) -> None:
    load(target, table, [1, 2, 3])
    execute(target, upkeep)
    assert judge(target) is None


def test_rows_written_in_a_savepoint_are_ours(target: TargetConnection, table: Table) -> None:
    load(target, table, [1, 2, 3], in_savepoint=True)
    assert judge(target) is None


@pytest.mark.parametrize(
    ("change", "found", "first_keys"),
    [
        ("INSERT INTO t VALUES (9, 'x')", "1 rows were added to the 3 rows", ("id=9",)),
        ("UPDATE t SET note = 'x' WHERE id = 2", "1 rows were added or changed since, and 1 of", ("id=2",)),
        ("DELETE FROM t WHERE id < 3", "2 of the 3 rows that its last load left are missing", ()),
        ("DELETE FROM t", "the 3 rows that its last load left are missing", ()),
        ("TRUNCATE t", "the 3 rows that its last load left are missing", ()),
        (
            "DELETE FROM t WHERE id = 1; INSERT INTO t VALUES (1, 'their own')",
            "1 rows were added or changed since, and 1 of the 3 rows that its last load left are",
            ("id=1",),
        ),
        (
            "TRUNCATE t; INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c')",
            "it holds 3 rows, and none of the 3 rows",
            ("id=1", "id=2", "id=3"),
        ),
        (
            "DELETE FROM t WHERE id = 3; ALTER SEQUENCE t_id_seq RESTART WITH 3;"
            " INSERT INTO t (note) VALUES ('theirs')",
            "1 rows were added or changed",
            ("id=3",),
        ),
    ],
)
def test_what_others_did_is_found(
    target: TargetConnection, table: Table, change: str, found: str, first_keys: tuple[str, ...]
) -> None:
    load(target, table, [1, 2, 3])
    execute(target, change)
    changed = judge(target)
    assert changed is not None
    assert found in changed.found
    assert changed.first_keys == first_keys
    assert changed.was_loaded


@pytest.mark.parametrize(
    "rewriting",
    [
        "ALTER TABLE t ALTER id TYPE bigint",
        "ALTER TABLE t ALTER id TYPE numeric",
        "UPDATE t SET note = note",
        "ALTER TABLE t ADD random uuid DEFAULT gen_random_uuid(); ALTER TABLE t DROP random",
    ],
)
def test_a_change_is_told_from_the_rewriting_around_it(
    target: TargetConnection, table: Table, rewriting: str
) -> None:
    for change in ("note = 'x'", "note = NULL", "id = 4"):
        load(target, read_table(target, "t"), [1, 2, 3])
        with target.transaction(force_rollback=True):
            execute(target, f"UPDATE t SET {change} WHERE id = 2", rewriting)
            assert judge(target) is not None, change
        with target.transaction(force_rollback=True):
            execute(target, rewriting)
            assert judge(target) is None


@pytest.mark.parametrize(
    ("altered", "change"),
    [
        ("ALTER id TYPE numeric", "UPDATE t SET id = 2.4 WHERE id = 2"),
        ("ALTER id TYPE bigint", "UPDATE t SET id = 3000000000 WHERE id = 2"),
        ("ALTER id TYPE text", "UPDATE t SET id = ' 2' WHERE id = '2'"),
    ],
)
def test_a_value_that_only_the_new_type_can_hold_is_a_change(
    target: TargetConnection, table: Table, altered: str, change: str
) -> None:
    load(target, table, [1, 2, 3])
    execute(target, "ALTER TABLE t ALTER id DROP DEFAULT", f"ALTER TABLE t {altered}")
    assert judge(target) is None
    execute(target, change)
    assert judge(target) is not None


@pytest.mark.parametrize("change", ["note = 'x'", "tags = '{vip}'"])
def test_rows_of_a_version_that_hashed_by_blake2b_are_told_by_that(
    target: TargetConnection, table: Table, change: str
) -> None:
    execute(target, "ALTER TABLE t ADD tags text[]")
    with hashing_by_blake2b():
        load(target, read_table(target, "t"), [1, 2, 3], function=HashFunction.BLAKE2B)
    execute(target, "UPDATE t SET note = note")
    assert judge(target) is None
    execute(target, f"UPDATE t SET {change} WHERE id = 2")
    assert judge(target) is not None


def test_columns_that_only_the_target_has_are_watched_too(target: TargetConnection, table: Table) -> None:
    execute(target, "ALTER TABLE t ADD seen timestamptz DEFAULT now(), ADD tags text[]")
    load(target, read_table(target, "t"), [1, 2, 3])
    execute(target, "UPDATE t SET note = note")
    assert judge(target) is None
    execute(target, "UPDATE t SET tags = '{vip}' WHERE id = 2", "UPDATE t SET note = note")
    found = judge(target)
    assert found is not None
    assert "values that only the target has were changed (seen, tags)" in found.found


@pytest.mark.parametrize("added", ["ADD state text DEFAULT 'new'", "ADD state text"])
def test_columns_added_since_are_watched_too(target: TargetConnection, table: Table, added: str) -> None:
    load(target, table, [1, 2, 3])
    execute(target, f"ALTER TABLE t {added}", "UPDATE t SET note = note")
    assert judge(target) is None
    execute(target, "UPDATE t SET state = 'paid' WHERE id = 2", "UPDATE t SET note = note")
    found = judge(target)
    assert found is not None
    assert found.found.endswith("columns were added to it since, and filled: state")


def test_a_loaded_column_that_is_gone_from_rewritten_rows_is_a_change(
    target: TargetConnection, table: Table
) -> None:
    load(target, table, [1, 2, 3])
    execute(target, "ALTER TABLE t DROP note")
    assert judge(target) is None  # the rows are still those that were written
    execute(target, "UPDATE t SET id = id")
    found = judge(target)
    assert found is not None
    assert "it lacks what was loaded or left in the columns note" in found.found


def test_rows_without_a_key_are_watched_too(target: TargetConnection, ledger: TargetConnection) -> None:
    execute(target, "CREATE TABLE bare (id int, note text)")
    load(target, read_table(target, "bare"), [1, 1, 3])
    execute(target, "VACUUM FULL bare", "UPDATE bare SET note = note")
    assert judge(target, "bare") is None
    execute(target, "DELETE FROM bare WHERE id = 3", "INSERT INTO bare VALUES (1, 'loaded')")
    found = judge(target, "bare")
    assert found is not None
    assert "it differs in 2 of the digest's 1,024 parts" in found.found


@pytest.mark.parametrize(
    "others", [Loader("second_company", OURS.source_identity), Loader(OURS.project, "other:1433/erp")]
)
def test_what_another_load_left_is_not_ours(target: TargetConnection, table: Table, others: Loader) -> None:
    load(target, table, [1, 2, 3])
    found = judge(target, loader=others)
    assert found is not None
    assert found.found.startswith(
        "its rows were loaded by project blb3d_erp from sql.example/BLB3D_ERP (anna,"
    )
    assert (found.row_count, found.was_loaded) == (3, False)


def test_an_empty_table_is_anybodys(target: TargetConnection, table: Table) -> None:
    load(target, table, [])
    assert judge(target) is None
    assert judge(target, loader=Loader("another", "elsewhere")) is None
    execute(target, "INSERT INTO t VALUES (1, 'theirs')")
    assert judge(target) is not None


def test_a_table_made_anew_is_empty_and_nobodys(target: TargetConnection, table: Table) -> None:
    load(target, table, [1, 2, 3])
    execute(target, "DROP TABLE t", "CREATE TABLE t (id int PRIMARY KEY, note text)")
    assert judge(target) is None
    execute(target, "INSERT INTO t VALUES (1, 'loaded'), (2, 'loaded'), (3, 'x')")
    assert judge(target) is not None


def test_a_second_load_owns_its_own_rows(target: TargetConnection, table: Table) -> None:
    load(target, table, [1, 2, 3])
    load(target, table, [4, 5])
    assert judge(target) is None


PLACES: dict[str, Callable[[int], str]] = {
    "another server": lambda _: "system_identifier = '1'",
    "another database": lambda _: "database_oid = database_oid + 1",
    "another table": lambda _: "table_oid = table_oid + 1",
    "a counter that has come round": lambda now: f"transaction_id = {now - 2**31}",
    "a counter that was not there yet": lambda now: f"transaction_id = {now + 1000}",
}


@pytest.mark.parametrize("place", PLACES)
def test_a_transactions_number_counts_only_where_it_was_given(
    target: TargetConnection, table: Table, place: str
) -> None:
    """A restored row may happen to have the very number that the load had elsewhere."""
    load(target, table, [1, 2, 3])
    (now,) = target.execute("SELECT txid_current()").fetchone() or (0,)
    execute(target, "UPDATE t SET note = 'theirs'")
    target.execute(
        "UPDATE blb_migration.table_loads SET load_xid = (SELECT xmin::text::bigint FROM t LIMIT 1)"
    )
    assert judge(target) is None  # by the transaction's number alone
    target.execute(f"UPDATE blb_migration.left_rows SET {PLACES[place](now)}".encode())
    assert judge(target) is not None
