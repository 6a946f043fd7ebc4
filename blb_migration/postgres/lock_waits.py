"""Which sessions of the target wait for a lock, and who holds it. When to ask knows ``answer_waits``."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from blb_migration.masking import mask_literals

_STATEMENT_CHARACTERS = 60

# Cheap first: pg_blocking_pids halts the lock manager for a moment.
_READ_BLOCKERS = """
SELECT w.pid, blocker, b.usename, b.application_name, b.client_addr::text, b.backend_type,
       coalesce(b.xact_start, b.backend_start), b.state, b.query,
       (SELECT format('%%s of %%s', l.mode, coalesce(l.relation::regclass::text, l.locktype))
        FROM pg_catalog.pg_locks l WHERE l.pid = w.pid AND NOT l.granted LIMIT 1)
FROM pg_catalog.pg_stat_activity w
CROSS JOIN LATERAL unnest(pg_catalog.pg_blocking_pids(w.pid)) blocker
LEFT JOIN pg_catalog.pg_stat_activity b ON b.pid = blocker
WHERE w.pid = ANY (%s) AND w.wait_event_type = 'Lock'
"""


@dataclass(frozen=True)
class _Blocker:
    """Who holds a lock, as far as this role may see it; ``pid`` 0 is a prepared transaction."""

    pid: int
    user: str | None
    application: str | None
    address: str | None
    kind: str | None
    since: datetime.datetime | None
    state: str | None
    statement: str | None


@dataclass(frozen=True)
class LockWait:
    """Which lock a session waits for, and who holds it, in words."""

    lock: str
    blockers: str


def read_lock_waits(session: psycopg.Connection[Any], server_pids: Sequence[int]) -> dict[int, LockWait]:
    """Read which of these sessions wait for a lock, by their process numbers. Raises psycopg.Error."""
    blockers: dict[int, list[str]] = {}
    wanted: dict[int, str] = {}
    for pid, *blocker, lock in session.execute(_READ_BLOCKERS, (list(server_pids),)):
        blockers.setdefault(pid, []).append(_describe_blocker(_Blocker(*blocker)))
        wanted[pid] = lock or "a lock"
    return {pid: LockWait(wanted[pid], "; ".join(dict.fromkeys(blockers[pid]))) for pid in wanted}


def _describe_blocker(blocker: _Blocker) -> str:
    if blocker.pid == 0:
        return "a prepared transaction holds it (see pg_prepared_xacts)"
    who = f"session {blocker.pid} of {blocker.user or blocker.kind or 'another user'}"
    if blocker.application:
        who += f" ({blocker.application})"
    if blocker.address:
        who += f" at {blocker.address}"
    if blocker.since is not None:
        who += f", since {blocker.since.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S UTC}"
    if not blocker.statement or blocker.state is None:  # hidden from this role
        return f"{who} holds it"
    words = mask_literals(blocker.statement)[:_STATEMENT_CHARACTERS]
    return f"{who} holds it, {blocker.state}: {words}"
