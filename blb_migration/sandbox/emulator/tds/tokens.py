"""The small tokens of a response: DONE and its kin, ERROR, INFO, ENVCHANGE, return values.

Those that pysqlbridge encodes are taken from it; numbers are [MS-TDS] 2.2.7's.
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag

from pysqlbridge.tds.token import EnvChangeType, env_change, error, info

from blb_migration.sandbox.emulator.results import Message, SqlServerError

SERVER_NAME = "BLB-EMULATOR"
SELECT_COMMAND = 0x00C1
_MAX_MESSAGE_CHARACTERS = 8000


class DoneToken(IntEnum):
    """Which of the three DONE tokens ends a statement."""

    DONE = 0xFD
    DONEPROC = 0xFE
    DONEINPROC = 0xFF


class DoneFlag(IntFlag):
    """Status bits of a DONE token."""

    FINAL = 0x0000
    MORE = 0x0001
    ERROR = 0x0002
    COUNT = 0x0010
    ATTENTION = 0x0020


def encode_done(token: DoneToken, flags: DoneFlag, row_count: int | None = None, command: int = 0) -> bytes:
    """Return a DONE token; a row count sets its flag."""
    flags |= DoneFlag.FINAL if row_count is None else DoneFlag.COUNT
    return struct.pack("<BHHQ", token, flags, command, row_count or 0)


def encode_error(failure: SqlServerError) -> bytes:
    """Return the ERROR token of an engine's error."""
    token: bytes = error(
        failure.number,
        failure.text[:_MAX_MESSAGE_CHARACTERS],
        state=failure.state,
        severity=failure.severity,
        server=SERVER_NAME,
        line=failure.line,
    )
    return token


def encode_info(message: Message) -> bytes:
    """Return the INFO token of a message."""
    token: bytes = info(
        message.number,
        message.text[:_MAX_MESSAGE_CHARACTERS],
        state=message.state,
        severity=message.severity,
        server=SERVER_NAME,
    )
    return token


def encode_database_change(database: str, previous: str) -> bytes:
    """ENVCHANGE 1: the session is now in another database."""
    token: bytes = env_change(EnvChangeType.DATABASE, database, previous)
    return token


def encode_transaction_begun(descriptor: bytes) -> bytes:
    """ENVCHANGE 8, with the descriptor that later requests carry in their headers."""
    token: bytes = env_change(EnvChangeType.BEGIN_TRAN, descriptor, b"")
    return token


def encode_transaction_ended(descriptor: bytes, *, is_committed: bool) -> bytes:
    """ENVCHANGE 9 or 10."""
    kind = EnvChangeType.COMMIT_TRAN if is_committed else EnvChangeType.ROLLBACK_TRAN
    token: bytes = env_change(kind, b"", descriptor)
    return token


def encode_reset_acknowledged() -> bytes:
    """ENVCHANGE 18: the session is as after log-in."""
    return struct.pack("<BHBBB", 0xE3, 3, 18, 0, 0)


def encode_return_status(status: int) -> bytes:
    """RETURNSTATUS, a procedure's RETURN value."""
    return struct.pack("<Bi", 0x79, status)


def encode_return_integer(ordinal: int, name: str, value: int) -> bytes:
    """RETURNVALUE of an int output parameter: a prepared statement's handle."""
    encoded_name = name.encode("utf-16-le")
    header = struct.pack("<BHB", 0xAC, ordinal, len(name)) + encoded_name
    # Status 1 is an output parameter; then user type, flags, INTN of four bytes and the value.
    return header + struct.pack("<BIHBBBi", 1, 0, 0, 0x26, 4, 4, value)
