"""What the source says of a table once its last row was read: next number of its identity, source marker."""

from __future__ import annotations

from dataclasses import dataclass

from blb_migration.errors import SourceError
from blb_migration.model import Table
from blb_migration.source_marker import SourceMarker
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.identities import IdentityReading, read_identity
from blb_migration.sqlserver.marker import read_marker


@dataclass(frozen=True)
class SourceEnd:
    """``identity`` is None for a table without one; ``marker`` where the source did not answer."""

    identity: IdentityReading | None = None
    marker: SourceMarker | None = None


def read_source_end(session: SourceSession, table: Table) -> SourceEnd:
    """Read it after the rows, so that it is not behind them. Raises SourceError, but for the marker: the rows
    are here."""
    identity = read_identity(session, table)
    try:
        return SourceEnd(identity, read_marker(session, [table.name]))
    except SourceError:
        return SourceEnd(identity)
