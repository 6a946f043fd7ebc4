"""User triggers of one table and its partitions: disabled while it is loaded, then enabled as they were.

The rows already went through the application once; its triggers must not act on them again. Triggers that
enforce constraints are the server's own and are not touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import sql

from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import (
    TargetConnection,
    qualified_name,
    qualified_text,
    quote_identifier,
)

# tgenabled: O fires in ordinary sessions, A always, R on replicas only, D never. The clones that a
# partitioned table's trigger has on its partitions follow their parent.
_ENABLED_TRIGGERS = """
WITH RECURSIVE family AS (
    SELECT %s::regclass::oid AS oid
    UNION ALL
    SELECT h.inhrelid FROM family JOIN pg_catalog.pg_inherits h ON h.inhparent = family.oid
    JOIN pg_catalog.pg_class part ON part.oid = h.inhrelid AND part.relispartition
)
SELECT n.nspname, t.relname, g.tgname, g.tgenabled = 'A' FROM family
JOIN pg_catalog.pg_trigger g ON g.tgrelid = family.oid
JOIN pg_catalog.pg_class t ON t.oid = g.tgrelid
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE NOT g.tgisinternal AND g.tgparentid = 0 AND g.tgenabled IN ('O', 'A')
ORDER BY n.nspname, t.relname, g.tgname
"""


@dataclass(frozen=True)
class DisabledTrigger:
    """A trigger that was on; ``fires_always`` is ENABLE ALWAYS, which replication triggers have."""

    table: TableName
    name: str
    fires_always: bool


def disable_triggers(connection: TargetConnection, table: TableName) -> tuple[DisabledTrigger, ...]:
    """Disable the enabled user triggers, those of partitions too; returns what ``enable_triggers`` needs."""
    with target_errors(f"triggers of {table}"):
        triggers = tuple(
            DisabledTrigger(TableName(schema, own), name, fires_always)
            for schema, own, name, fires_always in connection.execute(
                _ENABLED_TRIGGERS, (qualified_text(table),)
            )
        )
        for trigger in triggers:
            _alter(connection, trigger, "DISABLE")
    return triggers


def enable_triggers(connection: TargetConnection, triggers: Sequence[DisabledTrigger]) -> None:
    """Enable triggers the way they were before ``disable_triggers``."""
    for trigger in triggers:
        with target_errors(f"trigger {trigger.name} of {trigger.table}"):
            _alter(connection, trigger, "ENABLE ALWAYS" if trigger.fires_always else "ENABLE")


def _alter(connection: TargetConnection, trigger: DisabledTrigger, action: str) -> None:
    connection.execute(
        sql.SQL("ALTER TABLE {} {} TRIGGER {}").format(
            qualified_name(trigger.table), sql.SQL(action), quote_identifier(trigger.name)
        )
    )
