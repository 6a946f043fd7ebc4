"""Dates and times as they stand in a row ([MS-TDS] 2.2.5.5.1.7 to .9), from ticks of 100 ns."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from blb_migration.sandbox.emulator.tds.arrays import as_matrix, read_valid, read_values
from blb_migration.sandbox.emulator.tds.fragments import Bytes, Fragment, length_prefixed
from blb_migration.sandbox.emulator.tds.metadata import time_width

TICKS_PER_DAY = 864_000_000_000
TICKS_PER_MINUTE = 600_000_000
DAYS_TO_1900 = 693_595
DAYS_TO_1970 = 719_162

Ticks = npt.NDArray[np.int64]


def encode_dates(array: pa.Array) -> Fragment:
    """date: days since 0001-01-01 in three bytes."""
    array = array if array.type == pa.date32() else array.cast(pa.date32())
    days = read_values(array, np.int32).astype(np.int64) + DAYS_TO_1970
    return length_prefixed(_low_bytes(days, 3), read_valid(array))


def encode_times(array: pa.Array, scale: int) -> Fragment:
    """time(scale)."""
    return length_prefixed(build_time(_read_ticks(array), scale), read_valid(array))


def encode_datetime2(array: pa.Array, scale: int) -> Fragment:
    """datetime2(scale): the time of day, then the date."""
    return length_prefixed(build_datetime2(_read_ticks(array), scale), read_valid(array))


def encode_datetimes(array: pa.Array) -> Fragment:
    """datetime: days since 1900 and three-hundredths of a second, rounded to the nearest."""
    return length_prefixed(build_datetime(_read_ticks(array)), read_valid(array))


def encode_smalldatetimes(array: pa.Array) -> Fragment:
    """smalldatetime: days since 1900 and minutes, two bytes each."""
    ticks = _read_ticks(array)
    fields = np.empty((len(ticks), 2), dtype="<u2")
    fields[:, 0] = ticks // TICKS_PER_DAY - DAYS_TO_1900
    fields[:, 1] = ticks % TICKS_PER_DAY // TICKS_PER_MINUTE
    return length_prefixed(fields.view(np.uint8).reshape(len(ticks), 4), read_valid(array))


def encode_datetimeoffsets(array: pa.Array, scale: int) -> Fragment:
    """datetimeoffset(scale), from struct<ticks, offset_minutes>: the instant in UTC, then the offset."""
    instants = build_datetime2(_read_ticks(pc.struct_field(array, "ticks")), scale)
    offsets = read_values(pc.struct_field(array, "offset_minutes").cast(pa.int16()), np.int16)
    return length_prefixed(np.hstack([instants, as_matrix(offsets)]), read_valid(array))


def build_time(ticks: Ticks, scale: int) -> Bytes:
    """Ticks since midnight as a time of day's bytes, cut to ``scale`` digits."""
    return _low_bytes(ticks // 10 ** (7 - scale), time_width(scale))


def build_datetime2(ticks: Ticks, scale: int) -> Bytes:
    """Ticks since 0001-01-01 as time of day and date bytes."""
    days, since_midnight = np.divmod(ticks, TICKS_PER_DAY)
    return np.hstack([build_time(since_midnight, scale), _low_bytes(days, 3)])


def build_datetime(ticks: Ticks) -> Bytes:
    """Ticks since 0001-01-01 as the eight bytes of datetime."""
    days, since_midnight = np.divmod(ticks, TICKS_PER_DAY)
    # 300 units a second are 3 units per 100,000 ticks; half a unit rounds up, also over midnight.
    units = (since_midnight * 3 + 50_000) // 100_000
    overflow, units = np.divmod(units, 86_400 * 300)
    fields = np.empty((len(ticks), 2), dtype="<i4")
    fields[:, 0] = days - DAYS_TO_1900 + overflow
    fields[:, 1] = units
    return fields.view(np.uint8).reshape(len(ticks), 8)


def _read_ticks(array: pa.Array) -> Ticks:
    array = array if array.type == pa.int64() else array.cast(pa.int64())
    ticks: Ticks = read_values(array, np.int64)
    valid = read_valid(array)
    # What lies under a NULL is anything; zero keeps the arithmetic in range.
    return ticks if valid is None else np.where(valid, ticks, 0)


def _low_bytes(values: npt.NDArray[np.int64], width: int) -> Bytes:
    return np.ascontiguousarray(as_matrix(values)[:, :width])
