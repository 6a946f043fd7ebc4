"""One asset per planned table: loading it is one step, its parents come first.

Upstream of each is the table at the source, an external asset: nothing here writes to it. The asset's body
calls ``load.table.load_table``; nothing is handed from step to step but order.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from dagster import AssetExecutionContext, AssetKey, AssetsDefinition, AssetSpec, MaterializeResult, asset

from blb_migration.defs.asset_keys import (
    TARGET_PREPARED,
    build_group_names,
    build_source_group_names,
    build_source_keys,
    place_key,
)
from blb_migration.defs.asset_metadata import (
    build_load_metadata,
    build_source_metadata,
    build_table_definition_metadata,
    describe_source,
    describe_table,
)
from blb_migration.defs.celery_queues import build_queue_tags
from blb_migration.defs.priorities import PRIORITY_TAG, rank_tables
from blb_migration.defs.progress_log import build_progress_listener, log_whole_run
from blb_migration.defs.resource import RESOURCE_KEY, MigrationResource
from blb_migration.defs.run_tags import ENVIRONMENT_TAG, name_pool
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import TablePlan
from blb_migration.settings.environments import Environment

if TYPE_CHECKING:
    from blb_migration.load.table import TableLoad
    from blb_migration.migration import Migration

KINDS = frozenset({"sqlserver", "postgres"})
TAG_LENGTH = 63  # of a tag's value, see dagster's documentation of tags


def build_table_assets(
    project: Project, keys: Mapping[str, AssetKey], environment: Environment
) -> list[AssetsDefinition]:
    """Build the assets of all planned tables, in load order."""
    ranks, sources = rank_tables(project.plan), build_source_keys(project.plan, environment)
    groups = build_group_names(project.plan)
    return [
        _build_table_asset(
            project,
            table,
            environment,
            key=keys[table.label],
            group=groups[table.label],
            # The target is said again for tables with parents: whatever is selected, a table waits for it.
            upstream=[
                place_key(TARGET_PREPARED, environment),
                sources[table.label],
                *(keys[label] for label in table.upstream),
            ],
            rank=ranks[table.label],
        )
        for table in project.plan.tables
    ]


def build_source_assets(project: Project, environment: Environment) -> list[AssetSpec]:
    """Build the planned tables at the source, as external assets."""
    keys, groups = build_source_keys(project.plan, environment), build_source_group_names(project.plan)
    return [
        AssetSpec(
            keys[table.label],
            description=describe_source(table),
            metadata=build_source_metadata(table),
            kinds={"sqlserver"},
            group_name=groups[table.label],
            owners=_find_owners(project, table),
            tags=_build_tags(project, environment),
        )
        for table in project.plan.tables
    ]


def _find_owners(project: Project, table: TablePlan) -> list[str]:
    return list(project.decisions_file.decisions.owners.get(table.group, ()))


def _build_tags(project: Project, environment: Environment) -> Mapping[str, str]:
    return {"blb/project": project.name[:TAG_LENGTH], ENVIRONMENT_TAG: environment}


def _build_table_asset(
    project: Project,
    table: TablePlan,
    environment: Environment,
    *,
    key: AssetKey,
    group: str,
    upstream: Sequence[AssetKey],
    rank: int,
) -> AssetsDefinition:
    @asset(
        key=key,
        deps=upstream,
        description=describe_table(table),
        metadata=build_table_definition_metadata(table),
        kinds=set(KINDS),
        group_name=group,
        owners=_find_owners(project, table),
        tags=_build_tags(project, environment),
        op_tags={PRIORITY_TAG: rank, **build_queue_tags(rank)},
        pool=name_pool(environment),
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
        return MaterializeResult(metadata={**build_load_metadata(loaded), **resource.places})

    return load
