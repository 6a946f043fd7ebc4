"""Every type of SQL Server beside the PostgreSQL types it is carried into, with its golden values."""

from __future__ import annotations

import datetime as dt
import struct
from dataclasses import replace

from hypothesis import strategies as st

from blb_migration_tests.types.pairs import (
    CODE_PAGE_1252,
    Pair,
    binaries,
    clocks,
    decimals,
    documents,
    floats,
    instants,
    integers,
    local_times,
    markup,
    moments,
    texts,
)

_NINES = "9" * 38
_UTF8 = "Latin1_General_100_CI_AS_SC_UTF8"
_GUID = "01234567-89ab-cdef-0123-456789abcdef"
_PLAIN = {"": "", "  ": "  ", "'\"\\N\\.": "'\"\\N\\.", "a\tb\r\nc": "a\tb\r\nc"}
_WIDE = _PLAIN | {"🧵世界é": "🧵世界é", "\ufeff\uffff": "\ufeff\uffff"}

PAIRS: tuple[Pair, ...] = (
    Pair("bit", "boolean", st.booleans(), lambda v: str(v).lower(), {True: "true", False: "false"}),
    Pair("bit", "smallint", st.booleans(), lambda v: str(int(v)), {True: "1", False: "0"}),
    Pair("bit", "numeric(1)", st.booleans(), lambda v: str(int(v)), {True: "1"}),
    Pair(
        "bit",
        "character varying(3)",
        st.booleans(),
        lambda v: "yes" if v else "no",
        {True: "yes", False: "no"},
        decision="'true': ['yes'], 'false': ['no']",
    ),
    integers("tinyint", "smallint", 0, 255, {0: "0", 255: "255"}),
    integers("tinyint", "integer", 0, 255, {255: "255"}),
    integers("smallint", "smallint", -(2**15), 2**15 - 1, {-32768: "-32768", 32767: "32767"}),
    integers("int", "integer", -(2**31), 2**31 - 1, {-(2**31): "-2147483648", 2**31 - 1: "2147483647"}),
    integers("int", "bigint", -(2**31), 2**31 - 1, {-(2**31): "-2147483648"}),
    integers(
        "bigint",
        "bigint",
        -(2**63),
        2**63 - 1,
        {-(2**63): "-9223372036854775808", 2**63 - 1: "9223372036854775807", 2**53 + 1: "9007199254740993"},
    ),
    integers("bigint", "numeric(19,0)", -(2**63), 2**63 - 1, {-(2**63): "-9223372036854775808"}),
    decimals("decimal(1,0)", "numeric(1,0)", 1, 0, {"-9": "-9", "0": "0"}),
    decimals("decimal(9,0)", "integer", 9, 0, {"-999999999": "-999999999"}),
    decimals("decimal(18,4)", "numeric(18,4)", 18, 4, {"7082761.69": "7082761.6900", "-0.0001": "-0.0001"}),
    decimals("numeric(38,0)", "numeric(38,0)", 38, 0, {_NINES: _NINES, "-" + _NINES: "-" + _NINES}),
    decimals("decimal(38,38)", "numeric(38,38)", 38, 38, {f"0.{_NINES}": f"0.{_NINES}"}),
    decimals("numeric(38,19)", "numeric", 38, 19, {"0.0000000000000000001": "0.0000000000000000001"}),
    decimals(
        "money",
        "numeric(19,4)",
        19,
        4,
        {
            "922337203685477.5807": "922337203685477.5807",
            "-922337203685477.5808": "-922337203685477.5808",
            "7082761.69": "7082761.6900",
        },
    ),
    decimals(
        "smallmoney",
        "numeric(10,4)",
        10,
        4,
        {"214748.3647": "214748.3647", "-214748.3648": "-214748.3648"},
    ),
    floats("real", "real", 32, {-0.0: "80000000", 1.401298464324817e-45: "00000001"}),
    floats("real", "double precision", 32, {0.1: "3fb99999a0000000"}),
    floats("float", "double precision", 64, {-0.0: "8000000000000000", 5e-324: "0000000000000001"}),
    texts("char(10)", "text", {"": " " * 10, "Größe €": "Größe €   "}, pad_to=10),
    texts("varchar(50)", "character varying(50)", _PLAIN | {"ÄÖÜß€“”…Ÿžÿ": "ÄÖÜß€“”…Ÿžÿ"}),
    texts("varchar(max)", "text", {CODE_PAGE_1252: CODE_PAGE_1252}),
    texts("varchar(60)", "character varying(60)", {"日本語 🧵": "日本語 🧵"}, collation=_UTF8),
    # The first value is where mssql-python's Arrow batches drop characters beyond U+FFFF.
    texts("varchar(max)", "text", {"l\U000c8251v🧵": "l\U000c8251v🧵", "日本語": "日本語"}, collation=_UTF8),
    texts("nchar(10)", "text", {"": " " * 10, "🧵🧵🧵🧵🧵": "🧵🧵🧵🧵🧵"}, pad_to=10),
    texts("nvarchar(50)", "character varying(50)", _WIDE | {"🧵" * 25: "🧵" * 25}),
    texts("nvarchar(max)", "text", _WIDE),
    texts("text", "text", _PLAIN),
    texts("ntext", "text", _WIDE),
    documents("nvarchar(max)", "jsonb", {'{"b": 1, "a": [1.50, "ü"]}': '{"a": [1.50, "ü"], "b": 1}'}),
    documents("nvarchar(max)", "json", {'{"b": 1,  "a": 2}': '{"b": 1,  "a": 2}'}),
    binaries("binary(8)", {b"": "00" * 8, b"\xff": "ff" + "00" * 7}, length=8, pads=True),
    binaries("varbinary(50)", {b"": "", b"\x00\xff": "00ff"}, length=50),
    binaries("varbinary(max)", {b"": "", bytes(range(256)): bytes(range(256)).hex()}, length=400),
    binaries("image", {b"\x89PNG": "89504e47"}, length=50),
    binaries("rowversion", {b"\x00" * 7 + b"\xd1": "00000000000000d1"}, length=8),
    Pair(
        "date",
        "date",
        st.dates().map(lambda day: day.isoformat()),
        str,
        {"0001-01-01": "0001-01-01", "9999-12-31": "9999-12-31", "1582-10-10": "1582-10-10"},
    ),
    Pair(
        "date",
        "timestamp",
        st.dates().map(lambda day: day.isoformat()),
        lambda day: f"{day} 00:00:00",
        {"0001-01-01": "0001-01-01 00:00:00", "9999-12-31": "9999-12-31 00:00:00"},
    ),
    clocks(0, "time(0)", {"23:59:59": "23:59:59.000000"}),
    clocks(3, "time(3)", {"00:00:00.001": "00:00:00.001000"}),
    clocks(7, "time", {"23:59:59.9999999": "23:59:59.999999", "00:00:00.0000009": "00:00:00.000000"}),
    moments(
        "datetime",
        "timestamp(3)",
        3,
        {
            "1753-01-01 00:00:00": "1753-01-01 00:00:00.000000",
            "9999-12-31 23:59:59.997": "9999-12-31 23:59:59.997000",
            "2024-03-31 02:30:00.003": "2024-03-31 02:30:00.003000",
        },
    ),
    moments("smalldatetime", "timestamp(0)", 0, {"2079-06-06 23:59:00": "2079-06-06 23:59:00.000000"}),
    moments("datetime2(0)", "timestamp(0)", 0, {"9999-12-31 23:59:59": "9999-12-31 23:59:59.000000"}),
    moments("datetime2(3)", "timestamp(3)", 3, {"0001-01-01 00:00:00.001": "0001-01-01 00:00:00.001000"}),
    moments(
        "datetime2(7)",
        "timestamp",
        7,
        {
            "0001-01-01 00:00:00.0000009": "0001-01-01 00:00:00.000000",
            "9999-12-31 23:59:59.9999999": "9999-12-31 23:59:59.999999",
            "1969-12-31 23:59:59.9999999": "1969-12-31 23:59:59.999999",
        },
    ),
    instants(0, "timestamptz(0)", {"9999-12-31 23:59:59 +14:00": "9999-12-31 09:59:59.000000"}),
    instants(
        7,
        "timestamptz",
        {
            "9999-12-31 23:59:59.9999999 +14:00": "9999-12-31 09:59:59.999999",
            "9999-12-31 23:59:59.9999999 +00:00": "9999-12-31 23:59:59.999999",
            "0001-01-01 00:00:00.0000009 -14:00": "0001-01-01 14:00:00.000000",
            "2024-10-27 02:30:00 +02:00": "2024-10-27 00:30:00.000000",
        },
    ),
    Pair("uniqueidentifier", "uuid", st.uuids().map(str), str, {_GUID: _GUID}),
    Pair("uniqueidentifier", "character varying(36)", st.uuids().map(str), str.upper, {_GUID: _GUID.upper()}),
    floats("float", "real", 32, {0.5: struct.pack(">f", 0.5).hex(), -0.0: "80000000"}),
    Pair("int", "double precision", st.integers(-(2**31), 2**31 - 1), str, {-(2**31): "-2147483648"}),
    replace(
        decimals("decimal(6,2)", "real", 6, 2, {"-9999.99": "-9999.99"}), as_text="{}::numeric(6,2)::text"
    ),
    Pair("nvarchar(20)", "bigint", st.integers(-(2**63), 2**63 - 1).map(str), str, {"0": "0", "-1": "-1"}),
    Pair("char(10)", "date", st.dates().map(str), str, {"0001-01-01": "0001-01-01"}),
    clocks(7, "interval", {"23:59:59.9999999": "23:59:59.999999"}),
    clocks(0, "interval(0)", {"00:00:00": "00:00:00.000000"}),
    local_times("UTC", {"2024-10-27 02:30:00 +02:00": "2024-10-27 00:30:00.000000"}),
    local_times(
        "Europe/Berlin",
        {
            "2024-10-27 00:30:00 +00:00": "2024-10-27 02:30:00.000000",
            "2024-10-27 01:30:00 +00:00": "2024-10-27 02:30:00.000000",
            "2024-03-31 00:59:59.999999 +00:00": "2024-03-31 01:59:59.999999",
            "2024-03-31 01:00:00 +00:00": "2024-03-31 03:00:00.000000",
        },
    ),
    Pair(
        "date",
        "timestamptz",
        st.dates(dt.date(1, 1, 2)).map(str),
        lambda day: f"{dt.date.fromisoformat(day) - dt.timedelta(days=1)} 15:00:00",
        {"2024-07-01": "2024-06-30 15:00:00"},
        as_text="({} AT TIME ZONE 'UTC')::text",
        decision="zone: Etc/GMT-9",
    ),
    markup("text", {"<a>ö🧵</a>": "<a>ö🧵</a>"}),
)
