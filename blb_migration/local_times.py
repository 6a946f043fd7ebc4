"""Local times of a time zone as instants, and which of them its clocks showed twice or never.

From the IANA database (``zoneinfo``), for 1900 to 2400; before and after, the first and the last offset
count. A time that was shown twice is taken as the first of the two.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

_FIRST, _LAST = dt.datetime(1900, 1, 1), dt.datetime(2400, 1, 1)
_DAY = dt.timedelta(days=1)
_EPOCH = dt.datetime(1970, 1, 1)
_MICROSECOND = dt.timedelta(microseconds=1)

Microseconds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Change:
    """A moment (UTC, naive) at which a zone's clocks are set from one offset to another."""

    at: dt.datetime
    before: dt.timedelta
    after: dt.timedelta

    @property
    def is_skip(self) -> bool:
        """Whether local times are left out, rather than shown twice."""
        return self.after > self.before

    @property
    def affected(self) -> tuple[dt.datetime, dt.datetime]:
        """The local times left out or shown twice: from, and up to but without."""
        first, second = sorted((self.at + self.before, self.at + self.after))
        return first, second


def _offset(zone: zoneinfo.ZoneInfo, at: dt.datetime) -> dt.timedelta:
    return at.replace(tzinfo=dt.UTC).astimezone(zone).utcoffset() or dt.timedelta()


@cache
def find_changes(zone_name: str) -> tuple[Change, ...]:
    """Find every change of a zone's offset, in order."""
    return tuple(_iterate_changes(zoneinfo.ZoneInfo(zone_name)))


def _iterate_changes(zone: zoneinfo.ZoneInfo) -> Iterator[Change]:
    at, before = _FIRST, _offset(zone, _FIRST)
    while at < _LAST:
        after = _offset(zone, at + _DAY)
        if after != before:
            low, high = at, at + _DAY
            while high - low > dt.timedelta(seconds=1):
                middle = low + dt.timedelta(seconds=int((high - low).total_seconds()) // 2)
                low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
            yield Change(high, before, after)
            before = after
        at += _DAY


def find_affected(zone_name: str, *, skipped: bool) -> tuple[tuple[dt.datetime, dt.datetime], ...]:
    """Return the spans of local times that were skipped, or of those shown twice."""
    return tuple(change.affected for change in find_changes(zone_name) if change.is_skip == skipped)


def find_instants_shown_twice(zone_name: str) -> tuple[tuple[dt.datetime, dt.datetime], ...]:
    """Return the spans of instants (UTC) whose local times were shown twice: before and after each change."""
    changes = (change for change in find_changes(zone_name) if not change.is_skip)
    return tuple((c.at - (c.before - c.after), c.at + (c.before - c.after)) for c in changes)


def to_local_times(instants: Microseconds, zone_name: str) -> Microseconds:
    """Return instants (microseconds since 1970) as local times."""
    changes = find_changes(zone_name)
    moments = np.array([_count(change.at - _EPOCH) for change in changes], np.int64)
    return instants + _list_offsets(changes, zone_name)[np.searchsorted(moments, instants, side="right")]


def _list_offsets(changes: tuple[Change, ...], zone_name: str) -> Microseconds:
    """Return the offsets before the first change and after each."""
    first = changes[0].before if changes else _offset(zoneinfo.ZoneInfo(zone_name), _FIRST)
    return np.array([_count(first), *(_count(change.after) for change in changes)], np.int64)


def to_instants(local: Microseconds, zone_name: str) -> Microseconds:
    """Return local times (microseconds since 1970) as instants; raises ValueError for one that never was."""
    changes = find_changes(zone_name)
    spans = [(_count(low - _EPOCH), _count(high - _EPOCH)) for low, high in (c.affected for c in changes)]
    starts = np.array([low for low, _ in spans], np.int64)
    ends = np.array([high for _, high in spans], np.int64)
    number = np.searchsorted(ends, local, side="right")
    if len(changes):
        skips = np.array([change.is_skip for change in changes])
        following = np.minimum(number, len(changes) - 1)
        never = (number < len(changes)) & skips[following] & (local >= starts[following])
        if never.any():
            wrong = _EPOCH + int(local[never][0]) * _MICROSECOND
            raise ValueError(f"{wrong.isoformat(' ')} never was a local time of {zone_name}")
    return local - _list_offsets(changes, zone_name)[number]


def _count(span: dt.timedelta) -> int:
    return span // _MICROSECOND
