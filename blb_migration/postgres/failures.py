"""psycopg's errors as ours: which object, what happened, what to do, whether a retry can help.

Only errors of an open session; those of opening one are in ``connect``. The server's texts may be
in any language (``lc_messages`` is the operator's choice), so decisions rest on SQLSTATE codes:
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from blb_migration.errors import TargetError

LOCK_NOT_AVAILABLE = "55P03"

# Whole classes, then single codes, after which the same statement may succeed when sent again.
_TRANSIENT_CLASSES = ("08", "53", "40")  # connection, resources (disk, memory, slots), rollback
_TRANSIENT_CODES = (LOCK_NOT_AVAILABLE, "57P01", "57P02", "57P03")  # shutdown, crash, starting up

_NEXT_ACTS = {
    "42501": "Give the target's user this right, or connect as the owner of the tables",
    "42P01": "Run the application's own schema migrations on the target first",
    "53100": "Free disk space on the target",
    "53300": "Raise max_connections on the target, or close other sessions",
    LOCK_NOT_AVAILABLE: "End the session that holds the lock, then run again",
    "57014": "Run again; the statement was cancelled by someone or by a statement timeout",
}


@contextmanager
def target_errors(subject: object, *, next_act: str | None = None) -> Iterator[None]:
    """Turn any psycopg error of the block into a TargetError about ``subject``."""
    try:
        yield
    except psycopg.Error as error:
        raise build_target_error(error, subject, next_act=next_act) from error


def build_target_error(error: psycopg.Error, subject: object, *, next_act: str | None = None) -> TargetError:
    """Build the TargetError for a psycopg error; ``is_transient`` follows from its SQLSTATE."""
    mapped = TargetError(
        str(subject),
        found=describe_database_error(error),
        next_act=next_act or _NEXT_ACTS.get(error.sqlstate or ""),
    )
    mapped.is_transient = is_transient(error)
    return mapped


def describe_database_error(error: psycopg.Error) -> str:
    """Return the server's primary message and detail on one line, without statement or context."""
    primary = error.diag.message_primary or str(error) or error.__class__.__name__
    text = f"{primary} ({error.diag.message_detail})" if error.diag.message_detail else primary
    return " ".join(text.split())


def is_transient(error: psycopg.Error) -> bool:
    """Whether the same work may succeed when tried again: lost sessions, locks, lack of room."""
    code = error.sqlstate
    if code is None:  # no answer from a server at all
        return isinstance(error, psycopg.OperationalError)
    return code in _TRANSIENT_CODES or code.startswith(_TRANSIENT_CLASSES)
