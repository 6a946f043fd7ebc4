"""One step per table that runs its checks, with a load or alone, all of them or one; integrity at the end.

They block: no child is loaded after a parent that differs. The comparing itself is ``compare/``'s.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from dagster import (
    AssetCheckEvaluation,
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
from blb_migration.defs.asset_keys import (
    CONSTRAINTS_RESTORED,
    build_checks_name,
    place_key,
)
from blb_migration.defs.asset_metadata import Metadata
from blb_migration.defs.celery_queues import DEFAULT_QUEUE, build_queue_tags
from blb_migration.defs.check_metadata import build_check_metadata
from blb_migration.defs.priorities import PRIORITY_TAG, rank_tables
from blb_migration.defs.resource import RESOURCE_KEY, MigrationResource
from blb_migration.defs.run_tags import name_pool
from blb_migration.first_few import name_some
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import TablePlan
from blb_migration.settings.environments import Environment

if TYPE_CHECKING:
    from blb_migration.checks import CheckResult

INTEGRITY = "integrity"
_NAMED = 10  # tables, in a sentence
TABLE_CHECKS = tuple(name for name in CHECK_NAMES if name != INTEGRITY)


def build_checks(
    project: Project, keys: Mapping[str, AssetKey], environment: Environment
) -> list[AssetChecksDefinition]:
    """Build the checks of all planned tables in load order, and those of their integrity at the end."""
    ranks = rank_tables(project.plan)
    tables = [
        _build_table_checks(table, keys[table.label], ranks[table.label], name_pool(environment))
        for table in project.plan.tables
    ]
    return [*tables, *_build_integrity_checks(project, keys, environment)]


def select_checks(
    keys: Mapping[str, AssetKey],
    environment: Environment,
    labels: Collection[str] | None = None,
    checks: Collection[str] | None = None,
) -> Iterator[AssetCheckKey]:
    """Yield the checks of the tables ``labels`` at ``checks``, each None for all."""
    for label in keys if labels is None else labels:
        for name in CHECK_NAMES:
            if checks is None or name in checks:
                yield AssetCheckKey(keys[label], name)
    if labels is None and (checks is None or INTEGRITY in checks):
        yield AssetCheckKey(place_key(CONSTRAINTS_RESTORED, environment), INTEGRITY)


def _build_table_checks(table: TablePlan, key: AssetKey, rank: int, pool: str) -> AssetChecksDefinition:
    specs = [
        AssetCheckSpec(name, asset=key, blocking=True, description=CHECKS[name]) for name in TABLE_CHECKS
    ]

    @multi_asset_check(
        name=build_checks_name(key),
        specs=specs,
        op_tags={PRIORITY_TAG: rank, **build_queue_tags(rank, DEFAULT_QUEUE)},  # its children wait for them
        pool=pool,
        can_subset=True,
        required_resource_keys={RESOURCE_KEY},
    )
    def run_checks(context: AssetCheckExecutionContext) -> Iterable[AssetCheckResult]:
        selected = context.selected_asset_check_keys
        chosen = [(table, name, AssetCheckKey(key, name)) for name in TABLE_CHECKS]
        yield from _run_checks(context, [item for item in chosen if item[2] in selected])

    return run_checks


def _build_integrity_checks(
    project: Project, keys: Mapping[str, AssetKey], environment: Environment
) -> Iterator[AssetChecksDefinition]:
    """One step for all tables: only when the last foreign key is back can any table be judged.

    Each table has its own check, and ``constraints_restored`` one over all of them, which blocks: Dagster
    lets nothing wait for a check but by blocking, the report must wait, and a table's children must not.
    """
    tables = project.plan.tables
    if not tables:
        return
    restored = place_key(CONSTRAINTS_RESTORED, environment)
    whole = AssetCheckKey(restored, INTEGRITY)

    @multi_asset_check(
        name="__".join(place_key(AssetKey(f"{INTEGRITY}_checks"), environment).path),
        specs=[
            AssetCheckSpec(INTEGRITY, asset=restored, blocking=True, description=_OF_ALL_TABLES),
            *(
                AssetCheckSpec(
                    INTEGRITY,
                    asset=keys[table.label],
                    additional_deps=[restored],
                    description=CHECKS[INTEGRITY],
                )
                for table in tables
            ),
        ],
        pool=name_pool(environment),
        can_subset=True,
        required_resource_keys={RESOURCE_KEY},
    )
    def run_integrity_checks(context: AssetCheckExecutionContext) -> Iterator[AssetCheckResult]:
        selected = context.selected_asset_check_keys
        loaded = context.run.asset_selection or frozenset()
        if whole in selected:
            chosen = list(tables)
        else:
            chosen = [table for table in tables if AssetCheckKey(keys[table.label], INTEGRITY) in selected]
            early = [table.label for table in chosen if keys[table.label] in loaded]
            if early and restored not in loaded:  # its foreign keys come back when the run is over
                context.log.info(f"Not checked before constraints_restored: {name_some(early, _NAMED)}")
                chosen = [table for table in chosen if table.label not in early]
        results = [_compare(context, table, INTEGRITY) for table in chosen]
        for result in results:
            evaluated = _evaluate(context, result, AssetCheckKey(keys[result.label], INTEGRITY))
            if AssetCheckKey(keys[result.label], INTEGRITY) in selected:
                yield evaluated
            else:  # it was asked for as one of all tables, and is shown with its table all the same
                context.instance.report_runless_asset_event(_as_event(evaluated))
        if whole in selected:
            yield _judge_integrity(results, whole, _resource(context).places)

    yield run_integrity_checks


_OF_ALL_TABLES = "Every table keeps what the target promises of it; each table's own check has the details."


def _judge_integrity(
    results: Sequence["CheckResult"], key: AssetCheckKey, places: Metadata
) -> AssetCheckResult:
    from blb_migration.report.check_sentences import describe_check

    broken = [result for result in results if not result.passed]
    named = name_some([result.label for result in broken], _NAMED)
    description = f"All {len(results)} tables keep what the target promises of them."
    if broken:
        description = (
            f"{len(broken)} of {len(results)} tables differ from what the target promised: {named}."
            f" {broken[0].label}: {describe_check(broken[0])}"
        )
    return AssetCheckResult(
        check_name=key.name,
        asset_key=key.asset_key,
        passed=not broken,
        severity=AssetCheckSeverity.ERROR,
        description=description,
        metadata={"tables": len(results), "tables_that_differ": len(broken), **places},
    )


def _run_checks(
    context: AssetCheckExecutionContext, chosen: Sequence[tuple[TablePlan, str, AssetCheckKey]]
) -> Iterator[AssetCheckResult]:
    results = [(_compare(context, table, name), check_key) for table, name, check_key in chosen]
    for result, check_key in results:
        yield _evaluate(context, result, check_key)


def _compare(context: AssetCheckExecutionContext, table: TablePlan, name: str) -> "CheckResult":
    from blb_migration.compare.run_checks import run_check

    return _resource(context).carry_out(context, table.label, partial(run_check, table=table, name=name))


def _evaluate(
    context: AssetCheckExecutionContext, result: "CheckResult", key: AssetCheckKey
) -> AssetCheckResult:
    """Tell the observer, and return the result as Dagster shows it."""
    from blb_migration.report.check_sentences import describe_check

    resource = _resource(context)
    resource.observer.check_finished(result)
    return AssetCheckResult(
        check_name=key.name,
        asset_key=key.asset_key,
        passed=result.passed,
        severity=AssetCheckSeverity.ERROR,
        description=describe_check(result),
        metadata={**build_check_metadata(result, context.run.run_id), **resource.places},
    )


def _as_event(result: AssetCheckResult) -> AssetCheckEvaluation:
    assert result.asset_key is not None and result.check_name is not None
    return AssetCheckEvaluation(
        asset_key=result.asset_key,
        check_name=result.check_name,
        passed=result.passed,
        severity=result.severity,
        description=result.description,
        metadata=dict(result.metadata),
    )


def _resource(context: AssetCheckExecutionContext) -> MigrationResource:
    resource: MigrationResource = getattr(context.resources, RESOURCE_KEY)
    return resource
