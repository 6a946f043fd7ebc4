"""Chunks of a key hold every row once, whatever the keys are and wherever the bounds came from."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blb_migration.load.chunks import planning
from blb_migration.load.chunks.planning import (
    ChunkColumn,
    choose_chunk_column,
    choose_chunk_rows,
    plan_chunks,
)
from blb_migration.migration import Loading
from blb_migration.model import Column, ColumnType, Index, IndexColumn, Table, TableName, UniqueKey
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.table_plans import TablePlan
from blb_migration.plan.type_pairs import Conversion
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.emulator.tsql.databases import Database
from blb_migration.settings import parse_source_url
from blb_migration.sqlserver.chunk_keys import HistogramStep, TableSize, build_key_range, read_table_size
from blb_migration.sqlserver.connect import SourceConnector, SourceSession
from blb_migration.sqlserver.read import read_batches
from blb_migration_tests.conftest import LOG_IN, PASSWORD

NUMBER = Column("number", ColumnType("int"), nullable=False)
CASELESS, BINARY = "SQL_Latin1_General_CP1_CI_AS", "Latin1_General_BIN2"


@dataclass(frozen=True)
class Source:
    """An open session, and the database that it reads."""

    session: SourceSession
    database: Database

    def create(self, column: Column, keys: pa.Array, *, is_unique: bool) -> TablePlan:
        """Create a table with these keys and a number per row; its clustered index begins with the key."""
        name = TableName("dbo", f"t_{uuid.uuid4().hex[:12]}")
        key = (column.name,) if is_unique else (column.name, NUMBER.name)
        table = Table(name, (column, NUMBER), UniqueKey(f"pk_{name.name}", key))
        self.database.create_table(table)
        numbers = pa.array(range(len(keys)), pa.int32())
        self.database.load(name, pa.table([keys, numbers], names=[column.name, NUMBER.name]))
        return build_plan(table)

    def read_numbers(self, table: TablePlan, ends: tuple[str | None, str | None]) -> list[int]:
        """Read the rows of one chunk, by their numbers."""
        key_range = build_key_range(table.source.columns[0], *ends)
        batches = read_batches(self.session, table.source.name, [NUMBER], key_range=key_range)
        return [number for batch in batches for number in batch.column(0).to_pylist()]


def build_plan(table: Table, target_key: tuple[str, ...] | None = None) -> TablePlan:
    """Build a plan of the table as it stands; only what chunks depend on."""
    key = table.primary_key.columns if table.primary_key is not None else ()
    target = replace(table, primary_key=UniqueKey("pk", key if target_key is None else target_key))
    columns = tuple(
        ColumnPlan(column, column, Conversion.INTEGER if column.type.name == "int" else Conversion.TEXT, ())
        for column in table.columns
    )
    return TablePlan(table.name.name, table, target, columns, (), key, "g", 0, (), (), None)


@pytest.fixture(scope="module")
def source(engine: TsqlEngine, emulator: SqlServerEmulator) -> Iterator[Source]:
    database = engine.create_database(f"ranges_{uuid.uuid4().hex[:8]}")
    url = emulator.url(database.name, LOG_IN, PASSWORD)
    with SourceConnector(parse_source_url(url)).connect() as session:
        yield Source(session, database)


def assert_partition(source: Source, table: TablePlan, split: ChunkColumn, row_count: int) -> list[int]:
    """Every row is in exactly one chunk; returns the chunks' row counts."""
    planned = plan_chunks(source.session, table, split)
    assert planned is not None
    assert planned[0][0] is None and planned[-1][1] is None
    assert all(first[1] == second[0] for first, second in pairwise(planned))
    read = [source.read_numbers(table, ends) for ends in planned]
    assert Counter(number for numbers in read for number in numbers) == Counter(range(row_count))
    return [len(numbers) for numbers in read]


words = st.text(alphabet="aAbBäÄ zß-'[%_Ω\u0301", min_size=1, max_size=4)
KEYS: dict[str, tuple[Column, pa.DataType, st.SearchStrategy[object]]] = {
    "bigint": (Column("k", ColumnType("bigint"), False), pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "dense int": (Column("k", ColumnType("int"), False), pa.int32(), st.integers(-90, 90)),
    "sparse int": (Column("k", ColumnType("int"), False), pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "tinyint": (Column("k", ColumnType("tinyint"), False), pa.uint8(), st.integers(0, 255)),
    "decimal": (
        Column("k", ColumnType("decimal", precision=18, scale=4), False),
        pa.decimal128(18, 4),
        st.decimals(-(10**13), 10**13, places=4),
    ),
    "datetime": (
        Column("k", ColumnType("datetime"), False),
        pa.int64(),
        # 1/300 s, as the emulator keeps it: rounded to milliseconds
        st.integers(0, 10**9).map(lambda tick: 630_822_816_000_000_000 + (tick * 10 + 1) // 3 * 10_000),
    ),
    "datetime2": (
        Column("k", ColumnType("datetime2", scale=7), False),
        pa.int64(),
        st.integers(0, 10**6).map(lambda tick: 630_822_816_000_000_000 + tick),
    ),
    "date": (Column("k", ColumnType("date"), False), pa.date32(), st.dates()),
    "uniqueidentifier": (
        Column("k", ColumnType("uniqueidentifier"), False), pa.binary(16), st.uuids().map(lambda u: u.bytes)
    ),
    "nvarchar": (Column("k", ColumnType("nvarchar", length=8), False, BINARY), pa.string(), words),
    "caseless": (Column("k", ColumnType("nvarchar", length=8), False, CASELESS), pa.string(), words),
    "varchar": (
        Column("k", ColumnType("varchar", length=8), False, CASELESS),
        pa.string(),
        st.text(alphabet="aAbBäÄ zß-'", min_size=1, max_size=4),
    ),
}  # fmt: skip


def compared_as(value: object) -> object:
    """Return what SQL Server compares: blanks at the end of a text do not count, in any collation."""
    return value.rstrip(" ") if isinstance(value, str) else value


@pytest.mark.parametrize("kind", list(KEYS))
@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(data=st.data())
def test_every_row_is_in_one_range(source: Source, kind: str, data: st.DataObject) -> None:
    column, arrow_type, values = KEYS[kind]
    is_unique = column.collation != CASELESS and data.draw(st.booleans())
    keys = data.draw(st.lists(values, max_size=40, unique_by=compared_as if is_unique else None))
    chunk_rows = data.draw(st.integers(1, 15))
    table = source.create(column, pa.array(keys, arrow_type), is_unique=is_unique)
    counts = assert_partition(
        source, table, ChunkColumn(column, len(keys), chunk_rows, is_unique, False), len(keys)
    )
    if is_unique:
        assert max(counts) <= chunk_rows


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(
    keys=st.lists(st.integers(-3000, 3000), max_size=60, unique=True),
    is_sparse=st.booleans(),
    chunk_rows=st.integers(1, 200),
)
def test_no_range_cuts_a_unit_of_the_digest(
    source: Source, keys: list[int], is_sparse: bool, chunk_rows: int
) -> None:
    column = KEYS["dense int"][0]
    table = source.create(column, pa.array(keys, pa.int32()), is_unique=True)
    split = ChunkColumn(column, 10 if is_sparse else 10_000, chunk_rows, is_unique=True, is_aligned=True)
    assert_partition(source, table, split, len(keys))
    planned = plan_chunks(source.session, table, split)
    assert planned is not None
    assert all(before is None or int(before) % 64 == 0 for _, before in planned)


HISTOGRAM = [
    HistogramStep("100", 1),  # below its first key it knows nothing
    HistogramStep("300", 10),
    HistogramStep("310", 12),
    HistogramStep("320", 10),
    HistogramStep("5000", 900),  # too coarse
    HistogramStep("5010", 20),
]


@pytest.mark.parametrize("steps", [HISTOGRAM, HISTOGRAM[:1], [HistogramStep("99999", 1)], []])
@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(keys=st.lists(st.integers(-2000, 20_000), max_size=80))
def test_a_histogram_may_be_stale_coarse_or_absent(
    source: Source, steps: list[HistogramStep], keys: list[int]
) -> None:
    column = KEYS["sparse int"][0]
    table = source.create(column, pa.array(keys, pa.int32()), is_unique=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "read_histogram", lambda *_: steps)
        assert_partition(source, table, ChunkColumn(column, len(keys), 20, False, False), len(keys))


def test_many_rows_of_one_key_stay_together(source: Source) -> None:
    column = KEYS["dense int"][0]
    table = source.create(column, pa.array([5] * 50 + [6] * 3 + [9], pa.int32()), is_unique=False)
    counts = assert_partition(source, table, ChunkColumn(column, 54, 10, False, False), 54)
    assert sorted(counts)[-1] in (53, 50)


def test_a_gap_makes_no_giant_range(source: Source) -> None:
    column = KEYS["sparse int"][0]
    keys = [*range(500), *range(2_000_000_000, 2_000_000_500)]
    table = source.create(column, pa.array(keys, pa.int32()), is_unique=True)
    counts = assert_partition(source, table, ChunkColumn(column, 1000, 100, True, False), 1000)
    assert max(counts) == 100


def test_keys_that_do_not_ascend_for_the_source_are_not_used(source: Source) -> None:
    column = KEYS["caseless"][0]
    table = source.create(column, pa.array(["a", "b", "c"]), is_unique=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(planning, "read_histogram", lambda *_: [HistogramStep("b", 1), HistogramStep("A", 1)])
        assert plan_chunks(source.session, table, ChunkColumn(column, 3, 1, False, False)) is None


def test_which_tables_are_split(source: Source) -> None:
    column = KEYS["bigint"][0]
    keys = pa.array(range(300), pa.int64())
    table = source.create(column, keys, is_unique=True)
    loading = Loading(chunked_from_rows=300)

    def choose(plan: TablePlan, loading: Loading) -> ChunkColumn | None:
        size = read_table_size(source.session, plan.source.name)
        return choose_chunk_column(source.session, plan, size, loading)

    split = choose(table, loading)
    assert split is not None and (split.column, split.is_unique, split.is_aligned) == (column, True, False)
    assert choose(table, Loading(chunked_from_rows=301)) is None
    # The digest needs the order of another column than the clustered index begins with.
    ordered = replace(build_plan(table.source, ("number",)), source_key=("number",))
    assert choose(ordered, loading) is None
    # A column that is not loaded, or may be NULL, or whose text is not its value.
    assert choose(replace(table, columns=table.columns[1:]), loading) is None
    for other in (replace(column, nullable=True), replace(column, type=ColumnType("float"))):
        changed = replace(table, columns=(replace(table.columns[0], source=other), table.columns[1]))
        assert choose(changed, loading) is None


def test_a_heap_is_not_split(source: Source) -> None:
    name = TableName("dbo", f"heap_{uuid.uuid4().hex[:8]}")
    table = Table(name, (NUMBER,), None, indexes=(Index("ix_heap", (IndexColumn("number"),)),))
    source.database.create_table(table)
    source.database.load(name, pa.table([pa.array([1, 2, 3], pa.int32())], names=["number"]))
    plan = build_plan(table)
    assert choose_chunk_column(source.session, plan, TableSize(3, 0), Loading(chunked_from_rows=1)) is None


@pytest.mark.parametrize(
    ("row_count", "table_bytes", "expected"),
    [
        (10_000_000, 0, 100_000),
        (4_000_000, 0, 100_000),
        (100_000_000, 10**10, 100_000),
        (1_000_000_000, 10**11, 500_000),  # else there were too many
        (1_000_000, 0, 50_000),
        (200_000, 20 * 10**9, 2_684),  # large values
        (1_000, 10**11, 2),
        (1_000, 0, 1_000),
    ],
)
def test_the_size_of_a_range(row_count: int, table_bytes: int, expected: int) -> None:
    assert choose_chunk_rows(row_count, table_bytes) == expected


def test_decimals_keep_all_digits(source: Source) -> None:
    column = Column("k", ColumnType("decimal", precision=38, scale=10), False)
    whole = "9" * 27
    keys = [Decimal(f"{whole}.000000000{digit}") for digit in (1, 2, 3)] + [Decimal(f"-{whole}.0000000001")]
    table = source.create(column, pa.array(keys, pa.decimal128(38, 10)), is_unique=True)
    assert assert_partition(source, table, ChunkColumn(column, 4, 1, True, False), 4) == [1, 1, 1, 1]
