"""The driver's errors, turned into this project's: a clean cause, what to expect, what to do next.

mssql-python hands over an English name of the SQLSTATE (``driver_error``) and the server's or the driver's
text (``ddbc_error``), but not the server's number, and one SQLSTATE stands for a missing right as well as
for wrong syntax. So the SQLSTATE decides where it can, and else the text: the driver's own, or the server's,
which ``connect`` asks for in English where the log-in has another language. Failed log-ins are in
``log_in_failures``. No connection is opened here.

No value of a row is in what leaves this module: "Conversion failed when converting the varchar value 'x'"
loses its x, as logs, ledger and report are read by people who may not read the rows.
"""

from __future__ import annotations

import re

from blb_migration.errors import SourceError

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
    "String data, right-truncated": "22001",
    "Numeric value out of range": "22003",
    "Invalid datetime format": "22007",
    "Datetime field overflow": "22008",
    "Invalid character value for cast specification": "22018",
    "Optional feature not implemented": "HYC00",
}
# mssql-odbc's own texts of a broken link, for which it has no SQLSTATE (mssql-tds, error.rs).
_LOST_LINK = re.compile(
    r"^(\[Microsoft\])?(Connection closed|Connection is dead|Connection Error|IO error|"
    r"Cannot read TDS packet)\b",
    re.IGNORECASE,
)

# Errors about a value, where the driver has no SQLSTATE of class 22 for them: 220, 232, 241, 244, 245, 248,
# 295, 2628, 8114, 8115, 8169, 13609 in English.
_ABOUT_A_VALUE = re.compile(
    r"\bconver(?:ting|sion)\b|\boverflow|\btruncated\b|\bvalue = |Unexpected character", re.IGNORECASE
)
_QUOTED = re.compile(r"(['\"]).*\1", re.DOTALL)
_NUMBER_SHOWN = re.compile(r"(\bvalue\s*=\s*)\S+", re.IGNORECASE)

# 229, 230, 262, 297, 300, 371; 916, of a database that a view or a synonym leads to.
_NO_RIGHT = re.compile(r"\bpermission\b|under the current security context", re.IGNORECASE)

# What passes by itself, in Azure's words, for which the driver has no SQLSTATE: 40501, 40613, 40197, 10928,
# 10929, 49918 to 49920 ("Troubleshoot transient connection errors in SQL Database").
_BUSY = re.compile(
    r"service is currently busy|is not currently available\. +Please retry"
    r"|has encountered an error processing your request|Resource ID *: *\d+\. The .* (?:limit|guarantee)"
    r"|Cannot process (?:create or update )?request\.",
    re.IGNORECASE,
)

# Winsock's and SNI's numbers, as Microsoft's driver prints them ("TCP Provider: Error code 0x2749").
_NETWORK_CODES = {
    "0x2749": "nothing listens there (connection refused)",
    "0x2af9": "no such host name",
    "0x274c": "no answer in time",
    "0x2746": "the connection was closed by the other side",
    "0x2751": "no route to the host",
    "0x2743": "the network is unreachable",
    "0x68": "the connection was closed by the other side",  # and Linux's errno where SNI has none of its own
}


def clean_message(text: str) -> str:
    """Return the server's words alone: without ``[Microsoft][ODBC Driver …][SQL Server]`` and line breaks."""
    text = re.sub(r"\[(?:Microsoft|ODBC Driver[^\]]*|SQL Server|Driver Manager|unixODBC)\]", "", text)
    for code, meaning in _NETWORK_CODES.items():
        text = re.sub(rf"Error code {code}\b", meaning, text, flags=re.IGNORECASE)
    return re.sub(r"\s+", " ", text).strip().rstrip(".")


def read_state(error: Exception) -> str | None:
    """Read the SQLSTATE of a driver's error, where this module knows it."""
    state = _STATES.get(str(getattr(error, "driver_error", "")))
    if state is None and _LOST_LINK.match(str(getattr(error, "ddbc_error", ""))):
        return "08S01"
    return state


def describe(error: Exception) -> str:
    """Return the cause in one line. The driver's texts never hold the connection string."""
    text = str(getattr(error, "ddbc_error", "") or "") or str(getattr(error, "driver_error", "") or error)
    text = clean_message(text)
    if (read_state(error) or "").startswith("22") or _ABOUT_A_VALUE.search(text):
        text = _NUMBER_SHOWN.sub(r"\1…", _QUOTED.sub("…", text))
    return text or type(error).__name__


def withhold_values(error: Exception) -> None:
    """Let the driver's error itself, whose text reaches tracebacks, say no more than ``describe`` does."""
    said = describe(error)
    for attribute in ("ddbc_error", "message"):
        if hasattr(error, attribute):
            setattr(error, attribute, said)
    error.args = (said,)


def build_statement_failure(error: Exception, subject: str, what: str) -> SourceError:
    """Return what a failed statement means. ``what`` says what did not succeed: "counting its rows
    failed"."""
    state, cause, is_busy = read_state(error), describe(error), False
    withhold_values(error)  # it becomes the cause of what is built here
    next_act = "Correct the cause named by SQL Server, then run again"
    if _NO_RIGHT.search(cause):
        next_act = "Grant the log-in SELECT (and VIEW DEFINITION) on the source database, then run again"
    elif state in ("08S01", "08001"):
        next_act = "The connection was lost: see that SQL Server still runs, then run again"
    elif state in ("HYT00", "HYT01"):
        next_act = "The statement timed out: see what blocks it on SQL Server, then run again"
    elif state == "40001":
        next_act = "SQL Server let another session go first (a deadlock): run again"
    elif _BUSY.search(cause):
        is_busy = True
        next_act = "Run again in a minute: the server has no room for the statement just now"
    failure = SourceError(subject, found=f"{what}: {cause}", next_act=next_act)
    failure.is_unknown_name = state in ("42S02", "42S22")
    failure.is_transient = is_busy or state in ("08S01", "08001", "HYT00", "HYT01", "40001")
    return failure
