"""When a night was due, and whether it began and ended in time. Pure."""

from __future__ import annotations

import datetime
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

NIGHT_HOUR = 2

Lateness = Literal["not begun", "not over"]


@dataclass(frozen=True)
class NightRun:
    """One run that counts as the night's, as far as it has come; ``run_id`` as Dagster and ledger know it."""

    run_id: str
    begun_at: datetime.datetime | None
    is_over: bool


@dataclass(frozen=True)
class NightTimes:
    """How long after 02:00 in ``timezone`` a night must have begun, and must be over."""

    timezone: str
    begins_within: datetime.timedelta
    ends_within: datetime.timedelta


def find_due(now: datetime.datetime, timezone: str) -> datetime.datetime:
    """Return the latest 02:00 in ``timezone`` that is not after ``now``, in UTC.

    Where that time is skipped in spring it is 03:00, as Dagster's schedule has it.
    """
    zone = zoneinfo.ZoneInfo(timezone)
    day = now.astimezone(zone).date()
    for back in (0, 1):
        local = datetime.datetime.combine(
            day - datetime.timedelta(days=back), datetime.time(NIGHT_HOUR), tzinfo=zone
        )
        due = local.astimezone(datetime.UTC)
        if due <= now:
            return due
    raise AssertionError(f"no night before {now}")


def judge_night(
    now: datetime.datetime, due: datetime.datetime, times: NightTimes, runs: Sequence[NightRun]
) -> Lateness | None:
    """Return what is late of the night that was due at ``due``; ``runs`` are those since then."""
    if any(run.is_over for run in runs):  # how it ended, its own alert says
        return None
    if not any(run.begun_at is not None for run in runs):
        return "not begun" if now - due >= times.begins_within else None
    return "not over" if now - due >= times.ends_within else None
