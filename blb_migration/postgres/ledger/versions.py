"""The ledger's schema in the target: made, brought up to date, told by its version. Its SQL is in .sql files.

It lives in a schema of its own, so that no table of the application is touched and the whole of it can be
dropped once nobody asks about the migration any more. People may read it with any client: names and units
say what is meant. A fresh ledger is made by schema.sql; an older one becomes the same by the files in
upgrades/ that are newer than it, which a test compares. Either way views.sql comes last.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from weakref import WeakKeyDictionary, WeakSet

import psycopg
from psycopg.pq import TransactionStatus

from blb_migration.errors import TargetError
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.ledger_sql import copy_rows, read, read_one, write
from blb_migration.postgres.ledger.reasons import ReasonCode
from blb_migration.postgres.names import TargetConnection

LEDGER_SCHEMA = "blb_migration"
KEPT_SCHEMA = "blb_migration_kept"  # copies of a night
OWN_SCHEMAS = (LEDGER_SCHEMA, KEPT_SCHEMA)
# Any constant will do as long as every version of this tool uses the same: "blbm" in ASCII.
LEDGER_LOCK_KEY = 0x626C626D

NIGHTS_FROM_VERSION = 6  # has the night's journal, and who has marked the target live

# They ask for its version alone, which every stage of every table does.
_sessions_that_saw_it: WeakSet[TargetConnection] = WeakSet()

# Asked once for a piece of work, see ``asking_version_once``.
_versions_in_force: WeakKeyDictionary[TargetConnection, int] = WeakKeyDictionary()

_SUBJECT = f"schema {LEDGER_SCHEMA} of the target"


def has_ledger(connection: TargetConnection) -> bool:
    """Whether this tool ever wrote to this target. Needs only SELECT. Raises TargetError."""
    return read_ledger_version(connection) is not None


def upgrade_ledger(connection: TargetConnection) -> bool:
    """Bring a ledger of an older version up to date; whether there is one at all. Raises TargetError."""
    version = read_ledger_version(connection)
    if version is not None and version < read_current_version():
        create_ledger(connection)
    return version is not None


def create_ledger(connection: TargetConnection) -> None:
    """Make the ledger, or bring an older one up to date; no-op when it is current.

    One transaction, serialised between processes by an advisory lock. Raises TargetError when the
    ledger was written by a newer version of this tool, or when the right to create is missing.
    """
    if has_current_ledger(connection):
        return
    current = read_current_version()
    with target_errors(_SUBJECT), connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LEDGER_LOCK_KEY,))
        version = read_ledger_version(connection)
        if version == current:  # another process has made it while this one waited
            return
        if version is None:
            connection.execute("CREATE SCHEMA IF NOT EXISTS blb_migration")
            connection.execute("CREATE TABLE blb_migration.ledger_version (version integer NOT NULL)")
            connection.execute("INSERT INTO blb_migration.ledger_version VALUES (0)")
            _run_script(connection, _folder() / "schema.sql")
        else:
            _drop_views(connection)
            for number, upgrade in _list_upgrades().items():
                if number > version:
                    _run_script(connection, upgrade)
        _run_script(connection, _folder() / "views.sql")
        write(connection, "DELETE FROM blb_migration.reasons")
        sentences = [(code.value, code.sentence) for code in ReasonCode]
        copy_rows(connection, "COPY blb_migration.reasons (code, sentence) FROM STDIN", sentences)
        connection.execute("UPDATE blb_migration.ledger_version SET version = %s", (current,))
    _versions_in_force.pop(connection, None)


@cache
def read_current_version() -> int:
    """Read the version that this tool writes: the number of its latest upgrade."""
    return max(_list_upgrades())


def read_ledger_version(connection: TargetConnection) -> int | None:
    """Read the version of the target's ledger, or None when there is none. Needs only SELECT.

    Raises TargetError when a newer version of this tool wrote it.
    """
    if connection in _versions_in_force:
        return _versions_in_force[connection]
    if connection not in _sessions_that_saw_it and not _is_there(connection):
        return None
    is_alone = connection.info.transaction_status is TransactionStatus.IDLE
    try:
        row = read_one(connection, "SELECT max(version) FROM blb_migration.ledger_version")
    except TargetError as error:
        if is_alone and isinstance(error.__cause__, psycopg.errors.UndefinedTable):
            _sessions_that_saw_it.discard(connection)  # it was dropped since
            return None
        raise
    if is_alone:  # what a transaction has seen may be rolled back
        _sessions_that_saw_it.add(connection)
    version = int(row[0]) if row and row[0] is not None else 0
    if version > read_current_version():
        raise TargetError(
            _SUBJECT,
            found=f"its ledger has version {version}",
            expected=f"version {read_current_version()} or older",
            next_act="Use the newer blb-migrate that wrote it",
        )
    return version


@contextmanager
def asking_version_once(connection: TargetConnection) -> Iterator[None]:
    """Ask for the ledger's version now; whoever needs it in this session within the block, believes that.

    For one load or check, which begins outside of a transaction. Raises TargetError.
    """
    version = read_ledger_version(connection)
    if version is None or connection in _versions_in_force:
        yield
        return
    _versions_in_force[connection] = version
    try:
        yield
    finally:
        _versions_in_force.pop(connection, None)


def _is_there(connection: TargetConnection) -> bool:
    # Not to_regclass: a session that has looked before remembers that there was none, and believes it
    # even after it has waited for another that made it, until it reads from a table.
    row = read_one(
        connection,
        "SELECT FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = 'blb_migration' AND c.relname = 'ledger_version'",
    )
    return row is not None


def has_current_ledger(connection: TargetConnection) -> bool:
    """Whether there is a ledger, and of this tool's version. Needs only SELECT.

    Raises TargetError when a newer version of this tool wrote it.
    """
    return read_ledger_version(connection) == read_current_version()


def require_current_ledger(connection: TargetConnection) -> bool:
    """Whether there is a ledger, for questions that an older one could not answer. Needs only SELECT.

    Raises TargetError for an older one.
    """
    version = read_ledger_version(connection)
    if version is not None and version < read_current_version():
        raise TargetError(
            _SUBJECT,
            found=f"its ledger has version {version}",
            expected=f"version {read_current_version()}",
            next_act="Run blb-migrate reconcile once as the ledger's owner: that brings it up to date",
        )
    return version is not None


def _folder() -> Traversable:
    return files(__package__)


def _list_upgrades() -> dict[int, Traversable]:
    """Return the scripts that lead from the version before to the one they are named after, in their
    order."""
    scripts = [each for each in (_folder() / "upgrades").iterdir() if each.name.endswith(".sql")]
    by_number = {int(each.name.removesuffix(".sql")): each for each in scripts}
    return dict(sorted(by_number.items()))


def _drop_views(connection: TargetConnection) -> None:
    """Drop every view and function of the ledger, of whichever version: views.sql makes them anew."""
    commands = read(
        connection,
        "SELECT format('DROP VIEW IF EXISTS blb_migration.%I CASCADE', relname) FROM pg_catalog.pg_class"
        " WHERE relnamespace = 'blb_migration'::regnamespace AND relkind = 'v'"
        " UNION ALL"
        " SELECT format('DROP FUNCTION IF EXISTS %s CASCADE', oid::regprocedure) FROM pg_catalog.pg_proc"
        " WHERE pronamespace = 'blb_migration'::regnamespace",
    )
    for (command,) in commands:
        write(connection, command)


def _run_script(connection: TargetConnection, script: Traversable) -> None:
    connection.execute(script.read_bytes())
