"""What SQL Server knows of a table's key, to read it in chunks. ``load/chunks/planning`` decides which.

Every comparison of keys happens at the source, in the column's own type and collation: a key travels as
text that SQL Server wrote itself and reads back exactly (ISO 8601 for times, all digits of a number), so
no client type can round it, and no client needs to know how the source sorts GUIDs or texts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from blb_migration.errors import SourceError
from blb_migration.model import Column, TableName
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.names import quote_name, quote_table
from blb_migration.sqlserver.read import KeyRange, build_range_condition
from blb_migration.types import SIZED_TEXTS, Family, name_source_types

INTEGER_TYPES = frozenset(name_source_types(Family.INTEGER))
# Styles of CONVERT that write all there is: ISO 8601, and money with four digits. real and float are not
# here: their text is not their value.
_STYLES = {"date": 126, "datetime": 126, "smalldatetime": 126, "datetime2": 126, "money": 2, "smallmoney": 2}
_PLAIN_TYPES = INTEGER_TYPES | {"decimal", "numeric", "uniqueidentifier"}
_MOST_KEY_CHARACTERS = 450  # an index key of SQL Server has at most 900 bytes
_COLLATION_NAME = re.compile(r"\w+")

_PAGE_BYTES = 8192
_PAIRS_PER_STATEMENT = 500  # a statement takes at most 2100 parameters

# index_id 1 is the clustered index. Reading ranges by any other would look up every row by itself.
_CLUSTERED = """
SELECT c.name
FROM sys.indexes AS i
JOIN sys.index_columns AS x ON x.object_id = i.object_id AND x.index_id = i.index_id AND x.key_ordinal = 1
JOIN sys.columns AS c ON c.object_id = x.object_id AND c.column_id = x.column_id
WHERE i.object_id = OBJECT_ID(?) AND i.index_id = 1 AND i.type = 1 AND i.is_disabled = 0
"""
# In two sums: a partition has several allocation units.
_SIZE = """
SELECT (SELECT SUM(p.rows)
        FROM sys.partitions AS p
        WHERE p.object_id = OBJECT_ID(?) AND p.index_id IN (0, 1)),
       (SELECT SUM(a.used_pages)
        FROM sys.partitions AS p
        JOIN sys.allocation_units AS a
          ON a.container_id = CASE WHEN a.type = 2 THEN p.partition_id ELSE p.hobt_id END
        WHERE p.object_id = OBJECT_ID(?) AND p.index_id IN (0, 1))
"""
# Since SQL Server 2016 SP1 CU2; statistics 1 are the clustered index's. Rows below the first key and above
# the last are in no step, and whatever was changed since is not in it at all.
_HISTOGRAM = """
SELECT {key}, CAST(h.range_rows AS bigint), CAST(h.equal_rows AS bigint),
       CAST(p.rows AS bigint), CAST(p.modification_counter AS bigint)
FROM sys.dm_db_stats_histogram(OBJECT_ID(?), 1) AS h
CROSS JOIN sys.dm_db_stats_properties(OBJECT_ID(?), 1) AS p
ORDER BY h.step_number
"""
_STALE_SHARE = 0.2


@dataclass(frozen=True)
class TableSize:
    """Rows, and bytes on the source's disk, large values included; 0 bytes: not known."""

    row_count: int
    byte_count: int


@dataclass(frozen=True)
class HistogramStep:
    """``rows_before``: the estimate of rows from the last step's key on, up to but without this ``key``."""

    key: str
    rows_before: int


def is_chunkable(column: Column) -> bool:
    """Whether ranges of this column lose nothing: never NULL, and exact as a bound parameter."""
    if column.nullable or column.computed is not None:
        return False
    if column.type.name in SIZED_TEXTS:
        length = column.type.length
        return (
            length is not None
            and length <= _MOST_KEY_CHARACTERS
            and bool(column.collation and _COLLATION_NAME.fullmatch(column.collation))
        )
    return column.type.name in _PLAIN_TYPES or column.type.name in _STYLES


def build_key_range(column: Column, first: str | None, before: str | None) -> KeyRange:
    """Build the range [first, before) of a splittable column, bounds as the source wrote them."""
    return KeyRange(column.name, first, before, _build_bound(column))


def _build_bound(column: Column) -> str:
    """Build a bound parameter as a value of the column's type, compared by the column's collation."""
    collation = f" COLLATE {column.collation}" if column.type.name in SIZED_TEXTS else ""
    return f"CAST(?{collation} AS {column.type})"


def _build_text(column: Column, value: str) -> str:
    """Build a value of the column's type as text that ``_build_bound`` reads back as the same value."""
    if column.type.name in SIZED_TEXTS:
        return f"CAST({value} AS nvarchar({column.type.length}))"
    style = _STYLES.get(column.type.name)
    return f"CONVERT(nvarchar(60), {value}{'' if style is None else f', {style}'})"


def read_clustered_column(session: SourceSession, table: TableName) -> str | None:
    """Read the first column of the table's clustered index; None for a heap, a columnstore, or an odd
    server."""
    rows = _read_if_possible(
        session, _CLUSTERED, (quote_table(table),), "asking for its clustered index", table
    )
    return rows[0][0] if rows else None


def read_table_size(session: SourceSession, table: TableName) -> TableSize | None:
    """How large the table is now, by the storage engine's bookkeeping; None where it does not say."""
    name = quote_table(table)
    rows = _read_if_possible(session, _SIZE, (name, name), "asking for its size", table)
    row_count, pages = rows[0] if rows else (None, None)
    return None if row_count is None else TableSize(int(row_count), int(pages or 0) * _PAGE_BYTES)


def read_key_extremes(session: SourceSession, table: TableName, column: Column) -> tuple[int, int] | None:
    """Read the lowest and the highest number of an integer key, by two look-ups; None for an empty table."""
    name = quote_name(column.name)
    statement = f"SELECT CAST(MIN({name}) AS bigint), CAST(MAX({name}) AS bigint) FROM {quote_table(table)}"
    rows = session.read_rows(statement, action="asking for the ends of its key", subject=str(table))
    low, high = rows[0]
    return None if low is None else (int(low), int(high))


def read_row_bounds(
    session: SourceSession, table: TableName, column: Column, key_range: KeyRange, step_rows: int
) -> list[str]:
    """Read the key of every ``step_rows``-th row of the range, but not of its first, ascending; one scan.

    Where more rows than that share one key, it comes more than once.
    """
    name = quote_name(column.name)
    condition, parameters = build_range_condition(key_range)
    statement = (
        f"SELECT {_build_text(column, 'k')} FROM ("
        f"SELECT {name} AS k, ROW_NUMBER() OVER (ORDER BY {name}) AS n FROM {quote_table(table)}"
        f"{condition}) AS numbered WHERE n > 1 AND (n - 1) % CAST(? AS bigint) = 0 ORDER BY n"
    )
    rows = session.read_rows(
        statement, (*parameters, str(step_rows)), action="counting its keys", subject=str(table)
    )
    return [row[0] for row in rows]


def read_histogram(session: SourceSession, table: TableName, column: Column) -> list[HistogramStep]:
    """Read the steps of the clustered index's statistics, ascending.

    None at all where the server does not offer them, the log-in may not see them, or so much was changed
    since that they say little.
    """
    key = _build_text(column, f"CAST(h.range_high_key AS {column.type})")
    name = quote_table(table)
    rows = _read_if_possible(
        session, _HISTOGRAM.format(key=key), (name, name), "reading its statistics", table
    )
    if not rows or (rows[0][4] or 0) > _STALE_SHARE * (rows[0][3] or 0):
        return []
    steps = []
    equal_rows = 0
    for key_text, range_rows, own_equal_rows, _, _ in rows:
        if key_text is None:  # the step of NULLs, or a value cut too short to be one of its type
            return []
        steps.append(HistogramStep(key_text, equal_rows + range_rows))
        equal_rows = own_equal_rows
    return steps


def _read_if_possible(
    session: SourceSession, statement: str, parameters: Sequence[object], action: str, table: TableName
) -> list[tuple[Any, ...]]:
    """Read the rows, or none where the server cannot or will not tell."""
    try:
        return session.read_rows(statement, parameters, action=action, subject=str(table))
    except SourceError as error:
        if error.is_transient:
            raise
        return []


def are_ascending(session: SourceSession, table: TableName, column: Column, keys: Sequence[str]) -> bool:
    """Whether no key sorts before the one ahead of it, by the very comparison that reading ranges uses.

    False too where the server has no such comparison.
    """
    bound = _build_bound(column)
    pairs = list(pairwise(keys))
    for start in range(0, len(pairs), _PAIRS_PER_STATEMENT):
        some = pairs[start : start + _PAIRS_PER_STATEMENT]
        conditions = " AND ".join(f"{bound} <= {bound}" for _ in some)
        statement = f"SELECT CASE WHEN {conditions} THEN 1 ELSE 0 END"
        parameters = [key for pair in some for key in pair]
        if _read_if_possible(session, statement, parameters, "comparing its keys", table) != [(1,)]:
            return False
    return True
