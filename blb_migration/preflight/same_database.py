"""Whether source and target are one database: told by what the servers say, not by hosts and names.

Only Babelfish serves one PostgreSQL database over both protocols. A target without it is another database.
In one with it, the source's open sessions are looked for among the target's: their @@SPID is the process.
"""

from __future__ import annotations

from blb_migration.errors import ConfigurationError
from blb_migration.postgres.babelfish import has_sessions, is_served_over_tds
from blb_migration.postgres.connect import TargetConnector
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration.sqlserver.origin import read_session_id


def refuse_same_database(source: SourceConnector, target: TargetConnector) -> None:
    """Raise ConfigurationError when a Babelfish source is the target, or does not let that be told.

    Raises SourceError or TargetError when one of them does not answer.
    """
    with target.connect() as connection:
        if not is_served_over_tds(connection):
            return
        with source.connect() as first, source.connect() as second:
            session_ids = [read_session_id(session) for session in (first, second)]
            known = [number for number in session_ids if number is not None]
            if len(known) == len(session_ids) and not has_sessions(connection, known):
                return
    is_told = len(known) == len(session_ids)
    where = target.settings.masked_url
    raise ConfigurationError(
        source.settings.masked_url,
        found=f"source and target are the same database: {where} has the source's sessions"
        if is_told
        else f"the source does not tell its sessions (@@SPID), and {where} is served by Babelfish as well: "
        "the two may be the same database",
        expected="two databases",
        next_act="Correct one of the two URLs" if is_told else "Name a target database without Babelfish",
    )
