"""Dates, times and intervals of binary rows as texts, over PostgreSQL's whole range.

Python's dates end with the years 1 and 9999 and know neither infinity nor 24:00:00; a target may hold all of
them. Formats: https://github.com/postgres/postgres/tree/master/src/backend/utils/adt (date.c, timestamp.c):
days and microseconds since 2000-01-01, big-endian; the largest and the smallest number are infinity.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

_DAY_MICROSECONDS = 86_400_000_000
_EPOCH_DAYS = 10_957  # 2000-01-01 after 1970-01-01


def _show_date(field: bytes) -> str:
    (days,) = struct.unpack("!i", field)
    return _find_infinity(days, 32) or _write_date(days)


def _show_timestamp(field: bytes) -> str:
    (microseconds,) = struct.unpack("!q", field)
    return _find_infinity(microseconds, 64) or _write_timestamp(microseconds, "")


def _show_timestamptz(field: bytes) -> str:
    (microseconds,) = struct.unpack("!q", field)
    return _find_infinity(microseconds, 64) or _write_timestamp(microseconds, "+00:00")


def _show_time(field: bytes) -> str:
    (microseconds,) = struct.unpack("!q", field)
    return _write_time(microseconds, always_fraction=False)


def _show_timetz(field: bytes) -> str:
    microseconds, west_seconds = struct.unpack("!qi", field)
    sign, seconds = ("-" if west_seconds > 0 else "+"), abs(west_seconds)
    time = _write_time(microseconds, always_fraction=False)
    return f"{time}{sign}{seconds // 3600:02}:{seconds // 60 % 60:02}"


def _show_interval(field: bytes) -> str:
    microseconds, days, months = struct.unpack("!qii", field)
    if _find_infinity(microseconds, 64) and _find_infinity(days, 32) and _find_infinity(months, 32):
        return _find_infinity(microseconds, 64)
    sign = "-" if microseconds < 0 else ""
    return f"{months} months {days} days {sign}{_write_time(abs(microseconds), always_fraction=False)}"


MOMENT_TEXTS: dict[str, Callable[[bytes], str]] = {
    "date": _show_date,
    "timestamp without time zone": _show_timestamp,
    "timestamp with time zone": _show_timestamptz,
    "time without time zone": _show_time,
    "time with time zone": _show_timetz,
    "interval": _show_interval,
}


def _find_infinity(value: int, bits: int) -> str:
    return {2 ** (bits - 1) - 1: "infinity", -(2 ** (bits - 1)): "-infinity"}.get(value, "")


def _write_timestamp(microseconds: int, zone: str) -> str:
    days, of_day = divmod(microseconds, _DAY_MICROSECONDS)
    date, _, era = _write_date(days).partition(" ")
    return f"{date} {_write_time(of_day, always_fraction=True)}{zone}{f' {era}' if era else ''}"


def _write_time(microseconds: int, *, always_fraction: bool) -> str:
    seconds, fraction = divmod(microseconds, 1_000_000)
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:06}" if fraction or always_fraction else text


def _write_date(days: int) -> str:
    """Write days since 2000-01-01 in the proleptic Gregorian calendar; there is no year 0.

    Source: Howard Hinnant, "chrono-compatible low-level date algorithms", civil_from_days.
    """
    era, day_of_era = divmod(days + _EPOCH_DAYS + 719_468, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = shifted_month + 3 if shifted_month < 10 else shifted_month - 9
    year = year_of_era + 400 * era + (month <= 2)
    return f"{year:04}-{month:02}-{day:02}" if year > 0 else f"{1 - year:04}-{month:02}-{day:02} BC"
