"""The jobs ``rehearsal`` and ``reconcile``, and the schedule ``nightly_rehearsal``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from dagster import AssetKey, AssetSelection, DefaultScheduleStatus, ScheduleDefinition, define_asset_job

from blb_migration.defs.asset_checks import select_checks
from blb_migration.defs.resource import CONNECTIONS_TAG, KIND_TAG, is_rehearsal_configured
from blb_migration.settings.variables import ScheduleVariables

REHEARSAL = "rehearsal"
RECONCILE = "reconcile"
NIGHTLY_CRON = "0 2 * * *"

# define_asset_job's return type is not exported by dagster.
JobDefinition = Any


def build_rehearsal_job() -> JobDefinition:
    """Everything, from preflight to the report."""
    return define_asset_job(
        REHEARSAL,
        selection=AssetSelection.all(),
        description="The whole migration: preflight, every table with its checks, keys back, report.",
        tags={KIND_TAG: "rehearsal"},
    )


def build_reconcile_job(
    keys: Mapping[str, AssetKey],
    labels: Collection[str] | None = None,
    checks: Collection[str] | None = None,
) -> JobDefinition:
    """Build the job of the checks ``checks`` of the tables ``labels``, each None for all, without a load."""
    chosen = [
        check
        for label in (keys if labels is None else labels)
        for check in select_checks(keys[label], checks)
    ]
    return define_asset_job(
        RECONCILE,
        selection=AssetSelection.checks(*chosen),
        description="Compares source and target as they are; loads nothing.",
        tags={KIND_TAG: "reconcile"},
    )


def build_nightly_schedule(rehearsal: JobDefinition) -> ScheduleDefinition:
    """02:00 in ``BLB_TIMEZONE`` (an IANA name, UTC without it), on where a rehearsal is configured."""
    return ScheduleDefinition(
        name="nightly_rehearsal",
        job=rehearsal,
        cron_schedule=NIGHTLY_CRON,
        execution_timezone=ScheduleVariables.read().timezone,
        tags={CONNECTIONS_TAG: "rehearsal"},
        default_status=(
            DefaultScheduleStatus.RUNNING if is_rehearsal_configured() else DefaultScheduleStatus.STOPPED
        ),
        description="A rehearsal between BLB_REHEARSAL_SOURCE_CONN and BLB_REHEARSAL_TARGET_CONN.",
    )
