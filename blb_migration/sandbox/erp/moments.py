"""When things happen on the farm: microseconds since 1970, on weekdays from eight to six.

Everything the sample records lies between the farm's opening and ``NOW``; what would come after
``NOW`` has not happened yet. Days are counted since 1970, too.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from blb_migration.sandbox.erp.physical import MICROSECONDS_PER_DAY, BoolArray, IntArray

SECOND = 1_000_000
HOUR = 3_600 * SECOND
_OPENS, _CLOSES = 8 * HOUR, 18 * HOUR


def moment(*date_and_time: int) -> int:
    """Return a moment from year, month, day and so on."""
    return int(datetime(*date_and_time, tzinfo=UTC).timestamp()) * SECOND  # type: ignore[arg-type, misc]


OPENING = moment(2023, 9, 4, 8)
NOW = moment(2025, 11, 14, 17, 30)


def spread(rng: np.random.Generator, count: int, start: int = OPENING, end: int = NOW - 6 * HOUR) -> IntArray:
    """``count`` ascending moments in business hours; the farm grows, so later ones are denser."""
    shares = np.sort(rng.random(count)) ** 0.7
    moments = start + (shares * (end - start)).astype(np.int64)
    return np.minimum(np.sort(into_business_hours(with_fractions(rng, moments))), end)


def later(rng: np.random.Generator, moments: IntArray, least_hours: float, most_hours: float) -> IntArray:
    """Each moment plus a random time, moved on into business hours; may lie after ``NOW``."""
    waits = rng.uniform(least_hours, most_hours, len(moments)) * HOUR
    return into_business_hours(with_fractions(rng, moments + waits.astype(np.int64) + SECOND))


def with_fractions(rng: np.random.Generator, moments: IntArray) -> IntArray:
    """Most on the full second, as people and forms write them; some to the ms, a few to the µs."""
    whole = moments - moments % SECOND
    kind = rng.random(len(moments))
    milliseconds = rng.integers(0, 1000, len(moments)) * 1000
    microseconds = rng.integers(0, SECOND, len(moments))
    return whole + np.select([kind < 0.08, kind < 0.35], [microseconds, milliseconds], 0)


def into_business_hours(moments: IntArray) -> IntArray:
    """Never earlier: an evening moves to the next morning, a weekend to Monday."""
    days, time_of_day = np.divmod(moments, MICROSECONDS_PER_DAY)
    is_late = time_of_day >= _CLOSES
    days = days + is_late
    outside = is_late | (time_of_day < _OPENS)
    time_of_day = np.where(outside, _OPENS + time_of_day % (2 * HOUR), time_of_day)
    weekday = (days + 3) % 7  # 1970-01-01 was a Thursday; Monday is 0
    days = days + np.where(weekday >= 5, 7 - weekday, 0)
    return days * MICROSECONDS_PER_DAY + time_of_day


def hold_some_back(
    rng: np.random.Generator, stages: IntArray, created: IntArray, days: int, share: float
) -> IntArray:
    """Of what came in within the last ``days``, set about ``share`` back to a stage before its own."""
    is_held = (created > NOW - days * 24 * HOUR) & (rng.random(len(stages)) < share)
    return np.where(is_held, rng.integers(0, stages + 1), stages)


def to_days(moments: IntArray) -> IntArray:
    """Return the date of each moment."""
    return moments // MICROSECONDS_PER_DAY


def to_years(moments: IntArray) -> IntArray:
    """Return the calendar year of each moment."""
    return moments.astype("datetime64[us]").astype("datetime64[Y]").astype(np.int64) + 1970


def to_calendar_numbers(moments: IntArray) -> IntArray:
    """Return the date of each moment as a number: 20250114."""
    days = moments.astype("datetime64[us]").astype("datetime64[D]")
    months = days.astype("datetime64[M]")
    month_number = months.astype(np.int64)
    day_of_month = (days - months.astype("datetime64[D]")).astype(np.int64) + 1
    numbers: IntArray = (month_number // 12 + 1970) * 10_000 + (month_number % 12 + 1) * 100 + day_of_month
    return numbers


def has_come(moments: IntArray) -> BoolArray:
    """Whether each moment is not after ``NOW``."""
    return moments <= NOW
