"""What ``content`` sees and the shallower checks do not, and what it refuses to trust."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from blb_migration.compare.run_checks import CheckResult, run_check
from blb_migration.compare.verdict import read_verdict
from blb_migration.errors import TableFailed
from blb_migration.migration import Comparing, Migration
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.sandbox.erp import create_target
from blb_migration_tests.chain import Chain
from blb_migration_tests.older_loads import hashing_by_blake2b

TABLE = "inventory_transactions"


@pytest.fixture
def chain(new_chain: Callable[..., Chain], erp_source: str) -> Chain:
    chain = new_chain(erp_source)
    create_target(chain.target_url)
    return chain


def load_one(chain: Chain, folder: Path, label: str = TABLE) -> Migration:
    """Return a migration of which one table is loaded; its foreign keys are off, so that rows can be
    changed."""
    migration = replace(chain.migration(), comparing=Comparing(differences_folder=folder))
    chain.execute("SET session_replication_role = replica")
    for name in chain.execute(
        f"SELECT conname::text FROM pg_constraint WHERE conrelid = '{label}'::regclass AND contype = 'f'"
    ):
        chain.execute(f'ALTER TABLE {label} DROP CONSTRAINT "{name[0]}"')
    chain.load(migration, label)
    return migration


def check(migration: Migration, name: str, *, rereads: bool = False, label: str = TABLE) -> CheckResult:
    comparing = replace(migration.comparing, rereads_source=rereads)
    table = migration.project.plan.tables_by_label[label]
    return run_check(replace(migration, comparing=comparing), table, name)


@pytest.mark.parametrize("rereads", [False, True])
def test_an_untouched_table_is_equal(chain: Chain, tmp_path: Path, rereads: bool) -> None:
    result = check(load_one(chain, tmp_path), "content", rereads=rereads)
    assert result.passed
    assert result.differences is None
    assert list(tmp_path.iterdir()) == []


def test_what_keeps_count_sum_min_and_max_is_found_by_content(chain: Chain, tmp_path: Path) -> None:
    migration = load_one(chain, tmp_path)
    # Two quantities move by the same amount in opposite directions, away from minimum and maximum.
    inner = chain.execute(
        "SELECT id FROM inventory_transactions WHERE quantity > (SELECT min(quantity) + 1 FROM"
        " inventory_transactions) AND quantity < (SELECT max(quantity) - 1 FROM inventory_transactions)"
        " ORDER BY id LIMIT 2"
    )
    one, other = inner[0][0], inner[1][0]
    chain.execute(
        "UPDATE inventory_transactions SET quantity = quantity + CASE id WHEN %s THEN 0.0001 ELSE -0.0001 END"
        " WHERE id IN (%s, %s)",
        one,
        one,
        other,
    )
    assert_only_content_sees(migration, {f"id={one}", f"id={other}"})


def test_what_keeps_every_length_is_found_by_content(chain: Chain, tmp_path: Path) -> None:
    migration = load_one(chain, tmp_path)
    [(key,)] = chain.execute(
        "UPDATE inventory_transactions SET notes = reverse(notes) WHERE id ="
        " (SELECT min(id) FROM inventory_transactions WHERE notes <> reverse(notes)) RETURNING id"
    )
    assert_only_content_sees(migration, {f"id={key}"})


def assert_only_content_sees(migration: Migration, expected_keys: set[str]) -> None:
    assert check(migration, "row_count").passed
    assert check(migration, "key_totals").passed
    differences = check(migration, "content").differences
    assert differences is not None
    assert {row["key"] for row in pq.read_table(differences.parquet_path).to_pylist()} == expected_keys


def test_what_a_version_loaded_that_hashed_by_blake2b_is_compared_by_that(
    chain: Chain, tmp_path: Path
) -> None:
    with hashing_by_blake2b():
        migration = load_one(chain, tmp_path)
    functions = "SELECT hash_function FROM blb_migration.table_loads ORDER BY load_id"
    assert chain.execute(functions) == [("BLAKE2b",)]
    assert check(migration, "content").passed
    assert check(migration, "content", rereads=True).passed
    [(key,)] = chain.execute(
        "UPDATE inventory_transactions SET notes = reverse(notes) WHERE id ="
        " (SELECT min(id) FROM inventory_transactions WHERE notes <> reverse(notes)) RETURNING id"
    )
    assert_only_content_sees(migration, {f"id={key}"})
    chain.replace_changed(migration, TABLE)
    assert chain.execute(functions) == [("BLAKE2b",), ("BLAKE3",)]
    assert check(migration, "content").passed


def test_differences_are_kept_as_parquet_and_as_a_readable_csv(chain: Chain, tmp_path: Path) -> None:
    migration = load_one(chain, tmp_path)
    chain.execute("UPDATE inventory_transactions SET notes = 'Größe ' WHERE id = 1")
    chain.execute("DELETE FROM inventory_transactions WHERE id = 2")
    differences = check(migration, "content").differences
    assert differences is not None
    assert (differences.source_rows, differences.target_rows) == (2, 1)
    assert (differences.cell_count, differences.row_count, differences.is_complete) == (1, 1, True)
    records = pq.read_table(differences.parquet_path).to_pylist()
    assert [(r["kind"], r["key"], r["column"], r["target_value"]) for r in records] == [
        ("changed", "id=1", "notes", "Größe "),
        ("missing", "id=2", None, None),
    ]
    text = Path(differences.csv_path).read_text(encoding="utf-8-sig")
    assert text.splitlines()[0] == '"kind","key","column","source_value","target_value"'
    assert '"changed","id=1","notes",' in text
    assert '"Größe "' in text
    assert Path(differences.csv_path).parent == tmp_path / migration.run.run_id


def test_a_table_that_differs_all_over_is_counted_in_full_and_kept_in_part(
    chain: Chain, tmp_path: Path
) -> None:
    migration = load_one(chain, tmp_path)
    columns = ", ".join(c.target.name for c in migration.project.plan.tables_by_label[TABLE].columns[1:])
    chain.execute(
        f"INSERT INTO {TABLE} (id, {columns}) SELECT 100000 + n, {columns}"
        f" FROM {TABLE}, generate_series(1, 3000) n WHERE id = 1"
    )
    differences = check(migration, "content").differences
    assert differences is not None
    assert (differences.source_rows, differences.target_rows) == (0, 3000)
    assert not differences.is_complete
    assert pq.read_table(differences.parquet_path).num_rows == 1000


@pytest.mark.parametrize(
    "fault",
    [
        Fault(r"SELECT .*FROM \[dbo\]\.\[users\]", skipped_row=3, occurrences=1),
        Fault(r"SELECT .*FROM \[dbo\]\.\[users\]", repeated_batch=0, occurrences=1),
    ],
    ids=["a row skipped", "a batch twice"],
)
def test_a_load_whose_reader_errs_does_not_pass(
    chain: Chain, emulator: SqlServerEmulator, tmp_path: Path, fault: Fault
) -> None:
    migration = replace(chain.migration(), comparing=Comparing(differences_folder=tmp_path))
    emulator.faults.add(fault)
    try:
        chain.load(migration, "users")
    except TableFailed:
        assert fault.repeated_batch is not None  # rows out of their key's order, or a key twice
        assert read_reasons(chain, migration, "users") == ["never loaded: its last load failed"]
        return
    finally:
        emulator.faults.clear()
    assert not check(migration, "row_count", label="users").passed
    assert not check(migration, "content", rereads=True, label="users").passed


def read_reasons(chain: Chain, migration: Migration, label: str) -> list[str]:
    with chain.target.connect() as connection:
        verdict = read_verdict(connection, migration.project.plan)
    return [str(reason) for reason in verdict.by_label[label]]


def test_a_result_counts_only_for_its_load_and_its_plan(chain: Chain, tmp_path: Path) -> None:
    migration = load_one(chain, tmp_path)

    def reasons() -> list[str]:
        return read_reasons(chain, migration, TABLE)

    assert "content was not compared" in reasons()
    check(migration, "content")
    assert "content was not compared" not in reasons()
    chain.load(migration, TABLE)
    assert "content was compared for an earlier load" in reasons()
    check(migration, "content")
    chain.execute("UPDATE blb_migration.check_results SET plan_hash = 'another'")
    assert "content was compared under another plan" in reasons()
    check(migration, "content")
    assert not [reason for reason in reasons() if reason.startswith("content")]
