"""What DDL does: databases, schemas, tables, their constraints and indexes, descriptions, row versioning.

How a table's statements are read is in ``read_definitions``. Tests make tables from Python, with
``Database.create_table``, unless SQL is what they test.
"""

from __future__ import annotations

from dataclasses import replace

from blb_migration.model import Table, TableName
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.backup_history import record_backup
from blb_migration.sandbox.emulator.tsql.collation_rules import check_collation
from blb_migration.sandbox.emulator.tsql.context import StatementContext
from blb_migration.sandbox.emulator.tsql.databases import StoredTable
from blb_migration.sandbox.emulator.tsql.functions_system import SERVER_NAME
from blb_migration.sandbox.emulator.tsql.interfaces import Session
from blb_migration.sandbox.emulator.tsql.read_definitions import (
    DefinitionReader,
    alter_table,
    read_create_index,
    read_create_table,
)
from blb_migration.sandbox.emulator.tsql.server_errors import unsupported
from blb_migration.sandbox.emulator.tsql.syntax import PlainTsql, Statement


def run_definition(  # noqa: PLR0912  # one kind of statement each
    session: Session, statement: Statement, context: StatementContext
) -> None:
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
        case ("BACKUP", "DATABASE"):
            _back_up(session, statement)
        case ("CREATE", "DATABASE") if len(statement.tokens) == 3:
            session.engine.create_database(name)
        case ("CREATE", "DATABASE") if [statement.word(3), len(statement.tokens)] == ["COLLATE", 5]:
            session.engine.create_database(name, check_collation(str(statement.tokens[4].text)))
        case ("DROP", "DATABASE") if len(statement.tokens) == 3:
            _drop_database(session, name)
        case ("CREATE", "SCHEMA") if len(statement.tokens) == 3:
            context.database.create_schema(name)
        case ("CREATE", "TABLE"):
            context.database.create_table(read_create_table(statement, context.database))
        case ("CREATE", "TYPE"):
            _create_type(statement, context)
        case ("CREATE", "INDEX" | "UNIQUE"):
            _create_index(statement, context)
        case ("ALTER", "TABLE") if statement.word(len(statement.tokens) - 1) == "CHANGE_TRACKING":
            stored = _find(DefinitionReader(statement, 2).read_table_name(), context)
            context.database.track_changes(stored)
        case ("ALTER", "TABLE"):
            _alter_table(statement, context)
        case ("DROP", "TABLE"):
            _drop_table(statement, context)
        case ("ALTER", "DATABASE") if [statement.word(4), len(statement.tokens)] == ["SINGLE_USER", 8]:
            pass  # nobody is thrown out: the emulator drops a database under its readers
        case ("ALTER", "DATABASE") if [statement.word(3), len(statement.tokens)] == ["SET", 5]:
            _set_option(session, statement, context)
        case ("ALTER", "DATABASE") if [statement.word(3), statement.word(5)] == ["SET", "="]:
            _set_option(session, statement, context)
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
        case "READ_ONLY" | "READ_WRITE" as option:
            database.is_read_only = option == "READ_ONLY"
        case "CHANGE_TRACKING":
            database.track_changes()
        case "READ_COMMITTED_SNAPSHOT":
            database.is_read_committed_snapshot = is_on
        case option:
            raise unsupported(f"ALTER DATABASE SET {option}")


def _back_up(session: Session, statement: Statement) -> None:
    """Write a full backup's row into msdb, as SQL Server does; no media is written."""
    reader = DefinitionReader(statement, 2)
    name = reader.read_name()
    database = session.engine.databases.get(name.lower())
    if database is None:
        raise SqlServerError(
            911, f"Database '{name}' does not exist. Make sure that the name is entered correctly."
        )
    reader.expect("TO")
    media = list[tuple[str, int]]()
    while not media or reader.take(","):
        reader.expect("DISK")
        reader.expect("=")
        media.append((reader.read_name(), 2))
    options = set[str]()
    if reader.take("WITH"):
        while not options or reader.take(","):
            options.add(reader.read_name().upper())
    if not reader.is_at_end:
        raise reader.refuse()
    if unknown := options - {"COPY_ONLY", "CHECKSUM", "INIT", "COMPRESSION"}:
        raise unsupported(f"BACKUP WITH {', '.join(sorted(unknown))}")
    record_backup(
        session.engine.databases["msdb"],
        database,
        SERVER_NAME,
        media=tuple(media),
        is_copy_only="COPY_ONLY" in options,
        has_checksums="CHECKSUM" in options,
    )


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


def _alter(stored: StoredTable, table: Table, context: StatementContext) -> None:
    context.database.alter_table(stored, table)


def _find(name: TableName, context: StatementContext) -> StoredTable:
    return context.database.find_table(name)


def _alter_table(statement: Statement, context: StatementContext) -> None:
    reader = DefinitionReader(statement, 2)
    stored = _find(reader.read_table_name(), context)
    _alter(stored, alter_table(stored.table, reader), context)


def _create_index(statement: Statement, context: StatementContext) -> None:
    name, index = read_create_index(statement)
    stored = _find(name, context)
    _alter(stored, replace(stored.table, indexes=(*stored.table.indexes, index)), context)


def _create_type(statement: Statement, context: StatementContext) -> None:
    reader = DefinitionReader(statement, 2)
    name = reader.read_table_name().name
    reader.expect("FROM")
    column_type = replace(reader.read_type(context.database), alias=name)
    context.database.alias_types[name.lower()] = column_type


def _drop_database(session: Session, name: str) -> None:
    if name.lower() not in session.engine.databases:
        raise SqlServerError(
            3701,
            f"Cannot drop the database '{name}', because it does not exist or you do not have permission.",
            severity=11,
        )
    session.engine.drop_database(name)


def _add_description(statement: Statement, context: StatementContext) -> None:
    """Run sp_addextendedproperty for MS_Description, of a table or of a column."""
    texts = [str(token.text) for token in statement.tokens]
    given = {
        texts[place - 1].lower().lstrip("@"): texts[place + 1]
        for place, text in enumerate(texts)
        if text == "="
    }
    stored = _find(TableName(given["level0name"], given["level1name"]), context)
    table, column = stored.table, given.get("level2name")
    if column is None:
        table = replace(table, comment=given["value"])
    else:
        columns = [
            replace(each, comment=given["value"]) if each.name == column else each for each in table.columns
        ]
        table = replace(table, columns=tuple(columns))
    _alter(stored, table, context)


def _reseed(statement: Statement, context: StatementContext) -> None:
    """Run DBCC CHECKIDENT (name, RESEED, number); error 40515 for everything else of DBCC."""
    words = [str(token.text) for token in statement.tokens]
    if statement.word(1) != "CHECKIDENT" or statement.word(5) != "RESEED":
        raise unsupported(f"DBCC {statement.word(1)}")
    name = DefinitionReader(Statement("", tuple(PlainTsql().tokenize(words[3])), words[3])).read_table_name()
    _find(name, context).last_identity = int("".join(words[7:-1]))
    context.database.note_change()


def run_procedure(statement: Statement, context: StatementContext) -> None:
    """Run the one procedure and the one DBCC that there are; raises error 2812 or 40515 for all others."""
    if statement.kind == "DBCC":
        _reseed(statement, context)
    elif "sp_addextendedproperty" in (str(token.text).lower() for token in statement.tokens[:4]):
        _add_description(statement, context)
    else:
        raise missing_procedure(statement, 1)


def missing_procedure(statement: Statement, position: int) -> SqlServerError:
    """Return the error for a procedure that is not there, named by the statement's word at this position."""
    name = "".join(str(token.text) for token in statement.tokens[position:][:1])
    return SqlServerError(2812, f"Could not find stored procedure '{name}'.", state=62)
