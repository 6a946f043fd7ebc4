"""Identifiers in PostgreSQL statements: quoted here, always, and nowhere else.

Also the place that decides how the server spells names in the definitions it prints back. Values
never come through here: they are bound.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from blb_migration.model import TableName

TargetConnection = psycopg.Connection[tuple[Any, ...]]


def quote_identifier(name: str) -> sql.Identifier:
    """Return a single name, quoted whatever it contains: spaces, quotes, upper case, reserved words."""
    return sql.Identifier(name)


def identifier_text(name: str) -> str:
    """``quote_identifier`` as text, for messages and scripts that a person reads or runs."""
    return quote_identifier(name).as_string()


def qualified_name(table: TableName) -> sql.Identifier:
    """``"schema"."name"`` of a table, an index or a sequence."""
    return sql.Identifier(table.schema, table.name)


def qualified_text(table: TableName) -> str:
    """``qualified_name`` as text, for ``::regclass`` and for messages that quote a statement."""
    return qualified_name(table).as_string()


def comma_separated(names: tuple[str, ...] | list[str]) -> sql.Composed:
    """Names quoted and joined by commas, as column lists want them."""
    return sql.SQL(", ").join(quote_identifier(name) for name in names)


def quote_text(value: str) -> str:
    """Return a text as a literal, for DDL: comments, defaults and checks take no bound values."""
    return sql.Literal(value).as_string().strip()


def server_text(definition: str) -> sql.SQL:
    """Return SQL text taken as it is: printed by the server (``pg_get_constraintdef``), or from the plan."""
    return sql.SQL(definition)


@contextmanager
def qualified_definitions(connection: TargetConnection) -> Iterator[None]:
    """Yield a transaction in which the server prints every name with its schema.

    ``pg_get_constraintdef``, ``pg_get_expr`` and ``format_type`` leave out schemas that are on the
    search path; what they print must mean the same in a session with another one. The path is put
    back at the end, since inside an outer transaction SET LOCAL would outlive this block.
    """
    with connection.transaction():
        row = connection.execute(
            "SELECT current_setting('search_path'), set_config('search_path', '', true)"
        ).fetchone()
        yield
        connection.execute("SELECT set_config('search_path', %s, true)", row[:1] if row else [""])
