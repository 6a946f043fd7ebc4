"""A run's entry in the ledger: made once a process, by whichever stage is the first to write, or by its end.

Nothing is written before that: a run that preflight refuses gets its entry when it ends.
"""

from __future__ import annotations

import time

from psycopg.pq import TransactionStatus

from blb_migration import __version__
from blb_migration.checks import CHECK_NAMES
from blb_migration.errors import ConfigurationError
from blb_migration.findings import Finding
from blb_migration.migration import Migration
from blb_migration.model import Column
from blb_migration.plan.table_plans import Plan
from blb_migration.postgres.ledger.records import FindingRecord, PlannedTable, RunStart
from blb_migration.postgres.ledger.runs import (
    is_prepared,
    read_last_of_environment,
    record_planned_tables,
    start_run,
)
from blb_migration.postgres.ledger.versions import create_ledger, has_current_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.settings.machine import read_host, read_operator

# (target, run id) of the runs that this process knows to be on record, and to have prepared the target.
_entered: set[tuple[str, str]] = set()
_prepared: set[tuple[str, str]] = set()


def ensure_run(connection: TargetConnection, migration: Migration) -> None:
    """Make the ledger if there is none, and record that this run exists, and its plan. Raises TargetError,
    and ConfigurationError for a target of the other environment.

    Every stage that writes to the ledger calls it first; from the second call on it costs nothing.
    """
    run_id = migration.run.run_id
    entry = (migration.target.settings.masked_url, run_id)
    if entry in _entered:
        return
    create_ledger(connection)
    refuse_other_environment(connection, migration)
    plan = migration.project.plan
    start = RunStart(
        run_id=run_id,
        kind=migration.run.kind,
        tool_version=__version__,
        plan_hash=plan.hash,
        project=migration.project.name,
        source_identity=str(migration.source.settings.identity),
        operator=read_operator(),
        host=read_host(),
        environment=migration.run.environment,
        seconds_ago=_measure_seconds_since(migration.run.begun),
    )
    with connection.transaction():
        if start_run(connection, start):
            record_planned_tables(connection, run_id, list_planned_tables(plan))
    if connection.info.transaction_status == TransactionStatus.IDLE:  # else it may still be rolled back
        _entered.add(entry)


def has_prepared(connection: TargetConnection, migration: Migration) -> bool:
    """Whether this run has prepared the target; it is not asked again once it has. Raises TargetError."""
    entry = (migration.target.settings.masked_url, migration.run.run_id)
    if entry not in _prepared and is_prepared(connection, migration.run.run_id):
        _prepared.add(entry)
    return entry in _prepared


def _measure_seconds_since(begun: float | None) -> float:
    return 0.0 if begun is None else max(0.0, time.monotonic() - begun)


def refuse_other_environment(connection: TargetConnection, migration: Migration) -> None:
    """Raise ConfigurationError when the target serves the other environment, by its own ledger.

    A ledger of an older version knows no environments. Raises TargetError.
    """
    if not has_current_ledger(connection):
        return
    served = read_last_of_environment(connection)
    if served is None or served[0] == migration.run.environment:
        return
    environment, source_identity = served
    raise ConfigurationError(
        f"target {migration.target.settings.identity}",
        found=f"its ledger says that it serves {environment}, from {source_identity};"
        f" this run is of {migration.run.environment}",
        expected=f"a target that serves {migration.run.environment} alone",
        next_act="Name another target; or, if this one is to change sides, drop its schema blb_migration,"
        " after which nothing in it counts as loaded",
    )


def describe_finding(finding: Finding) -> FindingRecord:
    """Return a finding as the ledger has it."""
    details: dict[str, object] = {
        "row_count": finding.row_count,
        "first_keys": list(finding.first_keys),
        "decision": finding.decision,
    }
    return FindingRecord(finding.code, finding.severity, finding.subject, finding.message, details)


def list_planned_tables(plan: Plan) -> list[PlannedTable]:
    """List the plan's tables as the ledger has them, in load order."""
    return [
        PlannedTable(
            label=table.label,
            table=table.target.name,
            source_table=table.source.name,
            group=table.group,
            column_count=len(table.columns) + len(table.computed),
            required_checks=CHECK_NAMES,
            column_types={
                source.name: f"{_describe_column(source)} to {_describe_column(target)}"
                for source, target in (
                    *((pair.source, pair.target) for pair in table.columns),
                    *((pair.source, pair.target) for pair in table.computed),
                )
            },
        )
        for table in plan.tables
    ]


def _describe_column(column: Column) -> str:
    return f"{column.type}" if column.nullable else f"{column.type} not null"
