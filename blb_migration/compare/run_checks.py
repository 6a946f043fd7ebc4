"""The checks of one table, each runnable alone, each recorded in the ledger with the load it judged.

A check passes only if every one of its comparisons is equal, exactly. What could not be compared
raises; nothing is ever equal without an answer. How each check compares is in a module of its own.
"""

from __future__ import annotations

from dataclasses import asdict

from blb_migration.checks import CHECK_NAMES, CheckResult, Comparison, DifferencesKept
from blb_migration.compare.content import compare_content
from blb_migration.compare.counts_and_totals import compare_metrics
from blb_migration.compare.integrity import compare_integrity
from blb_migration.compare.metric_selection import build_metrics
from blb_migration.errors import TableFailed
from blb_migration.migration import Migration
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.ledger import records as ledger_records
from blb_migration.postgres.ledger.check_results import record_check
from blb_migration.postgres.ledger.loads import read_finished_load
from blb_migration.postgres.ledger.records import TableLoad
from blb_migration.postgres.ledger.versions import upgrade_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.run_entry import ensure_run

__all__ = ["CHECK_NAMES", "CheckResult", "Comparison", "run_check"]


def run_check(migration: Migration, table: TablePlan, name: str) -> CheckResult:
    """Compare both sides now and record the outcome; loads nothing.

    Raises SourceError or TargetError when a side cannot answer, TableFailed when the table was never
    loaded, ConfigurationError when differences cannot be written, and ValueError for a check that does
    not exist.
    """
    if name not in CHECK_NAMES:
        raise ValueError(f"no check {name!r}; there are {', '.join(CHECK_NAMES)}")
    with migration.target.connect() as connection:
        load = read_finished_load(connection, table.target.name) if upgrade_ledger(connection) else None
        if load is None:
            raise TableFailed(
                f"check {name} of {table.label}",
                found="the ledger has no finished load of this table",
                next_act="Load the table first",
            )
        comparisons, differences = _compare(migration, table, connection, load, name)
        passed = all(comparison.match for comparison in comparisons)
        result = CheckResult(table.label, name, passed, comparisons, differences)
        ensure_run(connection, migration)
        record_check(
            connection,
            ledger_records.CheckResult(
                run_id=migration.run.run_id,
                load_id=load.load_id,
                table=table.target.name,
                check_name=name,
                passed=result.passed,
                plan_hash=migration.project.plan.hash,
                details=_describe(result),
            ),
        )
    return result


def _compare(
    migration: Migration, table: TablePlan, connection: TargetConnection, load: TableLoad, name: str
) -> tuple[tuple[Comparison, ...], DifferencesKept | None]:
    if name == "content":
        outcome = compare_content(migration, table, connection, load)
        return outcome.comparisons, outcome.differences
    if name == "integrity":
        return compare_integrity(table, connection, load), None
    metrics = [metric for metric in build_metrics(table) if (metric.name == "rows") == (name == "row_count")]
    return compare_metrics(migration, table, connection, metrics), None


def _describe(result: CheckResult) -> dict[str, object]:
    details: dict[str, object] = {"comparisons": [asdict(comparison) for comparison in result.comparisons]}
    if result.differences is not None:
        details["differences"] = asdict(result.differences)
    return details
