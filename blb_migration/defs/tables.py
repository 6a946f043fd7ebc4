"""One asset per planned table: loading it is one step, its parents come first.

The asset's body calls ``migrate.table.load_table``; nothing is handed from step to step but order.
"""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dagster import AssetExecutionContext, AssetKey, AssetsDefinition, MaterializeResult, asset

from blb_migration.defs.failures import reported_failures
from blb_migration.defs.keys import TARGET_PREPARED, build_group_name
from blb_migration.defs.metadata import build_load_metadata, build_table_definition_metadata, describe_table
from blb_migration.defs.resource import RESOURCE_KEY, MigrationResource
from blb_migration.plan.build import TablePlan
from blb_migration.plan.project import Project

if TYPE_CHECKING:
    from blb_migration.migrate.context import ProgressListener, TableProgress

KINDS = frozenset({"sqlserver", "postgres"})
TAG_LENGTH = 63  # of a tag's value, see dagster's documentation of tags
PROGRESS_LOG_INTERVAL_SECONDS = 5  # every event is a row in Dagster's storage


def build_table_assets(project: Project, keys: Mapping[str, AssetKey]) -> list[AssetsDefinition]:
    """The assets of all planned tables, in load order."""
    return [_build_table_asset(project, table, keys) for table in project.plan.tables]


def _build_table_asset(project: Project, table: TablePlan, keys: Mapping[str, AssetKey]) -> AssetsDefinition:
    parents = [keys[label] for label in table.upstream]
    owners = project.decisions_file.decisions.owners.get(table.group, ())

    @asset(
        key=keys[table.label],
        deps=parents or [TARGET_PREPARED],
        description=describe_table(table),
        metadata=build_table_definition_metadata(table),
        kinds=set(KINDS),
        group_name=build_group_name(table.group),
        owners=list(owners),
        tags={"blb/project": project.name[:TAG_LENGTH]},
        required_resource_keys={RESOURCE_KEY},
    )
    def load(context: AssetExecutionContext) -> MaterializeResult[None]:
        from blb_migration.migrate.table import load_table

        resource: MigrationResource = getattr(context.resources, RESOURCE_KEY)
        observer = resource.observer
        observer.table_started(table.label)
        with reported_failures(table.label, observer, context.retry_number):
            listener = _build_listener(context, observer.table_progressed)
            loaded = load_table(resource.open(context), table, listener)
        observer.table_loaded(loaded)
        return MaterializeResult(metadata=build_load_metadata(loaded))

    return load


def _build_listener(context: AssetExecutionContext, listen: "ProgressListener") -> "ProgressListener":
    """Pass every progress on to ``listen``, and now and then to Dagster's log."""
    next_log_time = time.monotonic() + PROGRESS_LOG_INTERVAL_SECONDS

    def on_progress(progress: "TableProgress") -> None:
        nonlocal next_log_time
        listen(progress)
        if time.monotonic() >= next_log_time:
            next_log_time = time.monotonic() + PROGRESS_LOG_INTERVAL_SECONDS
            context.log.info(_describe_progress(progress))

    return on_progress


def _describe_progress(progress: "TableProgress") -> str:
    expected = f" of about {progress.rows_expected:,}" if progress.rows_expected else ""
    rate = progress.rows_read / progress.elapsed_seconds if progress.elapsed_seconds else 0
    return f"{progress.label}: {progress.rows_read:,}{expected} rows, {rate:,.0f} rows/s"
