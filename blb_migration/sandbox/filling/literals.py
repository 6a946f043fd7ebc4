"""A value in the emulator's physical form (``results``) as a T-SQL constant of its column's type.

Each constant is cast, so that its type is not guessed from its digits. Text that T-SQL might read in another
way (a backslash at a line's end goes on in the next, "Backslash (Line Continuation)"; control characters;
half a surrogate pair) is written as its UTF-16 bytes. Dates are ISO 8601 with a T, which no language setting
changes. Sources: "Constants", "CAST and CONVERT" in SQL Server's documentation.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

from blb_migration.model import Column

_TEXTS = frozenset({"char", "varchar", "text", "nchar", "nvarchar", "ntext", "xml"})
_BINARIES = frozenset({"binary", "varbinary", "image"})
_SECOND_TICKS = 10_000_000
_DAY_TICKS = 86_400 * _SECOND_TICKS
_MINUTE_TICKS = 60 * _SECOND_TICKS


def build_literal(column: Column, value: Any) -> str:  # noqa: PLR0911  # one form each
    """Write the value; the type's name decides how."""
    if value is None:
        return "NULL"
    name = column.type.name
    if name in _TEXTS:
        return _text(value)
    if name in _BINARIES:
        return _binary(value)
    if name == "sql_variant":
        return f"CAST({_variant(value)} AS sql_variant)"
    convert = _FORMS.get(name, str)
    plain = str(column.type)
    if name in ("hierarchyid", "geometry", "geography"):
        return f"CAST({_binary(value)} AS {plain})"
    if name in ("bit", "tinyint", "smallint", "int", "bigint"):
        return f"CAST({int(value)} AS {plain})"
    if name in ("real", "float"):
        return f"CAST({_float(value)} AS {plain})"
    return f"CAST('{convert(value)}' AS {plain})"


def _text(value: str | bytes) -> str:
    if isinstance(value, str):
        if value.isprintable() and "\\" not in value:
            return "N'" + value.replace("'", "''") + "'"
        value = value.encode("utf-16-le", "surrogatepass")
    return f"CAST({_binary(value)} AS nvarchar(max))"


def _binary(value: bytes) -> str:
    return f"0x{value.hex()}" if value else "CAST('' AS varbinary(max))"


def _float(value: float) -> str:
    """Write a float with an exponent: without one, the constant would be a decimal."""
    text = repr(float(value))
    return text if "e" in text else f"{text}e0"


def _variant(value: dict[str, str]) -> str:
    base, text = value["base_type"], value["value"]
    if base in ("varchar", "nvarchar"):
        return _text(text)
    if base in ("decimal", "numeric"):
        digits = text.lstrip("-").replace(".", "")
        return f"CAST('{text}' AS {base}({len(digits)},{len(text.partition('.')[2])}))"
    return f"CAST('{text.replace(' ', 'T') if base == 'datetime' else text}' AS {base})"


def _clock(ticks: int) -> str:
    seconds, fraction = divmod(ticks, _SECOND_TICKS)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:07}"


def _moment(ticks: int) -> str:
    days, clock = divmod(ticks, _DAY_TICKS)
    day = dt.date.fromordinal(days + 1)
    return f"{day.isoformat()}T{_clock(clock)}"


def _short_moment(ticks: int) -> str:
    """For datetime and smalldatetime, which take three digits of a second."""
    return _moment(ticks)[:-4]


def _instant(value: dict[str, int]) -> str:
    minutes = value["offset_minutes"]
    sign, size = ("-", -minutes) if minutes < 0 else ("+", minutes)
    return f"{_moment(value['ticks'] + minutes * _MINUTE_TICKS)}{sign}{size // 60:02}:{size % 60:02}"


_FORMS: dict[str, Callable[[Any], str]] = {
    "date": dt.date.isoformat,
    "time": _clock,
    "datetime": _short_moment,
    "smalldatetime": _short_moment,
    "datetime2": _moment,
    "datetimeoffset": _instant,
    "uniqueidentifier": lambda value: str(uuid.UUID(bytes=value)),
    "decimal": lambda value: f"{value:f}",
    "numeric": lambda value: f"{value:f}",
    "money": lambda value: f"{value:f}",
    "smallmoney": lambda value: f"{value:f}",
}
