"""What Dagster shows of a check: only what differs, the rows first, and where all of it is to be had.

The sentence above it is ``report/check_sentences.py``'s. Values are those that the project allows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from dagster import AssetCheckSeverity, MetadataValue, TableColumn, TableRecord, TableSchema

from blb_migration.defs.asset_metadata import Metadata
from blb_migration.defs.files_offered import offer_differences
from blb_migration.findings import Severity

if TYPE_CHECKING:
    from blb_migration.checks import CheckResult, Comparison, Difference
    from blb_migration.findings import Finding

METRICS_SHOWN = 8
ROWS_SHOWN = 5

_METRIC_SCHEMA = TableSchema(
    columns=[
        TableColumn("metric", "string", description="what differs"),
        TableColumn("expected", "string", description="in the source, or before the load"),
        TableColumn("found", "string", description="in the target"),
        TableColumn("difference", "string", description="found minus expected, where that means something"),
    ]
)
_ROW_SCHEMA = TableSchema(
    columns=[
        TableColumn("row", "string", description="the row's key"),
        TableColumn("column", "string"),
        TableColumn("expected", "string", description="what the source has, in the target's form"),
        TableColumn("found", "string", description="what the target has"),
    ]
)
_FINDING_SCHEMA = TableSchema(
    columns=[
        TableColumn("severity", "string"),
        TableColumn("subject", "string", description="table or table.column"),
        TableColumn("finding", "string"),
        TableColumn("rows", "int", description="rows concerned"),
        TableColumn("next_act", "string"),
    ]
)


def build_check_metadata(result: CheckResult, run_id: str) -> Metadata:
    """Show the rows that differ, then the metrics; of what is equal only how much was compared."""
    from blb_migration.report.check_sentences import sort_unequal

    metadata: dict[str, Any] = {}
    kept = result.differences
    unequal = sort_unequal(result.comparisons)
    if kept is not None and kept.cells:
        # Dagster sorts by name: the rows are to come first.
        metadata["changed_rows"] = build_row_table(kept.cells)
        metadata |= offer_differences(kept, run_id)
        metadata["rows_without_an_equal_in_source"] = kept.source_rows
        metadata["rows_without_an_equal_in_target"] = kept.target_rows
    elif unequal:
        metadata["differing_metrics"] = build_metric_table(unequal)
    if result.source_sentence:
        metadata["source_read"] = result.source_sentence
    return {**metadata, "metrics_compared": len(result.comparisons)}


def build_row_table(cells: Sequence[Difference]) -> MetadataValue:
    """Build the first differing cells and rows as a table."""
    from blb_migration.report.check_sentences import shorten_value

    records = [
        TableRecord(
            {
                "row": cell.key,
                "column": cell.column or "the whole row",
                "expected": shorten_value(cell.source_value) if cell.column else _WHOLE_ROWS[cell.kind][0],
                "found": shorten_value(cell.target_value) if cell.column else _WHOLE_ROWS[cell.kind][1],
            }
        )
        for cell in cells[:ROWS_SHOWN]
    ]
    return MetadataValue.table(records, _ROW_SCHEMA)


_WHOLE_ROWS = {"missing": ("a row", "no row"), "extra": ("no row", "a row")}


def build_metric_table(unequal: Sequence[Comparison]) -> MetadataValue:
    """Build the metrics that differ as a table, the most telling first, digests shortened."""
    from blb_migration.report.metric_texts import format_metric

    records = [
        TableRecord(
            {
                "metric": comparison.name,
                "expected": format_metric(comparison.source_value),
                "found": format_metric(comparison.target_value),
                "difference": "" if comparison.difference is None else format_metric(comparison.difference),
            }
        )
        for comparison in unequal[:METRICS_SHOWN]
    ]
    if len(unequal) > METRICS_SHOWN:
        rest = f"and {len(unequal) - METRICS_SHOWN} more"
        records.append(TableRecord({"metric": rest, "expected": "", "found": "", "difference": ""}))
    return MetadataValue.table(records, _METRIC_SCHEMA)


def build_finding_table(findings: Iterable[Finding]) -> MetadataValue:
    """Preflight's findings as a table."""
    records = [
        TableRecord(
            {
                "severity": str(finding.severity),
                "subject": finding.subject,
                "finding": finding.message,
                "rows": finding.row_count,
                "next_act": finding.decision or "",
            }
        )
        for finding in findings
    ]
    return MetadataValue.table(records, _FINDING_SCHEMA)


def judge_findings(findings: Sequence[Finding]) -> tuple[bool, AssetCheckSeverity, str]:
    """Return whether the check passes, how grave it is if not, and what was found, the gravest first.

    A warning makes it yellow and holds nothing up.
    """
    from blb_migration.findings import sort_findings
    from blb_migration.progress.quantities import count

    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    warnings = [finding for finding in findings if finding.severity is Severity.WARNING]
    if not errors and not warnings:
        return True, AssetCheckSeverity.ERROR, "Nothing that would have to be settled before the load."
    named = " and ".join(
        count(len(found), noun) for found, noun in ((errors, "error"), (warnings, "warning")) if found
    )
    severity = AssetCheckSeverity.ERROR if errors else AssetCheckSeverity.WARN
    first = sort_findings(tuple(errors or warnings))[0]
    effect = "refused" if errors else "reported, and the load goes on"
    return False, severity, f"{named}, {effect}. First: {first}"
