"""Values fitted to a declared type: rounded ticks, cut or padded bytes, errors for what does not fit."""

from __future__ import annotations

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.tsql.datatypes import fraction_digits
from blb_migration.sandbox.emulator.tsql.macros import MAX_TICKS
from blb_migration.sandbox.emulator.tsql.typed import Typed


def or_fail(value: str, source: Typed, number: int, message: str, is_try: bool) -> str:
    """``value``, or the error when it is NULL although the source is not.

    ``message`` is DuckDB text; under TRY_ the value alone.
    """
    return value if is_try else f"tsql_fail({source.sql}, {value}, '{number}|' || {message})"


def fit_ticks(ticks: str, source: ColumnType, target: ColumnType) -> str:
    """Ticks rounded as the target type stores them."""
    if target.name == "datetime":
        return ticks if source.name == "datetime" else f"tsql_to_datetime({ticks})"
    if target.name == "smalldatetime":
        return f"tsql_round_ticks({ticks}, 600000000)"
    target_digits = fraction_digits(target)
    if source.name == "datetime":
        if target_digits <= 3:
            return ticks if target_digits == 3 else f"tsql_round_ticks({ticks}, {10 ** (7 - target_digits)})"
        ticks = f"tsql_from_datetime({ticks})"
    elif target_digits >= fraction_digits(source):
        return ticks
    if target_digits == 7:
        return ticks
    unit = 10 ** (7 - target_digits)
    return f"least(tsql_round_ticks({ticks}, {unit}), {MAX_TICKS + 1 - unit})"


def fit_binary(sql: str, source: ColumnType, target: ColumnType) -> str:
    """Return the bytes as the target stores them: cut to its length, binary(n) padded with zeros."""
    if target.length is None or target.name == "rowversion":
        return sql
    if source.length is None or source.length > target.length:
        sql = f"array_slice({sql}, 1, {target.length})"
    if target.name == "binary" and (source.name != "binary" or (source.length or 0) < target.length):
        sql = f"from_hex(rpad(hex({sql}), {target.length * 2}, '0'))"
    return sql
