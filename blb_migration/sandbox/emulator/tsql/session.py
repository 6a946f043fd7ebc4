"""One session: a batch's statements run in order, with variables, transactions and settings.

What a SELECT means is in ``queries``, what writes is in ``changes``, DECLARE and SET are in
``settings``. A statement the emulator does not know is refused with SQL Server's own error, or with
40515 where SQL Server would have run it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from functools import partial

import duckdb
import pyarrow as pa

from blb_migration.sandbox.emulator.results import (
    Message,
    Parameter,
    ResultColumn,
    ResultSet,
    RowCount,
    SqlServerError,
)
from blb_migration.sandbox.emulator.tsql import changes, create_drop, settings
from blb_migration.sandbox.emulator.tsql.assignments import assigned_variables, without_assignments
from blb_migration.sandbox.emulator.tsql.catalog_sessions import ClientFacts
from blb_migration.sandbox.emulator.tsql.constants import literal_of
from blb_migration.sandbox.emulator.tsql.context import SessionFacts, StatementContext
from blb_migration.sandbox.emulator.tsql.conversions import convert
from blb_migration.sandbox.emulator.tsql.databases import StoredTable
from blb_migration.sandbox.emulator.tsql.datatypes import NVARCHAR_MAX
from blb_migration.sandbox.emulator.tsql.interfaces import Server
from blb_migration.sandbox.emulator.tsql.logins import Login
from blb_migration.sandbox.emulator.tsql.queries import compile_query
from blb_migration.sandbox.emulator.tsql.scopes import NamedValue, Scope
from blb_migration.sandbox.emulator.tsql.server_errors import map_runtime_error, syntax_error, unsupported
from blb_migration.sandbox.emulator.tsql.standalone import compile_tree
from blb_migration.sandbox.emulator.tsql.statement_cache import CompiledStatement
from blb_migration.sandbox.emulator.tsql.stored_values import constant_from_storage
from blb_migration.sandbox.emulator.tsql.streaming import BatchStream, result_columns, start_stream
from blb_migration.sandbox.emulator.tsql.syntax import Statement, parse_expression, split_batch
from blb_migration.sandbox.emulator.tsql.typed import Typed

Outcome = ResultSet | RowCount | Message
Variables = dict[str, Typed]


class TsqlSession:
    """A log-in's conversation; one statement at a time. ``client`` is what it says about itself."""

    def __init__(
        self, engine: Server, login: Login, database: str, spid: int, cursor: duckdb.DuckDBPyConnection
    ) -> None:
        self.database = database
        self.spid = spid
        self.login = login
        self.client = ClientFacts()
        self.options = settings.SessionOptions(language=login.language)
        self.transaction_count = 0
        self.engine = engine
        self.cursor = cursor
        self.row_count = 0
        self._open_stream: BatchStream | None = None
        self._registered: dict[str, pa.Table] = {}
        self._changed_databases: dict[str, set[int]] = {}
        self._versions_at_begin: dict[str, int] = {}
        self._held_databases: set[str] = set()
        self._is_closed = False

    def introduce(self, host: str, application: str, process_id: int) -> None:
        """Take what the client says of itself at log-in."""
        self.client.host, self.client.application, self.client.process_id = host, application, process_id

    def execute(self, batch: str, parameters: Sequence[Parameter] = ()) -> Iterator[Outcome]:
        """Run the batch; see ``SqlSession``. Each statement starts when its outcome is asked for."""
        variables = _variables(parameters)
        self.client.note_request()
        statements = split_batch(batch)
        for statement in statements:
            try:
                self._stop_reading()
                yield from self._run(statement, variables, is_first=statement is statements[0])
            except SqlServerError as error:
                error.line = max(error.line, statement.line)
                raise
            except (duckdb.Error, OSError, pa.ArrowException) as error:
                self._lose_transaction()
                raise map_runtime_error(error) from error

    def describe(self, batch: str, parameters: Sequence[Parameter] = ()) -> tuple[ResultColumn, ...]:
        """Columns of the batch's first result; empty if no statement gives one. Nothing is read."""
        variables = _variables(parameters)
        for statement in split_batch(batch):
            if statement.kind in ("SELECT", "WITH", "("):
                context = self.new_context(variables)
                if not assigned_variables(statement.tree):
                    return result_columns(compile_query(statement.tree, context).columns)
            elif statement.kind == "DECLARE":
                settings.declare(statement, variables, self._evaluate)
        return ()

    def close(self) -> None:
        """End the session; an open transaction is rolled back."""
        if not self._is_closed:
            self._is_closed = True
            self._lose_transaction()
            self.cursor.close()
            self.engine.forget_session(self)

    def new_context(self, variables: Variables) -> StatementContext:
        """Return a context for compiling one statement now."""
        facts = SessionFacts(
            self.spid, self.login.name, self.client.host, self.client.application, self.transaction_count,
            self.row_count,
            self.options.lock_timeout, self.options.text_size, self.options.isolation_level,
            self.options.language,
        )  # fmt: skip
        database = self.engine.databases[self.database.lower()]
        return StatementContext(
            self.engine, database, facts, self.login.denied_tables, variables, self.login.sees_server_state
        )

    def register_views(self, arrow_tables: Mapping[str, pa.Table]) -> None:
        """Make the catalog views that a statement reads known to DuckDB."""
        self._stop_reading()
        for name, table in arrow_tables.items():
            if self._registered.get(name) is not table:
                self.cursor.register(name, table)
                self._registered[name] = table

    def note_change(self, database: str, stored: StoredTable | None) -> None:
        """Rows of that table (None: of one that is counted elsewhere) were changed by this session."""
        if self.transaction_count:
            changed = self._changed_databases.setdefault(database.lower(), set())
            changed.update(() if stored is None else (stored.object_id,))
        else:
            self.engine.databases[database.lower()].note_change(*(() if stored is None else (stored,)))

    def _run(self, statement: Statement, variables: Variables, is_first: bool) -> Iterator[Outcome]:  # noqa: PLR0912  # one kind of statement each
        match statement.kind:
            case "SELECT" | "WITH" | "(":
                yield from self._select(statement, variables)
            case "DECLARE":
                settings.declare(statement, variables, self._evaluate)
                yield RowCount(None)
            case "SET":
                if statement.word(1).startswith("@"):
                    settings.assign(statement, variables, self._evaluate)
                else:
                    settings.set_option(statement, self.options)
                yield RowCount(None)
            case "USE":
                yield self._use(statement)
            case "PRINT":
                text = statement.text[len("PRINT") :]
                value = convert(self._evaluate(text, variables), NVARCHAR_MAX)
                yield Message(0, str(value.constant or " "))
            case "BEGIN" | "COMMIT" | "ROLLBACK":
                self._control_transaction(statement)
                yield RowCount(None)
            case "EXEC" | "EXECUTE" | "DBCC":
                create_drop.run_procedure(statement, self.new_context(variables))
                yield RowCount(None)
            case (
                "INSERT"
                | "UPDATE"
                | "DELETE"
                | "CREATE"
                | "DROP"
                | "TRUNCATE"
                | "ALTER"
                | "MERGE"
                | "GRANT"
                | "DENY"
                | "REVOKE"
                | "BACKUP"
                | "RESTORE"
            ):
                count = changes.run_change(self, statement, self.new_context(variables))
                self.row_count = count or 0
                yield RowCount(None if self.options.no_count else count)
            case "IF" | "WHILE" | "RETURN" | "WAITFOR" | "RAISERROR" | "THROW" | "KILL":
                raise unsupported(statement.kind)
            case _:
                if (
                    is_first
                    and statement.tokens[0].token_type.name in ("VAR", "IDENTIFIER")
                    and len(statement.tokens) == 1
                ):
                    raise create_drop.missing_procedure(statement, 0)
                near = statement.tokens[min(1, len(statement.tokens) - 1)]
                raise syntax_error(str(near.text), near.line)

    def _select(self, statement: Statement, variables: Variables) -> Iterator[Outcome]:
        catalog_state = self.engine.catalog_state()
        compiled = self._compile(statement, variables, catalog_state)
        self._check_isolation(compiled.user_databases)
        self.register_views(compiled.arrow_tables)
        self._hold_state(compiled.user_databases)
        query = compiled.query
        batches = self._open(query.sql, query.columns)
        if compiled.assigned:
            self._assign_last_row(compiled.assigned, batches, query.columns, variables)
            yield RowCount(None)
            return
        yield ResultSet(
            compiled.columns,
            self._counted(batches),
            self._replay_key(compiled, catalog_state),
            partial(start_stream, batches, statement.line),
            self._note_row_count,
        )

    def _compile(
        self, statement: Statement, variables: Variables, catalog_state: Hashable
    ) -> CompiledStatement:
        """Compile the statement compiled now, or when it last came to the same catalog with the same
        variables."""
        cache = self.engine.statements
        key = (
            statement.text,
            self.database.lower(),
            (self.login.denied_tables, self.login.sees_server_state),
            tuple(sorted(variables.items(), key=_name)),
        )
        found = cache.find(catalog_state, key)
        if found is not None:
            return found
        tree = statement.tree
        if tree.key in ("insert", "update", "delete", "merge"):
            raise unsupported(f"WITH before {tree.key.upper()}")
        context = self.new_context(variables)
        assigned = assigned_variables(tree)
        query = compile_query(without_assignments(tree) if assigned else tree, context)
        compiled = CompiledStatement(
            query,
            result_columns(query.columns),
            tuple(assigned),
            context.is_deterministic,
            frozenset(context.user_databases),
            context.arrow_tables,
        )
        if not context.is_volatile:
            cache.keep(catalog_state, key, compiled)
        return compiled

    def _open(self, sql: str, columns: Sequence[NamedValue]) -> BatchStream:
        """Return a query to run; what an earlier one still had to give is dropped."""
        self._stop_reading()
        self._open_stream = BatchStream(self.cursor, sql, columns)
        return self._open_stream

    def _stop_reading(self) -> None:
        if self._open_stream is not None:
            self._open_stream.close()
            self._open_stream = None

    def _assign_last_row(
        self,
        names: Sequence[str],
        batches: Iterator[pa.RecordBatch],
        columns: Sequence[NamedValue],
        variables: Variables,
    ) -> None:
        for batch in batches:
            for name, column, array in zip(names, columns, batch.columns, strict=True):
                if name not in variables:
                    raise SqlServerError(
                        137, f'Must declare the scalar variable "{name}".', severity=15, state=1
                    )
                if len(array):
                    value = constant_from_storage(array[-1].as_py(), column.value)
                    variables[name] = convert(value, variables[name].type)

    def _counted(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        self.row_count = 0
        try:
            for batch in batches:
                self.row_count += batch.num_rows
                yield batch
        except SqlServerError:
            self._lose_transaction()
            raise

    def _note_row_count(self, row_count: int) -> None:
        self.row_count = row_count

    def _replay_key(self, compiled: CompiledStatement, catalog_state: Hashable) -> str | None:
        """Equal keys mean equal bytes: same engine, data versions, compiled statement and settings."""
        if not compiled.is_deterministic or self._changed_databases:
            return None
        versions: list[tuple[str, int]] = []
        for name in sorted(compiled.user_databases):
            database = self.engine.databases[name]
            version = database.data_version
            if database.is_changing or (
                self.transaction_count and self._versions_at_begin.get(name) != version
            ):
                return None
            versions.append((name, version))
        if not versions and not compiled.arrow_tables:
            return None
        catalog = catalog_state if compiled.arrow_tables else None
        facts = (id(self.engine), versions, catalog, compiled.digest, self.options.text_size)
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def _hold_state(self, user_databases: frozenset[str]) -> None:
        """See to it that the open transaction reads these databases as they are now, also when this
        result is replayed: DuckDB fixes what a transaction sees of a database when it first names it."""
        if not self.transaction_count:
            return
        for name in user_databases - self._held_databases:
            stored = next(iter(self.engine.databases[name].tables.values()))
            self.cursor.execute(f"SELECT 1 FROM {stored.physical_name} LIMIT 0").fetchall()
            self._held_databases.add(name)

    def _check_isolation(self, user_databases: frozenset[str]) -> None:
        if self.options.isolation_level != "SNAPSHOT":
            return
        for name in user_databases:
            database = self.engine.databases[name]
            if not database.allows_snapshot:
                raise SqlServerError(
                    3952,
                    f"Snapshot isolation transaction failed accessing database '{database.name}' because "
                    "snapshot "
                    "isolation is not allowed in this database. Use ALTER DATABASE to allow snapshot "
                    "isolation.",
                )

    def _evaluate(self, text: str, variables: Variables) -> Typed:
        """Return a scalar expression's value now, as a constant."""
        context = self.new_context(variables)
        value = compile_tree(parse_expression(text), context, Scope())
        if value.is_constant:
            return value
        self.register_views(context.arrow_tables)
        named = (NamedValue("", value),)
        batches = list(self._open(f"SELECT {value.sql} AS c1", named))
        return constant_from_storage(batches[0].column(0)[0].as_py(), value)

    def _use(self, statement: Statement) -> Message:
        name = str(statement.tokens[1].text) if len(statement.tokens) > 1 else ""
        database = self.engine.databases.get(name.lower())
        if database is None:
            raise SqlServerError(
                911, f"Database '{name}' does not exist. Make sure that the name is entered correctly."
            )
        self.engine.check_database_access(self.login, database.name, in_session=True)
        self.database = database.name
        return Message(5701, f"Changed database context to '{database.name}'.", state=2)

    def _control_transaction(self, statement: Statement) -> None:
        if statement.kind == "BEGIN":
            if statement.word(1) not in ("TRAN", "TRANSACTION"):
                raise unsupported(f"BEGIN {statement.word(1)}".strip())
            if self.transaction_count == 0:
                self.cursor.execute("BEGIN TRANSACTION")
                self._held_databases.clear()
                self._versions_at_begin = {
                    name: each.data_version for name, each in self.engine.databases.items()
                }
            self.transaction_count += 1
            return
        if self.transaction_count == 0:
            number, shown = (3902, "COMMIT") if statement.kind == "COMMIT" else (3903, "ROLLBACK")
            raise SqlServerError(
                number, f"The {shown} TRANSACTION request has no corresponding BEGIN TRANSACTION."
            )
        if statement.kind == "ROLLBACK":
            self._lose_transaction()
            return
        self.transaction_count -= 1
        if self.transaction_count == 0:
            self.cursor.execute("COMMIT")
            changed, self._changed_databases = self._changed_databases, {}
            for name, object_ids in changed.items():
                database = self.engine.databases[name]
                database.note_change(
                    *(each for each in database.tables.values() if each.object_id in object_ids)
                )

    def _lose_transaction(self) -> None:
        """Roll back what is open: on request, on close, and after an error while running, which here
        always ends the transaction (as under SET XACT_ABORT ON)."""
        self._stop_reading()
        if self.transaction_count:
            self.transaction_count = 0
            self._changed_databases.clear()
            self.cursor.execute("ROLLBACK")


def _variables(parameters: Sequence[Parameter]) -> Variables:
    return {"@" + each.name.lower().lstrip("@"): literal_of(each) for each in parameters}


def _name(variable: tuple[str, Typed]) -> str:
    return variable[0]
