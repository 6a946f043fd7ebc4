"""One step per table that runs its checks, with a load or alone, all of them or one; integrity at the end.

They block: no child is loaded after a parent that differs. The comparing itself is ``compare/``'s.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckKey,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetKey,
    multi_asset_check,
)

from blb_migration.checks import CHECK_NAMES, CHECKS
from blb_migration.defs.asset_keys import CONSTRAINTS_RESTORED, build_checks_name, build_integrity_name
from blb_migration.defs.asset_metadata import build_check_metadata
from blb_migration.defs.priorities import PRIORITY_TAG, rank_tables
from blb_migration.defs.resource import RESOURCE_KEY, MigrationResource
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import TablePlan

INTEGRITY = "integrity"
TABLE_CHECKS = tuple(name for name in CHECK_NAMES if name != INTEGRITY)


def build_checks(project: Project, keys: Mapping[str, AssetKey]) -> list[AssetChecksDefinition]:
    """Build the checks of all planned tables in load order, and those of their integrity at the end."""
    ranks = rank_tables(project.plan)
    tables = [
        _build_table_checks(table, keys[table.label], ranks[table.label]) for table in project.plan.tables
    ]
    return [*tables, *_build_integrity_checks(project, keys)]


def select_checks(key: AssetKey, checks: Collection[str] | None = None) -> Iterator[AssetCheckKey]:
    """Yield the checks of one table at ``checks``, or at all of them."""
    for name in TABLE_CHECKS:
        if checks is None or name in checks:
            yield AssetCheckKey(key, name)
    if checks is None or INTEGRITY in checks:
        yield AssetCheckKey(CONSTRAINTS_RESTORED, build_integrity_name(key))


def _build_table_checks(table: TablePlan, key: AssetKey, rank: int) -> AssetChecksDefinition:
    specs = [
        AssetCheckSpec(name, asset=key, blocking=True, description=CHECKS[name]) for name in TABLE_CHECKS
    ]

    @multi_asset_check(
        name=build_checks_name(key),
        specs=specs,
        op_tags={PRIORITY_TAG: rank},  # its children wait for them
        can_subset=True,
        required_resource_keys={RESOURCE_KEY},
    )
    def run_checks(context: AssetCheckExecutionContext) -> Iterable[AssetCheckResult]:
        selected = context.selected_asset_check_keys
        chosen = [(table, name, AssetCheckKey(key, name)) for name in TABLE_CHECKS]
        yield from _run_checks(context, [item for item in chosen if item[2] in selected])

    return run_checks


def _build_integrity_checks(
    project: Project, keys: Mapping[str, AssetKey]
) -> Iterator[AssetChecksDefinition]:
    """One step for all tables: only when the last foreign key is back can any table be judged.

    They are checks of ``constraints_restored``, since Dagster lets nothing wait for a check but by
    blocking, and the report must wait for these.
    """
    names = {table.label: build_integrity_name(keys[table.label]) for table in project.plan.tables}
    if not names:
        return

    @multi_asset_check(
        name=f"{INTEGRITY}_checks",
        specs=[
            AssetCheckSpec(
                name, asset=CONSTRAINTS_RESTORED, blocking=True, description=f"{label}: {CHECKS[INTEGRITY]}"
            )
            for label, name in names.items()
        ],
        can_subset=True,
        required_resource_keys={RESOURCE_KEY},
    )
    def run_integrity_checks(context: AssetCheckExecutionContext) -> Iterable[AssetCheckResult]:
        selected = context.selected_asset_check_keys
        chosen = [
            (table, INTEGRITY, AssetCheckKey(CONSTRAINTS_RESTORED, names[table.label]))
            for table in project.plan.tables
        ]
        yield from _run_checks(context, [item for item in chosen if item[2] in selected])

    yield run_integrity_checks


def _run_checks(
    context: AssetCheckExecutionContext, chosen: Sequence[tuple[TablePlan, str, AssetCheckKey]]
) -> Iterator[AssetCheckResult]:
    from blb_migration.compare.run_checks import run_check

    resource: MigrationResource = getattr(context.resources, RESOURCE_KEY)
    results = []
    for table, name, check_key in chosen:
        run = partial(run_check, table=table, name=name)
        results.append((resource.carry_out(context, table.label, run), check_key))
    for result, check_key in results:
        resource.observer.check_finished(result)
        yield AssetCheckResult(
            check_name=check_key.name,
            asset_key=check_key.asset_key,
            passed=result.passed,
            severity=AssetCheckSeverity.ERROR,
            metadata=build_check_metadata(result),
        )
