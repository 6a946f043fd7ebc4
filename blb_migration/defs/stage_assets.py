"""The assets around the tables: preflight, target_prepared, constraints_restored, reconciliation_report.

Each calls one stage. What preflight found is written into the ledger by target_prepared, the first stage that
writes, and read from there by the report. Where preflight ran in another process or in another run, it runs
again before the target is prepared: nothing is prepared on hearsay.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetCheckResult,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    MaterializeResult,
    MetadataValue,
    asset,
)

from blb_migration.defs.asset_keys import STAGE_KEYS, place_key
from blb_migration.defs.asset_metadata import Metadata
from blb_migration.defs.check_metadata import build_finding_table, judge_findings
from blb_migration.defs.freshness import build_report_freshness
from blb_migration.defs.resource import RESOURCE_KEY, MigrationResource
from blb_migration.defs.run_tags import name_pool
from blb_migration.defs.verdict_events import describe_report
from blb_migration.findings import Concern, Severity
from blb_migration.settings.environments import Environment

if TYPE_CHECKING:
    from blb_migration.load.finish import RestoredConstraints
    from blb_migration.migration import Migration
    from blb_migration.preflight.stage import PreflightResult

# Two groups, so that the graph of groups has no way back: the stages before the tables, and those after.
GROUP_BEFORE = "prepare"
GROUP_AFTER = "finish"
_KEYS_SHOWN = 100
_CONCERNS = {
    Concern.READY: "Both databases can be read and loaded with the rights of the log-ins.",
    Concern.CATALOGS: "Every table and column has its place in the target, or a decision.",
    Concern.VALUES: "Every value fits the target's column, or a decision covers it.",
    Concern.KEYS: "No row breaks a unique or a foreign key of the target.",
}


def build_stage_assets(
    table_keys: Iterable[AssetKey], environment: Environment, before: Iterable[AssetKey] = ()
) -> list[AssetsDefinition]:
    """Build the four assets; ``constraints_restored`` waits for all tables, ``preflight`` is after
    ``before``."""
    preflight, prepared, restored, report = (place_key(key, environment) for key in STAGE_KEYS)
    pool = name_pool(environment)
    return [
        _build_preflight(preflight, list(before), pool),
        _build_target_prepared(prepared, preflight, pool),
        # The target's preparation too: keys are not restored while they are still being dropped.
        _build_constraints_restored(restored, [prepared, *table_keys], pool),
        _build_reconciliation_report(report, restored, pool, build_report_freshness(environment)),
    ]


def _build_preflight(key: AssetKey, before: list[AssetKey], pool: str) -> AssetsDefinition:
    @asset(
        key=key,
        deps=before,
        kinds={"sqlserver", "postgres"},
        description="Everything that can be found before a row is written: catalogs against the plan, "
        "rights, values that would not fit. Errors refuse the migration.",
        group_name=GROUP_BEFORE,
        pool=pool,
        required_resource_keys={RESOURCE_KEY},
        check_specs=[
            AssetCheckSpec(concern.value, asset=key, blocking=True, description=description)
            for concern, description in _CONCERNS.items()
        ],
    )
    def preflight(context: AssetExecutionContext) -> Iterator[MaterializeResult[None] | AssetCheckResult]:
        from blb_migration.preflight.stage import refuse_if_errors

        resource = _resource(context)
        result = resource.carry_out(context, "preflight", partial(_run_preflight, context))
        yield from _judge_concerns(result, key, resource.places)
        resource.carry_out(context, "preflight", lambda _migration: refuse_if_errors(result))
        yield MaterializeResult(metadata={**_describe_preflight(result), **resource.places})

    return preflight


def _judge_concerns(result: "PreflightResult", key: AssetKey, places: Metadata) -> Iterator[AssetCheckResult]:
    """One check per concern: red if an error is among its findings, yellow if only a warning is."""
    for concern in _CONCERNS:
        findings = tuple(finding for finding in result.findings if finding.concern is concern)
        passed, severity, description = judge_findings(findings)
        yield AssetCheckResult(
            check_name=concern.value,
            asset_key=key,
            passed=passed,
            severity=severity,
            description=description,
            metadata={**({"findings": build_finding_table(findings)} if findings else {}), **places},
        )


def _run_preflight(context: AssetExecutionContext, migration: "Migration") -> "PreflightResult":
    """Run preflight and log its findings."""
    from blb_migration.preflight.stage import run_preflight

    result = run_preflight(migration)
    _resource(context).observer.preflight_finished(result)
    for finding in result.findings:
        if finding.severity is Severity.ERROR:
            context.log.error(str(finding))
        elif finding.severity is Severity.WARNING:
            context.log.warning(str(finding))
    return result


def _describe_preflight(result: "PreflightResult") -> Metadata:
    severities = [finding.severity for finding in result.findings]
    return {
        "source_server": result.source_server,
        "target_server": result.target_server,
        "isolation": result.isolation,
        "source_driver": result.source_driver or "not known",
        "warnings": severities.count(Severity.WARNING),
        "notes": severities.count(Severity.NOTE),
        "rows_expected": sum(result.row_estimates.values()),
        "findings": build_finding_table(result.findings),
    }


def _build_target_prepared(key: AssetKey, preflight: AssetKey, pool: str) -> AssetsDefinition:
    @asset(
        key=key,
        deps=[preflight],
        kinds={"postgres"},
        description="The target is ready to be loaded: the load ledger is there, foreign keys between the "
        "tables are recorded in it and dropped.",
        group_name=GROUP_BEFORE,
        pool=pool,
        required_resource_keys={RESOURCE_KEY},
    )
    def target_prepared(context: AssetExecutionContext) -> MaterializeResult[None]:
        from blb_migration.load.prepare import PreparedTarget, prepare_target
        from blb_migration.preflight.stage import refuse_if_errors

        resource = _resource(context)

        def prepare(migration: "Migration") -> PreparedTarget:
            result = resource.notes.preflight
            if result is None:
                result = _run_preflight(context, migration)
                refuse_if_errors(result)
            return prepare_target(migration, result.findings, result.facts)

        prepared = resource.carry_out(context, "target_prepared", prepare)
        return MaterializeResult(
            metadata={
                "dropped_foreign_keys": len(prepared.dropped),
                "dropped": MetadataValue.md(_list_dropped(prepared.dropped)),
                **resource.places,
            }
        )

    return target_prepared


def _list_dropped(keys: Sequence[str]) -> str:
    """As a list in Markdown; Dagster shows all of it at once, and the ledger has every key."""
    lines = [f"- {name}" for name in keys[:_KEYS_SHOWN]]
    if len(keys) > _KEYS_SHOWN:
        lines.append(f"- and {len(keys) - _KEYS_SHOWN:,} more, in `blb_migration.dropped_keys` of the target")
    return "\n".join(lines) or "none"


def _build_constraints_restored(key: AssetKey, upstream: list[AssetKey], pool: str) -> AssetsDefinition:
    @asset(
        key=key,
        deps=upstream,
        kinds={"postgres"},
        description="Every foreign key that was dropped is back, and validated by the target for every row.",
        group_name=GROUP_AFTER,
        pool=pool,
        required_resource_keys={RESOURCE_KEY},
    )
    def constraints_restored(context: AssetExecutionContext) -> MaterializeResult[None]:
        from blb_migration.load.finish import restore_constraints
        from blb_migration.progress.long_keys import KeyWatch

        resource = _resource(context)

        def restore(migration: "Migration") -> "RestoredConstraints":
            with KeyWatch(say) as watch:
                return restore_constraints(migration, watch.key_begun)

        def say(text: str) -> None:
            context.log.info(text)
            resource.observer.keys_lasting(text)

        restored = resource.carry_out(context, "constraints_restored", restore)
        resource.observer.constraints_restored(restored)
        return MaterializeResult(metadata={"restored": len(restored.restored), **resource.places})

    return constraints_restored


def _build_reconciliation_report(
    key: AssetKey, restored: AssetKey, pool: str, freshness: Any | None
) -> AssetsDefinition:
    @asset(
        freshness_policy=freshness,
        key=key,
        deps=[restored],
        kinds={"postgres"},
        description="What the load ledger in the target says of every table: rows, key totals, equal or not.",
        group_name=GROUP_AFTER,
        pool=pool,
        required_resource_keys={RESOURCE_KEY},
    )
    def reconciliation_report(context: AssetExecutionContext) -> MaterializeResult[None]:
        from blb_migration.report.document import Document, build_report
        from blb_migration.report.ending import record_ending

        def end_and_report(migration: "Migration") -> Document:
            record_ending(migration)
            return build_report(migration)

        resource = _resource(context)
        report = resource.carry_out(context, "reconciliation_report", end_and_report)
        metadata = describe_report(report, resource.places, writes_files=resource.writes_reports)
        return MaterializeResult(metadata=metadata)

    return reconciliation_report


def _resource(context: AssetExecutionContext) -> MigrationResource:
    resource: MigrationResource = getattr(context.resources, RESOURCE_KEY)
    return resource
