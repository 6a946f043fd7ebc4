"""The source's catalog, from ``sys.*``: tables, columns, keys, indexes, checks. Statements: ``catalog_rows``.

Set-based: one statement per kind of thing, joined here by object_id. Results are read by position, since
some servers fold result names to lower case, and are put in order here. What a server may lack (extended
properties, row counts) is left out with a note in the session; what the migration stands on raises
SourceError.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from blb_migration.errors import SourceError
from blb_migration.model import (
    Catalog,
    CheckConstraint,
    Column,
    ColumnType,
    Computed,
    ForeignKey,
    Index,
    IndexColumn,
    ReferentialAction,
    Table,
    TableName,
    UniqueKey,
)
from blb_migration.sqlserver import catalog_rows
from blb_migration.sqlserver.catalog_gaps import require, require_columns
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.identities import read_identities
from blb_migration.sqlserver.signs import read_signs
from blb_migration.types import MOMENTS, look_up_source

Row = tuple[Any, ...]
Named = TypeVar("Named", UniqueKey, ForeignKey, Index, CheckConstraint)

_ACTIONS: tuple[ReferentialAction, ...] = ("NO ACTION", "CASCADE", "SET NULL", "SET DEFAULT")
_ROWSTORE_INDEXES = (1, 2, 7)
_UNLIMITED = -1
# sys.sql_modules has a bound default as it was made.
_BOUND_DEFAULT = re.compile(
    r"^(?:\s|--[^\n]*\n|/\*.*?\*/)*CREATE\s+DEFAULT\s+(?:(?:\[(?:[^\]]|\]\])*\]|\"[^\"]*\"|[^\s.\[\"]+)\s*\.?\s*){1,2}"
    r"AS\s",
    re.IGNORECASE | re.DOTALL,
)
_TICK_DIGITS = 7  # a time's, at most
BABELFISH = "(Babelfish)"  # in the server version: its tables can also be PostgreSQL's, on another port
_TOOLS_TABLE = "microsoft_database_tools_support"


def read_catalog(session: SourceSession) -> Catalog:
    """All user tables of the session's database. Raises SourceError when the server cannot tell."""
    server = read_signs(session, catalog_rows.SERVER)
    session.notes += [session.refused[sign.expression] for sign in catalog_rows.SERVER.values()
                      if sign.expression in session.refused]  # fmt: skip
    told = (server.get("version"), server.get("edition"), BABELFISH if server.get("babelfish") else None)
    comments, tools_tables = _read_comments(session)
    names = {
        object_id: TableName(
            require(schema, f"table {object_id}", "its schema"),
            require(name, f"table {object_id}", "its name"),
        )
        for object_id, schema, name in _read(session, catalog_rows.TABLES, "tables")
        if object_id not in tools_tables
    }
    columns = _read_columns(session, names, comments)
    require_columns(names, columns)
    keys, indexes = _read_indexes(session, names)
    foreign_keys = _read_foreign_keys(session, names)
    checks = _group(_read(session, catalog_rows.CHECKS, "checks"))
    estimates: dict[int, Any] = dict(_read_if_possible(session, catalog_rows.ROW_ESTIMATES, "row estimates"))

    tables = [
        Table(
            name=name,
            columns=columns.get(object_id, ()),
            primary_key=next((key for is_primary, key in keys[object_id] if is_primary), None),
            unique_keys=_by_name([key for is_primary, key in keys[object_id] if not is_primary]),
            foreign_keys=_by_name(foreign_keys[object_id]),
            indexes=_by_name(indexes[object_id]),
            checks=_by_name(
                [
                    CheckConstraint(row[1], row[2] or "", trusted=not (row[3] or row[4]))
                    for row in checks[object_id]
                ]
            ),
            row_estimate=int(estimates[object_id]) if estimates.get(object_id) is not None else None,
            comment=comments.get((object_id, 0)),
        )
        for object_id, name in names.items()
    ]
    return Catalog(
        engine="sqlserver",
        database=server.get("database") or "",
        server_version=" ".join(filter(None, told)),
        collation=server.get("collation"),
        tables=tuple(sorted(tables, key=lambda table: table.name)),
    )


def read_unreadable_tables(session: SourceSession) -> tuple[TableName, ...]:
    """Tables the log-in sees but may not SELECT from. Tables without any right are not even seen."""
    # Where the server does not tell, every SELECT of the plan is tried all the same.
    rows = _read_if_possible(session, catalog_rows.UNREADABLE_TABLES, "rights on each table")
    return tuple(sorted(TableName(*row) for row in rows))


def may_read_everything(session: SourceSession) -> bool | None:
    """Whether the log-in may SELECT in the whole database, so that no table is hidden from it.

    None when the server does not tell.
    """
    rows = _read_if_possible(session, catalog_rows.DATABASE_RIGHT, "log-in's rights")
    return bool(rows[0][0]) if rows and rows[0][0] is not None else None


def _read(session: SourceSession, statement: str, what: str) -> list[Row]:
    return session.read_rows(statement, action=f"reading the catalog ({what})")


def _read_if_possible(session: SourceSession, statement: str, what: str) -> list[Row]:
    try:
        return _read(session, statement, what)
    except SourceError as error:
        if error.is_transient:
            raise
        session.notes.append(f"the source does not tell its {what} ({error.found})")
        return []


def _group(rows: Sequence[Row]) -> defaultdict[Any, list[Row]]:
    groups: defaultdict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[0]].append(row)
    return groups


def _by_name(items: list[Named]) -> tuple[Named, ...]:
    return tuple(sorted(items, key=lambda item: item.name))


def _read_comments(session: SourceSession) -> tuple[dict[tuple[int, int], str], set[int]]:
    """Comments by (object_id, column_id; 0 for the table), and the tables that belong to tools."""
    comments: dict[tuple[int, int], str] = {}
    tools_tables = set()
    for object_id, column_id, name, text in _read_if_possible(session, catalog_rows.COMMENTS, "comments"):
        if name == _TOOLS_TABLE:
            tools_tables.add(object_id)
        elif text:
            comments[object_id, column_id] = text
    return comments, tools_tables


def _read_columns(
    session: SourceSession, names: Mapping[int, TableName], comments: Mapping[tuple[int, int], str]
) -> dict[int, tuple[Column, ...]]:
    rows_of_columns = [row for row in _read(session, catalog_rows.COLUMNS, "columns") if row[0] in names]
    identities = read_identities(
        _read(session, catalog_rows.IDENTITIES, "identities"),
        [(row[0], row[1], row[15], names[row[0]]) for row in rows_of_columns],
        session,
    )
    bound = _read_bound_defaults(session, rows_of_columns)
    hidden_defaults = 0
    columns: dict[int, tuple[Column, ...]] = {}
    for object_id, rows in _group(rows_of_columns).items():
        table_columns = []
        for row in sorted(rows, key=lambda row: int(row[1])):
            column_id, name = row[1:3]
            nullable, collation, default_id, default, is_computed, expression, persisted = row[8:15]
            default = bound.get(default_id) if default is None else default
            hidden_defaults += bool(default_id) and default is None
            table_columns.append(
                Column(
                    name=name,
                    type=_build_told_type(names[object_id], row),
                    nullable=bool(nullable),
                    collation=collation,
                    identity=identities.get((object_id, column_id)),
                    default=default,
                    computed=Computed(expression or "", bool(persisted)) if is_computed else None,
                    comment=comments.get((object_id, column_id)),
                )
            )
        columns[object_id] = tuple(table_columns)
    if hidden_defaults:
        session.notes.append(
            f"{hidden_defaults} defaults are hidden from this log-in; grant it VIEW DEFINITION to see them"
        )
    return columns


def _read_bound_defaults(session: SourceSession, rows_of_columns: Sequence[Row]) -> dict[int, str]:
    """Read the expressions of defaults that are no constraints, by object_id, where there may be any."""
    if not any(row[10] and row[11] is None for row in rows_of_columns):
        return {}
    rows = _read_if_possible(session, catalog_rows.BOUND_DEFAULTS, "bound defaults")
    return {
        object_id: _BOUND_DEFAULT.sub("", definition).strip().rstrip(";")
        for object_id, definition in rows
        if definition is not None
    }


def _build_told_type(table: TableName, row: Row) -> ColumnType:
    """Build the type of a row of COLUMNS. Raises SourceError where the server does not say what it is."""
    _, _, name, declared, base, max_length, precision, scale = row[:8]
    subject = f"column {table}.{name}"
    declared = require(declared, subject, "its type")
    if (base or declared).lower() in ("decimal", "numeric"):
        precision = require(precision or None, subject, "the precision of its number")
        scale = require(scale, subject, "the scale of its number")
    return build_column_type(
        declared,
        base,
        _UNLIMITED if max_length is None else int(max_length),
        int(precision or 0),
        _TICK_DIGITS if scale is None else int(scale),
    )


def build_column_type(
    declared: str, base: str | None, max_length: int, precision: int, scale: int
) -> ColumnType:
    """Build the model's type of a row of ``sys.columns``: base type, length in characters, alias kept.

    ``max_length`` is in bytes, -1 for (max); no column has 0, so a server that says so does not know. CLR
    types (hierarchyid, geometry, geography) have no base.
    """
    name = (base or declared).lower()
    if name == "timestamp":
        name = "rowversion"
    alias = declared if base is not None and declared.lower() != base.lower() else None
    length = None
    facts = look_up_source(ColumnType(name))
    if facts.is_sized and max_length > 0:
        length = max_length // 2 if facts.is_unicode else max_length
    if name in ("decimal", "numeric"):
        return ColumnType(name, precision=precision, scale=scale, alias=alias)
    has_digits = facts.family in MOMENTS and facts.fraction_digits is None
    return ColumnType(name, length=length, scale=scale if has_digits else None, alias=alias)


def _read_indexes(
    session: SourceSession, names: Mapping[int, TableName]
) -> tuple[defaultdict[int, list[tuple[bool, UniqueKey]]], defaultdict[int, list[Index]]]:
    """By table: (is it the primary key, key), and the indexes that are no constraints."""
    columns: defaultdict[tuple[int, int], list[Row]] = defaultdict(list)
    for row in _read(session, catalog_rows.INDEX_COLUMNS, "index columns"):
        columns[row[0], row[1]].append(row)
    keys: defaultdict[int, list[tuple[bool, UniqueKey]]] = defaultdict(list)
    indexes: defaultdict[int, list[Index]] = defaultdict(list)
    for row in _read(session, catalog_rows.INDEXES, "indexes"):
        object_id, index_id, name, kind, unique, is_primary, is_constraint, disabled, predicate = row
        members = columns[object_id, index_id]
        key_columns = sorted((member for member in members if member[3]), key=lambda member: int(member[3]))
        if not key_columns and kind in _ROWSTORE_INDEXES:
            session.notes.append(
                f"the source does not tell the columns of {names.get(object_id, object_id)}.{name}, "
                "which is left out"
            )
        elif is_primary or is_constraint:
            key = UniqueKey(name, tuple(member[2] for member in key_columns))
            keys[object_id].append((bool(is_primary), key))
        elif kind not in _ROWSTORE_INDEXES or disabled:
            why = "is disabled" if disabled else "is an XML, spatial or columnstore index"
            session.notes.append(f"index {names.get(object_id, object_id)}.{name} {why} and is left out")
        else:
            included = sorted((member for member in members if member[6]), key=lambda member: int(member[4]))
            indexes[object_id].append(
                Index(
                    name,
                    tuple(IndexColumn(member[2], bool(member[5])) for member in key_columns),
                    unique=bool(unique),
                    included=tuple(member[2] for member in included),
                    filter=predicate,
                )
            )
    return keys, indexes


def _read_foreign_keys(
    session: SourceSession, names: Mapping[int, TableName]
) -> defaultdict[int, list[ForeignKey]]:
    pairs = _group(_read(session, catalog_rows.FOREIGN_KEY_COLUMNS, "foreign key columns"))
    foreign_keys: defaultdict[int, list[ForeignKey]] = defaultdict(list)
    for row in _read(session, catalog_rows.FOREIGN_KEYS, "foreign keys"):
        key_id, table_id, name, referred_id, on_delete, on_update, not_trusted, disabled = row
        if table_id not in names or referred_id not in names:
            continue
        columns = sorted(pairs[key_id], key=lambda pair: int(pair[1]))
        if not columns:
            session.notes.append(
                f"the source does not tell the columns of foreign key {name}, which is left out"
            )
            continue
        foreign_keys[table_id].append(
            ForeignKey(
                name,
                tuple(pair[2] for pair in columns),
                names[referred_id],
                tuple(pair[3] for pair in columns),
                on_delete=_ACTIONS[int(on_delete or 0)],
                on_update=_ACTIONS[int(on_update or 0)],
                trusted=not (not_trusted or disabled),
                enabled=not disabled,
            )
        )
    return foreign_keys
