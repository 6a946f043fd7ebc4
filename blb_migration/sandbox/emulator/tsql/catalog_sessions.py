"""Who is connected, and who waits for whom: nobody, since reading here needs no locks.

Made anew for each statement that asks.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from blb_migration.sandbox.emulator.tsql.catalog_views import CatalogView, Row
from blb_migration.sandbox.emulator.tsql.databases import Database


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None, microsecond=0)


@dataclass
class ClientFacts:
    """What a client says of itself at log-in, and when it last asked. Times are this machine's UTC."""

    host: str = ""
    application: str = ""
    process_id: int = 0
    since: dt.datetime = field(default_factory=_now)
    asked_at: dt.datetime | None = None

    def note_request(self) -> None:
        """Note that it asks now."""
        self.asked_at = _now()


def _sessions(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    by_name = {each.name.lower(): each.database_id for each in everything}
    for session in database.list_sessions():
        facts = session.client
        yield (
            session.spid,
            facts.since,
            facts.host or None,
            facts.application or None,
            facts.process_id,
            session.login.name,
            "sleeping",
            facts.asked_at or facts.since,
            facts.asked_at,
            True,
            by_name.get(session.database.lower(), 1),
            session.transaction_count,
        )


def _requests(database: Database, everything: Sequence[Database]) -> Iterator[Row]:
    """Take every session for one that runs a statement."""
    by_name = {each.name.lower(): each.database_id for each in everything}
    for session in database.list_sessions():
        yield (
            session.spid,
            session.client.asked_at or session.client.since,
            "running",
            "SELECT",
            by_name.get(session.database.lower(), 1),
            0,
            None,
            0,
        )


VIEWS: dict[str, CatalogView] = {
    "dm_exec_sessions": CatalogView(
        "session_id smallint, login_time datetime, host_name nvarchar(128)?, program_name nvarchar(128)?, "
        "host_process_id int?, login_name nvarchar(128), status nvarchar(30), "
        "last_request_start_time datetime, last_request_end_time datetime?, is_user_process bit, "
        "database_id smallint, open_transaction_count int",
        _sessions,
    ),
    "dm_exec_requests": CatalogView(
        "session_id smallint, start_time datetime, status nvarchar(30), command nvarchar(32), "
        "database_id smallint, blocking_session_id smallint?, wait_type nvarchar(60)?, wait_time int",
        _requests,
    ),
}
VOLATILE = frozenset(VIEWS)
