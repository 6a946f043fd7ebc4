"""What every session with the target is set to, whatever its role, database or server sets for others.

One place for every setting that the product's statements, or what it reads back, depend on. Those that
only decide how quickly something is done are left to the server's owner; heavy work's are in
``bulk_settings``. What a session has committed is on the server's disk: a ledger that forgets after a crash
that the target is live, or what a night has done, would contradict the world.
"""

from __future__ import annotations

import psycopg
from psycopg import sql

from blb_migration.errors import TargetForbids
from blb_migration.postgres.names import TargetConnection

SESSION_SETTINGS = {
    # How values are read and written as text.
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "xmloption": "content",  # a document alone is refused content that SQL Server's xml may hold
    "array_nulls": "on",
    "lc_numeric": "C",
    "lc_time": "C",
    # What a statement means, and how the server prints one.
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "escape_string_warning": "on",
    "transform_null_equals": "off",
    "quote_all_identifiers": "off",
    "check_function_bodies": "on",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "default_table_access_method": "heap",  # of the ledger and of scratch copies
    "restrict_nonsystem_relation_kind": "",  # since PostgreSQL 17; the ledger has views
    "row_security": "off",  # a query that policies would filter fails, instead of showing a part
    "gin_fuzzy_search_limit": "0",  # searches in a GIN index find everything
    "exit_on_error": "off",  # what fails is handled in the session
    # How long anything may take.
    "statement_timeout": "0",  # a COPY takes as long as the table is large
    "transaction_timeout": "0",  # since PostgreSQL 17
    "idle_in_transaction_session_timeout": "0",  # the load waits for the source inside a transaction
    "idle_session_timeout": "0",  # since PostgreSQL 14; the ledger's session waits for the loads
    # The server notices within a minute that this machine is gone, and gives its locks back.
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "client_connection_check_interval": "10000",  # since PostgreSQL 14; in the middle of a statement, too
}
# For sessions whose loss costs a chunk at most: the server ends them 15 seconds after their machine is gone.
_EXPENDABLE_SETTINGS = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "2",
    "tcp_user_timeout": "15000",
}
# Only a superuser may set these; another role is refused where they are not so.
_SUPERUSERS_SETTINGS = {"session_replication_role": "origin"}  # else keys and triggers are not enforced

_SET = """
SELECT set_config(name, value, false)
FROM unnest(%s::text[], %s::text[]) wanted (name, value) JOIN pg_catalog.pg_settings USING (name)
WHERE name <> 'client_connection_check_interval' OR version() LIKE '%%linux%%'  -- others may refuse it
"""
# A commit is answered once it is on disk. An owner's stricter value, which waits for standbys, stays.
_MAKE_DURABLE = """
SELECT set_config('synchronous_commit', 'local', false)
WHERE current_setting('synchronous_commit') = 'off'
"""
_READ_DIFFERING = """
SELECT name, wanted.value, setting, source
FROM unnest(%s::text[], %s::text[]) wanted (name, value) JOIN pg_catalog.pg_settings USING (name)
WHERE setting <> wanted.value
"""


def pin_settings(connection: TargetConnection, subject: str, *, is_expendable: bool = False) -> None:
    """Set the session to what this tool relies on; ``is_expendable``: it may end after seconds of silence.

    Raises TargetForbids where it may not be set, with the statement that takes the owner's value away.
    """
    connection.execute("SET statement_timeout = 0")  # a role's may be too short even for what follows
    connection.execute("SET exit_on_error = off")
    _search_catalog_first(connection)
    settings = SESSION_SETTINGS | (_EXPENDABLE_SETTINGS if is_expendable else {})
    connection.execute(_SET, (list(settings), list(settings.values())))
    connection.execute(_MAKE_DURABLE)
    names, values = list(_SUPERUSERS_SETTINGS), list(_SUPERUSERS_SETTINGS.values())
    for name, wanted, found, set_by in connection.execute(_READ_DIFFERING, (names, values)).fetchall():
        try:
            connection.execute("SELECT set_config(%s, %s, false)", (name, wanted))
        except psycopg.errors.InsufficientPrivilege:
            raise TargetForbids(
                subject,
                found=f"its sessions have {name} = {found} (set by: {set_by})",
                expected=f"{name} = {wanted}, which only a superuser may set",
                next_act=build_reset(connection, name, wanted, set_by),
            ) from None


def _search_catalog_first(connection: TargetConnection) -> None:
    """Undo a search path that names pg_catalog behind schemas with functions and tables of the same names.

    The rest of the path stays: functions in the target's own rules may rely on it.
    """
    row = connection.execute("SHOW search_path").fetchone()
    path = str(row[0]) if row else ""
    if "pg_catalog" in path:  # otherwise it is searched first
        connection.execute("SELECT pg_catalog.set_config('search_path', %s, false)", (f"pg_catalog, {path}",))


def build_reset(connection: TargetConnection, name: str, wanted: str, set_by: str) -> str:
    """Return what takes a setting away, by where pg_settings says that it comes from."""
    role, database = (
        sql.Identifier(each).as_string() for each in (connection.info.user, connection.info.dbname)
    )
    owners = {"database": f"DATABASE {database}", "user": f"ROLE {role}"}
    owners["database user"] = f"ROLE {role} IN DATABASE {database}"
    if set_by in owners:
        return f"Run: ALTER {owners[set_by]} RESET {name}"
    if set_by == "client":
        return "Take it out of the URL's options, or of PGOPTIONS in the environment"
    return f"Set {name} = {wanted} in the server's configuration, and reload it"
