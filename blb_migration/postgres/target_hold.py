"""The hold of the target: one run at a time may write to a database, with as many processes as it has.

Each process of a run has a session with an advisory lock, shared with the run's other processes, whose key is
made from the run. Nobody takes one while another run's is there: looking and taking is one step, behind a
second lock. The server gives it back when the session ends, so a killed process holds nothing; keepalives
end the session of a machine that is gone (``connect``). Who holds it says the session's application_name.

Where every step of a run has a process of its own, there are moments without any: the ledger reserves the
target for that run meanwhile, and only so long. Behind a pooler that lends its sessions none of this would
last: those are refused (``pooling``).
"""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.ledger.ledger_sql import read_one, write
from blb_migration.postgres.ledger.versions import has_current_ledger
from blb_migration.postgres.names import TargetConnection
from blb_migration.retries import becomes_true

# Any constant will do as long as every version of this tool uses the same: "blbh" in ASCII.
HOLD_LOCK_KEY = 0x626C6268
_GATE = 0  # no run's key
_GATE_SECONDS = 2.0  # looking and taking is a matter of milliseconds
_GATE_PAUSE_SECONDS = 0.02
SHORT_RUN_ID = 8  # as Dagster's UI shows it
_LONGEST_NAME = 63  # of an application_name; the host's is cut
_NAME = re.compile(r"blb_migration (?P<run>\S+) (?P<pid>\d+) (?P<since>[0-9a-f]{1,9}) (?P<host>.*)")

_SUBJECT = "the hold of the target"
_READ_HOLDERS = """
SELECT l.pid, a.application_name
FROM pg_catalog.pg_locks l
LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
  AND l.classid::bigint = %s AND l.objid::bigint NOT IN (%s, %s)
  AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
ORDER BY l.pid LIMIT 1
"""
_READ_GATEKEEPER = """
SELECT pid FROM pg_catalog.pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid::bigint = %s AND objid::bigint = %s
"""
_READ_RESERVED = """
SELECT run_id, host, started_at, reserved_until FROM blb_migration.runs
WHERE reserved_until > clock_timestamp() AND finished_at IS NULL AND run_id <> %s
ORDER BY started_at LIMIT 1
"""


@dataclass(frozen=True)
class Holder:
    """The run that holds the target, as far as its session says it.

    ``session_pid`` is the server's process of that session; None while the run is between two of its
    processes, for which the target is reserved until ``reserved_until``. ``since`` is when it was taken.
    """

    run_id: str | None
    host: str | None
    pid: int | None
    since: datetime.datetime | None
    session_pid: int | None
    reserved_until: datetime.datetime | None = None

    def __str__(self) -> str:
        if self.run_id is None:
            return f"a run that does not say its name (session {self.session_pid} of the target)"
        process = f", process {self.pid}" if self.pid is not None else ""
        since = f", since {_format_moment(self.since)}" if self.since is not None else ""
        text = f"run {self.run_id[:SHORT_RUN_ID]} on {self.host}{process}{since}"
        if self.session_pid is not None:
            return f"{text} (session {self.session_pid} of the target)"
        until = _format_moment(self.reserved_until) if self.reserved_until else "its next step"
        return f"{text} (between two of its steps; reserved for it until {until})"


def take_hold(connection: TargetConnection, run_id: str, host: str, pid: int) -> Holder | None:
    """Take the target for a run until ``connection`` ends, or return who holds it now.

    The session serves nothing else from then on. Raises TargetError.
    """
    key = _build_key(run_id)
    with target_errors(_SUBJECT), connection.transaction():
        if not _pass_gate(connection):
            return _build_holder(_read_gatekeeper(connection), None)
        other = _read_other(connection, run_id, key)
        if other is not None:
            return other
        name = _build_name(run_id, host, pid)
        connection.execute("SELECT pg_catalog.set_config('application_name', %s, false)", (name,))
        _try(connection, "pg_try_advisory_lock_shared", key)
    return None


@contextmanager
def nobody_comes(connection: TargetConnection) -> Iterator[bool]:
    """Yield whether no run holds the target; none takes it within the block, which is one short transaction.

    Raises TargetError.
    """
    with target_errors(_SUBJECT), connection.transaction():
        yield _pass_gate(connection) and _read_other(connection, "", _GATE) is None


def read_holder(connection: TargetConnection) -> Holder | None:
    """Read which run holds the target now, or None when it is free. Raises TargetError."""
    with target_errors(_SUBJECT):
        return _read_other(connection, "", _GATE)


def is_hold_alive(connection: TargetConnection, run_id: str) -> bool:
    """Whether the session that took the target still holds it. Raises psycopg.Error where it is gone."""
    row = connection.execute(
        "SELECT FROM pg_catalog.pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 2"
        " AND classid::bigint = %s AND objid::bigint = %s AND pid = pg_catalog.pg_backend_pid()",
        (HOLD_LOCK_KEY, _build_key(run_id)),
    ).fetchone()
    return row is not None


def reserve_target(connection: TargetConnection, run_id: str, seconds: float) -> None:
    """Reserve the target for the run's next process, so long at most, if the run has an entry."""
    if has_current_ledger(connection):
        write(
            connection,
            "UPDATE blb_migration.runs SET reserved_until = clock_timestamp() + make_interval(secs => %s)"
            " WHERE run_id = %s AND finished_at IS NULL",
            seconds,
            run_id,
        )


def _read_other(connection: TargetConnection, run_id: str, key: int) -> Holder | None:
    row = connection.execute(_READ_HOLDERS, (HOLD_LOCK_KEY, _GATE, key)).fetchone()
    if row is not None:
        return _build_holder(*row)
    if not has_current_ledger(connection):  # an older one reserves nothing
        return None
    reserved = read_one(connection, _READ_RESERVED, run_id)
    if reserved is None:
        return None
    reserved_for, host, started_at, until = reserved
    return Holder(reserved_for, host, None, started_at, None, until)


def _pass_gate(connection: TargetConnection) -> bool:
    return becomes_true(
        lambda: _try(connection, "pg_try_advisory_xact_lock", _GATE),
        within_seconds=_GATE_SECONDS,
        pause_seconds=_GATE_PAUSE_SECONDS,
    )


def _read_gatekeeper(connection: TargetConnection) -> int:
    row = connection.execute(_READ_GATEKEEPER, (HOLD_LOCK_KEY, _GATE)).fetchone()
    return int(row[0]) if row else 0


def _try(connection: TargetConnection, function: str, key: int) -> bool:
    row = connection.execute(f"SELECT {function}(%s::int, %s::int)".encode(), (HOLD_LOCK_KEY, key)).fetchone()
    return bool(row and row[0])


def _build_key(run_id: str) -> int:
    """Return the run's key: 31 bits, never the gate's."""
    return int.from_bytes(hashlib.sha256(run_id.encode()).digest()[:4], "big") % (2**31 - 1) + 1


def _build_name(run_id: str, host: str, pid: int) -> str:
    now = int(datetime.datetime.now(datetime.UTC).timestamp())
    # A server keeps but the printable characters of ASCII.
    name = f"blb_migration {run_id[:SHORT_RUN_ID]} {pid} {now:x} {host}"
    return name.encode("ascii", "replace").decode()[:_LONGEST_NAME]


def _build_holder(session_pid: int, name: str | None) -> Holder:
    said = _NAME.fullmatch(name or "")
    if said is None:
        return Holder(None, None, None, None, session_pid)
    since = datetime.datetime.fromtimestamp(int(said["since"], 16), datetime.UTC)
    return Holder(said["run"], said["host"], int(said["pid"]), since, session_pid)


def _format_moment(moment: datetime.datetime) -> str:
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
