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
    TableSchema,
)

from blb_migration.model import Column, Table

if TYPE_CHECKING:
    from blb_migration.load.table import TableLoad
    from blb_migration.plan.table_plans import TablePlan

Metadata = Mapping[str, Any]
"""What Dagster takes as metadata; its own name for that, RawMetadataValue, is not exported."""

ROW_COUNT = "dagster/row_count"
COLUMN_SCHEMA = "dagster/column_schema"
TABLE_NAME = "dagster/table_name"
STORAGE_KIND = "dagster/storage_kind"


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


def describe_source(table: TablePlan) -> str:
    """Return what the table at the source is, in Markdown."""
    lines = [table.source.comment] if table.source.comment else []
    lines.append(f"`{table.source.name}` in SQL Server, which is only read")
    return "\n\n".join(lines)


def build_table_definition_metadata(table: TablePlan) -> Metadata:
    """Return what is known before any run: the target's columns and names."""
    return {
        COLUMN_SCHEMA: build_target_schema(table),
        TABLE_NAME: str(table.target.name),
        STORAGE_KIND: "postgres",
        "source_table": str(table.source.name),
        "level": table.level,
    }


def build_source_metadata(table: TablePlan) -> Metadata:
    """Return what is known of the table at the source."""
    metadata: dict[str, Any] = {
        COLUMN_SCHEMA: build_column_schema(table.source),
        TABLE_NAME: str(table.source.name),
        STORAGE_KIND: "sqlserver",
        "target_table": str(table.target.name),
    }
    if table.source.row_estimate is not None:
        metadata["rows_estimated"] = table.source.row_estimate
    return metadata


def build_target_schema(table: TablePlan) -> TableSchema:
    """Build the target's columns, each with the source's type beside its own.

    What a column is about says the target's own comment, where it has none the source's (MS_Description).
    """
    sources = {pair.target.name: pair.source for pair in table.columns}
    sources |= {pair.target.name: pair.source for pair in table.computed}
    schema = build_column_schema(table.target)
    columns = [_add_source(column, sources.get(column.name)) for column in schema.columns]
    return TableSchema(columns, constraints=schema.constraints)


def _add_source(column: TableColumn, source: Column | None) -> TableColumn:
    if source is None:
        return column
    return TableColumn(
        column.name,
        column.type,
        description=column.description or source.comment,
        constraints=TableColumnConstraints(
            nullable=column.constraints.nullable,
            unique=column.constraints.unique,
            other=[f"SQL Server: {source.type}", *column.constraints.other],
        ),
    )


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
    """How much was loaded, how fast, and whether somebody wrote to the source meanwhile."""
    metadata: dict[str, Any] = {
        ROW_COUNT: load.rows_written,
        "rows_read": load.rows_read,
        "source_bytes": load.source_bytes,
        "copy_bytes": load.copy_bytes,
        "seconds": round(load.elapsed_seconds, 3),
        "source_movement": load.source_movement.sentence,
    }
    if load.elapsed_seconds > 0:
        metadata["rows_per_second"] = round(load.rows_written / load.elapsed_seconds)
        metadata["source_bytes_per_second"] = round(load.source_bytes / load.elapsed_seconds)
    if load.next_sequence_value is not None:
        metadata["next_sequence_value"] = load.next_sequence_value
    return metadata


def build_report_metadata(report: Mapping[str, Any]) -> Metadata:
    """Build the report at a glance, its metrics for the plots over time, and the whole document."""
    from blb_migration.report.markdown import compare_nights, draw_text_timeline, summarise

    metrics = {name: metric for name, metric in report["stats"].items() if metric is not None}
    metrics |= _measure_nights(report["nights"])
    return {
        "verdict": report["verdict"],
        "summary": MetadataValue.md(summarise(report)),
        "timeline": MetadataValue.md(draw_text_timeline(report)),
        "nights": MetadataValue.md(compare_nights(report)),
        **metrics,
        "report": MetadataValue.json(dict(report)),
    }


def _measure_nights(nights: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return what changed and what is forecast, as numbers that Dagster plots over time."""
    if nights is None:
        return {}
    changes, forecast = nights["changes"], nights["forecast"]
    metrics = {
        "rows_added": changes["rows_added"],
        "new_findings": len(changes["new_findings"]),
        "columns_changed": len(changes["columns"] or ()),
        "seconds_longer": changes["seconds_longer"],
        "forecast_seconds": forecast["median_seconds"],
        "forecast_worst_seconds": forecast["worst_seconds"],
    }
    return {name: metric for name, metric in metrics.items() if metric is not None}
