"""The sensor ``verdict``: within half a minute, Dagster says of a target what its ledger says.

It sees what no run can tell itself: that its process was killed (``dead_runs`` has ended it), that it was
canceled before its first step, what a command without this instance did, and that a night did not begin. Such
an end is put on record first.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from dagster import (
    AssetCheckEvaluation,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    DefaultSensorStatus,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
)

from blb_migration.defs.asset_keys import build_verdict_key
from blb_migration.defs.dead_runs import was_found_dead, was_interrupted
from blb_migration.defs.ended_runs import OVER, is_of, is_on_its_way, read_over_since
from blb_migration.defs.late_night import find_late_night, record_late_night
from blb_migration.defs.resource import MigrationResource, find_kind
from blb_migration.defs.run_tags import OFF_RECORD_TAG
from blb_migration.defs.tick_budget import ask_in_time
from blb_migration.defs.verdict_events import Verdict, report_verdict
from blb_migration.errors import MigrationError
from blb_migration.settings.environments import PRODUCTION, REHEARSAL, Environment

LOOK_EVERY_SECONDS = 10
LOST = "the run ended without saying why: it was killed, or never began; see its log in Dagster"


def build_verdict_sensor(resource: MigrationResource) -> SensorDefinition:
    """Build the sensor of the resource's environment."""
    environment = resource.environment

    def look(context: SensorEvaluationContext) -> SkipReason:
        try:
            return SkipReason(_look(context, resource))
        except MigrationError as error:
            return SkipReason(f"not known: {error}")

    return SensorDefinition(
        name="verdict" if environment == PRODUCTION else f"verdict_{environment}",
        evaluation_fn=look,
        minimum_interval_seconds=LOOK_EVERY_SECONDS,
        default_status=DefaultSensorStatus.RUNNING,
        description=f"Asks the ledger of {environment}'s target whether it may be cut over to, and shows the"
        " answer as a check of the report: after runs that were killed or canceled as well.",
    )


def _look(context: SensorEvaluationContext, resource: MigrationResource) -> str:
    instance, environment = context.instance, resource.environment
    if is_on_its_way(instance, environment):
        return "a run is on its way"
    now = datetime.datetime.now(datetime.UTC)
    # Runs that were over before this sensor first looked are not dug up: theirs is not the last word.
    since, began_at = _read_cursor(context.cursor, now)
    night = find_late_night(instance, now, began_at) if environment == REHEARSAL else None
    records = read_over_since(instance, RunsFilter(statuses=OVER, updated_after=since))
    runs = [record.dagster_run for record in records if is_of(record.dagster_run, environment)]

    def ask(bounded: MigrationResource) -> tuple[list[str], Verdict]:
        lost = record_lost_ends(runs, bounded)
        if night is not None and record_late_night(night, bounded):
            lost.append(night.key)
        return lost, bounded.read_verdict()

    lost, verdict = ask_in_time(resource, ask)
    is_news = _is_news(instance, environment, verdict)
    if is_news:
        report_verdict(instance, environment, verdict)
    last = max((record.update_timestamp for record in records), default=since)
    context.update_cursor(f"{last.isoformat()} {began_at.isoformat()}")
    told = "told anew" if is_news else "as it was"
    return f"{told}: {verdict.description}" + (f" (ends put on record: {', '.join(lost)})" if lost else "")


def _read_cursor(cursor: str | None, now: datetime.datetime) -> tuple[datetime.datetime, datetime.datetime]:
    """Return up to when runs were seen, and when this sensor first looked."""
    moments = [datetime.datetime.fromisoformat(each) for each in (cursor or "").split()] or [now]
    return moments[0], moments[-1]


def record_lost_ends(runs: Iterable[DagsterRun], resource: MigrationResource) -> list[str]:
    """Put ends on record that nobody could write down: of ``runs``, and of commands killed anywhere.

    Returns the ids of those of ``runs``. Raises MigrationError.
    """
    from blb_migration.run_hold import end_killed_runs_if_free

    lost = [run.run_id for run in runs if OFF_RECORD_TAG not in run.tags and _record_lost_end(run, resource)]
    end_killed_runs_if_free(resource.build_migration("", "verdict").target)
    return lost


def _record_lost_end(run: DagsterRun, resource: MigrationResource) -> bool:
    from blb_migration.postgres.ledger.runs import KILLED
    from blb_migration.report import ending as ledger
    from blb_migration.report.sentences import Ending

    migration = resource.build_migration(run.run_id, find_kind(run, resource.environment))
    if run.status is DagsterRunStatus.SUCCESS:
        return ledger.record_lost_end(migration, Ending.COMPLETED, [])
    if was_found_dead(run):
        return ledger.record_lost_end(migration, Ending.INTERRUPTED, [KILLED])
    ending = Ending.INTERRUPTED if was_interrupted(run) else Ending.FAILED
    return ledger.record_lost_end(migration, ending, [LOST])


def _is_news(instance: DagsterInstance, environment: Environment, verdict: Verdict) -> bool:
    """Whether Dagster's latest answer is another one, or one of another run."""
    record = instance.get_latest_asset_check_evaluation_record(build_verdict_key(environment))
    event = record.event.dagster_event if record is not None and record.event is not None else None
    evaluation = None if event is None else event.event_specific_data
    if not isinstance(evaluation, AssetCheckEvaluation):
        return True
    known = evaluation.metadata.get("run_id")
    return (evaluation.passed, evaluation.description, known and known.value) != (
        verdict.passed,
        verdict.description,
        verdict.run_id or "none",
    )
