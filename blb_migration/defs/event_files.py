"""Dagster's SQLite files, written without a wait for the disk per event while a run lasts.

Dagster opens and closes a connection for each of the thousand events of a run. Closing the last one to a
file in WAL mode checkpoints it, and every commit is forced to disk: of a run of the ERP that was a
third. So while a run lasts one more connection per file stays open, and commits are not forced
(``synchronous=NORMAL``, which in WAL mode keeps the file consistent after a crash of the process and of
the machine; the latter may cost the last events). Nothing that proves a migration is in these files:
that is the ledger in the target.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine


@contextmanager
def kept_event_files() -> Iterator[None]:
    """Within the block, SQLite files that SQLAlchemy opens in this process stay open, and commit cheaply."""
    keeper = _FileKeeper()
    event.listen(Engine, "connect", keeper.on_connect)
    try:
        yield
    finally:
        event.remove(Engine, "connect", keeper.on_connect)
        keeper.close()


class _FileKeeper:
    """One idle connection per file; SQLite shares the write-ahead log between them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, sqlite3.Connection] = {}

    def on_connect(self, connection: object, _record: object) -> None:
        """SQLAlchemy's hook for a new driver connection."""
        if not isinstance(connection, sqlite3.Connection):
            return
        with closing(connection.cursor()) as cursor:
            cursor.execute("PRAGMA synchronous=NORMAL")
            file = cursor.execute("PRAGMA database_list").fetchone()[2]
        with self._lock:
            if file and file not in self._kept and Path(file).exists():
                self._kept[file] = _open_idle(file)

    def close(self) -> None:
        """Let go of all files."""
        with self._lock:
            for connection in self._kept.values():
                connection.close()
            self._kept.clear()


def _open_idle(file: str) -> sqlite3.Connection:
    kept = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    # SQLite opens the file and its log only when something is read.
    kept.execute("PRAGMA user_version").close()
    kept.execute("SELECT count(*) FROM sqlite_master").close()
    return kept
