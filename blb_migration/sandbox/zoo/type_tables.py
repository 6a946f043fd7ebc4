"""One table per family of types, each column at its type's boundaries, and one where all is NULL.

Sources of the limits: SQL Server's "Data types (Transact-SQL)".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from blb_migration.model import Table, TableName
from blb_migration.sandbox.zoo.declare import Exhibit, Value, column, primary_key
from blb_migration.sandbox.zoo.zoo_rows import Variant

SCHEMA = "types"
UTF8_COLLATION = "Latin1_General_100_CI_AS_SC_UTF8"
LARGE_CHARACTERS = 3_000_000
LONG_WORDS = "Grüße, 世界. "

_POINT, _LINE = 0x0C, 0x14  # a valid single point, a valid single line


def _serialize(srid: int, *coordinates: float) -> bytes:
    """Return a CLR value of one point (x, y; geography: latitude, longitude) or one line of two."""
    properties = _POINT if len(coordinates) == 2 else _LINE
    return struct.pack(f"<iBB{len(coordinates)}d", srid, 1, properties, *coordinates)


# name, declared type, values from the smallest to the largest and the awkward ones
Boundaries = Sequence[tuple[str, str, Sequence[Value]]]

_NUMBERS: Boundaries = (
    ("flag", "bit", (False, True)),
    ("tiny", "tinyint", (0, 255)),
    ("small", "smallint", (-(2**15), 2**15 - 1)),
    ("whole", "int", (-(2**31), 2**31 - 1, 0)),
    ("big", "bigint", (-(2**63), 2**63 - 1, 2**53 + 1)),
    ("digit", "decimal(1,0)", ("-9", "9", "0")),
    ("price", "decimal(18,4)", ("-99999999999999.9999", "99999999999999.9999", "0.0001", "7082761.6900")),
    ("digits_38", "decimal(38,0)", ("-" + "9" * 38, "9" * 38, "1" + "0" * 37)),
    ("fraction_38", "decimal(38,38)", ("-0." + "9" * 38, "0." + "9" * 38, "0." + "0" * 37 + "1")),
    ("middle_38", "numeric(38,19)", ("9" * 19 + "." + "9" * 19, "0." + "0" * 18 + "1")),
    ("cash", "money", ("-922337203685477.5808", "922337203685477.5807", "7082761.6900", "0.0001")),
    ("coins", "smallmoney", ("-214748.3648", "214748.3647")),
    ("single", "real", (-3.4028234663852886e38, 3.4028234663852886e38, 1.401298464324817e-45, -0.0)),
    ("double", "float", (-1.7976931348623157e308, 1.7976931348623157e308, 5e-324, -0.0, 0.1)),
)
_TEXTS: Boundaries = (
    ("padded", "char(10)", ("", "Größe €", "0123456789", "  in  ")),
    ("short", "varchar(50)", ("", "…“ ÿ€ß", "trailing  ", "\\N", "\\.", "a\tb\r\nc")),
    ("long", "varchar(8000)", ("x" * 8000, "é" * 8000)),
    ("unlimited", "varchar(max)", ("", "ü" * LARGE_CHARACTERS)),
    ("wide_padded", "nchar(10)", ("", "日本語", "0123456789", "🧵🧵🧵🧵🧵")),
    (
        "wide_short",
        "nvarchar(50)",
        ("", "'\"`[]{}%_\\;--", "🧵" * 25, "e\u0301 \u200f\u00a0", "\ufffe\uffff"),
    ),
    ("wide_long", "nvarchar(4000)", ("ж" * 4000, "👩‍👩‍👧" * 500)),
    ("wide_unlimited", "nvarchar(max)", ("", LONG_WORDS * (LARGE_CHARACTERS // len(LONG_WORDS)))),
    ("old_text", "text", ("", "Straße")),
    ("old_wide", "ntext", ("", "улица 🧵")),
    ("markup", "xml", ("<a>ö</a>", '<r><b c="1"/>t</r>')),
    ("document", "nvarchar(max)", ('{"a": [1, 2.50, "ü", null]}', "[]")),
)
_BINARIES: Boundaries = (
    ("fixed", "binary(8)", (b"\x00" * 8, b"\xff" * 8, b"\x00\x01")),
    ("short", "varbinary(16)", (b"", b"\x00", bytes(range(16)))),
    ("long", "varbinary(8000)", (b"\xff" * 8000,)),
    ("unlimited", "varbinary(max)", (b"", bytes(range(256)) * 12_000)),
    ("picture", "image", (b"", b"\x89PNG\r\n\x1a\n")),
    # /1/, /2/, /1/1/, the root, /16/ and /-1/: [MS-SSCLRT] 2.1
    ("place", "hierarchyid", (b"\x58", b"\x68", b"\x5a\xc0", b"", b"\xc1\x10", b"\x3f\x80")),
    # The serialized form of a point and of a line of two points: [MS-SSCLRT] 2.1.1
    ("shape", "geometry", (_serialize(0, 1.5, -2.0), _serialize(0, 0.0, 0.0, 3.0, 4.0))),
    ("spot", "geography", (_serialize(4326, 52.25, 10.5),)),
)
_MOMENTS: Boundaries = (
    ("day", "date", ("0001-01-01", "9999-12-31", "1582-10-10", "2024-02-29")),
    ("clock_0", "time(0)", ("00:00:00", "23:59:59")),
    ("clock_3", "time(3)", ("00:00:00.001", "23:59:59.999")),
    ("clock_7", "time(7)", ("00:00:00.0000001", "23:59:59.9999999", "12:34:56.1234567")),
    ("moment", "datetime", ("1753-01-01 00:00:00", "9999-12-31 23:59:59.997", "2024-03-31 02:30:00.003")),
    ("minute", "smalldatetime", ("1900-01-01 00:00:00", "2079-06-06 23:59:00")),
    ("moment_0", "datetime2(0)", ("0001-01-01 00:00:00", "9999-12-31 23:59:59")),
    ("moment_3", "datetime2(3)", ("0001-01-01 00:00:00.001", "9999-12-31 23:59:59.999")),
    ("moment_7", "datetime2(7)", ("0001-01-01 00:00:00.0000001", "9999-12-31 23:59:59.9999999")),
    ("instant_0", "datetimeoffset(0)", ("0001-01-01 00:00:00 +00:00", "9999-12-31 23:59:59 +14:00")),
    (
        "instant_7",
        "datetimeoffset(7)",
        (
            "0001-01-01 00:00:00.0000001 -14:00",
            "9999-12-31 23:59:59.9999999 +14:00",
            "9999-12-31 23:59:59.9999999 +00:00",
            "2024-10-27 02:30:00.1234560 +02:00",
            "2024-10-27 02:30:00.1234560 +01:00",
        ),
    ),
)
_OTHERS: Boundaries = (
    (
        "identifier",
        "uniqueidentifier",
        (
            "00000000-0000-0000-0000-000000000000",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
            "01234567-89ab-cdef-0123-456789abcdef",
        ),
    ),
    (
        "anything",
        "sql_variant",
        (
            Variant("int", "-42"),
            Variant("nvarchar", "日本 🧵"),
            Variant("decimal", "12345678901234.5678"),
            Variant("datetime", "2024-02-29 12:34:56.997"),
            Variant("money", "1.2345"),
            Variant("uniqueidentifier", "01234567-89AB-CDEF-0123-456789ABCDEF"),
            Variant("bit", "1"),
        ),
    ),
    ("stamp", "rowversion", tuple(number.to_bytes(8, "big") for number in (2001, 2002, 2**63 - 1))),
)


def build_type_exhibits() -> tuple[Exhibit, ...]:
    """Every type. The rows go through the values of each column, then come one of NULLs."""
    return (
        _build("numbers", _NUMBERS),
        _build("texts", _TEXTS),
        _build("binaries", _BINARIES),
        _build("moments", _MOMENTS),
        _build("others", _OTHERS),
        _build_utf8(),
        _build_all_null(),
    )


def _build(name: str, boundaries: Boundaries) -> Exhibit:
    columns = [column(own, declared, required=declared == "rowversion") for own, declared, _ in boundaries]
    table = Table(
        TableName(SCHEMA, name),
        (column("id", "int", required=True), *columns),
        primary_key=primary_key(name, "id"),
    )
    row_count = max(len(values) for _, _, values in boundaries)
    rows: list[dict[str, Value]] = []
    for number in range(row_count):
        row: dict[str, Value] = {"id": number + 1}
        # Large values once; the short ones again and again, so that every row is full.
        row |= {own: values[number] if number < len(values) else values[0] for own, _, values in boundaries}
        rows.append(row)
    stamps = {own: values[-1] for own, declared, values in boundaries if declared == "rowversion"}
    rows.append({"id": row_count + 1, **stamps})
    return Exhibit(table, tuple(rows))


def _build_utf8() -> Exhibit:
    table = Table(
        TableName(SCHEMA, "utf8"),
        (
            column("id", "int", required=True),
            column("short", "varchar(40)", collation=UTF8_COLLATION),
            column("unlimited", "varchar(max)", collation=UTF8_COLLATION),
        ),
        primary_key=primary_key("utf8", "id"),
    )
    texts = ("", "日本語 🧵", "Größe €", None)
    return Exhibit(
        table,
        tuple({"id": id, "short": text, "unlimited": text} for id, text in enumerate(texts, 1)),
    )


def _build_all_null() -> Exhibit:
    """Build a nullable column of every type, never filled."""
    every = [*_NUMBERS, *_TEXTS, *_BINARIES, *_MOMENTS, *_OTHERS]
    columns = [
        column(f"{declared.split('(')[0]}_{position}", declared)
        for position, (_, declared, _) in enumerate(every, 1)
        if declared != "rowversion"
    ]
    table = Table(
        TableName(SCHEMA, "all_null"),
        (column("id", "int", required=True), *columns),
        primary_key=primary_key("all_null", "id"),
    )
    return Exhibit(table, ({"id": 1}, {"id": 2}, {"id": 3}))
