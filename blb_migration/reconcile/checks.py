"""The checks of one table, each runnable alone, each recorded in the ledger with the load it judged.

A check passes only if every one of its figures is equal on both sides, exactly. What could not be
compared raises; nothing is ever equal for want of an answer.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal, localcontext

from blb_migration.aggregates import AggregateValue
from blb_migration.errors import TableFailed
from blb_migration.migrate.context import Migration
from blb_migration.migrate.prepare import ensure_run
from blb_migration.plan.build import TablePlan
from blb_migration.postgres import ledger_records
from blb_migration.postgres import totals as target_totals
from blb_migration.postgres.ledger import Ledger
from blb_migration.reconcile.figures import Figure, build_figures
from blb_migration.sqlserver import totals as source_totals

CHECK_NAMES = ("row_count", "key_totals")
_ENOUGH_DIGITS = 100  # a sum has at most 38 on SQL Server's side and few more on PostgreSQL's


@dataclass(frozen=True)
class Comparison:
    """One figure on both sides, as text; ``difference`` is target minus source where that makes sense."""

    name: str
    source_value: str | None
    target_value: str | None
    match: bool
    difference: str | None = None
    is_key_total: bool = False


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check of one table."""

    label: str
    name: str
    passed: bool
    comparisons: tuple[Comparison, ...]


def run_check(migration: Migration, table: TablePlan, name: str) -> CheckResult:
    """Compare both sides now and record the outcome; loads nothing.

    Raises SourceError or TargetError when a side cannot answer, TableFailed when the table was never
    loaded, and ValueError for a check that does not exist.
    """
    if name not in CHECK_NAMES:
        raise ValueError(f"no check {name!r}; there are {', '.join(CHECK_NAMES)}")
    figures = tuple(
        figure for figure in build_figures(table) if (figure.name == "rows") == (name == "row_count")
    )
    with migration.target.connect() as connection:
        ledger = Ledger(connection)
        load = ledger.latest_finished_load(table.target.name) if ledger.exists() else None
        if load is None:
            raise TableFailed(
                f"check {name} of {table.label}",
                found="the ledger has no finished load of this table",
                next_act="Load the table first",
            )
        with migration.source.connect() as session:
            source_values = source_totals.read_totals(session, table.source, [f.source for f in figures])
        target_values = target_totals.read_totals(connection, table.target, [f.target for f in figures])
        comparisons = tuple(map(_compare, figures, source_values, target_values))
        result = CheckResult(table.label, name, all(c.match for c in comparisons), comparisons)
        ensure_run(ledger, migration)
        ledger.record_check(
            ledger_records.CheckResult(
                run_id=migration.run.run_id,
                load_id=load.load_id,
                table=table.target.name,
                check_name=name,
                passed=result.passed,
                plan_hash=migration.project.plan.hash,
                details={"comparisons": [asdict(comparison) for comparison in comparisons]},
            )
        )
    return result


def _compare(figure: Figure, source_value: AggregateValue, target_value: AggregateValue) -> Comparison:
    difference = None
    if isinstance(source_value, int | Decimal) and isinstance(target_value, int | Decimal):
        with localcontext(prec=_ENOUGH_DIGITS):
            difference = _as_text(Decimal(target_value) - Decimal(source_value))
    return Comparison(
        name=figure.name,
        source_value=_as_text(source_value),
        target_value=_as_text(target_value),
        match=source_value == target_value,
        difference=difference,
        is_key_total=figure.is_key_total,
    )


def _as_text(value: AggregateValue) -> str | None:
    return None if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)
