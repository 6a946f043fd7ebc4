"""Tables are split by keys of every kind that the source can compare exactly."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pyarrow as pa
import pytest

from blb_migration.compare.run_checks import CHECK_NAMES, run_check
from blb_migration.load.prepare import prepare_target
from blb_migration.load.table import load_table
from blb_migration.model import Column, ColumnType, Table, TableName, UniqueKey
from blb_migration_tests.chain import Chain
from blb_migration_tests.load.chunks.chunk_shop import loading

THINGS = TableName("dbo", "things")
WHEN = datetime.datetime(2024, 1, 1)
KEYS: dict[str, tuple[ColumnType, str, Callable[[int], object], pa.DataType]] = {
    "guid": (
        ColumnType("uniqueidentifier"), "uuid", lambda n: uuid.uuid5(uuid.NAMESPACE_OID, str(n)).bytes,
        pa.binary(16),
    ),
    "text": (ColumnType("nvarchar", length=20), "varchar(20)", lambda n: f"{'Ää-z'[n % 4]}{n}", pa.string()),
    "decimal": (
        ColumnType("decimal", precision=18, scale=4), "numeric(18,4)", lambda n: Decimal(n - 300) / 16,
        pa.decimal128(18, 4),
    ),
    "day": (ColumnType("date"), "date", lambda n: WHEN.date() + datetime.timedelta(n), pa.date32()),
}  # fmt: skip


@pytest.mark.parametrize("kind", list(KEYS))
def test_keys_that_are_no_integers(new_chain: Callable[..., Chain], kind: str) -> None:
    chain = new_chain()
    source_type, target_type, build_key, arrow_type = KEYS[kind]
    collation = "SQL_Latin1_General_CP1_CI_AS" if kind == "text" else None
    columns = (Column("k", source_type, False, collation), Column("n", ColumnType("int"), False))
    chain.database.create_table(Table(THINGS, columns, UniqueKey("pk_things", ("k", "n"))))
    numbers = range(600)
    keys = pa.array([build_key(number // 2) for number in numbers], arrow_type)  # each twice
    chain.database.load(THINGS, pa.table({"k": keys, "n": pa.array(numbers, pa.int32())}))
    chain.execute(f"CREATE TABLE things (k {target_type} NOT NULL, n integer, PRIMARY KEY (k, n))")
    migration = replace(
        chain.migration("project: shop\n"), loading=replace(loading(chunk_rows=50), chunked_from_rows=600)
    )
    prepare_target(migration, ())
    table = migration.project.plan.tables_by_label["things"]
    load_table(migration, table)
    finished = "SELECT count(*) FROM blb_migration.table_chunks WHERE status = 'finished'"
    assert chain.execute(finished) == [(12,)]
    assert all(run_check(migration, table, name).passed for name in CHECK_NAMES)
