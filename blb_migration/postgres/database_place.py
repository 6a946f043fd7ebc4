"""Which database a session is with, told by the server: the same whatever host, port or alias led to it."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakKeyDictionary

from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection


@dataclass(frozen=True)
class DatabasePlace:
    """A database of a cluster. ``system_identifier`` is the cluster's, None where the server hides it."""

    system_identifier: str | None
    database_oid: int


_places: WeakKeyDictionary[TargetConnection, DatabasePlace] = WeakKeyDictionary()


def read_database_place(connection: TargetConnection) -> DatabasePlace:
    """Read which database this is: asked once in a session, which never changes it. Raises TargetError."""
    known = _places.get(connection)
    if known is not None:
        return known
    with target_errors("which database this is"):
        told = connection.execute(
            "SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
        ).fetchone()
        identifier = (
            "(SELECT system_identifier::text FROM pg_catalog.pg_control_system())"
            if told and told[0]
            else "NULL::text"
        )
        row = connection.execute(
            f"SELECT {identifier}, oid::bigint FROM pg_catalog.pg_database"
            " WHERE datname = current_database()".encode()
        ).fetchone()
    assert row is not None
    place = _places[connection] = DatabasePlace(*row)
    return place
