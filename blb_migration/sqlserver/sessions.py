"""Who is connected to the source database, from sys.dm_exec_sessions. Needs VIEW SERVER STATE; only reads."""

from __future__ import annotations

import datetime
import os
import platform
from dataclasses import dataclass

from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.server_state import may_see_sessions

_SESSIONS = """
SELECT s.session_id, s.login_name, s.host_name, s.program_name, s.status, s.login_time,
       s.last_request_start_time, s.last_request_end_time, s.open_transaction_count, s.host_process_id
FROM sys.dm_exec_sessions AS s
WHERE s.is_user_process = 1 AND s.database_id = DB_ID() AND s.session_id <> @@SPID
ORDER BY s.session_id
"""


@dataclass(frozen=True)
class ClientSession:
    """One session of somebody's on the source database. Times are the server's own, without a zone."""

    session_id: int
    login: str
    host: str
    program: str
    status: str
    since: datetime.datetime
    last_request_at: datetime.datetime | None
    open_transactions: int

    def __str__(self) -> str:
        asked = f", last statement {self.last_request_at:%Y-%m-%d %H:%M:%S}" if self.last_request_at else ""
        open_work = f", {self.open_transactions} open transactions" if self.open_transactions else ""
        return (
            f"session {self.session_id} of {self.login} from {self.host or 'an unnamed host'} "
            f"({self.program or 'an unnamed program'}), since {self.since:%Y-%m-%d %H:%M:%S}{asked}"
            f"{open_work}"
        )


def read_sessions(session: SourceSession) -> tuple[ClientSession, ...] | None:
    """Read every user session on this database but this process's own.

    None where the log-in may not see them. Raises SourceError.
    """
    if not may_see_sessions(session):
        return None
    rows = session.read_rows(_SESSIONS, action="reading sys.dm_exec_sessions")
    return tuple(
        ClientSession(
            int(number),
            str(login or ""),
            str(host or ""),
            str(program or ""),
            str(status or ""),
            since,
            ended if started is None or (ended is not None and ended > started) else started,
            int(open_count or 0),
        )
        for number, login, host, program, status, since, started, ended, open_count, process in rows
        if not _is_own(host, process)
    )


def _is_own(host: str | None, process_id: int | None) -> bool:
    """Whether this very process opened it."""
    return process_id == os.getpid() and (host or "").casefold() == platform.node().casefold()
