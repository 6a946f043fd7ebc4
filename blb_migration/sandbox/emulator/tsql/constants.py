"""Python values as typed constants: parameters of prepared statements and variables.

A parameter is written into the compiled query as a constant, so that patterns and lengths given as
parameters are known when compiling; DuckDB never sees the client's text unquoted.
"""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import Parameter
from blb_migration.sandbox.emulator.tsql.conversions import text_constant
from blb_migration.sandbox.emulator.tsql.datatypes import duckdb_type, family, normalize
from blb_migration.sandbox.emulator.tsql.macros import DAY_TICKS
from blb_migration.sandbox.emulator.tsql.surrogates import hide_surrogates
from blb_migration.sandbox.emulator.tsql.typed import Typed, quote_bytes


def literal_of(parameter: Parameter) -> Typed:
    """Return the parameter's value as a constant of its declared type."""
    return build_constant(parameter.value, parameter.type)


def build_constant(value: object, column_type: ColumnType) -> Typed:
    """Build a constant; raises TypeError for a Python value that the type does not take."""
    column_type = normalize(column_type)
    storage = duckdb_type(column_type)
    if value is None:
        return Typed(f"CAST(NULL AS {storage})", column_type, is_constant=True)
    kind = family(column_type)
    if kind == "text":
        return text_constant(hide_surrogates(str(value)), column_type)
    if kind in ("integer", "exact", "approximate"):
        return _number(value, column_type, storage)
    return Typed(f"CAST({_storage_text(value, column_type)} AS {storage})", column_type, nullable=False)


def _number(value: object, column_type: ColumnType, storage: str) -> Typed:
    if column_type.name == "bit":
        return Typed(
            "true" if value else "false", column_type, False, is_constant=True, constant=int(bool(value))
        )
    if isinstance(value, str):
        value = Decimal(value)
    if not isinstance(value, (int, float, Decimal)):
        raise TypeError(f"{value!r} is no {column_type}")
    constant: int | float | Decimal = int(value) if family(column_type) == "integer" else value
    return Typed(f"CAST('{constant}' AS {storage})", column_type, False, is_constant=True, constant=constant)


def _storage_text(value: object, column_type: ColumnType) -> str:  # noqa: PLR0911  # one Python type each
    match value:
        case bytes() | bytearray() | memoryview():
            return quote_bytes(bytes(value))
        case uuid.UUID():
            return quote_bytes(value.bytes)
        case dt.datetime():
            offset = value.utcoffset()
            ticks = _ticks(value.replace(tzinfo=None))
            if column_type.name != "datetimeoffset":
                return str(ticks)
            minutes = 0 if offset is None else int(offset.total_seconds() // 60)
            return f"{{'ticks': {ticks - minutes * 600_000_000}, 'offset_minutes': {minutes}}}"
        case dt.date():
            if column_type.name == "date":
                return f"'{value.isoformat()}'"
            return str((value.toordinal() - 1) * DAY_TICKS)
        case dt.time():
            return str(_ticks(dt.datetime.combine(dt.date(1, 1, 1), value)))
        case int() if family(column_type) in ("datetime", "time"):
            return str(value)
        case str() if family(column_type) == "guid":
            return quote_bytes(uuid.UUID(value).bytes)
        case (int() as ticks, int() as minutes):
            return f"{{'ticks': {ticks}, 'offset_minutes': {minutes}}}"
    raise TypeError(f"{value!r} is no {column_type}")


def _ticks(moment: dt.datetime) -> int:
    return (moment - dt.datetime(1, 1, 1)) // dt.timedelta(microseconds=1) * 10
