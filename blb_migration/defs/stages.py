"""The assets around the tables: preflight, target_prepared, constraints_restored, reconciliation_report.

Each calls one stage. Preflight's findings travel to the others in Dagster's event log, so that they
arrive whatever process runs a step, and in a re-execution too.
"""

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    JsonMetadataValue,
    MaterializeResult,
    MetadataValue,
    asset,
)

from blb_migration.defs.failures import reported_failures
from blb_migration.defs.keys import CONSTRAINTS_RESTORED, PREFLIGHT, RECONCILIATION_REPORT, TARGET_PREPARED
from blb_migration.defs.metadata import Metadata, build_finding_table
from blb_migration.defs.resource import RESOURCE_KEY, MigrationResource
from blb_migration.plan.findings import Finding, Severity

if TYPE_CHECKING:
    from blb_migration.migrate.context import Migration

# Two groups, so that the graph of groups has no way back: the stages before the tables, and those after.
GROUP_BEFORE = "prepare"
GROUP_AFTER = "finish"
_FINDINGS = "findings_json"


def build_stage_assets(table_keys: Iterable[AssetKey]) -> list[AssetsDefinition]:
    """The four assets; ``constraints_restored`` waits for all tables."""
    return [
        _build_preflight(),
        _build_target_prepared(),
        _build_constraints_restored(table_keys),
        _build_reconciliation_report(),
    ]


def _build_preflight() -> AssetsDefinition:
    @asset(
        key=PREFLIGHT,
        kinds={"sqlserver", "postgres"},
        description="Everything that can be found before a row is written: catalogs against the plan, "
        "rights, values that would not fit. Errors refuse the migration.",
        group_name=GROUP_BEFORE,
        required_resource_keys={RESOURCE_KEY},
    )
    def preflight(context: AssetExecutionContext) -> MaterializeResult[None]:
        resource = _resource(context)
        with reported_failures("preflight", resource.observer, context.retry_number):
            return MaterializeResult(metadata=_run_preflight(context, resource.open(context)))

    return preflight


def _run_preflight(context: AssetExecutionContext, migration: "Migration") -> Metadata:
    """Run preflight and log its findings; returns the metadata. Raises PreflightRefused."""
    from blb_migration.migrate.preflight import refuse_if_errors, run_preflight

    result = run_preflight(migration)
    _resource(context).observer.preflight_finished(result)
    for finding in result.findings:
        if finding.severity is Severity.ERROR:
            context.log.error(str(finding))
        elif finding.severity is Severity.WARNING:
            context.log.warning(str(finding))
    refuse_if_errors(result)
    severities = [finding.severity for finding in result.findings]
    return {
        "source_server": result.source_server,
        "target_server": result.target_server,
        "isolation": result.isolation,
        "warnings": severities.count(Severity.WARNING),
        "notes": severities.count(Severity.NOTE),
        "rows_expected": sum(result.row_estimates.values()),
        "findings": build_finding_table(result.findings),
        _FINDINGS: MetadataValue.json([asdict(finding) for finding in result.findings]),
    }


def _build_target_prepared() -> AssetsDefinition:
    @asset(
        key=TARGET_PREPARED,
        deps=[PREFLIGHT],
        kinds={"postgres"},
        description="The target is ready to be loaded: the load ledger is there, foreign keys between the "
        "tables are recorded in it and set aside.",
        group_name=GROUP_BEFORE,
        required_resource_keys={RESOURCE_KEY},
    )
    def target_prepared(context: AssetExecutionContext) -> MaterializeResult[None]:
        from blb_migration.migrate.prepare import prepare_target

        resource = _resource(context)
        with reported_failures("target_prepared", resource.observer, context.retry_number):
            migration = resource.open(context)
            findings = _read_findings(context)
            if findings is None:  # this step alone was asked for; a target is never prepared unseen
                metadata = _run_preflight(context, migration)
                findings = _parse_findings(metadata[_FINDINGS])
            prepared = prepare_target(migration, findings)
        return MaterializeResult(
            metadata={
                "foreign_keys_set_aside": len(prepared.set_aside),
                "set_aside": MetadataValue.md(
                    "\n".join(f"- {name}" for name in prepared.set_aside) or "none"
                ),
            }
        )

    return target_prepared


def _build_constraints_restored(table_keys: Iterable[AssetKey]) -> AssetsDefinition:
    @asset(
        key=CONSTRAINTS_RESTORED,
        deps=list(table_keys),
        kinds={"postgres"},
        description="Every foreign key that was set aside is back, and proven by the target for every row.",
        group_name=GROUP_AFTER,
        required_resource_keys={RESOURCE_KEY},
    )
    def constraints_restored(context: AssetExecutionContext) -> MaterializeResult[None]:
        from blb_migration.migrate.finish import restore_constraints

        resource = _resource(context)
        with reported_failures("constraints_restored", resource.observer, context.retry_number):
            restored = restore_constraints(resource.open(context))
        resource.observer.constraints_restored(restored)
        return MaterializeResult(metadata={"brought_back": len(restored.brought_back)})

    return constraints_restored


def _build_reconciliation_report() -> AssetsDefinition:
    @asset(
        key=RECONCILIATION_REPORT,
        deps=[CONSTRAINTS_RESTORED],
        kinds={"postgres"},
        description="What the load ledger in the target says of every table: rows, key totals, equal or not.",
        group_name=GROUP_AFTER,
        required_resource_keys={RESOURCE_KEY},
    )
    def reconciliation_report(context: AssetExecutionContext) -> MaterializeResult[None]:
        from blb_migration.report.document import build_report

        resource = _resource(context)
        with reported_failures("reconciliation_report", resource.observer, context.retry_number):
            report = build_report(resource.open(context), findings=_read_findings(context) or ())
        return MaterializeResult(metadata={**report["stats"], "report": MetadataValue.json(report)})

    return reconciliation_report


def _resource(context: AssetExecutionContext) -> MigrationResource:
    resource: MigrationResource = getattr(context.resources, RESOURCE_KEY)
    return resource


def _read_findings(context: AssetExecutionContext) -> tuple[Finding, ...] | None:
    """What preflight found in this run or in the run it re-executes; None when it did not run there."""
    event = context.instance.get_latest_materialization_event(PREFLIGHT)
    run = context.run
    if event is None or event.run_id not in (run.run_id, run.parent_run_id, run.root_run_id):
        return None
    materialization = event.asset_materialization
    return _parse_findings(materialization.metadata[_FINDINGS]) if materialization else None


def _parse_findings(metadata: Any) -> tuple[Finding, ...]:
    assert isinstance(metadata, JsonMetadataValue)
    documents: Any = metadata.data
    return tuple(
        Finding(
            **{
                **document,
                "severity": Severity(document["severity"]),
                "first_keys": tuple(document["first_keys"]),
            }
        )
        for document in documents
    )
