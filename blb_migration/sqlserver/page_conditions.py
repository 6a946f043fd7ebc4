"""How many bytes a row or an index entry would take at the target, as a sum in T-SQL.

NULLs take none. Texts are measured in UTF-8, by a collation of SQL Server 2019; an older one cannot answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from blb_migration.model import Column, Table
from blb_migration.questions import NUMERIC_WIDTH, VARYING_WIDTH, Question
from blb_migration.sqlserver.expressions import (
    BINARY_TYPES,
    decided_expression,
    is_utf8,
    read_expression,
    text_expression,
)
from blb_migration.sqlserver.names import quote_name
from blb_migration.types import decimal_shape, look_up_source

_UTF8_COLLATION = "Latin1_General_100_CI_AS_SC_UTF8"
_KEPT_ASIDE_BYTES = 24
_TERMS = 30  # of one sum; sums of sums keep the expression shallow


def build_page_condition(table: Table, question: Question) -> str:
    """Build the condition for a row, or the part of it in an index, that is larger than the limit."""
    limit, *rest = question.arguments
    if question.kind == "row_too_large":
        least = [_build_least_bytes(table.columns_by_name[str(name)]) for name in rest]
        return f"{_add_up(least)} > {limit}"
    is_row = question.kind == "row_too_wide"
    parts = rest if is_row else rest[2:]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    terms = [
        _build_bytes(table.columns_by_name[str(name)], int(width), is_row=is_row) for name, width in pairs
    ]
    return f"{_add_up(terms)} > {limit}"


def _add_up(terms: Sequence[str]) -> str:
    while len(terms) > 1:
        terms = [f"({' + '.join(terms[at : at + _TERMS])})" for at in range(0, len(terms), _TERMS)]
    return terms[0]


def _build_bytes(column: Column, width: int, *, is_row: bool) -> str:
    name = quote_name(column.name)
    if width == NUMERIC_WIDTH:
        found = _build_numeric_bytes(column)
    elif width == VARYING_WIDTH:
        # The length of a value beside it: one byte for short ones, four for others.
        length = _build_length(column)
        found = f"CASE WHEN {length} < 127 THEN {length} + 1 ELSE {length} + 4 END"
        if is_row:
            found = f"CASE WHEN {length} > {_KEPT_ASIDE_BYTES} THEN {_KEPT_ASIDE_BYTES} ELSE {length} + 1 END"
    else:
        found = str(width)
    return f"CASE WHEN {name} IS NULL THEN 0 ELSE {found} END"


def _build_least_bytes(column: Column) -> str:
    """Return what a value takes at least in UTF-8: a byte for each of UTF-16's units."""
    length = f"CAST(COALESCE(DATALENGTH({quote_name(column.name)}), 0) AS bigint)"
    return f"{length} / 2" if look_up_source(column.type).is_unicode else length


def _build_length(column: Column) -> str:
    if column.type.name in BINARY_TYPES or is_utf8(column):
        return f"CAST(DATALENGTH({read_expression(column)}) AS bigint)"
    text = f"CAST({text_expression(column)} COLLATE {_UTF8_COLLATION} AS varchar(max))"
    return f"CAST(DATALENGTH({text}) AS bigint)"


def _build_numeric_bytes(column: Column) -> str:
    """Count three bytes, and two for each group of four digits on either side of the point."""
    precision, scale = decimal_shape(column.type)
    value = f"ABS(CAST({decided_expression(column, ())} AS decimal(38, {scale})))"
    whole = "".join(
        f"WHEN {value} < {10**digits} THEN {3 + digits // 2} "
        for digits in range(4, precision - scale + 1, 4)
    )
    most = 3 + 2 * -(-(precision - scale) // 4)
    groups = f"CASE WHEN {value} < 1 THEN 3 {whole}ELSE {most} END"
    if scale == 0:
        return groups
    fraction = "".join(
        f"WHEN {value} = ROUND({value}, {digits}, 1) THEN {digits // 2} " for digits in range(0, scale, 4)
    )
    return f"({groups} + CASE {fraction}ELSE {2 * -(-scale // 4)} END)"
