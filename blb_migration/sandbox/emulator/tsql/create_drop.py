"""CREATE DATABASE, SCHEMA and TABLE, DROP TABLE, row versioning: the DDL that tests write as SQL.

Tables of any depth are better made from Python, with ``Database.create_table``.
"""

from __future__ import annotations

from sqlglot import exp

from blb_migration.model import Column, Identity, Table, TableName, UniqueKey
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.context import StatementContext
from blb_migration.sandbox.emulator.tsql.interfaces import Session
from blb_migration.sandbox.emulator.tsql.server_errors import syntax_error, unsupported
from blb_migration.sandbox.emulator.tsql.syntax import Statement
from blb_migration.sandbox.emulator.tsql.type_names import read_type


def run_definition(session: Session, statement: Statement, context: StatementContext) -> None:
    """Run it; raises error 262 for a read-only log-in, 40515 for what is not listed above."""
    what = statement.word(1)
    if session.login.is_read_only:
        raise SqlServerError(
            262,
            f"{statement.kind} {what} permission denied in database '{context.database.name}'.",
            severity=14,
        )
    name = str(statement.tokens[2].text) if len(statement.tokens) > 2 else ""
    match statement.kind, what:
        case ("CREATE", "DATABASE") if len(statement.tokens) == 3:
            session.engine.create_database(name)
        case ("CREATE", "SCHEMA") if len(statement.tokens) == 3:
            context.database.create_schema(name)
        case ("CREATE", "TABLE"):
            context.database.create_table(_read_table(statement, context))
        case ("DROP", "TABLE"):
            _drop_table(statement, context)
        case ("ALTER", "DATABASE") if [statement.word(3), len(statement.tokens)] == ["SET", 6]:
            _set_option(session, statement, context)
        case _:
            raise unsupported(f"{statement.kind} {what}")


def _set_option(session: Session, statement: Statement, context: StatementContext) -> None:
    name, is_on = str(statement.tokens[2].text).lower(), statement.word(5) == "ON"
    database = context.database if name == "current" else session.engine.databases.get(name)
    if database is None:
        raise SqlServerError(
            5011,
            f"User does not have permission to alter database '{statement.tokens[2].text}', the database "
            "does not exist, or the database is not in a state that allows access checks.",
            severity=14,
        )
    match statement.word(4):
        case "ALLOW_SNAPSHOT_ISOLATION":
            database.allows_snapshot = is_on
        case "READ_COMMITTED_SNAPSHOT":
            database.is_read_committed_snapshot = is_on
        case option:
            raise unsupported(f"ALTER DATABASE SET {option}")


def _drop_table(statement: Statement, context: StatementContext) -> None:
    words = [str(token.text) for token in statement.tokens[2:]]
    if_exists = [word.upper() for word in words[:2]] == ["IF", "EXISTS"]
    parts = [word for word in words[2 if if_exists else 0 :] if word != "."]
    key = ((parts[-2] if len(parts) > 1 else "dbo").lower(), parts[-1].lower())
    stored = context.database.tables.get(key)
    if stored is not None:
        context.database.drop_table(stored)
    elif not if_exists:
        raise SqlServerError(
            3701,
            f"Cannot drop the table '{'.'.join(parts)}', because it does not exist or you do not have "
            "permission.",
            severity=11,
            state=5,
        )


def _read_table(statement: Statement, context: StatementContext) -> Table:
    tree = statement.tree
    schema = tree.this
    if not isinstance(schema, exp.Schema) or not isinstance(schema.this, exp.Table):
        raise syntax_error(str(statement.tokens[-1].text), statement.line)
    name = TableName(schema.this.db or "dbo", schema.this.name)
    keys: list[str] = []
    columns: list[Column] = []
    for definition in schema.expressions:
        if not isinstance(definition, exp.ColumnDef) or definition.args.get("kind") is None:
            raise unsupported("CREATE TABLE with table constraints or computed columns")
        columns.append(_read_column(definition, context, keys))
    primary_key = UniqueKey(f"PK_{name.name}", tuple(keys)) if keys else None
    return Table(name, tuple(columns), primary_key=primary_key)


def _read_column(definition: exp.ColumnDef, context: StatementContext, keys: list[str]) -> Column:
    nullable, identity, default = True, None, None
    for constraint in definition.args.get("constraints") or ():
        match constraint.args["kind"]:
            case exp.NotNullColumnConstraint() as kind:
                nullable = bool(kind.args.get("allow_null"))
            case exp.PrimaryKeyColumnConstraint():
                keys.append(definition.name)
                nullable = False
            case exp.GeneratedAsIdentityColumnConstraint() as kind:
                start, step = kind.args.get("start"), kind.args.get("increment")
                identity = Identity(int(start.name) if start else 1, int(step.name) if step else 1)
                nullable = False
            case exp.DefaultColumnConstraint() as kind:
                default = f"({kind.this.sql('tsql')})"
            case other:
                raise unsupported(f"CREATE TABLE with {other.key}")
    column_type = read_type(definition.args["kind"], context.database)
    return Column(definition.name, column_type, nullable, identity=identity, default=default)
