"""Facts about the target that explain a log-in which fails after a load. Only reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from psycopg import sql

from blb_migration.model import Table, TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection, qualified_name, qualified_text, quote_identifier

_SEQUENCE = "SELECT pg_get_serial_sequence(%s, %s)"


def find_low_sequences(connection: TargetConnection, tables: Sequence[Table]) -> Iterator[str]:
    """Yield ``table.column`` of each sequence whose next number is taken. Raises TargetError."""
    for table in tables:
        for column in table.primary_key.columns if table.primary_key else ():
            with target_errors(f"table {table.name}"):
                row = connection.execute(_SEQUENCE, (qualified_text(table.name), column)).fetchone()
                if row is None or row[0] is None:
                    continue
                found = connection.execute(
                    sql.SQL(
                        "SELECT (SELECT max({column}) FROM {table})"
                        " >= s.last_value + CASE WHEN s.is_called THEN 1 ELSE 0 END FROM {sequence} AS s"
                    ).format(
                        column=quote_identifier(column),
                        table=qualified_name(table.name),
                        sequence=sql.SQL(row[0]),
                    )
                ).fetchone()
            if found is not None and found[0]:
                yield f"{table.name}.{column}"


def count_capital_letters(connection: TargetConnection, table: TableName, column: str) -> int:
    """Count values that are not in lower case. Raises TargetError."""
    with target_errors(f"table {table}"):
        row = connection.execute(
            sql.SQL("SELECT count(*) FROM {table} WHERE {column}::text <> lower({column}::text)").format(
                table=qualified_name(table), column=quote_identifier(column)
            )
        ).fetchone()
    return int(row[0]) if row else 0


def find_filled_limit(connection: TargetConnection, table: TableName, column: str) -> int | None:
    """Return the column's limit if a value fills it: values may have been cut off. Raises TargetError."""
    with target_errors(f"table {table}"):
        row = connection.execute(
            "SELECT CASE WHEN a.atttypmod > 4 AND t.typname IN ('varchar', 'bpchar') THEN a.atttypmod - 4 END"
            " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
            " WHERE a.attrelid = %s::regclass AND a.attname = %s",
            (qualified_text(table), column),
        ).fetchone()
        if row is None or row[0] is None:
            return None
        longest = connection.execute(
            sql.SQL("SELECT max(length({column})) FROM {table}").format(
                table=qualified_name(table), column=quote_identifier(column)
            )
        ).fetchone()
    return int(row[0]) if longest and longest[0] == row[0] else None
