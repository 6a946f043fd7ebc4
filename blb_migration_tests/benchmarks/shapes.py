"""The tables that are measured: their columns on the source's side, and their rows, made by arithmetic.

No database is touched. The rows of a table are the same at every call and arrive in batches, so that ten
million of them take no more memory than one batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from blb_migration.model import ColumnType, Table
from blb_migration_tests.catalogs import index, table

BATCH_ROWS = 50_000
_SEED = 20_240_115
_FIRST_SECOND = 1_600_000_000  # 2020-09-13, in seconds since 1970
_WIDE_COLUMNS = 60
_KEY = "id int identity(1,1)"


@dataclass(frozen=True)
class Shape:
    """A kind of table. ``build_batch(first_id, row_count)`` makes rows in the emulator's Arrow forms."""

    name: str
    description: str
    columns: tuple[str, ...]
    indexed: tuple[str, ...]
    batch_rows: int
    build_batch: Callable[[int, int], list[pa.Array]]

    def table(self, row_count: int) -> Table:
        """Return the source's table; its name says how many rows it has."""
        name = f"{self.name}_{row_count}"
        indexes = tuple(index(f"ix_{name}_{column}", column) for column in self.indexed)
        return table(name, *self.columns, indexes=indexes)

    def iterate_batches(self, row_count: int) -> Iterator[pa.RecordBatch]:
        """All rows, ids from 1 on."""
        names = [column.partition(" ")[0] for column in self.columns]
        for first in range(0, row_count, self.batch_rows):
            arrays = self.build_batch(first + 1, min(self.batch_rows, row_count - first))
            yield pa.RecordBatch.from_arrays(arrays, names=names)


def _ids(first: int, count: int) -> pa.Array:
    return pa.array(np.arange(first, first + count, dtype=np.int32))


def _decimals(units: np.ndarray) -> pa.Array:
    """Ten-thousandths as decimal(18,4): a decimal128 is its unscaled integer in 16 bytes."""
    words = np.zeros((len(units), 2), dtype=np.int64)
    words[:, 0] = units
    words[:, 1] = units >> 63
    return pa.Array.from_buffers(pa.decimal128(18, 4), len(units), [None, pa.py_buffer(words.tobytes())])


def _picked(words: list[str | None], picks: np.ndarray) -> pa.Array:
    return pa.array(words, pa.string()).take(pa.array(picks))


def _moments(generator: np.random.Generator, count: int) -> pa.Array:
    return pa.array(generator.integers(0, 10**14, count) + _FIRST_SECOND * 10**6).cast(pa.timestamp("us"))


def _build_transactions(first: int, count: int) -> list[pa.Array]:
    generator = np.random.default_rng(_SEED + first)
    kinds: list[str | None] = ["receipt", "consumption", "adjustment", "transfer", "scrap"]
    notes: list[str | None] = [
        None,
        None,
        "Spule gewechselt",
        "recount after shift",
        "Düse 0,4 mm: Ausschuss",
    ]
    return [
        _ids(first, count),
        pa.array(generator.integers(1, 4_000, count, dtype=np.int32)),
        pa.array(generator.integers(1, 60, count, dtype=np.int32)),
        _picked(kinds, generator.integers(0, 5, count)),
        _picked(["production_order", "sales_order", None], generator.integers(0, 3, count)),
        pa.array(generator.integers(1, 90_000, count, dtype=np.int32), mask=generator.random(count) < 0.3),
        _decimals(generator.integers(-5_000_000, 50_000_000, count)),
        _decimals(generator.integers(100, 3_000_000, count)),
        _picked(notes, generator.integers(0, 5, count)),
        _moments(generator, count),
    ]


def _build_wide(first: int, count: int) -> list[pa.Array]:
    generator = np.random.default_rng(_SEED + first)
    makers: tuple[Callable[[], pa.Array], ...] = (
        lambda: pa.array(generator.integers(0, 10**6, count, dtype=np.int32)),
        lambda: _decimals(generator.integers(0, 10**9, count)),
        lambda: _picked(["PLA black", "PETG grau", "ABS weiß", None], generator.integers(0, 4, count)),
        lambda: _moments(generator, count),
        lambda: pa.array(generator.random(count) < 0.5),
    )
    return [_ids(first, count), *(makers[i % 5]() for i in range(_WIDE_COLUMNS - 1))]


_WIDE_TYPES = (
    "int not null", "decimal(18,4) not null", "nvarchar(60)", "datetime2(7) not null", "bit not null"
)  # fmt: skip


def _build_large_values(first: int, count: int) -> list[pa.Array]:
    generator = np.random.default_rng(_SEED + first)
    page = "Layer height 0.2 mm, Überhänge ab 45° stützen. " * 300
    texts = [page[start : start + 10_000] for start in generator.integers(0, 2_000, count)]
    noise = generator.bytes(200_000)
    binaries = [noise[start : start + 100_000] for start in generator.integers(0, 100_000, count)]
    return [_ids(first, count), pa.array(texts), pa.array(binaries, pa.large_binary())]


def _build_short_max(first: int, count: int) -> list[pa.Array]:
    generator = np.random.default_rng(_SEED + first)
    notes: list[str | None] = [None, "recount after shift", "Düse 0,4 mm: Ausschuss"]
    return [_ids(first, count), _picked(notes, generator.integers(0, 3, count)), _moments(generator, count)]


def _build_narrow(first: int, count: int) -> list[pa.Array]:
    ids = np.arange(first, first + count, dtype=np.int64)
    return [_ids(first, count), pa.array((ids * 7_919 % 1_000_003).astype(np.int32))]


TRANSACTIONS = Shape(
    "inventory_transactions",
    "10 columns, two secondary indexes",
    (
        _KEY,
        "product_id int not null",
        "location_id int not null",
        "transaction_type nvarchar(50) not null",
        "reference_type nvarchar(50)",
        "reference_id int",
        "quantity decimal(18,4) not null",
        "cost_per_unit decimal(18,4) not null",
        "notes nvarchar(200)",
        "created_at datetime2(7) not null",
    ),
    ("product_id", "created_at"),
    BATCH_ROWS,
    _build_transactions,
)
WIDE = Shape(
    "wide",
    "60 columns",
    (_KEY, *(f"c{i:02} {_WIDE_TYPES[i % 5]}" for i in range(_WIDE_COLUMNS - 1))),
    (),
    BATCH_ROWS // 5,
    _build_wide,
)
LARGE_VALUES = Shape(
    "large_values",
    "(max) texts of 10 kB and binaries of 100 kB",
    (_KEY, "page nvarchar(max) not null", "model varbinary(max) not null"),
    (),
    200,
    _build_large_values,
)
SHORT_MAX = Shape(
    "short_max",
    "a (max) column of short texts",
    (_KEY, "notes nvarchar(max)", "created_at datetime2(7) not null"),
    (),
    BATCH_ROWS,
    _build_short_max,
)
NARROW = Shape("narrow", "two integers", (_KEY, "value int not null"), (), BATCH_ROWS, _build_narrow)
SHAPES = {shape.name: shape for shape in (TRANSACTIONS, WIDE, LARGE_VALUES, SHORT_MAX, NARROW)}

_SMALL_ROWS = 3
_SMALL_COLUMNS = ("name nvarchar(40) not null", "notes nvarchar(max)", "price decimal(18,4)", "amount int",
                  "is_active bit not null", "made_on date", "changed_at datetime2(3)")  # fmt: skip


def build_small_tables(count: int) -> list[Table]:
    """Build so many tables of ten columns: each but the first refers to two that came before, if it can."""
    return [
        table(
            f"small_{number:05}",
            _KEY,
            "parent_id int",
            "other_id int",
            *_SMALL_COLUMNS,
            references={
                column: f"small_{parent:05}"
                for column, parent in (("parent_id", number // 10), ("other_id", number // 3))
                if parent < number
            },
        )
        for number in range(count)
    ]


def build_small_rows() -> pa.RecordBatch:
    """Build the rows of each of these tables: the keys 1 to 3, which the other rows refer to."""
    ids = list(range(1, _SMALL_ROWS + 1))
    columns = {
        "id": _ids(1, _SMALL_ROWS),
        "parent_id": pa.array(ids, pa.int32()),
        "other_id": pa.array([None, *ids[1:]], pa.int32()),
        "name": pa.array([f"Größe {number}" for number in ids]),
        "notes": pa.array([None, "", "x" * 200]),
        "price": _decimals(np.array(ids) * 12_345),
        "amount": pa.array(ids, pa.int32()),
        "is_active": pa.array([True, False, True]),
        "made_on": pa.array(ids, pa.int32()).cast(pa.date32()),
        "changed_at": pa.array(ids).cast(pa.timestamp("ms")),
    }
    return pa.RecordBatch.from_pydict(columns)


_TARGET_TYPES = {
    "bit": "boolean", "tinyint": "smallint", "smallint": "smallint", "int": "integer", "bigint": "bigint",
    "real": "real", "float": "double precision", "money": "numeric(19,4)", "smallmoney": "numeric(10,4)",
    "char": "character", "nchar": "character", "varchar": "character varying",
    "nvarchar": "character varying",
    "xml": "xml", "binary": "bytea", "varbinary": "bytea", "rowversion": "bytea", "date": "date",
    "time": "time", "datetime": "timestamp", "smalldatetime": "timestamp", "datetime2": "timestamp",
    "datetimeoffset": "timestamptz", "uniqueidentifier": "uuid",
}  # fmt: skip


def target_type(column_type: ColumnType) -> str:
    """Return the PostgreSQL type of a measured column. Raises ValueError for a type that is not measured."""
    if column_type.name in ("decimal", "numeric"):
        return f"numeric({column_type.precision},{column_type.scale})"
    name = _TARGET_TYPES.get(column_type.name)
    if name is None:
        raise ValueError(f"no benchmark has a column of type {column_type}")
    if name.startswith("character"):
        return f"{name}({column_type.length})" if column_type.length else "text"
    return name


def without_computed(table: Table) -> Table:
    """Return the table as it is loaded."""
    return replace(table, columns=tuple(column for column in table.columns if column.computed is None))
