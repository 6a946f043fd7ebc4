"""One asset per planned table: loading it is one step, its parents come first.

The asset's body calls ``load.table.load_table``; nothing is handed from step to step but order.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from dagster import AssetExecutionContext, AssetKey, AssetsDefinition, MaterializeResult, asset

from blb_migration.defs.asset_keys import TARGET_PREPARED, build_group_name
from blb_migration.defs.asset_metadata import (
    build_load_metadata,
    build_table_definition_metadata,
    describe_table,
)
from blb_migration.defs.priorities import PRIORITY_TAG, rank_tables
from blb_migration.defs.progress_log import build_progress_listener, log_whole_run
from blb_migration.defs.resource import RESOURCE_KEY, MigrationResource
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import TablePlan

if TYPE_CHECKING:
    from blb_migration.load.table import TableLoad
    from blb_migration.migration import Migration

KINDS = frozenset({"sqlserver", "postgres"})
TAG_LENGTH = 63  # of a tag's value, see dagster's documentation of tags


def build_table_assets(project: Project, keys: Mapping[str, AssetKey]) -> list[AssetsDefinition]:
    """Build the assets of all planned tables, in load order."""
    ranks = rank_tables(project.plan)
    return [_build_table_asset(project, table, keys, ranks[table.label]) for table in project.plan.tables]


def _build_table_asset(
    project: Project, table: TablePlan, keys: Mapping[str, AssetKey], rank: int
) -> AssetsDefinition:
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
        op_tags={PRIORITY_TAG: rank},
        required_resource_keys={RESOURCE_KEY},
    )
    def load(context: AssetExecutionContext) -> MaterializeResult[None]:
        from blb_migration.load.table import load_table
        from blb_migration.progress.rates import LogPace

        resource: MigrationResource = getattr(context.resources, RESOURCE_KEY)
        observer, notes, say = resource.observer, resource.notes, context.log.info
        observer.table_started(table.label)

        def load_and_tell(migration: "Migration") -> "TableLoad":
            listener = build_progress_listener(table.label, notes, LogPace(), say, resource.cancellation)
            loaded = load_table(migration, table, listener)
            observer.table_loaded(loaded)
            log_whole_run(migration, notes, loaded.elapsed_seconds, say)
            return loaded

        loaded = resource.carry_out(context, table.label, load_and_tell)
        return MaterializeResult(metadata=build_load_metadata(loaded))

    return load
