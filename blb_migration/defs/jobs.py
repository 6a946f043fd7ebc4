"""The jobs of each environment, and the schedule ``nightly_rehearsal``.

Production has ``migration`` and ``reconcile``, the rehearsal ``rehearsal`` and ``reconcile_rehearsal``: a
name alone says in every list of Dagster's which target is meant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from dagster import AssetKey, AssetSelection, DefaultScheduleStatus, ScheduleDefinition, define_asset_job

from blb_migration.alerts.night_times import NIGHT_HOUR
from blb_migration.defs.asset_checks import select_checks
from blb_migration.defs.run_tags import ENVIRONMENT_TAG, KIND_TAG
from blb_migration.settings.environments import PRODUCTION, REHEARSAL, Environment, describe_pair
from blb_migration.settings.variables import ScheduleVariables

NIGHTLY_CRON = f"0 {NIGHT_HOUR} * * *"

# define_asset_job's return type is not exported by dagster.
JobDefinition = Any


def name_whole_job(environment: Environment) -> str:
    """Name the job that does everything: it is the kind of run as well."""
    return "migration" if environment == PRODUCTION else "rehearsal"


def name_reconcile_job(environment: Environment) -> str:
    """Name the job that only compares."""
    return "reconcile" if environment == PRODUCTION else "reconcile_rehearsal"


def build_whole_job(environment: Environment) -> JobDefinition:
    """Everything, from preflight to the report."""
    name = name_whole_job(environment)
    return define_asset_job(
        name,
        selection=AssetSelection.all(),
        description=f"The whole migration of {environment}: preflight, every table with its checks, keys"
        f" back, report. {describe_pair(environment)}",
        tags={KIND_TAG: name, ENVIRONMENT_TAG: environment},
    )


def build_reconcile_job(
    keys: Mapping[str, AssetKey],
    environment: Environment,
    labels: Collection[str] | None = None,
    checks: Collection[str] | None = None,
) -> JobDefinition:
    """Build the job of the checks ``checks`` of the tables ``labels``, each None for all, without a load."""
    return define_asset_job(
        name_reconcile_job(environment),
        selection=AssetSelection.checks(*select_checks(keys, environment, labels, checks)),
        description=f"Compares the databases of {environment} as they are; loads nothing."
        f" {describe_pair(environment)}",
        tags={KIND_TAG: "reconcile", ENVIRONMENT_TAG: environment},
    )


def build_nightly_schedule(rehearsal: JobDefinition) -> ScheduleDefinition:
    """02:00 in ``BLB_TIMEZONE`` (an IANA name, UTC without it); there where a rehearsal is configured."""
    return ScheduleDefinition(
        name="nightly_rehearsal",
        job=rehearsal,
        cron_schedule=NIGHTLY_CRON,
        execution_timezone=ScheduleVariables.read().timezone,
        tags={ENVIRONMENT_TAG: REHEARSAL},
        default_status=DefaultScheduleStatus.RUNNING,
        description="A rehearsal between BLB_REHEARSAL_SOURCE_CONN and BLB_REHEARSAL_TARGET_CONN.",
    )
