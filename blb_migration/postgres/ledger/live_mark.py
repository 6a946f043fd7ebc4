"""The mark that the target is live: who set it, from where, when. While it stands, nothing may be loaded.

It is in the target itself, so that it holds for every machine, command, schedule and version of this tool.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from blb_migration.errors import TargetNotOurs
from blb_migration.postgres.ledger.ledger_sql import read_one, write
from blb_migration.postgres.ledger.versions import NIGHTS_FROM_VERSION, read_ledger_version
from blb_migration.postgres.names import TargetConnection

LIVE_NEXT_ACT = "Load into another database, or take the cutover back ('blb-migrate rollback')"


@dataclass(frozen=True)
class LiveMark:
    """Which database is live, since when, and who said so; None for what an older version did not record."""

    database: str
    since: datetime.datetime
    operator: str | None = None
    host: str | None = None
    night_id: str | None = None

    def __str__(self) -> str:
        who = f", by {self.operator} on {self.host}" if self.operator else ""
        since = f"{self.since:%Y-%m-%d %H:%M:%S} UTC"
        return f"database {self.database} was cut over and is live since {since}{who}"


def mark_live(
    connection: TargetConnection, *, run_id: str, night_id: str, operator: str, host: str, tool_version: str
) -> None:
    """Mark the target live, for the run that loaded it; no-op where this night has done so already.

    Raises TargetError, also where another night's mark stands.
    """
    mark = read_live_mark(connection)
    if mark is not None and mark.night_id == night_id:
        return
    write(
        connection,
        "INSERT INTO blb_migration.cutover (run_id, night_id, operator, host, tool_version)"
        " VALUES (%s, %s, %s, %s, %s)",
        run_id,
        night_id,
        operator,
        host,
        tool_version,
    )


def withdraw_live_mark(connection: TargetConnection) -> bool:
    """Record that the cutover was rolled back, so that the target may be loaded; False without a mark."""
    withdrawn = write(
        connection,
        "UPDATE blb_migration.cutover SET withdrawn_at = clock_timestamp() WHERE withdrawn_at IS NULL",
    )
    return withdrawn > 0


def read_live_mark(connection: TargetConnection) -> LiveMark | None:
    """Read the mark that stands, or None. Needs only SELECT; an older ledger's is read as well."""
    version = read_ledger_version(connection)
    if version is None:
        return None
    columns = "cutover_at, operator, host, night_id" if version >= NIGHTS_FROM_VERSION else "cutover_at"
    row = read_one(connection, f"SELECT {columns} FROM blb_migration.cutover WHERE withdrawn_at IS NULL")
    return None if row is None else LiveMark(connection.info.dbname, *row)


def refuse_live_target(connection: TargetConnection, subject: str) -> None:
    """Raise TargetNotOurs where the target is live; ``subject`` is what would have been written."""
    mark = read_live_mark(connection)
    if mark is not None:
        raise TargetNotOurs(
            subject,
            found=f"the target must not be written to: {mark}",
            expected="a target that nobody uses yet",
            next_act=LIVE_NEXT_ACT,
        )
