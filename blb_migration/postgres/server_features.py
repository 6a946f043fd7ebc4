"""What a PostgreSQL server can do that not every server can, and what it may lose. Only reads."""

from __future__ import annotations

from dataclasses import dataclass

import psycopg

from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection

NULLS_NOT_DISTINCT_SINCE = 150000


@dataclass(frozen=True)
class ServerFeatures:
    """``version`` as libpq counts it, 180001 is 18.1; the rest is what it was built or installed with."""

    version: int
    has_icu: bool
    has_citext: bool
    has_xml: bool

    @property
    def has_nulls_not_distinct(self) -> bool:
        """Whether a unique key can treat NULLs as equal, as SQL Server does."""
        return self.version >= NULLS_NOT_DISTINCT_SINCE


# What is assumed of a server that nobody has named yet: a current one as the distributions ship it.
USUAL_SERVER = ServerFeatures(version=180000, has_icu=True, has_citext=True, has_xml=True)


def read_server_features(connection: TargetConnection) -> ServerFeatures:
    """Ask the connected server. Raises TargetError."""
    with target_errors("the target server"):
        # Every server lists the collation "unicode"; initdb imports this one where there is an ICU.
        row = connection.execute(
            "SELECT EXISTS (SELECT FROM pg_catalog.pg_collation WHERE collname = 'und-x-icu'),"
            " EXISTS (SELECT FROM pg_catalog.pg_available_extensions WHERE name = 'citext')"
        ).fetchone()
        has_icu, has_citext = row or (False, False)
        try:
            with connection.transaction():
                connection.execute("SELECT xmlparse(document '<a/>')")
            has_xml = True
        except psycopg.errors.FeatureNotSupported:
            has_xml = False
    return ServerFeatures(connection.info.server_version, has_icu, has_citext, has_xml)


_READ_UNSAFE = """
SELECT name || ' = ' || reset_val FROM pg_catalog.pg_settings
WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit') AND reset_val = 'off' ORDER BY name
"""


def read_unsafe_settings(connection: TargetConnection) -> list[str]:
    """List settings, as ``name = value``, with which a crash may take what this user was told is committed.

    As the server, the database or the role has them, whatever this session is set to. Raises TargetError.
    """
    with target_errors("the target server"):
        return [str(row[0]) for row in connection.execute(_READ_UNSAFE).fetchall()]
