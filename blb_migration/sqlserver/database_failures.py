"""Why a good log-in cannot open its database: what sys.databases says of it, asked in master."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from blb_migration.errors import SourceUnreachable
from blb_migration.sqlserver.failures import describe

# name, state, who may come in, whether this log-in may
READ_DATABASES = """
SELECT CAST(d.name AS nvarchar(128)), d.state_desc, d.user_access_desc, HAS_DBACCESS(d.name)
FROM sys.databases AS d
WHERE d.name NOT IN (N'master', N'tempdb', N'model', N'msdb')
"""
# Error 978, of a readable copy that takes no other sessions.
_READ_INTENT = re.compile(r"application intent", re.IGNORECASE)


def build_database_failure(
    subject: str, database: str, told: Sequence[tuple[Any, ...]], error: Exception
) -> SourceUnreachable:
    """Say that the log-in is good but cannot open its database. ``told`` are the rows of READ_DATABASES."""
    if _READ_INTENT.search(describe(error)):
        return SourceUnreachable(
            subject,
            found=f"the database {database} is a copy that is open for reading alone ({describe(error)})",
            expected="a session that says that it only reads",
            next_act="Add ApplicationIntent=ReadOnly to the source URL",
        )
    own = next((row for row in told if row[0].lower() == database.lower()), None)
    if own is not None and own[1] not in (None, "ONLINE"):
        return SourceUnreachable(
            subject,
            found=f"the database {database} is {own[1]}",
            expected="ONLINE",
            next_act="Wait for what is done to it (a restore ends WITH RECOVERY), or ALTER DATABASE ... SET "
            "ONLINE, or name another database in the source URL",
        )
    if own is not None and own[2] not in (None, "MULTI_USER"):
        return SourceUnreachable(
            subject,
            found=f"the database {database} is in {own[2]} and does not let this session in",
            expected="room for the several sessions that a migration reads by",
            next_act="End the session that has it, or ALTER DATABASE ... SET MULTI_USER; READ_ONLY keeps "
            "writers out as well",
        )
    others = sorted(row[0] for row in told if row[3])
    return SourceUnreachable(
        subject,
        found=f"the database {database} does not exist, or the log-in may not open it",
        expected=f"one of: {', '.join(others)}" if others else "a database that the log-in may open",
        next_act="Correct the database's name in the source URL, or map the log-in to a user in it",
    )
