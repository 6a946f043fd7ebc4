"""The planner's statistics and the visibility map: of all tables side by side at the end of a whole run.

Not inside each load, where they would keep one processor busy while all others wait (a second for 60
columns of 150,000 rows). A table that is loaded alone gets its own at the end of its load (``complete``).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from blb_migration.load.connections import choose_connections
from blb_migration.migration import Migration
from blb_migration.model import TableName
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.statistics import analyze_table, find_invisible, vacuum_table


def take_all_statistics(migration: Migration) -> None:
    """ANALYZE every planned table, then VACUUM those that COPY could not freeze. Raises TargetError."""
    tables = migration.project.plan.target_tables
    with migration.target.connect() as connection:
        sessions = choose_connections(migration.loading, connection)
    _for_each(migration, sessions, tables, analyze_table)
    with migration.target.connect() as connection:
        invisible = find_invisible(connection, tables)
    _for_each(migration, sessions, invisible, vacuum_table)


def _for_each(
    migration: Migration,
    sessions: int,
    tables: Sequence[TableName],
    work: Callable[[TargetConnection, TableName], bool],
) -> None:
    waiting = deque(tables)

    def take_turns() -> None:
        with migration.target.connect() as connection:
            while True:
                try:
                    table = waiting.popleft()
                except IndexError:
                    return
                work(connection, table)

    with ThreadPoolExecutor(sessions, thread_name_prefix="blb-statistics") as threads:
        for turn in [threads.submit(take_turns) for _ in range(min(sessions, len(tables)))]:
            turn.result()
