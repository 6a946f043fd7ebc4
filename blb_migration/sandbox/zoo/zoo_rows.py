"""The zoo's rows as Arrow, in the physical forms of ``sandbox/results.py``.

Dates and times beyond Python's precision are written as SQL Server's text,
``9999-12-31 23:59:59.9999999 +14:00``. Text may hold what is not valid Unicode.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from blb_migration.model import Column, ColumnType, Table
from blb_migration.sandbox.emulator.tsql.datatypes import family

_SECOND_TICKS = 10_000_000
_MINUTE_TICKS = 60 * _SECOND_TICKS
_DAY_TICKS = 24 * 60 * _MINUTE_TICKS
_FRACTION_DIGITS = 7


@dataclass(frozen=True)
class Variant:
    """A sql_variant's value: its base type's name, and the value as text with all its digits."""

    base_type: str
    value: str


def build_arrow(table: Table, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """All stored columns of the table; a row that names a column the table has not is a ValueError."""
    known = {column.name for column in table.columns if column.computed is None}
    for row in rows:
        if not row.keys() <= known:
            raise ValueError(f"{table.name} has no column {sorted(row.keys() - known)}")
    columns = [column for column in table.columns if column.name in known]
    arrays = [_build_array(column, [row.get(column.name) for row in rows]) for column in columns]
    return pa.table(arrays, names=[column.name for column in columns])


def parse_ticks(text: str) -> int:
    """``2024-02-29 12:34:56.1234567`` as 100 ns since 0001-01-01; without a date, since midnight."""
    date_text, _, clock = text.rpartition(" ")
    if ":" not in clock:
        date_text, clock = text, "00:00:00"
    days = (dt.date.fromisoformat(date_text) - dt.date.min).days if date_text else 0
    whole, _, fraction = clock.partition(".")
    hours, minutes, seconds = map(int, whole.split(":"))
    ticks = int(fraction.ljust(_FRACTION_DIGITS, "0")) if fraction else 0
    return days * _DAY_TICKS + ((hours * 60 + minutes) * 60 + seconds) * _SECOND_TICKS + ticks


def parse_instant(text: str) -> dict[str, int]:
    """``2024-02-29 12:34:56.1234567 +02:00`` as ticks in UTC and the offset in minutes."""
    local, _, offset = text.rpartition(" ")
    hours, minutes = map(int, offset[1:].split(":"))
    offset_minutes = (-1 if offset[0] == "-" else 1) * (hours * 60 + minutes)
    return {"ticks": parse_ticks(local) - offset_minutes * _MINUTE_TICKS, "offset_minutes": offset_minutes}


def _build_array(column: Column, values: list[Any]) -> pa.Array:
    kind = family(column.type)
    if kind == "text":
        return _build_text(values)
    arrow_type, convert = _FORMS.get(kind, (None, lambda value: value))
    arrow_type = arrow_type or _number_type(column.type)
    return pa.array([None if value is None else convert(value) for value in values], arrow_type)


def _build_text(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.large_string())
    except UnicodeEncodeError:
        units = [None if value is None else value.encode("utf-16-le", "surrogatepass") for value in values]
        return pa.array(units, pa.large_binary())


def _number_type(column_type: ColumnType) -> pa.DataType:
    if column_type.name in ("decimal", "numeric"):
        return pa.decimal128(column_type.precision or 18, column_type.scale or 0)
    return _NUMBERS[column_type.name]


_NUMBERS = {
    "bit": pa.bool_(), "tinyint": pa.uint8(), "smallint": pa.int16(), "int": pa.int32(), "bigint": pa.int64(),
    "money": pa.decimal128(19, 4), "smallmoney": pa.decimal128(10, 4),
    "real": pa.float32(), "float": pa.float64(),
}  # fmt: skip
_FORMS: dict[str, tuple[pa.DataType | None, Callable[[Any], Any]]] = {
    "exact": (None, Decimal),
    "binary": (pa.binary(), bytes),
    "udt": (pa.binary(), bytes),
    "date": (pa.date32(), dt.date.fromisoformat),
    "time": (pa.int64(), parse_ticks),
    "datetime": (pa.int64(), parse_ticks),
    "datetimeoffset": (pa.struct([("ticks", pa.int64()), ("offset_minutes", pa.int16())]), parse_instant),
    "guid": (pa.binary(16), lambda text: uuid.UUID(text).bytes),
    "variant": (
        pa.struct([("base_type", pa.string()), ("value", pa.string())]),
        lambda variant: {"base_type": variant.base_type, "value": variant.value},
    ),
}
