"""INSERT, UPDATE, DELETE and TRUNCATE: for tests that change a source while it is read.

Permission first. As everywhere in the emulator, no constraint is enforced; identity columns number
themselves, defaults and persisted computed columns are filled in. MERGE, OUTPUT, UPDATE ... FROM
and the rest are refused. CREATE and DROP are in ``create_drop``.
"""

from __future__ import annotations

from dataclasses import replace

from sqlglot import exp

from blb_migration.model import Column, ColumnType
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql import create_drop
from blb_migration.sandbox.emulator.tsql.context import StatementContext
from blb_migration.sandbox.emulator.tsql.conversions import convert_implicitly
from blb_migration.sandbox.emulator.tsql.databases import Database, StoredTable
from blb_migration.sandbox.emulator.tsql.datatypes import duckdb_type
from blb_migration.sandbox.emulator.tsql.interfaces import Session
from blb_migration.sandbox.emulator.tsql.queries import compile_query
from blb_migration.sandbox.emulator.tsql.scopes import NamedValue, Scope, Source
from blb_migration.sandbox.emulator.tsql.server_errors import invalid_column, invalid_object, unsupported
from blb_migration.sandbox.emulator.tsql.standalone import compile_condition, compile_standalone, compile_tree
from blb_migration.sandbox.emulator.tsql.syntax import Statement
from blb_migration.sandbox.emulator.tsql.table_sources import computed_value, open_stored_table
from blb_migration.sandbox.emulator.tsql.typed import Typed, quote_name


def run_change(session: Session, statement: Statement, context: StatementContext) -> int | None:
    """Run it; returns the number of rows, None for CREATE and DROP. Raises errors 229, 262 and 3906."""
    if context.database.is_read_only:
        raise SqlServerError(
            3906, f'Failed to update database "{context.database.name}" because the database is read-only.'
        )
    if statement.kind in ("CREATE", "DROP", "ALTER", "GRANT", "DENY", "REVOKE", "BACKUP", "RESTORE"):
        create_drop.run_definition(session, statement, context)
        return None
    if statement.kind == "TRUNCATE":
        parts = [str(token.text) for token in statement.tokens[2:] if str(token.text) != "."]
        database, stored = _find(session, context, parts, "ALTER")
        session.cursor.execute(f"DELETE FROM {stored.physical_name}")
        session.note_change(database.name, None)
        database.note_truncation(stored)
        return None
    tree = statement.tree
    match tree:
        case exp.Insert():
            return _insert(session, tree, context)
        case exp.Update() if not tree.args.get("from_"):
            return _update(session, tree, context)
        case exp.Delete() if not tree.args.get("using") and not tree.args.get("tables"):
            return _delete(session, tree, context)
    raise unsupported(statement.kind)


def _find(
    session: Session, context: StatementContext, parts: list[str], action: str
) -> tuple[Database, StoredTable]:
    database = session.engine.databases.get(parts[0].lower()) if len(parts) == 3 else context.database
    if database is None:
        raise invalid_object(".".join(parts))
    stored = database.tables.get(((parts[-2] if len(parts) > 1 else "dbo").lower(), parts[-1].lower()))
    if stored is None:
        raise invalid_object(".".join(parts))
    if session.login.is_read_only:
        name = stored.table.name
        raise SqlServerError(
            229,
            f"The {action} permission was denied on the object '{name.name}', database '{database.name}', "
            f"schema '{name.schema}'.",
            severity=14,
            state=5,
        )
    return database, stored


def _execute(
    session: Session, context: StatementContext, sql: str, database: Database, stored: StoredTable
) -> int:
    session.register_views(context.arrow_tables)
    row = session.cursor.execute(sql).fetchone()
    session.note_change(database.name, stored)
    return int(row[0]) if row else 0


def _column(stored: StoredTable, name: str) -> Column:
    for column in stored.table.columns:
        if column.name.lower() == name.lower():
            if column.computed is not None:
                raise SqlServerError(
                    271,
                    f'The column "{column.name}" cannot be modified because it is either a computed column '
                    "or is the result of a UNION operator.",
                )
            return column
    raise invalid_column(name)


def _insert(session: Session, tree: exp.Insert, context: StatementContext) -> int:
    target, named = tree.this, None
    if isinstance(target, exp.Schema):
        named = [each.name for each in target.expressions]
        target = target.this
    if not isinstance(target, exp.Table) or tree.args.get("returning") is not None:
        raise unsupported("INSERT with OUTPUT")
    database, stored = _find(session, context, [part.name for part in target.parts], "INSERT")
    plain = [each for each in stored.table.columns if each.computed is None]
    identity = stored.identity
    explicit = session.options.identity_insert == stored.table.name.name.lower()
    if named is None:
        columns = [each for each in plain if each.identity is None or explicit]
    else:
        columns = [_column(stored, name) for name in named]
    if not explicit and any(each.identity is not None for each in columns):
        raise SqlServerError(
            544,
            f"Cannot insert explicit value for identity column in table '{stored.table.name.name}' when "
            "IDENTITY_INSERT is set to OFF.",
        )
    rows = _inserted_rows(tree, context, database, columns)
    selected = [f"{quote_name(each.name)}" for each in columns]
    for column in plain:
        if column in columns:
            continue
        if column.identity is not None:
            last = stored.last_identity
            step = column.identity.increment
            first = column.identity.seed if last is None else last + step
            value = f"CAST({first} + (row_number() OVER () - 1) * {step} AS {duckdb_type(column.type)})"
        else:
            value = _default(column, database).sql
        selected.append(f"{value} AS {quote_name(column.name)}")
    source = f"(SELECT {', '.join(selected)} FROM ({rows}) AS given)"
    stored_columns = stored.stored_columns
    values = [
        quote_name(each.name) if each.computed is None else computed_value(database, stored, each).sql
        for each in stored_columns
    ]
    names = ", ".join(quote_name(each.name) for each in stored_columns)
    sql = f"INSERT INTO {stored.physical_name} ({names}) SELECT {', '.join(values)} FROM {source} AS filled"
    count = _execute(session, context, sql, database, stored)
    stored.modifications += count
    if identity is not None and count and not explicit:
        column, numbers = identity
        last = stored.last_identity
        first = numbers.seed if last is None else last + numbers.increment
        stored.last_identity = first + (count - 1) * numbers.increment
    return count


def _inserted_rows(
    tree: exp.Insert, context: StatementContext, database: Database, columns: list[Column]
) -> str:
    source = tree.expression
    names = [quote_name(each.name) for each in columns]
    if isinstance(source, exp.Values):
        rows = [_values_row(row, context, database, columns) for row in source.expressions]
        return f"SELECT * FROM (VALUES {', '.join(rows)}) AS v({', '.join(names)})"
    if source is None:
        raise unsupported("INSERT ... DEFAULT VALUES")
    query = compile_query(source, context)
    if len(query.columns) != len(columns):
        number, more = (121, "more") if len(query.columns) > len(columns) else (120, "fewer")
        raise SqlServerError(
            number,
            f"The select list for the INSERT statement contains {more} items than the insert list. The "
            "number of SELECT values must match the number of INSERT columns.",
            severity=15,
        )
    converted = [
        f"{convert_implicitly(own.value, _written_type(column)).sql} AS {quote_name(column.name)}"
        for own, column in zip(query.columns, columns, strict=True)
    ]
    return f"SELECT {', '.join(converted)} FROM ({query.sql}) AS q"


def _values_row(row: exp.Expr, context: StatementContext, database: Database, columns: list[Column]) -> str:
    items = row.expressions
    if len(items) != len(columns):
        number, fewer = (110, "fewer") if len(items) < len(columns) else (109, "more")
        raise SqlServerError(
            number,
            f"There are {'more' if fewer == 'fewer' else 'fewer'} columns in the INSERT statement than "
            "values "
            "specified in the VALUES clause. The number of values in the VALUES clause must match the "
            "number of "
            "columns specified in the INSERT statement.",
            severity=15,
        )
    values: list[str] = []
    for item, column in zip(items, columns, strict=True):
        is_default = isinstance(item, exp.Var) and item.name.upper() == "DEFAULT"
        value = _default(column, database) if is_default else compile_tree(item, context, Scope())
        values.append(convert_implicitly(value, _written_type(column)).sql)
    return f"({', '.join(values)})"


def _written_type(column: Column) -> ColumnType:
    """Return the type that a value takes on its way in: a varchar in UTF-8 loses no letter to a code page."""
    if column.type.name in ("char", "varchar") and (column.collation or "").upper().endswith("_UTF8"):
        return replace(column.type, name=f"n{column.type.name}")
    return column.type


def _default(column: Column, database: Database) -> Typed:
    if column.default is None:
        return Typed(f"CAST(NULL AS {duckdb_type(column.type)})", column.type)
    return convert_implicitly(compile_standalone(column.default, database), column.type)


def _own_scope(database: Database, stored: StoredTable, context: StatementContext) -> Scope:
    opened = open_stored_table(database, stored, context)
    table = quote_name(stored.table.name.name)
    columns = tuple(
        NamedValue(each.name, each.value.with_sql(f"{table}.{each.value.sql}")) for each in opened.columns
    )
    return Scope([Source(stored.table.name.name, columns, opened.qualifiers)])


def _update(session: Session, tree: exp.Update, context: StatementContext) -> int:
    database, stored = _find(session, context, [part.name for part in tree.this.parts], "UPDATE")
    scope = _own_scope(database, stored, context)
    settings: dict[str, str] = {}
    for item in tree.expressions:
        column = _column(stored, item.this.name)
        if column.identity is not None:
            raise SqlServerError(8102, f"Cannot update identity column '{column.name}'.")
        value = convert_implicitly(compile_tree(item.expression, context, scope), _written_type(column))
        settings[column.name] = value.sql
    where = _where(tree, context, scope)
    assignments = ", ".join(f"{quote_name(name)} = {sql}" for name, sql in settings.items())
    sql = f"UPDATE {stored.physical_name} SET {assignments}{where}"
    count = _execute(session, context, sql, database, stored)
    key = stored.table.primary_key
    if key is not None and key.columns[0] in settings:  # the counter is of a statistic's first column
        stored.modifications += count
    computed = [each for each in stored.stored_columns if each.computed is not None]
    if computed:
        fresh = ", ".join(
            f"{quote_name(each.name)} = {computed_value(database, stored, each).sql}" for each in computed
        )
        session.cursor.execute(f"UPDATE {stored.physical_name} SET {fresh}")
    return count


def _delete(session: Session, tree: exp.Delete, context: StatementContext) -> int:
    database, stored = _find(session, context, [part.name for part in tree.this.parts], "DELETE")
    where = _where(tree, context, _own_scope(database, stored, context))
    count = _execute(session, context, f"DELETE FROM {stored.physical_name}{where}", database, stored)
    stored.modifications += count
    return count


def _where(tree: exp.Expr, context: StatementContext, scope: Scope) -> str:
    where = tree.args.get("where")
    return "" if where is None else f" WHERE {compile_condition(where.this, context, scope)}"
