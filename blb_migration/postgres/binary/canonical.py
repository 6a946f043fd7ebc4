"""Where what is sent and what comes back may differ although the values are equal: one form for both.

Most types come back exactly as they were sent. Four do not, and are compared in a form of our own:

=============  ==================================================================================
character(n)   without trailing blanks, which the type pads and ignores
jsonb          as text: no blanks, keys sorted by code point, numbers in plain digits without
               trailing zeros; of equal keys the last one counts, as on the server
xml            without a first line feed, which the server swallows on output
numeric(p,s)   of more than 38 digits, which no Arrow decimal has: as text, without zeros at its end
=============  ==================================================================================

docs/digest.md describes all types to people who want to compute a digest themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql

from blb_migration.model import Column, ColumnType
from blb_migration.postgres.names import quote_identifier

ARROW_DIGITS = 38
"""Of a decimal128, and of SQL Server's decimal."""
_AS_TEXT = ("character", "jsonb", "xml")
TEXT = ColumnType("text")


def _is_wide_numeric(column_type: ColumnType) -> bool:
    return column_type.name == "numeric" and (column_type.precision or 0) > ARROW_DIGITS


def _is_compared_as_text(column: Column) -> bool:
    return column.type.name in _AS_TEXT or _is_wide_numeric(column.type)


def is_sent_canonical(columns: Iterable[Column]) -> bool:
    """Whether rows of these columns are digested in the very bytes that are sent."""
    return not any(map(_is_compared_as_text, columns))


def canonical_type(column: Column) -> ColumnType:
    """Return the type in whose binary form a column's values are digested."""
    return TEXT if _is_compared_as_text(column) else column.type


def canonical_field(column: Column, field: pa.Field[Any]) -> pa.Field[Any]:
    """Return the field of a column's canonical form."""
    return field.with_type(pa.large_string()) if _is_wide_numeric(column.type) else field


def canonical_array(column: Column, array: pa.Array) -> pa.Array:
    """Return a converted column of the source in its canonical form."""
    if column.type.name == "character":
        return pc.utf8_rtrim(array, characters=" ")
    if column.type.name == "xml":
        return pc.replace_substring_regex(array, pattern="^\n", replacement="")
    if column.type.name == "jsonb":
        return pa.array(
            [None if text is None else canonical_json(text) for text in array.to_pylist()], array.type
        )
    if _is_wide_numeric(column.type):
        texts = [None if value is None else _write_number(value) for value in array.to_pylist()]
        return pa.array(texts, pa.large_string())
    return array


def canonical_expression(column: Column) -> sql.Composable:
    """Return what is selected of a target column; ``needs_rewriting`` types are finished by the reader."""
    name = quote_identifier(column.name)
    # The cast to text drops a character(n)'s padding, and an xml value's first line feed.
    if _is_wide_numeric(column.type) and (column.type.scale or 0) > 0:
        return sql.SQL("rtrim(rtrim({}::text, '0'), '.')").format(name)
    return sql.SQL("{}::text").format(name) if _is_compared_as_text(column) else name


def needs_rewriting(column: Column) -> bool:
    """Whether values of the target become canonical only on our side."""
    return column.type.name == "jsonb"


def canonical_json(text: str) -> str:
    """Return a JSON text in the one form in which equal jsonb values are equal texts.

    Raises ValueError for what is not JSON.
    """
    value = json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_refuse)
    return _write_json(value)


def _write_json(value: Any) -> str:
    if isinstance(value, dict):
        items = (f"{_write_json(key)}:{_write_json(value[key])}" for key in sorted(value))
        return f"{{{','.join(items)}}}"
    if isinstance(value, list):
        return f"[{','.join(map(_write_json, value))}]"
    if isinstance(value, Decimal):
        return _write_number(value)
    return json.dumps(value, ensure_ascii=False)


def _write_number(value: Decimal) -> str:
    digits = f"{value:f}"
    digits = digits.rstrip("0").rstrip(".") if "." in digits else digits
    return "0" if digits in ("-0", "") else digits


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
