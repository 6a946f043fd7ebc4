"""RPC requests ([MS-TDS] 2.2.6.6): procedure names and typed parameter values, off the wire.

Values become Python's natural types: int, bool, float, Decimal, str, bytes, date, time, datetime
(aware for datetimeoffset), UUID. A time with a seventh fractional digit stays ISO text, because
Python's types would lose it.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

from pysqlbridge.tds.batch import skip_all_headers
from pysqlbridge.tds.packet import TdsProtocolError
from pysqlbridge.tds.rpc import ProcId

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.tds.metadata import UNLIMITED
from blb_migration.sandbox.emulator.tds.times import TICKS_PER_DAY

_NAMED_BY_ID = 0xFFFF
_BATCH_SEPARATOR = 0xFF
_CHUNKED_NULL = 0xFFFF_FFFF_FFFF_FFFF
_FIRST_1900 = date(1900, 1, 1).toordinal()

_PROCEDURE_NAMES = {
    ProcId.EXECUTE_SQL: "sp_executesql",
    ProcId.PREPARE: "sp_prepare",
    ProcId.EXECUTE: "sp_execute",
    ProcId.PREP_EXEC: "sp_prepexec",
    ProcId.PREP_EXEC_RPC: "sp_prepexecrpc",
    ProcId.UNPREPARE: "sp_unprepare",
}

_FIXED_TYPES = {
    0x30: (0x26, 1), 0x34: (0x26, 2), 0x38: (0x26, 4), 0x7F: (0x26, 8), 0x32: (0x68, 1), 0x3B: (0x6D, 4),
    0x3E: (0x6D, 8), 0x3C: (0x6E, 8), 0x7A: (0x6E, 4), 0x3D: (0x6F, 8), 0x3A: (0x6F, 4),
}  # fmt: skip
_NULLABLE_NAMES = {
    0x26: {1: "tinyint", 2: "smallint", 4: "int", 8: "bigint"},
    0x68: {1: "bit"},
    0x6D: {4: "real", 8: "float"},
    0x6E: {4: "smallmoney", 8: "money"},
    0x6F: {4: "smalldatetime", 8: "datetime"},
    0x24: {16: "uniqueidentifier"},
}
_SIZED_NAMES = {
    0xA7: "varchar",
    0xAF: "char",
    0xE7: "nvarchar",
    0xEF: "nchar",
    0xA5: "varbinary",
    0xAD: "binary",
}
_LEGACY_NAMES = {0x23: "text", 0x63: "ntext", 0x22: "image"}


@dataclass(frozen=True)
class Argument:
    """One parameter of a call as it came; ``name`` is empty for a positional one."""

    name: str
    type: ColumnType
    value: object


@dataclass(frozen=True)
class RpcCall:
    """One procedure call; well-known procedures have their names here, not their numbers."""

    procedure: str
    arguments: tuple[Argument, ...]


def parse_calls(payload: bytes) -> list[RpcCall]:
    """All calls of one RPC message; raises TdsProtocolError for what cannot be read."""
    try:
        reader = _Reader(payload, skip_all_headers(payload))
        calls = [_read_call(reader)]
        while not reader.is_at_end:
            reader.take(1)
            calls.append(_read_call(reader))
        return calls
    except (struct.error, IndexError, UnicodeDecodeError, OverflowError, ValueError) as failure:
        raise TdsProtocolError(f"malformed RPC request: {failure}") from failure


class _Reader:
    """A position in the payload."""

    def __init__(self, payload: bytes, position: int) -> None:
        self._payload = payload
        self._position = position

    @property
    def is_at_end(self) -> bool:
        return self._position >= len(self._payload)

    @property
    def next_byte(self) -> int:
        return self._payload[self._position]

    def take(self, byte_count: int) -> bytes:
        end = self._position + byte_count
        if end > len(self._payload):
            raise TdsProtocolError(f"an RPC request ends {end - len(self._payload)} bytes too early")
        data = self._payload[self._position : end]
        self._position = end
        return data

    def take_integer(self, width: int) -> int:
        return int.from_bytes(self.take(width), "little")

    def take_chunks(self) -> bytes | None:
        if self.take_integer(8) == _CHUNKED_NULL:
            return None
        chunks = []
        while size := self.take_integer(4):
            chunks.append(self.take(size))
        return b"".join(chunks)


def _read_call(reader: _Reader) -> RpcCall:
    name_length = reader.take_integer(2)
    if name_length == _NAMED_BY_ID:
        number = reader.take_integer(2)
        known = {int(procedure): name for procedure, name in _PROCEDURE_NAMES.items()}
        procedure = known.get(number) or f"sp_{ProcId(number).name.lower().replace('_', '')}"
    else:
        procedure = reader.take(name_length * 2).decode("utf-16-le")
    reader.take(2)
    arguments = []
    while not reader.is_at_end and reader.next_byte != _BATCH_SEPARATOR:
        name = reader.take(reader.take_integer(1) * 2).decode("utf-16-le")
        reader.take(1)  # status flags: an output parameter, a default value
        column_type, value = _read_typed(reader)
        arguments.append(Argument(name, column_type, value))
    return RpcCall(procedure, tuple(arguments))


def _read_typed(reader: _Reader) -> tuple[ColumnType, object]:
    token = reader.take_integer(1)
    if token in _FIXED_TYPES:
        family, width = _FIXED_TYPES[token]
        return _decode_plain(family, width, reader.take(width))
    if token in _NULLABLE_NAMES:
        width = reader.take_integer(1)
        return _decode_plain(token, width, reader.take(reader.take_integer(1)))
    if token in _SIZED_NAMES:
        return _read_sized(reader, _SIZED_NAMES[token])
    if token in _LEGACY_NAMES:
        return _read_legacy(reader, _LEGACY_NAMES[token])
    read = _OTHER_READERS.get(token)
    if read is None:
        raise TdsProtocolError(f"an RPC parameter of type 0x{token:02x}")
    return read(reader)


def _read_decimal(reader: _Reader) -> tuple[ColumnType, object]:
    reader.take(1)
    precision, scale = reader.take(2)
    raw = reader.take(reader.take_integer(1))
    return ColumnType("decimal", precision=precision, scale=scale), _decode_decimal(raw, scale)


def _read_date(reader: _Reader) -> tuple[ColumnType, object]:
    raw = reader.take(reader.take_integer(1))
    return ColumnType("date"), date.fromordinal(int.from_bytes(raw, "little") + 1) if raw else None


def _read_time(reader: _Reader) -> tuple[ColumnType, object]:
    scale, raw = _read_scaled(reader)
    return ColumnType("time", scale=scale), _decode_time(raw, scale) if raw else None


def _read_datetime2(reader: _Reader) -> tuple[ColumnType, object]:
    scale, raw = _read_scaled(reader)
    return ColumnType("datetime2", scale=scale), _decode_datetime2(raw, scale) if raw else None


def _read_datetimeoffset(reader: _Reader) -> tuple[ColumnType, object]:
    scale, raw = _read_scaled(reader)
    return ColumnType("datetimeoffset", scale=scale), _decode_datetimeoffset(raw, scale) if raw else None


def _read_scaled(reader: _Reader) -> tuple[int, bytes]:
    scale = reader.take_integer(1)
    return scale, reader.take(reader.take_integer(1))


def _read_xml(reader: _Reader) -> tuple[ColumnType, object]:
    if reader.take_integer(1):
        raise TdsProtocolError("an xml parameter with a schema collection")
    raw = reader.take_chunks()
    return ColumnType("xml"), None if raw is None else raw.decode("utf-16-le")


def _read_untyped_null(reader: _Reader) -> tuple[ColumnType, object]:
    return ColumnType("int"), None


def _read_sized(reader: _Reader, name: str) -> tuple[ColumnType, object]:
    size = reader.take_integer(2)
    if "char" in name:
        reader.take(5)
    raw: bytes | None
    if size == UNLIMITED:
        raw = reader.take_chunks()
    else:
        length = reader.take_integer(2)
        raw = None if length == 0xFFFF else reader.take(length)
    characters = size // 2 if name.startswith("n") else size
    return ColumnType(name, length=None if size == UNLIMITED else characters), _decode_text(name, raw)


def _read_legacy(reader: _Reader, name: str) -> tuple[ColumnType, object]:
    reader.take(4)
    if name != "image":
        reader.take(5)
    length = reader.take_integer(4)
    return ColumnType(name), _decode_text(name, None if length == 0xFFFFFFFF else reader.take(length))


def _decode_text(name: str, raw: bytes | None) -> object:
    if raw is None or "binary" in name or name == "image":
        return raw
    # Clients send (var)char parameters in the code page that log-in announced.
    return (
        raw.decode("utf-16-le", "surrogatepass") if name.startswith("n") else raw.decode("cp1252", "replace")
    )


def _decode_plain(family: int, width: int, raw: bytes) -> tuple[ColumnType, object]:
    column_type = ColumnType(_NULLABLE_NAMES[family][width])
    if not raw:
        return column_type, None
    value: object
    if family == 0x26:
        value = int.from_bytes(raw, "little", signed=width > 1)
    elif family == 0x68:
        value = bool(raw[0])
    elif family == 0x6D:
        value = struct.unpack("<f" if width == 4 else "<d", raw)[0]
    elif family == 0x24:
        value = uuid.UUID(bytes_le=raw)
    elif family == 0x6E:
        units = int.from_bytes(raw if width == 4 else raw[4:] + raw[:4], "little", signed=True)
        value = Decimal(units).scaleb(-4)
    elif width == 4:
        days, minutes = struct.unpack("<HH", raw)
        value = datetime.fromordinal(_FIRST_1900 + days) + timedelta(minutes=minutes)
    else:
        days, units = struct.unpack("<iI", raw)
        value = datetime.fromordinal(_FIRST_1900 + days) + timedelta(milliseconds=round(units * 10 / 3))
    return column_type, value


def _decode_decimal(raw: bytes, scale: int) -> Decimal | None:
    if not raw:
        return None
    magnitude = int.from_bytes(raw[1:], "little")
    digits = tuple(int(digit) for digit in str(magnitude))
    return Decimal((0 if raw[0] else 1, digits, -scale))


def _decode_time(raw: bytes, scale: int) -> time | str:
    ticks = int.from_bytes(raw, "little") * 10 ** (7 - scale)
    moment = datetime.min + timedelta(microseconds=ticks // 10)
    return f"{moment.time().isoformat('microseconds')}{ticks % 10}" if ticks % 10 else moment.time()


def _decode_datetime2(raw: bytes, scale: int) -> datetime | str:
    ticks = int.from_bytes(raw[:-3], "little") * 10 ** (7 - scale)
    days = int.from_bytes(raw[-3:], "little")
    moment = datetime.min + timedelta(microseconds=(days * TICKS_PER_DAY + ticks) // 10)
    return f"{moment.isoformat(' ', 'microseconds')}{ticks % 10}" if ticks % 10 else moment


def _decode_datetimeoffset(raw: bytes, scale: int) -> datetime | str:
    offset = timezone(timedelta(minutes=int.from_bytes(raw[-2:], "little", signed=True)))
    instant = _decode_datetime2(raw[:-2], scale)
    if isinstance(instant, datetime):
        return instant.replace(tzinfo=UTC).astimezone(offset)
    local = datetime.fromisoformat(instant[:-1]).replace(tzinfo=UTC).astimezone(offset)
    text = local.isoformat(" ", "microseconds")
    return f"{text[:26]}{instant[-1]} {text[26:]}"


_OTHER_READERS: dict[int, Callable[[_Reader], tuple[ColumnType, object]]] = {
    0x1F: _read_untyped_null,
    0x28: _read_date,
    0x29: _read_time,
    0x2A: _read_datetime2,
    0x2B: _read_datetimeoffset,
    0x6A: _read_decimal,
    0x6C: _read_decimal,
    0xF1: _read_xml,
}
