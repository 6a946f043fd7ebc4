"""The right to load a table: nobody else loads it now, and nothing in it belongs to others. Loads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from blb_migration.errors import TableFailed, TargetNotOurs
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.copy import lock_table
from blb_migration.postgres.ledger.loads import lock_table_load, unlock_table_load
from blb_migration.postgres.ledger.runs import read_cutover_moment
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.ownership import find_foreign_rows
from blb_migration.retries import becomes_true

LOCK_TIMEOUT_SECONDS = 30.0
# The server takes a moment to notice that a killed process is gone.
_PATIENCE_SECONDS = 5.0
_PAUSE_SECONDS = 0.1


@contextmanager
def holding_right(connection: TargetConnection, table: TablePlan) -> Iterator[None]:
    """Keep this tool's other processes from loading the table; raises TableFailed when one does already."""
    if not becomes_true(
        lambda: lock_table_load(connection, table.target.name),
        within_seconds=_PATIENCE_SECONDS,
        pause_seconds=_PAUSE_SECONDS,
    ):
        raise TableFailed(
            table.label,
            found="another process is loading it",
            next_act="Wait for the other run to end, then run this table again",
        )
    try:
        yield
    finally:
        if not connection.closed and not connection.broken:
            unlock_table_load(connection, table.target.name)


def refuse_what_is_not_ours(connection: TargetConnection, table: TablePlan) -> None:
    """Lock the table for the open transaction and judge its rows. Raises TargetNotOurs."""
    if read_cutover_moment(connection) is not None:
        raise TargetNotOurs(
            table.label,
            found="the target was cut over and is live",
            next_act="Load into another database",
        )
    lock_table(connection, table.target.name)
    if table.replace_rows is not None:
        return
    foreign = find_foreign_rows(connection, table.target)
    if foreign.row_count:
        raise TargetNotOurs(
            table.label,
            found=f"the target table holds {foreign.row_count:,} rows that this tool did not load, "
            f"first {', '.join(foreign.first_keys)}",
            expected="an empty table, or only rows of an earlier load",
            next_act="Move these rows away, or decide 'replace_rows: reason' for it in decisions.yaml",
        )
