"""COPY as a whole: counts, several batches, defaults, and errors that name row and column."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from blb_migration.errors import PreflightRefused, TargetError
from blb_migration.model import ColumnType, TableName
from blb_migration.postgres.binary.encoders import column_encoder, is_loadable_type
from blb_migration.postgres.copy import (
    BinaryCopyWriter,
    CopyEncoder,
    EncodedRows,
    empty_table,
    lock_table,
)
from blb_migration.postgres.names import TargetConnection
from blb_migration_tests import catalogs
from blb_migration_tests.postgres.tables import (
    column,
    execute,
    read_table,
    scalar,
    write_batches,
)


def batch(**columns: Any) -> pa.RecordBatch:
    return pa.record_batch(list(columns.values()), names=list(columns))


def test_batches_are_written_in_order_and_counted(target: TargetConnection) -> None:
    execute(target, 'CREATE TABLE "Odd Table" ("Id" int, "from" text, extra text DEFAULT \'x\')')
    batches = [
        batch(Id=pa.array(range(n, n + 3), pa.int32()), **{"from": pa.array(["a", None, "c"])})
        for n in (0, 3, 6)
    ]
    result = write_batches(target, read_table(target, "Odd Table"), batches)
    assert result.row_count == 9
    assert column(target, 'SELECT "Id" FROM "Odd Table"') == list(range(9))
    assert scalar(target, 'SELECT count(*) FROM "Odd Table" WHERE extra = \'x\' AND "from" IS NULL') == 3
    # 19 of header, 2 of trailer; per row 2 of field count, 4 + 4 for the integer, 4 + 1 or 4 for the text
    assert result.byte_count == 19 + 2 + 9 * (2 + 8 + 4) + 6


def test_no_batches_and_no_rows_are_an_empty_table(target: TargetConnection) -> None:
    execute(target, "CREATE TABLE empty (id int)")
    table = read_table(target, "empty")
    schema = pa.schema([pa.field("id", pa.int32())])
    writer = BinaryCopyWriter(target, table.name, table.columns)
    assert writer.write([]).row_count == 0
    no_rows = CopyEncoder(table.name, table.columns, schema).encode(batch(id=pa.array([], pa.int32())))
    assert writer.write([no_rows]).row_count == 0
    assert scalar(target, "SELECT count(*) FROM empty") == 0


def test_fields_that_are_not_nullable_are_written_all_the_same(target: TargetConnection) -> None:
    execute(target, "CREATE TABLE strict (id int NOT NULL)")
    schema = pa.schema([pa.field("id", pa.int32(), nullable=False)])
    rows = pa.record_batch([pa.array([1, 2], pa.int32())], schema=schema)
    assert write_batches(target, read_table(target, "strict"), [rows]).row_count == 2


def test_freeze_is_granted_after_truncate_in_the_same_transaction(target: TargetConnection) -> None:
    execute(target, "CREATE TABLE frozen (id int)", "INSERT INTO frozen VALUES (7)")
    table = read_table(target, "frozen")
    with target.transaction():
        empty_table(target, table.name)
        write_batches(target, table, [batch(id=pa.array([1, 2], pa.int32()))], freeze=True)
    assert column(target, "SELECT id FROM frozen") == [1, 2]


def test_a_source_that_fails_half_way_leaves_nothing(target: TargetConnection) -> None:
    execute(target, "CREATE TABLE half (id int)", "INSERT INTO half VALUES (7)")
    table = read_table(target, "half")

    encoder = CopyEncoder(table.name, table.columns, pa.schema([pa.field("id", pa.int32())]))

    def encoded() -> Iterator[EncodedRows]:
        yield encoder.encode(batch(id=pa.array([1, 2], pa.int32())))
        raise OSError("the source went away")

    with pytest.raises(OSError, match="went away"), target.transaction():
        empty_table(target, table.name)
        BinaryCopyWriter(target, table.name, table.columns).write(encoded())
    assert column(target, "SELECT id FROM half") == [7]


def test_the_server_s_refusal_names_row_and_column(target: TargetConnection) -> None:
    execute(target, "CREATE TABLE narrow (id int, amount numeric(4,2), name varchar(5))")
    table = read_table(target, "narrow")
    good = batch(id=pa.array([1, 2], pa.int32()), amount=pa.array([Decimal("1.5")] * 2, pa.decimal128(10, 2)))
    bad = batch(
        id=pa.array([3, 4], pa.int32()),
        amount=pa.array([Decimal("1.5"), Decimal("100")], pa.decimal128(10, 2)),
    )
    with pytest.raises(TargetError, match="overflow") as caught:
        write_batches(target, table, [good, bad])
    assert caught.value.subject == "column public.narrow.amount, row 4 of the load"
    assert not caught.value.is_transient


def test_a_null_in_a_not_null_column_names_the_column(target: TargetConnection) -> None:
    execute(target, "CREATE TABLE strict (id int, name text NOT NULL)")
    rows = batch(id=pa.array([1, 2], pa.int32()), name=pa.array(["a", None]))
    with pytest.raises(TargetError, match="not-null") as caught:
        write_batches(target, read_table(target, "strict"), [rows])
    assert "row 2 of the load" in caught.value.subject


def test_a_nul_character_is_refused_by_the_server(target: TargetConnection) -> None:
    execute(target, "CREATE TABLE texts (note text)")
    with pytest.raises(TargetError, match=r"row 2 of the load.*0x00"):
        write_batches(target, read_table(target, "texts"), [batch(note=pa.array(["ok", "a\0b"]))])


@pytest.mark.parametrize(
    ("type_name", "values"),
    [
        ("varchar(3)", pa.array(["abc", None, "ab   "])),
        ("char(3)", pa.array(["abc", None, "ab   "])),
        ("timestamp(3)", pa.array([1000, None, 1001], pa.timestamp("us"))),
        ("timestamptz(0)", pa.array([-1000000, None, -1], pa.timestamp("us", tz="UTC"))),
        ("time(0)", pa.array([0, None, 999999], pa.time64("us"))),
    ],
    ids=str,
)
def test_what_the_server_would_cut_silently_is_an_error(
    target: TargetConnection, type_name: str, values: Any
) -> None:
    execute(target, f"CREATE TABLE cut (value {type_name})")
    table = read_table(target, "cut")
    assert write_batches(target, table, [batch(value=values.slice(0, 2))]).row_count == 2
    with pytest.raises(TargetError, match=r"row 3 of the load holds a value that .* would cut silently"):
        write_batches(target, table, [batch(value=values)])
    assert scalar(target, "SELECT count(*) FROM cut") == 2


def test_decimals_with_more_digits_than_the_target_keeps_are_refused() -> None:
    field = pa.field("price", pa.decimal128(18, 4))
    with pytest.raises(PreflightRefused, match="4 fractional digits"):
        column_encoder(field, catalogs.column("price numeric(10,2)").type)
    column_encoder(field, catalogs.column("price numeric").type)


@pytest.mark.parametrize(
    "type_name", ["money", "time with time zone", "inet", "integer[]", "point", "tsvector", "bit"]
)
def test_types_without_a_known_form_are_refused(type_name: str) -> None:
    target_type = ColumnType(type_name)
    assert not is_loadable_type(target_type)
    with pytest.raises(PreflightRefused, match="column value"):
        column_encoder(pa.field("value", pa.string()), target_type)


@pytest.mark.parametrize(
    ("arrow_type", "type_name"),
    [
        (pa.int16(), "integer"),
        (pa.int64(), "numeric"),
        (pa.timestamp("us"), "timestamp with time zone"),
        (pa.timestamp("us", tz="UTC"), "timestamp without time zone"),
        (pa.timestamp("ns"), "timestamp without time zone"),
        (pa.time64("ns"), "time without time zone"),
        (pa.large_string(), "uuid"),
        (pa.binary(8), "uuid"),
    ],
    ids=str,
)
def test_a_batch_in_another_form_is_refused(arrow_type: Any, type_name: str) -> None:
    with pytest.raises(PreflightRefused, match="batches hold"):
        column_encoder(pa.field("value", arrow_type), ColumnType(type_name))


def test_batches_must_have_the_encoder_s_columns() -> None:
    table = TableName("public", "t")
    schema = pa.schema([pa.field("b", pa.int32())])
    with pytest.raises(ValueError, match="expected"):
        CopyEncoder(table, [catalogs.column("a integer")], schema)
    encoder = CopyEncoder(table, [catalogs.column("b integer")], schema)
    with pytest.raises(ValueError, match="schema"):
        encoder.encode(batch(b=pa.array([1], pa.int64())))


def test_a_table_that_others_refer_to_is_not_emptied(target: TargetConnection) -> None:
    execute(target, "CREATE TABLE p (id int PRIMARY KEY)", "CREATE TABLE c (p_id int REFERENCES p)")
    with pytest.raises(TargetError, match=r"table public\.p: cannot truncate"):
        empty_table(target, TableName("public", "p"))


def test_a_locked_table_is_closed_to_others_until_the_end(
    target: TargetConnection, other_session: TargetConnection
) -> None:
    execute(target, "CREATE TABLE busy (id int)")
    execute(other_session, "SET lock_timeout = '50ms'")
    with target.transaction():
        lock_table(target, TableName("public", "busy"))
        with pytest.raises(TargetError, match="table public") as caught, other_session.transaction():
            lock_table(other_session, TableName("public", "busy"))
    assert caught.value.is_transient
    assert scalar(other_session, "SELECT count(*) FROM busy") == 0
