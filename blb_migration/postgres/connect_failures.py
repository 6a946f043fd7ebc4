"""Why no session with the target came about: libpq's words made into ours, with the next act.

Knows neither settings nor sessions. libpq gives no SQLSTATE for a failed connection, and servers and
poolers answer in words of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from blb_migration.errors import ConfigurationError, MigrationError, TargetUnreachable


def explain_failure(text: str, subject: str, secrets: Iterable[str | None]) -> MigrationError:
    """Return the error for libpq's ``text``, which may repeat one of ``secrets``: they are masked.

    A ConfigurationError where an option of the URL is at fault, else a TargetUnreachable.
    """
    text = " ".join(text.split())
    for secret in secrets:
        text = text.replace(secret, "***") if secret else text
    if re.search(_IS_CONFIGURATION, text, re.IGNORECASE):
        return ConfigurationError(
            subject,
            found=f"libpq does not take an option of the URL: {text}",
            next_act="Correct the option in the URL",
        )
    reason = next((reason for reason in _REASONS if reason.matches(text)), _UNKNOWN_REASON)
    unreachable = TargetUnreachable(subject, found=reason.found.format(text=text), next_act=reason.next_act)
    unreachable.is_transient = reason.is_transient
    return unreachable


@dataclass(frozen=True)
class _Reason:
    """Why no session came about: how libpq's text shows it, and what to tell the user."""

    pattern: str
    found: str
    next_act: str
    is_transient: bool = False

    def matches(self, text: str) -> bool:
        return re.search(self.pattern, text, re.IGNORECASE) is not None


_UNKNOWN_REASON = _Reason("", "{text}", "Check host, port, database and user in the URL")
_IS_CONFIGURATION = (
    r"invalid .*value|could not match .* to .* hosts|invalid port number|definition of service|service file"
    r"|root certificate file|certificate file .* does not exist|private key file|weak sslmode"
)

# libpq gives no SQLSTATE for a failed connection, and servers answer in their own language: the
# German texts stand beside the English ones, and what is not recognised is shown as it came.
_REASONS = (
    _Reason(
        r"unsupported startup parameter|does ?n.t support command-line options",
        "a connection pooler before the server does not take the URL's options: {text}",
        "Remove 'options' from the URL (and PGOPTIONS from the environment), or name the server itself",
    ),
    _Reason(
        r"invalid response to SSL negotiation|expected authentication request from server",
        "what answers there is not PostgreSQL",
        "Correct host and port in the URL",
    ),
    _Reason(
        r"session is read-only|server is in hot standby mode",
        "no server named in the URL accepts writes: {text}",
        "Name the primary in the URL",
        is_transient=True,  # a failover takes a moment
    ),
    _Reason(
        r"session is not read-only|server is not in hot standby mode",
        "the URL asks for a server that cannot be written (target_session_attrs)",
        "Write target_session_attrs=read-write in the URL",
    ),
    _Reason(
        r"permission denied for database|keine Berechtigung für Datenbank",
        "the user may not connect to this database",
        "GRANT CONNECT ON DATABASE to the user",
    ),
    _Reason(
        r"is not permitted to log in|nicht erlaubt.*einzuloggen",
        "the role may not log in",
        "ALTER ROLE ... LOGIN, or name another user in the URL",
    ),
    _Reason(
        r"password authentication failed|Passwort-Authentifizierung|no password supplied|fe_sendauth"
        r"|SASL authentication failed|no such user",
        "the log-in was refused: user or password is wrong",
        "Check user and password in the URL; special characters must be percent-encoded",
    ),
    _Reason(
        r"database .+ does not exist|Datenbank .+ existiert nicht|no such database",
        "the database does not exist on this server",
        "Create it and run the application's schema migrations, or correct the name in the URL",
    ),
    _Reason(
        r"role \S+ does not exist|Rolle \S+ existiert nicht",
        "the user does not exist on this server",
        "Create the user, or correct the name in the URL",
    ),
    _Reason(
        r"no pg_hba\.conf entry|pg_hba\.conf",
        "the server does not let this user in from this machine: {text}",
        "Add an entry to the server's pg_hba.conf, or set sslmode in the URL",
    ),
    _Reason(
        r"SSL|TLS|certificate",
        "no encrypted session could be agreed: {text}",
        "Set sslmode (and sslrootcert) in the URL to what the server offers",
    ),
    _Reason(
        r"could not translate host name|getaddrinfo|failed to resolve|Name or service not known",
        "the host name cannot be resolved",
        "Correct the host in the URL",
    ),
    _Reason(
        r"Connection refused|0x0000274D|10061",
        "nothing listens there: the connection was refused",
        "Start PostgreSQL, or correct host and port in the URL",
        is_transient=True,
    ),
    _Reason(
        r"timeout expired|timed out",
        "the host did not answer in time",
        "Check host, port and firewalls",
        is_transient=True,
    ),
    _Reason(
        r"too many connections for role|zu viele Verbindungen für Rolle",
        "the role's own limit of connections is reached: {text}; a run needs several",
        "As a role that may, run ALTER ROLE ... CONNECTION LIMIT -1, or close the role's other sessions",
        is_transient=True,
    ),
    _Reason(
        r"too many connections for database|zu viele Verbindungen für Datenbank",
        "the database's own limit of connections is reached: {text}; a run needs several",
        "As its owner, run ALTER DATABASE ... CONNECTION LIMIT -1, or close other sessions",
        is_transient=True,
    ),
    _Reason(
        r"too many clients|too many connections|remaining connection slots|no more connections allowed"
        r"|query_wait_timeout|max clients reached",
        "the server, or the pooler before it, has no free connection",
        "Close other sessions, or raise max_connections (of a pooler: its pool size)",
        is_transient=True,
    ),
    _Reason(
        r"starting up|shutting down|in recovery mode|not (?:yet )?accepting connections"
        r"|server closed the connection|Connection reset|server_login_retry"
        r"|cannot connect to server|server login has been failing",
        "the server is starting or stopping: {text}",
        "Run again when the server is up",
        is_transient=True,
    ),
)
