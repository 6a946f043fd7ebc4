"""By when the nightly report is expected: Dagster's own freshness policy, which its pages show.

It is there from Dagster 1.12 on, where a daemon judges it; before that the name means something else.
"""

from __future__ import annotations

import datetime
from typing import Any

from blb_migration.alerts.night_times import NIGHT_HOUR
from blb_migration.settings.environments import REHEARSAL, Environment
from blb_migration.settings.variables import AlertVariables, ScheduleVariables


def build_report_freshness(environment: Environment) -> Any | None:
    """Build the policy of the environment's report: between 02:00 and the end of the night, each night.

    None for production, which has no schedule, and where this Dagster has no such policy. A report that was
    never made is not late. Raises ConfigurationError.
    """
    if environment != REHEARSAL:
        return None
    try:
        from dagster import FreshnessPolicy
    except ImportError:
        return None
    minutes = int(AlertVariables.read().night_ends_within)
    hour, minute = divmod(NIGHT_HOUR * 60 + minutes, 60)
    return FreshnessPolicy.cron(
        deadline_cron=f"{minute} {hour % 24} * * *",
        lower_bound_delta=datetime.timedelta(minutes=minutes),
        timezone=ScheduleVariables.read().timezone,
    )
