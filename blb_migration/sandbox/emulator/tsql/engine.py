"""The server: its databases and log-ins, filled from Python, read through sessions.

engine = TsqlEngine()
database = engine.create_database("SHOP")
database.create_table(table)              # blb_migration.model.Table
database.load("dbo.items", arrow_table)   # physical forms of ``results``
engine.add_login("reader", "secret", denied_tables=["SHOP.dbo.salaries"])
session = engine.login("reader", "secret", "SHOP")
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

import duckdb

from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.backup_history import create_backup_history
from blb_migration.sandbox.emulator.tsql.catalog_changes import NEEDS_SERVER_STATE
from blb_migration.sandbox.emulator.tsql.catalog_sessions import VOLATILE
from blb_migration.sandbox.emulator.tsql.context import OpenedTable, StatementContext
from blb_migration.sandbox.emulator.tsql.databases import Database
from blb_migration.sandbox.emulator.tsql.functions_system import SERVER_COLLATION
from blb_migration.sandbox.emulator.tsql.interfaces import Session
from blb_migration.sandbox.emulator.tsql.logins import Login
from blb_migration.sandbox.emulator.tsql.macros import macro_statements
from blb_migration.sandbox.emulator.tsql.methods import register_methods
from blb_migration.sandbox.emulator.tsql.server_errors import invalid_object, unsupported
from blb_migration.sandbox.emulator.tsql.session import TsqlSession
from blb_migration.sandbox.emulator.tsql.statement_cache import StatementCache
from blb_migration.sandbox.emulator.tsql.surrogates import register_units_function
from blb_migration.sandbox.emulator.tsql.table_sources import compute_column, open_stored_table
from blb_migration.sandbox.emulator.tsql.typed import quote_name
from blb_migration.sandbox.emulator.tsql.view_tables import build_view_table, find_view, view_columns
from blb_migration.without_pandas import keep_pandas_out

_FIRST_SPID = 51
_SYSTEM_DATABASES = ("master", "tempdb", "model", "msdb")


# sys.messages, 229: by whether the session's language is Deutsch, else English.
_SELECT_DENIED = (
    "The SELECT permission was denied on the object '{table}', database '{database}', schema '{schema}'.",
    "Die SELECT-Berechtigung wurde für das '{table}'-Objekt, '{database}'-Datenbank, '{schema}'-Schema, "
    "verweigert.",
)


class TsqlEngine:
    """One SQL Server. ``databases`` is keyed by lower-case name. Thread-safe; ``close`` it."""

    def __init__(self, directory: Path | None = None, memory_limit: str | None = None) -> None:
        """Rows live in memory, compressed; with a ``directory`` in files there, of which at most
        ``memory_limit`` (such as ``"300MB"``) is held in memory."""
        keep_pandas_out()
        self.databases: dict[str, Database] = {}
        self.sessions: list[TsqlSession] = []
        self.statements = StatementCache()
        self._logins: dict[str, Login] = {}
        self._lock = threading.RLock()
        self._next_spid = _FIRST_SPID
        self._last_database_id = 0
        self._directory = directory
        self._connection = duckdb.connect(":memory:")
        if memory_limit is not None:
            self._connection.execute("SET memory_limit = ?", [memory_limit])
        if directory is not None:
            self._connection.execute("SET temp_directory = ?", [str(directory)])
        self._views: dict[tuple[str, str, str], tuple[object, OpenedTable]] = {}
        self._connection.execute("SET preserve_insertion_order = true")
        for statement in macro_statements():
            self._connection.execute(statement)
        register_methods(self._connection)
        register_units_function(self._connection)
        for name in _SYSTEM_DATABASES:
            self.create_database(name)
        create_backup_history(self.databases["msdb"])

    def create_database(self, name: str, collation: str = SERVER_COLLATION) -> Database:
        """Create a new, empty database; raises error 1801 if the name is taken."""
        with self._lock:
            if name.lower() in self.databases:
                raise SqlServerError(
                    1801, f"Database '{name}' already exists. Choose a different database name.", state=3
                )
            self._last_database_id = database_id = self._last_database_id + 1
            path = None if self._directory is None else self._directory / f"database{database_id}.duckdb"
            database = Database(
                self._connection, name, database_id, collation, self._lock, compute_column, path
            )
            database.list_sessions = lambda: self.sessions
            self.databases = {**self.databases, name.lower(): database}
            return database

    def drop_database(self, name: str) -> None:
        """Remove a database with its rows; sessions in it find nothing any more."""
        with self._lock:
            self.databases = {key: each for key, each in self.databases.items() if key != name.lower()}

    def add_login(
        self,
        user: str,
        password: str,
        *,
        databases: Iterable[str] | None = None,
        denied_tables: Iterable[str] = (),
        read_only: bool = False,
        sees_server_state: bool = True,
        default_database: str = "master",
        language: str = "us_english",
    ) -> None:
        """Add a log-in; ``denied_tables`` are ``schema.table`` or ``database.schema.table``.

        Of other languages than English only Deutsch is known, and of its texts that of error 229.
        """
        self._logins[user.lower()] = Login(
            user,
            password,
            None if databases is None else frozenset(name.lower() for name in databases),
            frozenset(name.lower() for name in denied_tables),
            read_only,
            sees_server_state,
            default_database,
            language,
        )

    def login(self, user: str, password: str, database: str | None) -> TsqlSession:
        """Open a session; raises error 18456 for the log-in and 4060 for the database."""
        login = self._logins.get(user.lower())
        if login is None or not hmac.compare_digest(login.password.encode(), password.encode()):
            raise SqlServerError(18456, f"Login failed for user '{user}'.", severity=14)
        name = database or login.default_database
        found = self.databases.get(name.lower())
        if found is None:
            raise _cannot_open(name)
        self.check_database_access(login, found.name)
        with self._lock:
            session = TsqlSession(self, login, found.name, self._next_spid, self._connection.cursor())
            self._next_spid += 1
            self.sessions.append(session)
        return session

    def check_database_access(self, login: Login, name: str, in_session: bool = False) -> None:
        """Raise error 4060 (or 916 inside a session) if the log-in may not enter the database."""
        if login.databases is None or name.lower() in login.databases or name.lower() in _SYSTEM_DATABASES:
            return
        if not in_session:
            raise _cannot_open(name)
        raise SqlServerError(
            916,
            f'The server principal "{login.name}" is not able to access the database "{name}" '
            "under the current security context.",
            severity=14,
        )

    def catalog_state(self) -> Hashable:
        """Equal as long as no database, table, option or row count has changed."""
        return tuple(
            (each.database_id, each.catalog_version, each.settings()) for each in self.databases.values()
        )

    def forget_session(self, session: Session) -> None:
        """Forget a session that ends."""
        with self._lock:
            self.sessions = [each for each in self.sessions if each is not session]

    def close(self) -> None:
        """End all sessions and let go of the data."""
        for session in list(self.sessions):
            session.close()
        self._connection.close()

    def open_table(self, context: StatementContext, parts: Sequence[str]) -> OpenedTable:
        """Return the table or view of the dotted name, for one statement; raises errors 208, 229 and 916."""
        database, schema, name = self._split(context, parts)
        shown = ".".join(parts)
        if database is None:
            raise invalid_object(shown)
        if not context.sees_server_state and name.lower() in NEEDS_SERVER_STATE:
            raise SqlServerError(
                300,
                "VIEW SERVER STATE permission was denied on object 'server', database 'master'.",
                severity=14,
            )
        opened = self._open_view(context, database, schema or "", name)
        if opened is not None:
            return opened
        if (schema or "").lower() in ("sys", "information_schema"):
            raise unsupported(f"the view {schema}.{name}")
        stored = database.tables.get(((schema or "dbo").lower(), name.lower()))
        if stored is None:
            raise invalid_object(shown)
        table = stored.table.name
        dotted = f"{table.schema}.{table.name}".lower()
        if {dotted, f"{database.name.lower()}.{dotted}"} & context.denied_tables:
            text = _SELECT_DENIED[context.facts.language.lower() == "deutsch"]
            raise SqlServerError(
                229,
                text.format(table=table.name, database=database.name, schema=table.schema),
                severity=14,
                state=5,
            )
        context.user_databases.add(database.name.lower())
        return open_stored_table(database, stored, context)

    def _split(
        self, context: StatementContext, parts: Sequence[str]
    ) -> tuple[Database | None, str | None, str]:
        if len(parts) > 3:
            raise SqlServerError(
                7202,
                f"Could not find server '{parts[0]}' in sys.servers. Verify that the correct server name "
                "was specified.",
                severity=11,
                state=2,
            )
        name = parts[-1]
        schema = parts[-2] or None if len(parts) > 1 else None
        if len(parts) == 3:
            return self.databases.get(parts[0].lower()), schema, name
        return context.database, schema, name

    def _open_view(
        self, context: StatementContext, database: Database, schema: str, name: str
    ) -> OpenedTable | None:
        view = find_view(schema, name)
        if view is None:
            return None
        key = (database.name.lower(), schema.lower(), name.lower())
        version = self.catalog_state()
        is_volatile = name.lower() in VOLATILE
        context.is_volatile |= is_volatile
        cached = self._views.get(key)
        if is_volatile or cached is None or cached[0] != version:
            arrow_name = "_".join(("catalog", *key))
            everything = sorted(self.databases.values(), key=lambda each: each.database_id)
            table = build_view_table(view, database, everything)
            qualifiers = frozenset({f"{schema}.{name}".lower(), f"{database.name}.{schema}.{name}".lower()})
            opened = OpenedTable(
                quote_name(arrow_name), view_columns(view, database), qualifiers, (arrow_name, table)
            )
            cached = (version, opened)
            self._views[key] = cached
        opened = cached[1]
        if opened.arrow is not None:
            context.arrow_tables[opened.arrow[0]] = opened.arrow[1]
        return opened


def _cannot_open(name: str) -> SqlServerError:
    return SqlServerError(
        4060, f'Cannot open database "{name}" requested by the login. The login failed.', severity=11
    )
