"""A run's entry in the ledger: made once a process, by whichever stage is the first to write.

Nothing is written before that: a run that preflight refuses has no entry.
"""

from __future__ import annotations

import getpass
import platform

from psycopg.pq import TransactionStatus

from blb_migration import __version__
from blb_migration.checks import CHECK_NAMES
from blb_migration.migration import Migration
from blb_migration.plan.table_plans import Plan
from blb_migration.postgres.ledger.records import PlannedTable, RunStart
from blb_migration.postgres.ledger.runs import record_planned_tables, start_run
from blb_migration.postgres.ledger.versions import create_ledger
from blb_migration.postgres.names import TargetConnection

# (target, run id) of the runs that this process knows to be on record.
_entered: set[tuple[str, str]] = set()


def ensure_run(connection: TargetConnection, migration: Migration) -> None:
    """Make the ledger if there is none, and record that this run exists, and its plan. Raises TargetError.

    Every stage that writes to the ledger calls it first; from the second call on it costs nothing.
    """
    run_id = migration.run.run_id
    entry = (migration.target.settings.masked_url, run_id)
    if entry in _entered:
        return
    create_ledger(connection)
    plan = migration.project.plan
    start = RunStart(
        run_id=run_id,
        kind=migration.run.kind,
        tool_version=__version__,
        plan_hash=plan.hash,
        project=migration.project.name,
        source_identity=str(migration.source.settings.identity),
        operator=_read_operator(),
        host=platform.node() or "unknown",
    )
    with connection.transaction():
        if start_run(connection, start):
            record_planned_tables(connection, run_id, list_planned_tables(plan))
    if connection.info.transaction_status == TransactionStatus.IDLE:  # else it may still be rolled back
        _entered.add(entry)


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
        )
        for table in plan.tables
    ]


def _read_operator() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user in this container's password file
        return "unknown"
