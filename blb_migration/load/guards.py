"""The right to load a table: nobody else loads it now, and nothing in it belongs to others. Loads nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from blb_migration.errors import TableFailed, TargetNotOurs
from blb_migration.load.task import LoadTask
from blb_migration.plan.table_plans import TablePlan
from blb_migration.postgres.copy import lock_table
from blb_migration.postgres.ledger.live_mark import refuse_live_target
from blb_migration.postgres.ledger.loads import lock_table_load, unlock_table_load
from blb_migration.postgres.ledger.records import DecisionRecord
from blb_migration.postgres.ledger.runs import record_decisions
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.ownership import find_changed_rows
from blb_migration.replacing import describe_next_act, find_word, read_loader
from blb_migration.retries import becomes_true

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


def refuse_what_is_not_ours(task: LoadTask) -> None:
    """Lock the table for the open transaction and judge its rows. Raises TargetNotOurs.

    Where a person has allowed it, others' rows may be there; how many is recorded with the person's reason.
    """
    connection, table = task.connection, task.table
    refuse_live_target(connection, table.label)
    lock_table(connection, table.target.name)
    word = find_word(task.migration, table)
    changed = find_changed_rows(
        connection, table.target, read_loader(task.migration), compares_content=word is None
    )
    if changed is None:
        return
    if word is None:
        raise TargetNotOurs(
            table.label,
            found=changed.found + (f"; first {', '.join(changed.first_keys)}" if changed.first_keys else ""),
            expected="an empty table, or exactly the rows that this project's last load has left",
            next_act=describe_next_act(task.migration, table.label),
        )
    record = DecisionRecord(table.label, word.decision, f"{word.reason} ({changed.found})", changed.row_count)
    record_decisions(connection, task.migration.run.run_id, [record])
