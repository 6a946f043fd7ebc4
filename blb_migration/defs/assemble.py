"""Assembles the code location: one function, a fresh ``Definitions`` every time.

Pure in the project and the environment's switches; no database is touched.
"""

from __future__ import annotations

from collections.abc import Collection

from dagster import AssetSpec, DagsterInvalidDefinitionError, Definitions

from blb_migration.defs.asset_checks import build_checks
from blb_migration.defs.asset_keys import build_asset_keys
from blb_migration.defs.dead_runs import build_dead_runs_sensor
from blb_migration.defs.executor import ExecutorChoice, build_executor, read_choice
from blb_migration.defs.jobs import build_nightly_schedule, build_reconcile_job, build_rehearsal_job
from blb_migration.defs.resource import RESOURCE_KEY, MigrationResource
from blb_migration.defs.stage_assets import build_stage_assets
from blb_migration.defs.table_assets import build_table_assets
from blb_migration.plan.decisions_file import DecisionFault
from blb_migration.plan.project import Project


def build_defs(
    project: Project,
    *,
    resource: MigrationResource | None = None,
    reconciled_labels: Collection[str] | None = None,
    reconciled_checks: Collection[str] | None = None,
    executor: ExecutorChoice | None = None,
) -> Definitions:
    """Build the asset graph of ``project`` with its checks, jobs, schedule, sensor and resource.

    ``resource`` replaces the one that reads the environment, ``executor`` the one chosen by size and
    environment; ``reconciled_labels`` and ``reconciled_checks`` narrow the job ``reconcile`` to these
    tables and checks. Raises
    ConfigurationError for owners that Dagster does not take and for environment switches it does not
    know.
    """
    keys = build_asset_keys(project.plan)
    _refuse_bad_owners(project)
    rehearsal = build_rehearsal_job()
    return Definitions(
        assets=[*build_stage_assets(keys.values()), *build_table_assets(project, keys)],
        asset_checks=build_checks(project, keys),
        jobs=[rehearsal, build_reconcile_job(keys, reconciled_labels, reconciled_checks)],
        schedules=[build_nightly_schedule(rehearsal)],
        sensors=[build_dead_runs_sensor()],
        resources={RESOURCE_KEY: (resource or MigrationResource(project)).as_definition()},
        executor=build_executor(executor or read_choice(project.plan.tables_by_label)),
    )


def _refuse_bad_owners(project: Project) -> None:
    for group, owners in project.decisions_file.decisions.owners.items():
        for number, owner in enumerate(owners):
            try:
                AssetSpec("owned", owners=[owner])
            except DagsterInvalidDefinitionError:
                expected = "an e-mail address or team:name, as Dagster takes it"
                fault = DecisionFault(("owners", group, number), f"the owner {owner!r}", expected)
                project.decisions_file.refuse([fault])
