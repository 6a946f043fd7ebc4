"""Dropping a whole schema of this tool's own."""

from __future__ import annotations

from psycopg import sql

from blb_migration.postgres.names import TargetConnection, quote_identifier


def drop_schema_if_there(connection: TargetConnection, schema: str) -> None:
    """Drop a schema and all in it. Sends no DDL where there is none: event triggers may refuse any.

    Raises psycopg.Error.
    """
    if connection.execute("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = %s", (schema,)).rowcount:
        connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(quote_identifier(schema)))
