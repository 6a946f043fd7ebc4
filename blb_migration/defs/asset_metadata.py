"""What Dagster shows about a table and a result: descriptions, schemas, metrics, tables of findings.

Dagster's standard keys (``dagster/row_count`` and its like) where there is one, plain words with units
otherwise. Values come from the plan and the stages' results; nothing is asked of a database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dagster import (
    MetadataValue,
    TableColumn,
    TableColumnConstraints,
    TableConstraints,
    TableRecord,
    TableSchema,
)

from blb_migration.model import Column, Table

if TYPE_CHECKING:
    from blb_migration.compare.run_checks import CheckResult
    from blb_migration.findings import Finding
    from blb_migration.load.table import TableLoad
    from blb_migration.plan.table_plans import TablePlan

Metadata = Mapping[str, Any]
"""What Dagster takes as metadata; its own name for that, RawMetadataValue, is not exported."""

ROW_COUNT = "dagster/row_count"
COLUMN_SCHEMA = "dagster/column_schema"
TABLE_NAME = "dagster/table_name"
STORAGE_KIND = "dagster/storage_kind"

_COMPARISON_SCHEMA = TableSchema(
    columns=[
        TableColumn("metric", "string", description="what was compared"),
        TableColumn("expected", "string", description="in the source"),
        TableColumn("actual", "string", description="in the target"),
        TableColumn("difference", "string", description="actual minus expected, where that means something"),
        TableColumn("equal", "bool"),
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


def describe_table(table: TablePlan) -> str:
    """Return what the table is, where it comes from and goes to, in Markdown."""
    lines = [table.source.comment] if table.source.comment else []
    lines.append(f"`{table.source.name}` in SQL Server → `{table.target.name}` in PostgreSQL")
    facts = [f"{len(table.columns)} columns loaded"]
    if table.computed:
        names = ", ".join(pair.target.name for pair in table.computed)
        facts.append(f"{names} computed by the target and compared")
    facts.append(f"key {', '.join(table.source_key)}" if table.source_key else "no primary key")
    lines.append("; ".join(facts))
    if table.key_totals:
        lines.append("Key totals: " + ", ".join(f"`{total.name}`" for total in table.key_totals))
    return "\n\n".join(lines)


def build_table_definition_metadata(table: TablePlan) -> Metadata:
    """Return what is known before any run: the target's columns and names."""
    return {
        COLUMN_SCHEMA: build_column_schema(table.target),
        TABLE_NAME: str(table.target.name),
        STORAGE_KIND: "postgres",
        "source_table": str(table.source.name),
        "level": table.level,
    }


def build_column_schema(table: Table) -> TableSchema:
    """Build the columns with types and constraints, and the constraints that span columns."""
    unique_alone = {key.columns[0] for key in table.unique_keys if len(key.columns) == 1}
    if table.primary_key and len(table.primary_key.columns) == 1:
        unique_alone.add(table.primary_key.columns[0])
    return TableSchema(
        columns=[_build_column(column, column.name in unique_alone) for column in table.columns],
        constraints=TableConstraints(other=list(_describe_constraints(table))),
    )


def _build_column(column: Column, is_unique: bool) -> TableColumn:
    other = []
    if column.identity is not None:
        other.append("numbers itself")
    if column.computed is not None:
        other.append(f"generated as {column.computed.expression}")
    if column.default is not None and column.identity is None:
        other.append(f"default {column.default}")
    constraints = TableColumnConstraints(nullable=column.nullable, unique=is_unique, other=other)
    return TableColumn(column.name, str(column.type), description=column.comment, constraints=constraints)


def _describe_constraints(table: Table) -> Iterable[str]:
    if table.primary_key:
        yield f"primary key ({', '.join(table.primary_key.columns)})"
    for unique in table.unique_keys:
        yield f"unique ({', '.join(unique.columns)})"
    for key in table.foreign_keys:
        referred = f"{key.referred_table} ({', '.join(key.referred_columns)})"
        yield f"foreign key ({', '.join(key.columns)}) references {referred}"
    for check in table.checks:
        yield f"check {check.expression}"


def build_load_metadata(load: TableLoad) -> Metadata:
    """How much was loaded, and how fast."""
    metadata: dict[str, Any] = {
        ROW_COUNT: load.rows_written,
        "rows_read": load.rows_read,
        "source_bytes": load.source_bytes,
        "copy_bytes": load.copy_bytes,
        "seconds": round(load.elapsed_seconds, 3),
    }
    if load.elapsed_seconds > 0:
        metadata["rows_per_second"] = round(load.rows_written / load.elapsed_seconds)
        metadata["source_bytes_per_second"] = round(load.source_bytes / load.elapsed_seconds)
    if load.next_sequence_value is not None:
        metadata["next_sequence_value"] = load.next_sequence_value
    return metadata


def build_check_metadata(result: CheckResult) -> Metadata:
    """Show expected against actual: a line of what differs, else of the key totals; a table of everything."""
    records = [
        TableRecord(
            {
                "metric": comparison.name,
                "expected": _show(comparison.source_value),
                "actual": _show(comparison.target_value),
                "difference": comparison.difference or "",
                "equal": comparison.match,
            }
        )
        for comparison in result.comparisons
    ]
    unequal = [comparison for comparison in result.comparisons if not comparison.match]
    shown = unequal or [item for item in result.comparisons if item.is_key_total or item.name == "rows"]
    metadata: dict[str, Any] = {
        "metrics_compared": len(result.comparisons),
        "expected": "; ".join(f"{item.name} = {_show(item.source_value)}" for item in shown) or "equal",
        "actual": "; ".join(f"{item.name} = {_show(item.target_value)}" for item in shown) or "equal",
        "comparisons": MetadataValue.table(records, _COMPARISON_SCHEMA),
    }
    differences = [f"{item.name}: {item.difference}" for item in unequal if item.difference]
    if differences:
        metadata["difference"] = "; ".join(differences)
    kept = result.differences
    if kept is not None:
        metadata["rows_only_in_source"] = kept.source_rows
        metadata["rows_only_in_target"] = kept.target_rows
        metadata["differences"] = MetadataValue.path(kept.csv_path)
        metadata["differences_parquet"] = MetadataValue.path(kept.parquet_path)
        metadata["first_differences"] = MetadataValue.text("\n".join(kept.first))
    return metadata


def _show(value: str | None) -> str:
    return "NULL" if value is None else value


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


def build_report_metadata(report: Mapping[str, Any]) -> Metadata:
    """Build the report at a glance, its metrics for the plots over time, and the whole document."""
    from blb_migration.report.markdown import draw_text_timeline, summarise

    metrics = {name: metric for name, metric in report["stats"].items() if metric is not None}
    return {
        "verdict": report["verdict"],
        "summary": MetadataValue.md(summarise(report)),
        "timeline": MetadataValue.md(draw_text_timeline(report)),
        **metrics,
        "report": MetadataValue.json(dict(report)),
    }
