"""What else of a target table matters to a load: triggers, row security, partitions.

Things that ``model`` has no place for, because SQL Server has none like them. Read only; turning
triggers off and on again is in ``triggers``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection, qualified_text

_TRAITS = """
SELECT n.nspname, t.relname, t.relkind = 'p', t.relrowsecurity, t.relforcerowsecurity,
       ARRAY(SELECT DISTINCT g.tgname::text FROM pg_catalog.pg_trigger g
             WHERE (g.tgrelid = t.oid OR t.relkind = 'p'
                    AND g.tgrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree(t.oid)))
               AND NOT g.tgisinternal AND g.tgenabled IN ('O', 'A') ORDER BY 1),
       ARRAY(SELECT cn.nspname || '.' || child.relname FROM pg_catalog.pg_inherits h
             JOIN pg_catalog.pg_class child ON child.oid = h.inhrelid
             JOIN pg_catalog.pg_namespace cn ON cn.oid = child.relnamespace
             WHERE h.inhparent = t.oid ORDER BY 1)
FROM pg_catalog.pg_class t
JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
WHERE t.oid = ANY (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) name)
"""


@dataclass(frozen=True)
class TableTraits:
    """One table's traits that help or hinder a load.

    ``enabled_triggers`` fire on COPY unless disabled. ``children`` are partitions or inheriting
    tables, as ``schema.name``. Rights are in ``rights``.
    """

    name: TableName
    is_partitioned: bool
    has_row_security: bool
    forces_row_security: bool
    enabled_triggers: tuple[str, ...]
    children: tuple[str, ...]


def read_table_traits(
    connection: TargetConnection, tables: Sequence[TableName]
) -> dict[TableName, TableTraits]:
    """Read the traits of those of ``tables`` that exist, in name order. Raises TargetError."""
    with target_errors("the target's catalog"):
        rows = connection.execute(_TRAITS, {"tables": [qualified_text(table) for table in tables]})
        traits = [
            TableTraits(
                TableName(schema, name),
                is_partitioned,
                has_row_security,
                forces_row_security,
                tuple(triggers),
                tuple(children),
            )
            for (
                schema,
                name,
                is_partitioned,
                has_row_security,
                forces_row_security,
                triggers,
                children,
            ) in rows
        ]
    return {own.name: own for own in sorted(traits, key=lambda own: own.name)}
