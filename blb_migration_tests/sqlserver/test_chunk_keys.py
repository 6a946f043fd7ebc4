"""What a server tells of its keys, and what it need not tell."""

from __future__ import annotations

import re

import pytest

from blb_migration.errors import SourceError
from blb_migration.model import Column, ColumnType, TableName
from blb_migration.source_marker import SourceOrigin
from blb_migration.sqlserver.chunk_keys import (
    HistogramStep,
    build_key_range,
    is_chunkable,
    read_clustered_column,
    read_histogram,
    read_table_size,
)
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.origin import read_origin
from blb_migration.sqlserver.read import build_range_condition
from blb_migration_tests.sqlserver.scripted import NAME, Script
from blb_migration_tests.sqlserver.workshop import LOTS, MATERIAL_ROWS, MATERIALS

TABLE = TableName("dbo", "orders")
KEY = Column("id", ColumnType("bigint"), nullable=False)
BIGINT = ColumnType("bigint")
HISTOGRAM_ROW = [NAME, BIGINT, BIGINT, BIGINT, BIGINT]


def tell_histogram(script: Script, steps: list[tuple[str | None, int, int]], *, modified: int = 0) -> None:
    rows = [(*step, 1000, modified) for step in steps]
    # The view's columns by their own names: https://learn.microsoft.com/en-us/sql/relational-databases/
    # system-dynamic-management-views/sys-dm-db-stats-histogram-transact-sql
    script.answer(r"h\.range_rows.*h\.equal_rows.*dm_db_stats_histogram", HISTOGRAM_ROW, rows)


def test_a_histogram_becomes_stretches(session: SourceSession, script: Script) -> None:
    # Rows equal to a step's key are in the stretch that begins there.
    tell_histogram(script, [("10", 0, 1), ("500", 400, 5), ("900", 300, 1)])
    assert read_histogram(session, TABLE, KEY) == [
        HistogramStep("10", 0), HistogramStep("500", 401), HistogramStep("900", 305)
    ]  # fmt: skip


def test_a_histogram_that_is_missing_hidden_or_old_is_none(session: SourceSession, script: Script) -> None:
    assert read_histogram(session, TABLE, KEY) == []  # no such view
    script.fail("dm_db_stats_histogram", 297, "The user does not have permission to perform this action.")
    assert read_histogram(session, TABLE, KEY) == []
    tell_histogram(script, [])
    assert read_histogram(session, TABLE, KEY) == []
    tell_histogram(script, [("10", 0, 1)], modified=201)
    assert read_histogram(session, TABLE, KEY) == []
    tell_histogram(script, [("10", 0, 1), (None, 5, 1)])
    assert read_histogram(session, TABLE, KEY) == []


def test_a_lost_connection_is_no_missing_histogram(session: SourceSession, script: Script) -> None:
    script.fail("dm_db_stats_histogram", 1205, "Transaction was deadlocked.", severity=13)
    with pytest.raises(SourceError) as caught:
        read_histogram(session, TABLE, KEY)
    assert caught.value.is_transient


def test_a_server_need_not_tell_size_or_origin(session: SourceSession) -> None:
    assert read_table_size(session, TABLE) is None
    assert read_origin(session) == SourceOrigin(session.address)


def test_what_a_server_tells(workshop: SourceSession) -> None:
    assert read_clustered_column(workshop, LOTS.name) == "site"
    size = read_table_size(workshop, MATERIALS.name)
    assert size is not None and size.row_count == MATERIAL_ROWS.num_rows and size.byte_count > 0
    origin = read_origin(workshop)
    assert origin.server and origin.database == "workshop"
    assert origin.created_at and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+", origin.created_at)


@pytest.mark.parametrize(
    ("column_type", "collation", "expected"),
    [
        (ColumnType("int"), None, True),
        (ColumnType("decimal", precision=38, scale=10), None, True),
        (ColumnType("datetime2", scale=7), None, True),
        (ColumnType("uniqueidentifier"), None, True),
        (ColumnType("varchar", length=20), "German_PhoneBook_CI_AS", True),
        (ColumnType("varchar", length=20), "x]; DROP", False),
        (ColumnType("nvarchar", length=451), "German_PhoneBook_CI_AS", False),
        (ColumnType("nvarchar"), "German_PhoneBook_CI_AS", False),
        (ColumnType("float"), None, False),
        (ColumnType("rowversion"), None, False),
        (ColumnType("datetimeoffset", scale=7), None, False),
    ],
)
def test_which_columns_can_be_bounds(column_type: ColumnType, collation: str | None, expected: bool) -> None:
    assert is_chunkable(Column("k", column_type, False, collation)) is expected
    assert not is_chunkable(Column("k", column_type, True, collation))


def test_statements_differ_in_bound_values_alone() -> None:
    column = Column("na]me", ColumnType("varchar", length=20), False, "Latin1_General_BIN2")
    first, second = (
        build_range_condition(build_key_range(column, *ends)) for ends in (("a", "b"), ("x", "y"))
    )
    assert (
        first[0]
        == second[0]
        == (
            " WHERE [na]]me] >= CAST(? COLLATE Latin1_General_BIN2 AS varchar(20))"
            " AND [na]]me] < CAST(? COLLATE Latin1_General_BIN2 AS varchar(20))"
        )
    )
    assert (first[1], second[1]) == (("a", "b"), ("x", "y"))
    assert build_range_condition(build_key_range(column, None, None)) == ("", ())
