"""The driver's errors, turned into this project's: a clean cause, what to expect, what to do next.

The driver (mssql-python) hands over an English name of the SQLSTATE (``driver_error``) and the server's or
the ODBC layer's text (``ddbc_error``), which may be in the server's language. So the SQLSTATE decides where
it can, and texts only where they are the ODBC driver's own. No connection is opened here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from blb_migration.errors import SourceError, SourceUnreachable

# mssql_python.exceptions.sqlstate_to_exception: its names of the SQLSTATEs that matter here.
_STATES = {
    "Client unable to establish connection": "08001",
    "Server rejected the connection": "08004",
    "Communication link failure": "08S01",
    "Invalid authorization specification": "28000",
    "Syntax error or access violation": "42000",
    "Base table or view not found": "42S02",
    "Column not found": "42S22",
    "Timeout expired": "HYT00",
    "Connection timeout expired": "HYT01",
    "Serialization failure": "40001",
}

# Winsock's and SNI's numbers, as the driver prints them ("TCP Provider: Error code 0x2749").
_NETWORK_CODES = {
    "0x2749": "nothing listens there (connection refused)",
    "0x2af9": "no such host name",
    "0x274c": "no answer in time",
    "0x2746": "the connection was closed by the other side",
    "0x2751": "no route to the host",
    "0x2743": "the network is unreachable",
}

_ENCRYPTION = re.compile(r"ssl|certificate|encrypt|handshake", re.IGNORECASE)


def clean_message(text: str) -> str:
    """The server's words alone: without ``[Microsoft][ODBC Driver …][SQL Server]`` and line breaks."""
    text = re.sub(r"\[(?:Microsoft|ODBC Driver[^\]]*|SQL Server|Driver Manager|unixODBC)\]", "", text)
    for code, meaning in _NETWORK_CODES.items():
        text = re.sub(rf"Error code {code}\b", meaning, text, flags=re.IGNORECASE)
    return re.sub(r"\s+", " ", text).strip().rstrip(".")


def read_state(error: Exception) -> str | None:
    """The SQLSTATE of a driver's error, where this module knows it."""
    return _STATES.get(str(getattr(error, "driver_error", "")))


def describe(error: Exception) -> str:
    """The cause in one line. The driver's texts never hold the connection string."""
    text = str(getattr(error, "ddbc_error", "") or "") or str(getattr(error, "driver_error", "") or error)
    return clean_message(text) or type(error).__name__


def is_worth_a_retry(error: Exception) -> bool:
    """Whether connecting again at once can help: the link broke, or the server said that it is busy.

    An unreachable host is not: the driver itself has tried until the login timeout.
    """
    return read_state(error) in ("08S01", "08004", "40001")


def build_connection_failure(
    error: Exception, subject: str, username: str | None, timeout_seconds: int
) -> SourceUnreachable:
    """What a failed log-in means, and the next act. ``subject`` is the masked URL."""
    state, cause = read_state(error), describe(error)
    login = f"the log-in {username}" if username else "the log-in of this account"
    if state == "28000":
        return SourceUnreachable(
            subject,
            found=f"{login} was refused ({cause})",
            expected="a user name and password that SQL Server accepts",
            next_act="Correct the user or the password in the source URL (special characters as %XX), "
            "and see that SQL Server allows this kind of log-in",
        )
    if _ENCRYPTION.search(cause):
        return SourceUnreachable(
            subject,
            found=f"no encrypted connection could be agreed on ({cause})",
            expected="a certificate this machine trusts, for the name in the URL",
            next_act="Add TrustServerCertificate=yes to the source URL if you know the server and its "
            "certificate is self-signed, HostNameInCertificate=NAME if it was made out to another name, "
            "or Encrypt=no if the server cannot encrypt",
        )
    # 258 is Windows' WAIT_TIMEOUT, which the driver reports on every platform, under 08001.
    if state in ("HYT00", "HYT01") or "[258]" in cause:
        return SourceUnreachable(
            subject,
            found=f"no answer within {timeout_seconds} s ({cause})",
            expected="SQL Server to answer on that host and port",
            next_act="See that the server runs, allows TCP connections and that no firewall is in between; "
            "add timeout=SECONDS to the source URL for a slow one",
        )
    return SourceUnreachable(
        subject,
        found=f"cannot be reached ({cause})",
        expected="SQL Server to listen on that host and port, with TCP/IP enabled",
        next_act="Check host, instance name and port in the source URL, and that the server runs; a named "
        "instance also needs the SQL Server Browser service (UDP 1434), or its port in the URL",
    )


def is_refused_log_in(error: Exception) -> bool:
    """Whether the server refused the log-in, or the database: it then sends 4060 and 18456 together, and
    which of them the driver hands over depends on the platform.
    """
    return read_state(error) in ("28000", "42000", "08004")


def build_database_failure(subject: str, database: str, others: Sequence[str]) -> SourceUnreachable:
    """The log-in is good but cannot open its database; ``others`` are those that it can open."""
    return SourceUnreachable(
        subject,
        found=f"the database {database} does not exist, or the log-in may not open it",
        expected=f"one of: {', '.join(others)}" if others else "a database that the log-in may open",
        next_act="Correct the database's name in the source URL, or map the log-in to a user in it",
    )


def build_statement_failure(error: Exception, subject: str, what: str) -> SourceError:
    """What a failed statement means. ``what`` says what did not succeed: "counting its rows failed"."""
    state, cause = read_state(error), describe(error)
    next_act = "Correct the cause named by SQL Server, then run again"
    if "permission" in cause.lower():
        next_act = "Grant the log-in SELECT (and VIEW DEFINITION) on the source database, then run again"
    elif state in ("08S01", "08001"):
        next_act = "The connection was lost: see that SQL Server still runs, then run again"
    elif state in ("HYT00", "HYT01"):
        next_act = "The statement timed out: see what blocks it on SQL Server, then run again"
    failure = SourceError(subject, found=f"{what}: {cause}", next_act=next_act)
    failure.is_transient = state in ("08S01", "08001", "HYT00", "HYT01", "40001")
    return failure
