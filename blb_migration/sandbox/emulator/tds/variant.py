"""sql_variant values: each carries its own type ([MS-TDS] 2.2.5.5.4). Value by value, in Python.

A value comes as its base type's declaration (``int``, ``decimal(10,2)``, ``nvarchar(20)``) and its
text as CAST(… AS nvarchar) would give it; binaries as ``0x…``. The result is the type byte, the
properties and the data, as a one-row encoding by the ordinary encoders would give them.
"""

from __future__ import annotations

import re
import struct
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pyarrow as pa

from blb_migration.sandbox.emulator.tds.collation import find_collation
from blb_migration.sandbox.emulator.tds.fragments import Fragment, Variable, build_offsets
from blb_migration.sandbox.emulator.tds.metadata import decimal_width
from blb_migration.sandbox.emulator.tds.times import (
    DAYS_TO_1900,
    TICKS_PER_DAY,
    build_datetime,
    build_datetime2,
    build_time,
)

_DECLARATION = re.compile(r"\s*(\w+)\s*(?:\(\s*(\w+)\s*(?:,\s*(\d+)\s*)?\))?\s*")
_INTEGERS = {"tinyint": (0x30, "<B"), "smallint": (0x34, "<h"), "int": (0x38, "<i"), "bigint": (0x7F, "<q")}
_MAX_VARIANT_BYTES = 8000


def encode_variants(array: pa.Array) -> list[Fragment]:
    """Return a column of struct<base_type, value>; four bytes of length come first, 0 is NULL."""
    encoded = [_encode_one(value) for value in array.to_pylist()]
    data = np.frombuffer(b"".join(encoded), dtype=np.uint8)
    return [Variable(build_offsets(np.array([len(value) for value in encoded], dtype=np.int64)), data)]


def _encode_one(value: dict[str, str | None] | None) -> bytes:
    if value is None or value["value"] is None or value["base_type"] is None:
        return struct.pack("<I", 0)
    body = encode_variant(value["base_type"], value["value"])
    return struct.pack("<I", len(body)) + body


def encode_variant(base_type: str, text: str) -> bytes:
    """Type byte, count of property bytes, properties, data; raises ValueError for an unknown base type."""
    match = _DECLARATION.fullmatch(base_type)
    if match is None:
        raise ValueError(f"sql_variant of base type {base_type!r}")
    name, first, second = match[1].lower(), match[2], match[3]
    number = int(first) if first is not None and first.isdigit() else None
    if name in _INTEGERS:
        token, layout = _INTEGERS[name]
        return bytes([token, 0]) + struct.pack(layout, int(text))
    if name in ("decimal", "numeric"):
        return _encode_decimal(name, Decimal(text), number, int(second) if second else None)
    if name in ("varchar", "char", "nvarchar", "nchar"):
        return _encode_text(name, text, number)
    if name in ("binary", "varbinary"):
        data = bytes.fromhex(text.removeprefix("0x").removeprefix("0X"))
        return struct.pack("<BBH", 0xAD if name == "binary" else 0xA5, 2, number or len(data)) + data
    if name in ("date", "time", "datetime", "smalldatetime", "datetime2", "datetimeoffset"):
        return _encode_moment(name, text, 7 if number is None else number)
    encode = _PLAIN_ENCODERS.get(name)
    if encode is None:
        raise ValueError(f"sql_variant of base type {base_type!r}")
    return encode(text)


def _encode_money(text: str) -> bytes:
    units = int(Decimal(text).scaleb(4))
    return struct.pack("<BBiI", 0x3C, 0, units >> 32, units & 0xFFFFFFFF)


_PLAIN_ENCODERS: dict[str, Callable[[str], bytes]] = {
    "bit": lambda text: bytes([0x32, 0, text.strip().lower() in ("1", "true")]),
    "float": lambda text: struct.pack("<BBd", 0x3E, 0, float(text)),
    "real": lambda text: struct.pack("<BBf", 0x3B, 0, float(text)),
    "money": _encode_money,
    "smallmoney": lambda text: struct.pack("<BBi", 0x7A, 0, int(Decimal(text).scaleb(4))),
    "uniqueidentifier": lambda text: bytes([0x24, 0]) + uuid.UUID(text).bytes_le,
}


def _encode_decimal(name: str, value: Decimal, precision: int | None, scale: int | None) -> bytes:
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"sql_variant of base type {name} holds {value}")
    scale = max(0, -exponent) if scale is None else scale
    precision = max(len(digits), scale, 1) if precision is None else precision
    # Whole numbers throughout: Decimal's arithmetic would round to the 28 digits of its context.
    magnitude = int("".join(map(str, digits)) + "0" * (exponent + scale)) if exponent + scale >= 0 else None
    if magnitude is None:
        raise ValueError(f"sql_variant of base type {name} with {scale} decimals holds {value}")
    token = 0x6A if name == "decimal" else 0x6C
    return bytes([token, 2, precision, scale, 1 - sign]) + magnitude.to_bytes(
        decimal_width(precision), "little"
    )


def _encode_text(name: str, text: str, length: int | None) -> bytes:
    collation = find_collation(None)
    is_wide = name.startswith("n")
    data = (
        text.encode("utf-16-le", "surrogatepass") if is_wide else text.encode(collation.encoding, "replace")
    )
    size = len(data) if length is None else length * (2 if is_wide else 1)
    token = {"varchar": 0xA7, "char": 0xAF, "nvarchar": 0xE7, "nchar": 0xEF}[name]
    return bytes([token, 7]) + collation.wire_bytes + struct.pack("<H", min(size, _MAX_VARIANT_BYTES)) + data


def _encode_moment(name: str, text: str, scale: int) -> bytes:
    if name == "date":
        return bytes([0x28, 0]) + (date.fromisoformat(text).toordinal() - 1).to_bytes(3, "little")
    if name == "time":
        since_midnight = _ticks_of_time(time.fromisoformat(_six_digits(text)), _seventh_digit(text))
        return (
            bytes([0x29, 1, scale]) + build_time(np.array([since_midnight], dtype=np.int64), scale).tobytes()
        )
    moment = datetime.fromisoformat(_six_digits(text))
    offset = moment.utcoffset() or timedelta(0)
    moment = moment.replace(tzinfo=None) - offset
    days = moment.toordinal() - 1
    ticks = np.array(
        [days * TICKS_PER_DAY + _ticks_of_time(moment.time(), _seventh_digit(text))], dtype=np.int64
    )
    if name == "datetime":
        return bytes([0x3D, 0]) + build_datetime(ticks).tobytes()
    if name == "smalldatetime":
        return struct.pack("<BBHH", 0x3A, 0, days - DAYS_TO_1900, moment.hour * 60 + moment.minute)
    instant = build_datetime2(ticks, scale).tobytes()
    if name == "datetime2":
        return bytes([0x2A, 1, scale]) + instant
    return bytes([0x2B, 1, scale]) + instant + struct.pack("<h", int(offset.total_seconds()) // 60)


def _six_digits(text: str) -> str:
    """Python reads six fractional digits at most; the seventh is added by ``_seventh_digit``."""
    return re.sub(r"(\.\d{6})\d", r"\1", text.strip()).replace(" +", "+").replace(" -", "-")


def _seventh_digit(text: str) -> int:
    match = re.search(r"\.\d{6}(\d)", text)
    return int(match[1]) if match else 0


def _ticks_of_time(value: time, seventh_digit: int) -> int:
    seconds = value.hour * 3600 + value.minute * 60 + value.second
    return (seconds * 1_000_000 + value.microsecond) * 10 + seventh_digit
