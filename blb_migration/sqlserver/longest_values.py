"""How long the values of (max) columns really are, and how short ones are read as if they were sized.

A single (max) column makes the driver fetch a whole table value by value, at several times the processor
time. Most such columns hold notes of some hundred characters. So the source is asked for each one's longest
value right before its rows are read, and where all are short they are cast to a sized type. Rows may change
between question and reading: a mark in every row says whether a value has outgrown its cast, so none is ever
cut silently. ``read.py`` decides what then happens.

Not asked about: xml, json, sql_variant, vector and CLR types. DATALENGTH measures their stored form, not
the text or bytes that are read, and measuring those means to build them all twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from blb_migration.model import Column, ColumnType, TableName
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.expressions import is_utf8
from blb_migration.sqlserver.names import quote_name, quote_table

_MOST_BYTES = 8000  # of a sized varchar, nvarchar or varbinary
# Widths double, so that a value may grow between question and reading, and the statement's text stays the
# same from day to day, which keeps its plan cached.
_LEAST_LENGTH = 32
_HEADROOM = 1.25

# The sized type that holds a (max) type's short values.
_SIZED_TYPES = {
    "varchar": "varchar", "text": "varchar", "nvarchar": "nvarchar", "ntext": "nvarchar",
    "varbinary": "varbinary", "image": "varbinary",
}  # fmt: skip


@dataclass(frozen=True)
class SizedReading:
    """(max) columns read as sized ones.

    ``columns`` are the table's, these with the types they are read as. ``expressions`` says by name how
    those are read. ``outgrown`` is a condition: a value of the row is longer than its cast keeps.
    """

    columns: tuple[Column, ...]
    expressions: Mapping[str, str]
    outgrown: str


def is_measurable(column: Column) -> bool:
    """Whether DATALENGTH of this column bounds the value that is read; only for types without a length."""
    return column.type.name in _SIZED_TYPES and column.type.length is None


def read_longest_bytes(
    session: SourceSession,
    table: TableName,
    columns: Sequence[Column],
    condition: str = "",
    parameters: Sequence[object] = (),
) -> dict[str, int]:
    """Read the bytes of each column's longest value by name, in one scan; 0 where there is none.

    ``condition`` is empty or begins with WHERE. SQL Server keeps a large value's length beside its row, so
    the scan does not fetch the values. Raises SourceError.
    """
    lengths = ", ".join(f"MAX(DATALENGTH({quote_name(column.name)}))" for column in columns)
    (row,) = session.read_rows(
        f"SELECT {lengths} FROM {quote_table(table)}{condition}",
        parameters,
        action="asking for its longest values",
        subject=str(table),
    )
    return {column.name: int(length or 0) for column, length in zip(columns, row, strict=True)}


def build_sized_reading(columns: Sequence[Column], longest_bytes: Mapping[str, int]) -> SizedReading | None:
    """How to read ``columns`` when those in ``longest_bytes`` are as short as that; None if one is long."""
    sized, expressions, conditions = [], {}, []
    for column in columns:
        if column.name not in longest_bytes:
            sized.append(column)
            continue
        sized_type = _build_sized_type(column, longest_bytes[column.name])
        if sized_type is None:
            return None
        name = quote_name(column.name)
        bytes_each = 2 if column.type.name in ("nvarchar", "ntext") else 1
        assert sized_type.length is not None
        sized.append(replace(column, type=sized_type))
        expressions[column.name] = f"CAST({name} AS {sized_type.name}({sized_type.length}))"
        conditions.append(f"DATALENGTH({name}) > {sized_type.length * bytes_each}")
    return SizedReading(tuple(sized), expressions, " OR ".join(conditions))


def _build_sized_type(column: Column, longest_bytes: int) -> ColumnType | None:
    name = _SIZED_TYPES[column.type.name]
    length, most = longest_bytes, _MOST_BYTES
    if name == "nvarchar":
        length, most = longest_bytes // 2, _MOST_BYTES // 2
    elif is_utf8(column):
        # Read as UTF-16 (see read_expression), which never has more units than UTF-8 has bytes.
        name, most = "nvarchar", _MOST_BYTES // 2
    if length > most:
        return None
    width = _LEAST_LENGTH
    while width < length * _HEADROOM:
        width *= 2
    return ColumnType(name, length=min(width, most))
