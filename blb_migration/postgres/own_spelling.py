"""An expression as the server itself would print it, were it of a table: equal texts are the same expression.

A temporary table is made like the table and rolled back with all that was tried on it; nothing stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import psycopg
from psycopg import sql

from blb_migration.model import TableName
from blb_migration.postgres.failures import build_target_error, is_transient
from blb_migration.postgres.names import TargetConnection, qualified_name, server_text

_SPELLED = """
SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attribute a
JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attrelid = 'pg_temp.blb_migration_spelling'::regclass AND a.attname = %s
"""


def spell_expressions(
    connection: TargetConnection, table: TableName, expressions: Sequence[tuple[str, str]]
) -> list[str | None]:
    """Return each expression, given as (type, expression), as the server prints it.

    None where it is none of this table's, or this user may make no temporary table. Raises a transient
    TargetError.
    """
    spelled: list[str | None] = [None] * len(expressions)
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(
                "SET LOCAL search_path = ''"
            )  # every name with its schema, as catalogs are read
            connection.execute(
                sql.SQL("CREATE TEMP TABLE blb_migration_spelling (LIKE {})").format(qualified_name(table))
            )
            for number, (type_name, expression) in enumerate(expressions):
                with suppress(psycopg.Error):
                    spelled[number] = _spell(connection, f"blb_migration_{number}", type_name, expression)
    except psycopg.Error as error:
        if is_transient(error):
            raise build_target_error(error, f"table {table}") from error
    return spelled


def _spell(connection: TargetConnection, name: str, type_name: str, expression: str) -> str | None:
    with connection.transaction():
        connection.execute(
            sql.SQL(
                "ALTER TABLE pg_temp.blb_migration_spelling ADD {} {} GENERATED ALWAYS AS ({}) STORED"
            ).format(sql.Identifier(name), server_text(type_name), server_text(expression))
        )
        row = connection.execute(_SPELLED, (name,)).fetchone()
    return None if row is None else str(row[0])
