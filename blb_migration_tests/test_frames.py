"""What a notebook shows of a migration: the ledger and the differing cells as data frames."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from blb_migration import frames
from blb_migration.checks import Difference
from blb_migration.compare.difference_files import write_differences
from blb_migration.errors import ConfigurationError, TargetError
from blb_migration.postgres.ledger.packing import pack_old_runs
from blb_migration.report.ending import record_ending
from blb_migration_tests.catalogs import table
from blb_migration_tests.chain import Chain


@pytest.fixture
def chain(new_chain: Callable[..., Chain]) -> Chain:
    """Two tables with rows, and an empty target of the same shape."""
    chain = new_chain()
    for name in ("colors", "spools"):
        chain.database.create_table(table(name, "id int not null", "name nvarchar(40)"))
        rows = {"id": pa.array([1, 2, 3], pa.int32()), "name": ["red", "blue", None]}
        chain.database.load(f"dbo.{name}", pa.table(rows))
        chain.execute(f"CREATE TABLE {name} (id integer PRIMARY KEY, name text)")
    return chain


def test_checks_of_old_runs_are_among_the_others(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLB_TARGET_CONN", chain.target_url)
    runs = []
    for _ in range(3):
        migration = chain.migrate("project: frames")
        chain.check(migration)
        record_ending(migration)
        runs.append(migration.run.run_id)
    before = frames.read_checks()
    with chain.target.connect() as connection:
        assert pack_old_runs(connection, kept=1) == 2
    checks = frames.read_checks()
    assert list(checks["run_id"].unique()) == runs
    pd.testing.assert_frame_equal(checks, before)


def test_the_ledger_as_frames(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    migration = chain.migrate("project: frames")
    chain.check(migration)
    monkeypatch.setenv("BLB_TARGET_CONN", chain.target_url)

    runs = frames.read_runs()
    assert list(runs["run_id"]) == [migration.run.run_id]
    assert str(runs["started_at"].dt.tz) == "UTC"

    loads = frames.read_loads(chain.target_url)
    assert dict(zip(loads["table_name"], loads["rows_written"], strict=True)) == {"colors": 3, "spools": 3}
    assert pd.api.types.is_integer_dtype(loads["rows_written"])

    checks = frames.read_checks()
    assert checks["passed"].all()
    assert set(checks["check_name"]) == {"row_count", "key_totals", "content", "integrity"}

    tables = frames.read_tables()
    assert list(tables["label"]) == ["colors", "spools"]
    assert tables["is_equal"].all()


def test_a_target_without_a_ledger_is_an_error_that_names_it(chain: Chain) -> None:
    with pytest.raises(TargetError, match="ledger"):
        frames.read_runs(chain.target_url)


def test_differences_of_several_runs_and_tables(tmp_path: Path) -> None:
    missing = Difference("changed", "id=1", "name", None, "")
    other = Difference("changed", "id=2", "name", "a", "b")
    write_differences(tmp_path / "run 1", "users", [missing, other])
    write_differences(tmp_path / "run 2", "Order Lines/ä", [other])
    found = frames.read_differences(tmp_path)
    assert list(found.columns) == ["run", "table", "kind", "key", "column", "source_value", "target_value"]
    assert list(zip(found["run"], found["table"], found["key"], strict=True)) == [
        ("run 1", "users", "id=1"),
        ("run 1", "users", "id=2"),
        ("run 2", "Order Lines/ä", "id=2"),
    ]
    assert pd.isna(found["source_value"][0])
    assert found["target_value"][0] == ""


def test_no_differences_are_an_empty_frame_and_a_missing_folder_an_error(tmp_path: Path) -> None:
    assert list(frames.read_differences(tmp_path).columns)[:2] == ["run", "table"]
    assert len(frames.read_differences(str(tmp_path))) == 0
    with pytest.raises(ConfigurationError, match="is not a folder"):
        frames.read_differences(tmp_path / "nowhere")
