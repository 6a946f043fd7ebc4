"""Why no session could be opened, in words: log-in, database, encryption, time, network, or something else.

A cause is named for what it is: "cannot be reached" is said of networks alone. Takes the driver's errors,
whose SQLSTATE and text ``failures`` reads.
"""

from __future__ import annotations

import platform
import re
import socket
from dataclasses import dataclass

from blb_migration.errors import ConfigurationError, MigrationError, SourceUnreachable
from blb_migration.missing_libraries import build_install_advice
from blb_migration.settings import SourceSettings
from blb_migration.sqlserver.failures import describe, read_state

_NO_GSSAPI = re.compile(r"libgssapi_krb5|GSSAPI library", re.IGNORECASE)
_NO_OPENSSL = re.compile(r"OpenSSL library could not be loaded", re.IGNORECASE)


@dataclass(frozen=True)
class _Kind:
    """A kind of failure, told by SQLSTATE and cause; ``found`` may name {cause}, {login} and {seconds}."""

    pattern: str
    found: str
    expected: str
    next_act: str

    def fits(self, state: str | None, cause: str) -> bool:
        return re.search(self.pattern, f"{state}: {cause}", re.IGNORECASE) is not None


_KINDS = (
    _Kind(
        "^28000:",
        "{login} was refused ({cause})",
        "a user name and password that SQL Server accepts",
        "Correct the user or the password in the source URL (special characters as %XX), "
        "and see that SQL Server allows this kind of log-in",
    ),
    _Kind(
        "SSPI|GSSAPI|kerberos",
        "this account has no ticket for Windows authentication ({cause})",
        "a Kerberos ticket, or a user name and password",
        "Run `kinit USER@REALM` as the account that runs this, "
        "or write user and password of a SQL Server log-in into the source URL",
    ),
    # 258 is Windows' WAIT_TIMEOUT, which Microsoft's driver reports on every platform, under 08001.
    _Kind(
        r"^HYT0[01]:|\[258\]",
        "no answer within {seconds} s ({cause})",
        "SQL Server to answer on that host and port",
        "See that the server runs, allows TCP connections and that no firewall is in between; "
        "add timeout=SECONDS to the source URL for a slow one",
    ),
    # After the port has answered: a server that hangs up, or that is no SQL Server.
    _Kind(
        "handshakes before login|closed by|connection reset|Connection closed|Protocol Error",
        "the log-in was broken off by the other side ({cause})",
        "SQL Server on that port, with a connection to spare",
        "See that the port in the source URL is SQL Server's, and what its error log says; "
        "Encrypt=strict needs SQL Server 2022 or later",
    ),
    _Kind(
        "ssl|tls|certificate|encrypt",
        "no encrypted connection could be agreed on ({cause})",
        "a certificate this machine trusts, for the name in the URL",
        "Add TrustServerCertificate=yes to the source URL if you know the server and its "
        "certificate is self-signed, HostNameInCertificate=NAME if it was made out to another name, "
        "or Encrypt=no if the server cannot encrypt",
    ),
    _Kind(
        "nothing listens|no such host|no answer|no route|network|TCP Provider|IO error|lookup|"
        "Connection Error|Locating Server",
        "cannot be reached ({cause})",
        "SQL Server to listen on that host and port, with TCP/IP enabled",
        "Check host, instance name and port in the source URL, and that the server runs; a named "
        "instance also needs the SQL Server Browser service (UDP 1434), or its port in the URL",
    ),
    _Kind(
        "",
        "the log-in failed ({cause})",
        "a session with SQL Server",
        "Correct the cause named, then run again",
    ),
)


def is_worth_a_retry(error: Exception) -> bool:
    """Whether connecting again at once can help: the link broke, or the server said that it is busy.

    An unreachable host is not: the driver itself has tried until the login timeout.
    """
    return read_state(error) in ("08S01", "08004", "40001")


def is_refused_log_in(error: Exception) -> bool:
    """Whether the server refused the log-in, or the database: it then sends 4060 and 18456 together, and
    which of them the driver hands over depends on driver and platform.
    """
    return read_state(error) in ("28000", "42000", "08004")


def build_connection_failure(
    error: Exception, subject: str, username: str | None, timeout_seconds: int
) -> MigrationError:
    """Return what a failed log-in means, and the next act. ``subject`` is the masked URL.

    A ConfigurationError where this machine or driver cannot do what the URL asks; else SourceUnreachable.
    """
    state, cause = read_state(error), describe(error)
    if state == "HYC00":
        return ConfigurationError(
            subject,
            found=f"asks for something that the driver in use cannot do ({cause})",
            next_act="Leave the option out, or write driver=msodbcsql18 into the source URL",
        )
    for pattern, library, purpose in (
        (_NO_OPENSSL, "libssl.so.3", "the log-in is encrypted"),
        (_NO_GSSAPI, "libgssapi_krb5.so.2", "Windows authentication needs Kerberos"),
    ):
        if pattern.search(cause):
            return ConfigurationError(
                subject,
                found=f"{purpose}, and {library} cannot be loaded on this machine",
                next_act=build_install_advice([library]),
            )
    kind = next(kind for kind in _KINDS if kind.fits(state, cause))
    login = f"the log-in {username}" if username else "the log-in of this account"
    return SourceUnreachable(
        subject,
        found=kind.found.format(cause=cause, login=login, seconds=timeout_seconds),
        expected=kind.expected,
        next_act=kind.next_act,
    )


def refuse_closed_port(settings: SourceSettings) -> None:
    """Say at once that nothing listens: the driver would try until the login timeout.

    Not on Windows, where a local server may be reached by shared memory or named pipes alone. Raises
    SourceUnreachable.
    """
    address = settings.tcp_address
    if address is None or platform.system() == "Windows":
        return
    try:
        socket.create_connection(address, timeout=settings.login_timeout_seconds).close()
    except OSError as error:
        host, port = address
        raise SourceUnreachable(
            settings.masked_url,
            found=f"{host} port {port} cannot be reached ({error.strerror or error})",
            expected="SQL Server to listen on that host and port, with TCP/IP enabled",
            next_act="Check host and port in the source URL, that the server runs and that no firewall "
            "is in between",
        ) from None
