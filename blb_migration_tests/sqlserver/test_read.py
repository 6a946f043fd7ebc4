"""Reading a table: exact values, bounded batches, and errors that never look like the end."""

from __future__ import annotations

from contextlib import closing

import pyarrow as pa
import pytest

from blb_migration.errors import SourceError
from blb_migration.model import Column, ColumnType, TableName
from blb_migration.sandbox.emulator.results import ResultColumn, SqlServerError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.sqlserver.batch_sizes import (
    MAX_BATCH_ROWS,
    MAX_BUFFER_BYTES,
    MAX_UNBOUNDED_ROWS,
    BatchSizes,
    declared_width_bytes,
)
from blb_migration.sqlserver.connect import SourceConnector, SourceSession
from blb_migration.sqlserver.read import KeyRange, build_select, read_batches
from blb_migration_tests.sqlserver.conftest import SettingsMaker
from blb_migration_tests.sqlserver.scripted import Script

TABLE = TableName("dbo", "parts")
ID = Column("id", ColumnType("int"), nullable=False)
NAME = Column("name", ColumnType("nvarchar", length=50), nullable=True)
NOTES = Column("notes", ColumnType("nvarchar"), nullable=True)
FROM_PARTS = r"FROM \[dbo\]\.\[parts\]"


def answer_numbers(script: Script, row_count: int, batch_rows: int = 1000) -> None:
    batches = [
        pa.record_batch(
            {
                "id": pa.array(range(first, min(first + batch_rows, row_count)), pa.int32()),
                "name": pa.array([f"part {n}" for n in range(first, min(first + batch_rows, row_count))]),
            }
        )
        for first in range(0, row_count, batch_rows)
    ]
    script.answer_batches(FROM_PARTS, [ResultColumn("id", ID.type), ResultColumn("name", NAME.type)], batches)


def answer_texts(script: Script, lengths: list[int]) -> None:
    """Texts of a server that cannot tell how long the longest is."""
    batch = pa.record_batch({"notes": pa.array(["x" * length for length in lengths])})
    script.answer_batches(FROM_PARTS, [ResultColumn("notes", NOTES.type)], [batch])
    script.fail("DATALENGTH", 195, "'DATALENGTH' is not a recognized built-in function name.")


class TestReading:
    def test_every_row_arrives_once_and_in_order(self, session: SourceSession, script: Script) -> None:
        answer_numbers(script, 10_000)
        batches = list(read_batches(session, TABLE, [ID, NAME], target_batch_bytes=16_000))
        assert len(batches) > 10
        table = pa.Table.from_batches(batches)
        assert table.column("id").to_pylist() == list(range(10_000))
        assert table.column("name").to_pylist() == [f"part {n}" for n in range(10_000)]

    def test_an_empty_table_has_no_batches(self, session: SourceSession, script: Script) -> None:
        answer_numbers(script, 0)
        script.answer(FROM_PARTS, [ID.type, NAME.type], [])
        assert list(read_batches(session, TABLE, [ID, NAME])) == []

    def test_columns_carry_the_names_they_were_asked_by(self, session: SourceSession, script: Script) -> None:
        script.answer(FROM_PARTS, [ID.type], [(1,)])
        shouted = Column("ID", ID.type, nullable=False)
        assert next(read_batches(session, TABLE, [shouted])).schema.names == ["ID"]

    def test_ranges_are_bound(self, session: SourceSession, script: Script) -> None:
        answer_numbers(script, 10)
        list(read_batches(session, TABLE, [ID, NAME], key_range=KeyRange("id", -5, 1_000_000)))
        assert script.parameters[-1] == (-5, 1_000_000)

    def test_a_reader_left_early_leaves_a_session_that_works(
        self, session: SourceSession, script: Script
    ) -> None:
        answer_numbers(script, 200_000, batch_rows=20_000)
        with closing(read_batches(session, TABLE, [ID, NAME], target_batch_bytes=1_000)) as batches:
            assert next(batches).column("id")[0].as_py() == 0
        assert sum(batch.num_rows for batch in read_batches(session, TABLE, [ID, NAME])) == 200_000

    def test_a_session_closed_in_the_middle_does_not_drain_the_result(
        self, settings: SettingsMaker, script: Script
    ) -> None:
        answer_numbers(script, 1_000_000, batch_rows=1_000_000)
        with SourceConnector(settings()).connect() as session:
            first = next(read_batches(session, TABLE, [ID, NAME], target_batch_bytes=1_000))
        assert first.num_rows < 100


class TestErrors:
    @pytest.mark.parametrize("columns", [[ID, NAME], [NOTES]], ids=["bounded", "row by row"])
    def test_an_error_half_way_names_the_table_and_the_rows_so_far(
        self, session: SourceSession, script: Script, server: SqlServerEmulator, columns: list[Column]
    ) -> None:
        if columns == [NOTES]:
            answer_texts(script, [10] * 1000)
        else:
            answer_numbers(script, 1000)
        broken = SqlServerError(824, "SQL Server detected a logical consistency-based I/O error.", 24)
        server.faults.add(Fault(FROM_PARTS, error=broken, error_after_rows=500))
        rows_read = 0
        with pytest.raises(SourceError) as caught:
            for batch in read_batches(session, TABLE, columns, target_batch_bytes=1_000):
                rows_read += batch.num_rows
        assert rows_read <= 500
        assert str(caught.value).startswith(f"dbo.parts: reading it broke off after {rows_read:,} rows: ")
        assert "logical consistency-based I/O error" in str(caught.value)

    @pytest.mark.parametrize("columns", [[ID, NAME], [NOTES]], ids=["bounded", "row by row"])
    def test_a_lost_connection_is_no_end_of_the_table(
        self, session: SourceSession, script: Script, server: SqlServerEmulator, columns: list[Column]
    ) -> None:
        if columns == [NOTES]:
            answer_texts(script, [10] * 1000)
        else:
            answer_numbers(script, 1000)
        server.faults.add(Fault(FROM_PARTS, drop_after_rows=500))
        with pytest.raises(SourceError, match="The connection was lost") as caught:
            list(read_batches(session, TABLE, columns, target_batch_bytes=1_000))
        assert caught.value.is_transient

    def test_a_table_that_is_gone(self, session: SourceSession, script: Script) -> None:
        script.fail(FROM_PARTS, 208, "Invalid object name 'dbo.parts'.")
        with pytest.raises(SourceError, match=r"dbo\.parts: selecting its rows failed: Invalid object name"):
            next(read_batches(session, TABLE, [ID]))


class TestBatchSizes:
    def test_batches_stay_near_the_target(self, session: SourceSession, script: Script) -> None:
        answer_numbers(script, 100_000, batch_rows=50_000)
        sizes = [
            batch.nbytes for batch in read_batches(session, TABLE, [ID, NAME], target_batch_bytes=100_000)
        ]
        assert max(sizes) < 200_000
        assert sum(sizes[1:-1]) / len(sizes[1:-1]) > 50_000

    def test_a_run_of_large_values_after_small_ones_stays_bounded(
        self, session: SourceSession, script: Script
    ) -> None:
        large, target = 50_000, 100_000
        lengths = [10] * 5_000 + [large] * 400 + [10] * 5_000
        answer_texts(script, lengths)
        batches = list(read_batches(session, TABLE, [NOTES], target_batch_bytes=target))
        assert [len(text) for batch in batches for text in batch.column("notes").to_pylist()] == lengths
        assert max(batch.nbytes for batch in batches) < target + MAX_UNBOUNDED_ROWS * large * 1.1
        assert sorted(batch.nbytes for batch in batches)[-2] < 1.5 * target
        assert max(batch.num_rows for batch in batches) > 50 * MAX_UNBOUNDED_ROWS

    def test_declared_widths_bound_the_drivers_buffers(self) -> None:
        wide = [Column(f"c{n}", ColumnType("nvarchar", length=4000), nullable=True) for n in range(50)]
        sizes = BatchSizes(wide)
        rows = pa.record_batch({column.name: pa.array([""] * 20) for column in wide})
        for _ in range(5):
            sizes.learn(rows)
        width = sum(declared_width_bytes(column) or 0 for column in wide)
        assert sizes.next_rows * width <= MAX_BUFFER_BYTES

    def test_narrow_rows_reach_the_limit_of_rows(self) -> None:
        sizes = BatchSizes([ID])
        sizes.learn(pa.record_batch({"id": pa.array([1, 2, 3], pa.int32())}))
        assert sizes.next_rows == MAX_BATCH_ROWS

    def test_one_row_is_always_read(self) -> None:
        sizes = BatchSizes([NOTES], target_bytes=10)
        sizes.learn(pa.record_batch({"notes": pa.array(["x" * 1000])}))
        assert sizes.next_rows == 1


class TestSelects:
    def test_names_are_quoted_and_values_are_not_in_the_text(self) -> None:
        awkward = Column("a]b", ColumnType("int"), nullable=False)
        statement, parameters = build_select(
            TableName("my schema", "order"), [awkward, NAME], KeyRange("a]b", 1, 9), order_by=["a]b"]
        )
        assert statement == (
            "SELECT [a]]b], [name] FROM [my schema].[order] WHERE [a]]b] >= ? AND [a]]b] < ? ORDER BY [a]]b]"
        )
        assert parameters == (1, 9)

    def test_open_ranges(self) -> None:
        assert build_select(TABLE, [ID], KeyRange("id"))[0] == "SELECT [id] FROM [dbo].[parts]"
        assert build_select(TABLE, [ID], KeyRange("id", first=0))[1] == (0,)

    @pytest.mark.parametrize(
        ("type_name", "expression"),
        [
            ("hierarchyid", "[x].ToString() AS [x]"),
            ("geography", "[x].AsBinaryZM() AS [x]"),
            ("ntext", "CAST([x] AS nvarchar(max)) AS [x]"),
            ("text", "CAST([x] AS varchar(max)) AS [x]"),
            ("image", "CAST([x] AS varbinary(max)) AS [x]"),
            ("decimal", "[x]"),
        ],
    )
    def test_types_the_driver_cannot_stream_are_converted(self, type_name: str, expression: str) -> None:
        column = Column("x", ColumnType(type_name), nullable=True)
        assert build_select(TABLE, [column])[0] == f"SELECT {expression} FROM [dbo].[parts]"
