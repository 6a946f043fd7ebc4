"""One step per table that runs its checks, with a load or alone, all of them or one.

They block: no child is loaded after a parent that differs. The comparing itself is ``reconcile/``'s.
"""

from collections.abc import Iterable, Iterator, Mapping

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    multi_asset_check,
)

from blb_migration.defs.failures import reported_failures
from blb_migration.defs.keys import build_checks_name
from blb_migration.defs.metadata import build_check_metadata
from blb_migration.defs.resource import RESOURCE_KEY, MigrationResource
from blb_migration.plan.build import TablePlan
from blb_migration.plan.project import Project
from blb_migration.reconcile.checks import CHECK_NAMES, run_check

_DESCRIPTIONS = {
    "row_count": "The target has as many rows as the source.",
    "key_totals": "The key totals of decisions.yaml, and every column's count, sum, smallest and largest "
    "value, are the same on both sides, to the last digit.",
}


def build_table_checks(project: Project, keys: Mapping[str, AssetKey]) -> list[AssetChecksDefinition]:
    """The checks of all planned tables, in load order."""
    return [_build_checks(table, keys[table.label]) for table in project.plan.tables]


def _build_checks(table: TablePlan, key: AssetKey) -> AssetChecksDefinition:
    specs = [
        AssetCheckSpec(name, asset=key, blocking=True, description=_DESCRIPTIONS.get(name))
        for name in CHECK_NAMES
    ]

    @multi_asset_check(
        name=build_checks_name(key),
        specs=specs,
        can_subset=True,
        required_resource_keys={RESOURCE_KEY},
    )
    def run_checks(context: AssetCheckExecutionContext) -> Iterable[AssetCheckResult]:
        resource: MigrationResource = getattr(context.resources, RESOURCE_KEY)
        selected = {check.name for check in context.selected_asset_check_keys}
        names = [spec.name for spec in specs if spec.name in selected]
        yield from _run_checks(context, resource, table, key, names)

    return run_checks


def _run_checks(
    context: AssetCheckExecutionContext,
    resource: MigrationResource,
    table: TablePlan,
    key: AssetKey,
    names: list[str],
) -> Iterator[AssetCheckResult]:
    with reported_failures(table.label, resource.observer, context.retry_number):
        migration = resource.open(context)
        results = [run_check(migration, table, name) for name in names]
    for result in results:
        resource.observer.check_finished(result)
        yield AssetCheckResult(
            check_name=result.name,
            asset_key=key,
            passed=result.passed,
            severity=AssetCheckSeverity.ERROR,
            metadata=build_check_metadata(result),
        )
