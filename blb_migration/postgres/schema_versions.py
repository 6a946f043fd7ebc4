"""Which version of its schema an application has migrated the target to. Only reads.

Each tool's own table: alembic, Flyway, Entity Framework, Django; or a column of another table.
"""

from __future__ import annotations

from dataclasses import dataclass

from psycopg import sql

from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection, quote_identifier

# What is not migrated whole is told apart: Flyway keeps failed migrations, the others none.
_STATEMENTS = {
    "alembic": ("alembic_version", "SELECT version_num, true FROM {table} ORDER BY 1"),
    "flyway": (
        "flyway_schema_history",
        "SELECT coalesce(version, description), success FROM {table} ORDER BY installed_rank DESC LIMIT 1",
    ),
    "ef": (
        "__EFMigrationsHistory",
        'SELECT "MigrationId", true FROM {table} ORDER BY "MigrationId" DESC LIMIT 1',
    ),
    "django": (
        "django_migrations",
        "SELECT DISTINCT ON (app) app || '.' || name, true FROM {table} ORDER BY app, id DESC",
    ),
}
_FIND = """
SELECT n.nspname, c.relname
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relname = %s AND c.relkind IN ('r', 'p', 'v')
      AND n.nspname NOT IN ('blb_migration', 'blb_migration_kept')
      AND (%s::text IS NULL OR n.nspname = %s)
ORDER BY n.nspname <> 'public', n.nspname
"""


@dataclass(frozen=True)
class SchemaVersion:
    """The version as the table has it, several joined by commas; ``is_whole`` False for one that failed."""

    text: str
    table: TableName
    is_whole: bool


def read_schema_version(
    connection: TargetConnection, kind: str, column: str | None = None
) -> SchemaVersion | None:
    """Read the version by one of the known tools' tables, or by ``column`` of table ``kind``.

    None where there is no such table, or nothing in it. Raises TargetError.
    """
    name, statement = _STATEMENTS.get(kind, (kind, ""))
    schema, _, plain = name.rpartition(".")
    with target_errors(f"table {name}"):
        found = connection.execute(_FIND, (plain, schema or None, schema or None)).fetchone()
        if found is None:
            return None
        table = TableName(*found)
        query = (
            sql.SQL("SELECT {}::text, true FROM {} ORDER BY 1").format(
                quote_identifier(column), sql.Identifier(*found)
            )
            if column is not None
            else sql.SQL(statement).format(table=sql.Identifier(*found))
        )
        rows = connection.execute(query).fetchall()
    if not rows:
        return None
    return SchemaVersion(
        ", ".join(str(version) for version, _ in rows), table, all(bool(success) for _, success in rows)
    )
