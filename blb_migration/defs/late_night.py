"""The night that is missing: it did not begin, or is not over, in time.

The alerts tell of it. The verdict's sensor puts one that did not begin on record, as a run that failed before
its first step: so history, verdict and whoever asks the ledger know of it.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster import DagsterInstance, RunRecord, RunsFilter

from blb_migration.alerts.night_times import NightRun, NightTimes, find_due, judge_night
from blb_migration.defs.ended_runs import OVER
from blb_migration.defs.jobs import name_whole_job
from blb_migration.settings.environments import REHEARSAL
from blb_migration.settings.variables import AlertVariables, ScheduleVariables

if TYPE_CHECKING:
    from blb_migration.defs.resource import MigrationResource

NOT_BEGUN = "the night's rehearsal did not begin"
SEE_WHY = "See in Dagster whether the daemon runs, whether nightly_rehearsal is on, and what is queued."
_KEY = "night-"
EARLY = datetime.timedelta(minutes=1)  # two machines' clocks differ by less


@dataclass(frozen=True)
class LateNight:
    """A night that is late, in words. ``run_id``: of the run that is not over, None where none has begun."""

    due: datetime.datetime
    what: str
    reason: str
    next_act: str
    run_id: str | None

    @property
    def key(self) -> str:
        """Its name in the ledger, where a run would have its id."""
        return f"{_KEY}{self.due:%Y%m%d-%H%M}"


def is_night(run_id: str) -> bool:
    """Whether a run of the ledger is a night that did not begin."""
    return run_id.startswith(_KEY)


def find_late_night(
    instance: DagsterInstance, now: datetime.datetime, since: datetime.datetime
) -> LateNight | None:
    """Find the latest night if it is late, by Dagster's runs; none that was due before ``since``."""
    variables, timezone = AlertVariables.read(), ScheduleVariables.read().timezone
    due = find_due(now, timezone)
    if due < since:
        return None
    times = NightTimes(
        timezone,
        datetime.timedelta(minutes=variables.night_begins_within),
        datetime.timedelta(minutes=variables.night_ends_within),
    )
    filters = RunsFilter(job_name=name_whole_job(REHEARSAL), created_after=due - EARLY)
    runs = [_describe_night_run(record) for record in instance.get_run_records(filters)]
    lateness = judge_night(now, due, times, runs)
    if lateness is None:
        return None
    waited = (now - due).total_seconds() / 60
    when = f"It was due at {due:%Y-%m-%d %H:%M} UTC"
    if lateness == "not begun":
        return LateNight(
            due,
            NOT_BEGUN,
            f"{when}; {waited:.0f} min later no run has begun.",
            SEE_WHY,
            None,
        )
    return LateNight(
        due,
        "the night's rehearsal is not over in time",
        f"{when} and still runs {waited:.0f} min later.",
        "Open the run in Dagster: its log says how far it is and how long it will take.",
        next(each.run_id for each in runs if each.begun_at is not None),
    )


def record_late_night(night: LateNight, resource: MigrationResource) -> bool:
    """Put a night that did not begin on record; False where it is, or where a command has begun it elsewhere.

    Only in a ledger that is there. Raises TargetError, and ConfigurationError for a target of the other
    environment.
    """
    from blb_migration.postgres.ledger.endings import has_begun_since
    from blb_migration.postgres.ledger.versions import has_current_ledger
    from blb_migration.report.ending import record_lost_end
    from blb_migration.report.sentences import Ending

    migration = resource.build_migration(night.key, REHEARSAL)
    if night.run_id is not None:
        return False
    with migration.target.connect() as connection:
        if not has_current_ledger(connection) or has_begun_since(connection, night.due - EARLY, night.key):
            return False
    return record_lost_end(migration, Ending.FAILED, [f"{night.what}. {night.reason}"])


def is_begun_elsewhere(night: LateNight, resource: MigrationResource) -> bool:
    """Whether a run that this Dagster does not know has begun since: a command's. Raises TargetError."""
    from blb_migration.postgres.ledger.endings import has_begun_since

    with resource.build_migration("", "verdict").target.connect() as connection:
        return has_begun_since(connection, night.due - EARLY, night.key)


def _describe_night_run(record: RunRecord) -> NightRun:
    begun = record.start_time
    return NightRun(
        record.dagster_run.run_id,
        None if begun is None else datetime.datetime.fromtimestamp(begun, datetime.UTC),
        record.dagster_run.status in OVER,
    )
