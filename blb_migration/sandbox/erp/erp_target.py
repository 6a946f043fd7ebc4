"""The ERP's target schema, created in PostgreSQL as the ERP's own migrations leave it.

All 43 tables of ``target_schema.json``, empty but for ``alembic_version``, whose row names the
target's own schema revision. No migration and no rows of the sample: those come by ``sample.py``
through SQL Server.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg import sql

from blb_migration.sandbox.erp.erp_schema import read_schema

TARGET_ALEMBIC_VERSION = "047_postgres_baseline"


def create_target(target_url: str) -> None:
    """Create the ERP's tables in the empty database at ``target_url`` (a libpq URL).

    One transaction: tables and sequences, then keys, checks and indexes, then foreign keys.
    Raises psycopg.Error when the database cannot be reached or a table is already there.
    """
    tables = read_schema("target")
    statements = [statement for name in sorted(tables) for statement in _build_table(name, tables[name])]
    statements += [statement for name in sorted(tables) for statement in _build_keys(name, tables[name])]
    statements += [
        _build_foreign_key(name, key)
        for name in sorted(tables)
        for key in tables[name].get("foreign_keys", ())
    ]
    with psycopg.connect(target_url) as connection:
        connection.execute(sql.SQL(";\n").join(statements))
        connection.execute("INSERT INTO alembic_version VALUES (%s)", [TARGET_ALEMBIC_VERSION])


def _build_table(name: str, facts: dict[str, Any]) -> Iterator[sql.Composable]:
    """Yield what ``serial`` does, spelled out: the sequence, the table, and who owns the sequence."""
    columns = sql.SQL(",\n  ").join(_build_column(column) for column in facts["columns"])
    serials = [column["name"] for column in facts["columns"] if "nextval(" in column.get("default", "")]
    for column in serials:
        yield sql.SQL("CREATE SEQUENCE {} AS integer").format(_sequence(name, column))
    yield sql.SQL("CREATE TABLE {} (\n  {}\n)").format(sql.Identifier(name), columns)
    for column in serials:
        yield sql.SQL("ALTER SEQUENCE {} OWNED BY {}").format(
            _sequence(name, column), sql.Identifier(name, column)
        )


def _sequence(table_name: str, column: str) -> sql.Identifier:
    return sql.Identifier(f"{table_name}_{column}_seq")


def _build_column(facts: dict[str, Any]) -> sql.Composable:
    parts: list[sql.Composable] = [sql.Identifier(facts["name"]), sql.SQL(facts["type"])]
    if not facts["nullable"]:
        parts.append(sql.SQL("NOT NULL"))
    if "default" in facts:
        parts.append(sql.SQL("DEFAULT " + facts["default"]))
    if "computed" in facts:
        parts.append(sql.SQL(f"GENERATED ALWAYS AS ({facts['computed']['expression']}) STORED"))
    return sql.SQL(" ").join(parts)


def _build_keys(name: str, facts: dict[str, Any]) -> Iterator[sql.Composable]:
    add = sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {} ({})")
    table = sql.Identifier(name)
    kinds = [("PRIMARY KEY", [facts["primary_key"]]), ("UNIQUE", facts.get("unique_constraints", []))]
    for kind, keys in kinds:
        for key in keys:
            yield add.format(table, sql.Identifier(key["name"]), sql.SQL(kind), _names(key["columns"]))
    for check in facts.get("check_constraints", ()):
        yield sql.SQL("ALTER TABLE {} ADD CONSTRAINT {} {}").format(
            table, sql.Identifier(check["name"]), sql.SQL(check["expression"])
        )
    for index in facts.get("indexes", ()):
        yield sql.SQL("CREATE {} {} ON {} ({})").format(
            sql.SQL("UNIQUE INDEX" if index["unique"] else "INDEX"),
            sql.Identifier(index["name"]),
            table,
            _names(index["columns"]),
        )


def _build_foreign_key(name: str, key: dict[str, Any]) -> sql.Composable:
    return sql.SQL(
        "ALTER TABLE {} ADD CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {} ({}) ON DELETE {} ON UPDATE {}"
    ).format(
        sql.Identifier(name),
        sql.Identifier(key["name"]),
        _names(key["columns"]),
        sql.Identifier(key["referred_table"]),
        _names(key["referred_columns"]),
        sql.SQL(key["on_delete"]),
        sql.SQL(key["on_update"]),
    )


def _names(columns: list[str]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))
