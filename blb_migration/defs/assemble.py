"""Assembles what Dagster serves: one environment's graph, fresh every time.

Where a rehearsal is configured beside production, each is a repository of its own. Pure in the project and
the environment's switches; no database is touched.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from dagster import (
    AssetSpec,
    DagsterInvalidDefinitionError,
    Definitions,
    RepositoryDefinition,
    create_repository_using_definitions_args,
)

from blb_migration.defs.alert_sensor import build_alert_sensor
from blb_migration.defs.asset_checks import build_checks
from blb_migration.defs.asset_keys import build_asset_keys
from blb_migration.defs.cutover_jobs import (
    build_cutover_job,
    build_rollback_job,
    build_watch_schedule,
    has_night,
)
from blb_migration.defs.database_pair import DATABASES_KEY, build_database_pair
from blb_migration.defs.dead_runs import build_dead_runs_sensor
from blb_migration.defs.executor import ExecutorChoice, build_executor, read_choice
from blb_migration.defs.jobs import build_nightly_schedule, build_reconcile_job, build_whole_job
from blb_migration.defs.left_keys import build_left_key_sensors
from blb_migration.defs.resource import RESOURCE_KEY, MigrationResource
from blb_migration.defs.stage_assets import build_stage_assets
from blb_migration.defs.table_assets import build_source_assets, build_table_assets
from blb_migration.defs.unusable_variables import build_unusable_variables
from blb_migration.defs.verdict_check import build_verdict_check
from blb_migration.defs.verdict_sensor import build_verdict_sensor
from blb_migration.plan.decisions_file import DecisionFault
from blb_migration.plan.project import Project
from blb_migration.settings.environments import PRODUCTION, REHEARSAL, Environment


def build_defs(
    project: Project,
    *,
    environment: Environment = PRODUCTION,
    resource: MigrationResource | None = None,
    reconciled_labels: Collection[str] | None = None,
    reconciled_checks: Collection[str] | None = None,
    executor: ExecutorChoice | None = None,
) -> Definitions:
    """Build the asset graph of ``project`` in one environment with its checks, jobs, sensors and resource.

    ``resource`` replaces the one that reads the environment's variables, ``executor`` the one chosen by size
    and variables; ``reconciled_labels`` and ``reconciled_checks`` narrow the job ``reconcile`` to these
    tables and checks. Raises
    ConfigurationError for owners that Dagster does not take and for environment switches it does not
    know.
    """
    parts = _build_parts(project, environment, resource, executor)
    keys = build_asset_keys(project.plan, environment)
    reconcile = build_reconcile_job(keys, environment, reconciled_labels, reconciled_checks)
    return Definitions(**parts | {"jobs": [*parts["jobs"], reconcile]})


def build_repository(project: Project, environment: Environment) -> RepositoryDefinition:
    """Build the same as a repository named after its environment: Dagster runs nothing of two of them
    together."""
    parts = _build_parts(project, environment, None, None)
    reconcile = build_reconcile_job(build_asset_keys(project.plan, environment), environment)
    return create_repository_using_definitions_args(
        environment, **parts | {"jobs": [*parts["jobs"], reconcile]}
    )


def _build_parts(
    project: Project,
    environment: Environment,
    resource: MigrationResource | None,
    executor: ExecutorChoice | None,
) -> dict[str, Any]:
    keys = build_asset_keys(project.plan, environment)
    _refuse_bad_owners(project)
    whole = build_whole_job(environment)
    unusable = [] if resource else build_unusable_variables(environment)
    resource = resource or MigrationResource(project, environment=environment)
    is_night = environment == PRODUCTION and has_night(project)
    return {
        "assets": [
            *unusable,
            *build_stage_assets(keys.values(), environment, [spec.key for spec in unusable]),
            *build_source_assets(project, environment),
            *build_table_assets(project, keys, environment),
        ],
        "asset_checks": [*build_checks(project, keys, environment), build_verdict_check(environment)],
        "jobs": [whole, *((build_cutover_job(project), build_rollback_job(project)) if is_night else ())],
        "schedules": [
            *([build_nightly_schedule(whole)] if environment == REHEARSAL else []),
            *([build_watch_schedule(project)] if is_night else []),
        ],
        "sensors": [
            *([build_dead_runs_sensor()] if environment == PRODUCTION else []),  # it looks at all runs
            build_verdict_sensor(resource),
            build_alert_sensor(resource),
            *build_left_key_sensors(resource),
        ],
        "resources": {
            RESOURCE_KEY: resource.as_definition(),
            **({DATABASES_KEY: build_database_pair(environment)} if resource.is_of_environment else {}),
        },
        "executor": build_executor(executor or read_choice(project.plan.tables_by_label), resource),
    }


def _refuse_bad_owners(project: Project) -> None:
    for group, owners in project.decisions_file.decisions.owners.items():
        for number, owner in enumerate(owners):
            try:
                AssetSpec("owned", owners=[owner])
            except DagsterInvalidDefinitionError:
                expected = "an e-mail address or team:name, as Dagster takes it"
                fault = DecisionFault(("owners", group, number), f"the owner {owner!r}", expected)
                project.decisions_file.refuse([fault])
