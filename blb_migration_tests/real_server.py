"""A real SQL Server in the emulator's place, where ``BLB_TEST_SOURCE_CONN`` names one (docs/testing.md).

Its databases are made by ``sandbox.filling``. What only the emulator can do, and what no SQL Server would
hold, skips the test with its reason; the reasons are listed at the end of the run.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from typing import Any, NoReturn

import pytest

from blb_migration.errors import SourceError
from blb_migration.sandbox.filling.filled_server import FilledDatabase, FilledServer
from blb_migration.settings import parse_source_url

VARIABLE = "BLB_TEST_SOURCE_CONN"

# Rows that break an enforced constraint, types that cannot refer to each other: states of no SQL Server.
_IMPOSSIBLE = re.compile(
    r"Cannot insert duplicate key|Cannot insert the value NULL|conflicted with the|would be truncated"
    r"|Violation of (PRIMARY|UNIQUE) KEY|no primary or candidate keys|duplicate key was found",
    re.IGNORECASE,
)


def is_wanted() -> bool:
    """Whether tests are to run against a real server."""
    return bool(os.environ.get(VARIABLE, "").strip())


def skip(reason: str) -> NoReturn:
    """Skip the test that needs what a real server has not."""
    pytest.skip(f"{VARIABLE}: {reason}")


class OnlyEmulated:
    """Stands for a part of the emulator; whoever looks into it is skipped. Clearing it does nothing."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def clear(self) -> None:
        """Forget nothing."""

    def __getattr__(self, name: str) -> NoReturn:
        skip(self._reason)

    def __len__(self) -> int:
        return self._count()

    def _count(self) -> int:
        skip(self._reason)


class RealDatabase:
    """A database on the real server, with the face of the emulator's that tests use."""

    def __init__(self, filled: FilledDatabase) -> None:
        self._filled = filled
        self.name = filled.name

    def create_table(self, table: Any) -> None:
        """Make a table, or skip where SQL Server has no such table."""
        self._try(lambda: self._filled.create_table(table))

    def load(self, table_name: Any, data: Any) -> int:
        """Insert rows, or skip where SQL Server takes no such row."""
        return int(self._try(lambda: self._filled.load(table_name, data)))

    def execute_native(self, statement: str) -> None:
        """Run SQL that both the emulator's engine and SQL Server understand."""
        self._try(lambda: self._filled.execute(statement))

    def _try(self, act: Any) -> Any:
        try:
            return act()
        except SourceError as error:
            if _IMPOSSIBLE.search(error.found):
                skip(f"SQL Server does not hold this: {error.found}")
            raise

    def __getattr__(self, name: str) -> NoReturn:
        skip(f"a database's {name} is set in the emulator alone")


class RealEngine:
    """Makes databases on the real server, with the face of the emulator's engine that tests use."""

    def __init__(self) -> None:
        self._server = FilledServer(os.environ[VARIABLE])
        self.databases: dict[str, RealDatabase] = {}

    def create_database(self, name: str, collation: str | None = None) -> RealDatabase:
        """Make an empty database."""
        database = RealDatabase(self._server.create_database(name, collation))
        self.databases[name.lower()] = database
        return database

    def add_login(self, user: str, password: str, **rights: Any) -> None:
        """Do nothing for a plain log-in: the one of the URL is used. Skip where rights are to be less."""
        if rights:
            skip("log-ins with fewer rights are made in the emulator alone")

    def close(self) -> None:
        """Drop all databases that were made."""
        self._server.close()

    def build_url(self, database: str) -> str:
        """Build the URL of a database."""
        return self._server.build_url(database)

    def __getattr__(self, name: str) -> NoReturn:
        skip(f"{name} is the emulator's alone")


class RealServer:
    """The real server itself, with the face of ``SqlServerEmulator`` that tests use."""

    def __init__(self, engine: RealEngine) -> None:
        self._engine = engine
        self.faults = OnlyEmulated("faults are planted in the emulator alone")
        self.statements = OnlyEmulated("statements are recorded by the emulator alone")

    def url(self, database: str, user: str = "", password: str = "") -> str:
        """Build the URL of a database, with the log-in of the real server."""
        return self._engine.build_url(database)

    def odbc_connection_string(self, database: str, *_: str, **__: str) -> str:
        """Build the connection string of a database, with the log-in of the real server."""
        return parse_source_url(self._engine.build_url(database)).connection_string

    def __getattr__(self, name: str) -> NoReturn:
        skip(f"{name} is the emulator's alone")


def summarise(terminal: Any) -> None:
    """List what was skipped and why, with how many tests each reason skipped."""
    if not is_wanted():
        return
    reasons: Counter[str] = Counter()
    for report in terminal.stats.get("skipped", ()):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[text.removeprefix("Skipped: ").removeprefix(f"{VARIABLE}: ")] += 1
    terminal.section(f"skipped against the real server of {VARIABLE}: {reasons.total()}")
    for reason, count in sorted(reasons.items()):
        terminal.line(f"{count:5} {reason}")
