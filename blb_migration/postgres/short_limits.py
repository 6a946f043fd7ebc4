"""Time limits of a role or a database that are so short that a session ends before it can set its own.

A statement that sets a limit is bounded by the limit that it replaces, and a session may be ended before its
first statement. Limits that come with the connection hold from its beginning, whatever role and database
have; but poolers refuse them, so they are sent only where they are needed. Does not open sessions.
"""

from __future__ import annotations

import os

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from blb_migration.errors import MigrationError, TargetForbids

# By the version since which the server knows them.
_LIMITS = {
    "statement_timeout": 0,
    "idle_in_transaction_session_timeout": 0,
    "idle_session_timeout": 140000,
    "transaction_timeout": 170000,
}
_ENDED_BY = {
    "57014": "statement_timeout",
    "25P03": "idle_in_transaction_session_timeout",
    "25P04": "transaction_timeout",
    "57P05": "idle_session_timeout",
}
_LOST = "a time limit"


def find_short_limit(error: BaseException | None) -> str | None:
    """Return which limit ended a new session; None if nothing speaks for one.

    A server that ends a session may be gone before its reason is read.
    """
    if not isinstance(error, psycopg.Error):
        return None
    is_lost = error.sqlstate is None and isinstance(error, psycopg.OperationalError)
    return _LOST if is_lost else _ENDED_BY.get(error.sqlstate or "")


def lift_limits(conninfo: str, server_version: int) -> str:
    """Return the connection string with which a session has no limit from its beginning."""
    own = conninfo_to_dict(conninfo).get("options") or os.environ.get("PGOPTIONS", "")
    lifted = (f"-c {name}=0" for name, since in _LIMITS.items() if server_version >= since)
    return make_conninfo(conninfo, options=" ".join((str(own), *lifted)).strip())


def build_refusal(
    limit: str, names: tuple[str, str], subject: str, first: MigrationError, other: MigrationError
) -> MigrationError:
    """Return what is raised where sessions without limits do not come about either.

    ``names`` are those of the role and of the database; ``first`` was raised by a session with its limits,
    ``other`` by one without. Where the first was lost without a reason, it was more likely the line.
    """
    if limit == _LOST:
        return first
    role, database = (sql.Identifier(name).as_string() for name in names)
    return TargetForbids(
        subject,
        found=f"its {limit} is so short that sessions end before they can set their own, and they cannot "
        f"begin without it ({other.found})",
        expected=f"a {limit} that leaves a new session a second",
        next_act=f"Run: ALTER ROLE {role} IN DATABASE {database} SET {limit} = 0",
    )
