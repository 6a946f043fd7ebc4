"""Text as any other type: what parses, and SQL Server's error for what does not."""

from __future__ import annotations

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.tsql.datatypes import UNICODE_TYPES, duckdb_type, family
from blb_migration.sandbox.emulator.tsql.fitting import fit_binary, fit_ticks, or_fail
from blb_migration.sandbox.emulator.tsql.macros import DATETIME_MIN_TICKS
from blb_migration.sandbox.emulator.tsql.server_errors import conversion_not_allowed, unsupported
from blb_migration.sandbox.emulator.tsql.typed import Typed, quote_bytes, quote_text

_INTEGER_TEXT = r"\s*[+-]?\d+\s*"


def from_text(source: Typed, target: ColumnType, style: int | None, is_try: bool) -> Typed:
    """Return a conversion of text; under ``is_try`` NULL for what does not parse."""
    text, name = source.sql, target.name
    match family(target):
        case "integer":
            sql = _text_to_integer(source, target, is_try)
        case "exact":
            cleaned = (
                f"replace(replace(trim({text}), ',', ''), '$', '')" if "money" in name else f"trim({text})"
            )
            number = f"TRY_CAST({cleaned} AS {duckdb_type(target)})"
            guard = f"CASE WHEN regexp_full_match({cleaned}, '[+-]?(\\d+[.]?\\d*|[.]\\d+)') THEN {number} END"
            if "money" in name:
                message = quote_text(
                    f"Cannot convert a char value to {name}. The char value has incorrect syntax."
                )
                sql = or_fail(guard, source, 235, message, is_try)
            else:
                message = quote_text(f"Error converting data type {source.type.name} to {number_name(name)}.")
                sql = or_fail(guard, source, 8114, message, is_try)
        case "approximate":
            number = (
                f"CASE WHEN trim({text}) = '' THEN 0 ELSE TRY_CAST(trim({text}) AS {duckdb_type(target)}) END"
            )
            message = quote_text(f"Error converting data type {source.type.name} to {name}.")
            sql = or_fail(f"CASE WHEN isfinite({number}) THEN {number} END", source, 8114, message, is_try)
        case "date" | "time" | "datetime" | "datetimeoffset":
            sql = _text_to_temporal(source, target, is_try)
        case "guid":
            message = "'Conversion failed when converting from a character string to uniqueidentifier.'"
            sql = or_fail(f"tsql_parse_guid({text})", source, 8169, message, is_try)
        case "binary" | "udt":
            sql = fit_binary(_text_to_binary(source, style or 0, is_try), ColumnType("varbinary"), target)
        case _:
            raise conversion_not_allowed(source.type.name, name)
    return source.derive(sql, target)


def number_name(name: str) -> str:
    """Return what SQL Server calls a decimal in its messages."""
    return "numeric" if name in ("decimal", "numeric") else name


def _text_to_integer(source: Typed, target: ColumnType, is_try: bool) -> str:
    text, name = source.sql, target.name
    message = (
        f"'Conversion failed when converting the {source.type.name} value ''' || {text} || ''' to data "
        f"type {name}.'"
    )
    if name == "bit":
        value = (
            f"CASE WHEN lower(trim({text})) = 'true' THEN true WHEN lower(trim({text})) = 'false' THEN false "
            f"WHEN regexp_full_match({text}, '{_INTEGER_TEXT}') THEN TRY_CAST(trim({text}) AS HUGEINT) <> "
            "0 END"
        )
        return or_fail(value, source, 245, message, is_try)
    value = (
        f"CASE WHEN trim({text}) = '' THEN 0 WHEN regexp_full_match({text}, '{_INTEGER_TEXT}') "
        f"THEN TRY_CAST(trim({text}) AS {duckdb_type(target)}) END"
    )
    if name == "bigint":
        return or_fail(
            value,
            source,
            8114,
            quote_text(f"Error converting data type {source.type.name} to bigint."),
            is_try,
        )
    if is_try:
        return value
    overflow = (
        f"'248|The conversion of the {source.type.name} value ''' || {text} || ''' overflowed an {name} "
        "column.'"
    )
    reason = (
        f"CASE WHEN regexp_full_match({text}, '{_INTEGER_TEXT}') THEN {overflow} ELSE '245|' || {message} END"
    )
    return f"tsql_fail({text}, {value}, {reason})"


def _text_to_temporal(source: Typed, target: ColumnType, is_try: bool) -> str:
    ticks = f"tsql_parse_ticks({source.sql})"
    message = "'Conversion failed when converting date and/or time from character string.'"
    checked = or_fail(ticks, source, 241, message, is_try)
    utc = f"({checked} - tsql_parse_offset({source.sql}) * 600000000)"
    match family(target):
        case "date":
            return f"tsql_day({checked})"
        case "time":
            return fit_ticks(f"({checked} % 864000000000)", ColumnType("time", scale=7), target)
        case "datetimeoffset":
            fitted = fit_ticks(utc, ColumnType("datetime2", scale=7), target)
            struct = (
                f"{{'ticks': {fitted}, 'offset_minutes': CAST(tsql_parse_offset({source.sql}) AS SMALLINT)}}"
            )
            return f"CASE WHEN {source.sql} IS NULL THEN NULL ELSE {struct} END"
    if target.name in ("datetime", "smalldatetime"):
        out_of_range = quote_text(
            f"The conversion of a {source.type.name} data type to a {target.name} data type "
            "resulted in an out-of-range value."
        )
        in_range = f"CASE WHEN {checked} >= {DATETIME_MIN_TICKS} THEN {checked} END"
        checked = or_fail(in_range, source, 242, out_of_range, is_try)
    return fit_ticks(checked, ColumnType("datetime2", scale=7), target)


def _text_to_binary(source: Typed, style: int, is_try: bool) -> str:
    if source.is_constant and isinstance(source.constant, str) and style == 0:
        wide = source.type.name in UNICODE_TYPES
        return quote_bytes(source.constant.encode("utf-16-le" if wide else "cp1252", errors="replace"))
    if style == 0 and source.type.name not in UNICODE_TYPES:
        return f"encode({source.sql})"
    if style not in (1, 2):
        raise unsupported("a conversion of nchar text that is not constant to binary, style 0")
    prefix = "0[xX]" if style == 1 else ""
    digits = f"substr({source.sql}, {3 if style == 1 else 1})"
    value = (
        f"CASE WHEN regexp_full_match({source.sql}, '{prefix}([0-9A-Fa-f]{{2}})*') THEN from_hex({digits}) "
        "END"
    )
    return or_fail(
        value,
        source,
        8114,
        quote_text(f"Error converting data type {source.type.name} to varbinary."),
        is_try,
    )
