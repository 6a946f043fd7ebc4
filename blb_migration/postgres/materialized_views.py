"""Materialized views that show rows of given tables, straight or through other views. Only reads."""

from __future__ import annotations

from collections.abc import Sequence

from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection, qualified_text

_POPULATED = """
WITH RECURSIVE readers AS (
    SELECT to_regclass(name)::oid AS oid FROM unnest(%(tables)s::text[]) name
    UNION
    SELECT r.ev_class FROM readers
    JOIN pg_catalog.pg_depend d ON d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = readers.oid
                               AND d.classid = 'pg_catalog.pg_rewrite'::regclass
    JOIN pg_catalog.pg_rewrite r ON r.oid = d.objid
)
SELECT DISTINCT n.nspname, c.relname FROM readers
JOIN pg_catalog.pg_class c ON c.oid = readers.oid AND c.relkind = 'm' AND c.relispopulated
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
ORDER BY 1, 2
"""


def find_materialized_views(
    connection: TargetConnection, tables: Sequence[TableName]
) -> tuple[TableName, ...]:
    """Find the materialized views with rows that read any of ``tables``, by name. Raises TargetError."""
    with target_errors("the target's materialized views"):
        rows = connection.execute(_POPULATED, {"tables": [qualified_text(table) for table in tables]})
        return tuple(TableName(schema, name) for schema, name in rows)
