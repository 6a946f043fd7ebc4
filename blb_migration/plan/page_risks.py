"""What PostgreSQL does not hold: rows of many wide columns, or of 1 GB, and index entries of long values.

A row's columns must fit one page, where a value that can be kept aside (TOAST) takes 24 bytes at most; an
entry of a B-tree takes a third of a page. Sources: "Database Page Layout" and "TOAST" of PostgreSQL's
documentation, MaxHeapTupleSize, BTMaxItemSize and MaxAllocSize of its source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from blb_migration.model import ColumnType, Table
from blb_migration.plan.columns import ColumnPlan
from blb_migration.questions import NUMERIC_WIDTH, VARYING_WIDTH, Question
from blb_migration.types import LARGEST_ROW_BYTES, TARGET_TYPES, Family, decimal_shape, look_up_source

ROW_BYTES = 8160
ENTRY_BYTES = 2704
_HEADER_BYTES = 24
_KEPT_ASIDE_BYTES = 24  # what is not longer stays in the row
_LONGEST_UTF8 = 4
_NUMERIC_DIGITS = 4  # of each group of two bytes
_VARYING = (Family.TEXT, Family.DOCUMENT, Family.BINARY)


def find_page_questions(
    target: Table, columns: Sequence[ColumnPlan], long_entries: str | None
) -> Iterator[Question]:
    """Yield a question about rows too wide, and one per index with entries too large, where types allow them.

    ``long_entries`` is a person's reason to load such entries all the same.
    """
    if not columns:
        return
    header = _HEADER_BYTES + (len(columns) + 7) // 8
    if header + sum(_most_bytes(column, _KEPT_ASIDE_BYTES) for column in columns) > ROW_BYTES:
        yield Question(columns[0].source.name, "row_too_wide", (ROW_BYTES - header, *_describe(columns)))
    unlimited = [column.source.name for column in columns if is_unlimited(column.source.type)]
    if unlimited:
        yield Question(unlimited[0], "row_too_large", (LARGEST_ROW_BYTES, *unlimited))
    by_target = {column.target.name: column for column in columns}
    for name, names in _iterate_entries(target):
        members = [by_target[each] for each in names if each in by_target]
        if members and sum(_most_bytes(member) for member in members) > ENTRY_BYTES:
            arguments = (ENTRY_BYTES, name, long_entries or "", *_describe(members))
            yield Question(members[0].source.name, "index_entry_too_large", arguments)


def is_unlimited(source: ColumnType) -> bool:
    """Whether a text or bytes of this type of SQL Server's may have up to 2 GB, as DATALENGTH tells."""
    return look_up_source(source).family in (Family.TEXT, Family.BINARY) and source.length is None


def _iterate_entries(target: Table) -> Iterator[tuple[str, tuple[str, ...]]]:
    keys = [target.primary_key] if target.primary_key is not None else []
    for key in (*keys, *target.unique_keys):
        yield key.name, key.columns
    for index in target.indexes:
        yield index.name, (*(column.name for column in index.columns), *index.included)


def _describe(columns: Sequence[ColumnPlan]) -> tuple[int | str, ...]:
    return tuple(part for column in columns for part in (column.source.name, _width(column)))


def _width(column: ColumnPlan) -> int:
    target = TARGET_TYPES.get(column.target.type.name)
    if column.target.type.name == "numeric":
        return NUMERIC_WIDTH if column.source.type.name not in ("float", "real") else _most_bytes(column, 24)
    if target is None or target.bytes is None:
        return VARYING_WIDTH
    return target.bytes


def _most_bytes(column: ColumnPlan, most: int = 2**31) -> int:
    """Return what a value takes at most, or ``most`` where it could be longer."""
    target = TARGET_TYPES.get(column.target.type.name)
    if column.target.type.name == "numeric":
        precision, scale = decimal_shape(column.source.type)
        groups = -(-(precision - scale) // _NUMERIC_DIGITS) + -(-scale // _NUMERIC_DIGITS)
        return min(most, 3 + 2 * groups)
    if target is None or target.family in _VARYING:
        lengths = [
            each.length for each in (column.source.type, column.target.type) if each.length is not None
        ]
        return most if not lengths else min(most, 4 + _LONGEST_UTF8 * min(lengths))
    return target.bytes or most
