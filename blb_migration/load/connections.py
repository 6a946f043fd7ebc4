"""How many connections read and write one large table at once: as machine and target bear, or as set."""

from __future__ import annotations

from blb_migration.migration import Loading
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.session_limits import read_free_sessions
from blb_migration.settings.machine import count_processors

# Each reads, converts and digests with a core of its own; beyond these the servers are the limit.
MOST_CONNECTIONS = 4


def choose_connections(loading: Loading, target: TargetConnection) -> int:
    """At least 1. Raises TargetError."""
    wanted = loading.connections or min(MOST_CONNECTIONS, count_processors())
    return max(1, min(wanted, read_free_sessions(target)))
