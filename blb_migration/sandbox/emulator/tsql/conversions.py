"""CAST, CONVERT and the implicit conversions: from any type to any other, in DuckDB's terms.

What a conversion to text looks like is in ``conversions_text``. Every conversion that can fail at
run time carries SQL Server's error for it; TRY_CAST and TRY_CONVERT give NULL instead. A pair that
SQL Server refuses is error 529.
"""

from __future__ import annotations

from dataclasses import replace

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.tsql import conversions_text
from blb_migration.sandbox.emulator.tsql.conversions_from_text import from_text, number_name
from blb_migration.sandbox.emulator.tsql.datatypes import (
    INTEGER_RANGES,
    UNICODE_TYPES,
    base_type,
    decimal_digits,
    duckdb_type,
    family,
    fraction_digits,
    normalize,
)
from blb_migration.sandbox.emulator.tsql.fitting import fit_binary, fit_ticks, or_fail
from blb_migration.sandbox.emulator.tsql.macros import DATETIME_MIN_TICKS
from blb_migration.sandbox.emulator.tsql.server_errors import conversion_not_allowed, type_clash
from blb_migration.sandbox.emulator.tsql.surrogates import has_hidden_surrogates, hide_surrogates
from blb_migration.sandbox.emulator.tsql.typed import Typed, quote_text

_DAY_1900 = 599266080000000000


def convert(source: Typed, target: ColumnType, style: int | None = None, is_try: bool = False) -> Typed:
    """``source`` as ``target``; the source itself when nothing has to change."""
    target = normalize(target)
    if source.is_untyped_null:
        return replace(source, sql=f"CAST(NULL AS {duckdb_type(target)})", type=target, is_untyped_null=False)
    if source.type == target and style is None:
        return source
    converted = _convert_by_family(source, target, style, is_try)
    if family(target) == "text":
        return replace(
            converted, collation=source.collation, has_explicit_collation=source.has_explicit_collation
        )
    return converted


def convert_implicitly(source: Typed, target: ColumnType) -> Typed:
    """Return an implicit conversion; raises error 206 for types that SQL Server does not mix."""
    if source.is_untyped_null:
        return convert(source, target)
    families = (family(source.type), family(target))
    numbers = ("integer", "exact", "approximate")
    if (
        (families[0] in ("date", "time", "datetimeoffset") and families[1] in numbers)
        or (families[1] in ("date", "time", "datetimeoffset") and families[0] in numbers)
        or (families[0] == "guid" and families[1] in numbers)
        or (families[1] == "guid" and families[0] in numbers)
        or set(families) == {"date", "time"}
    ):
        raise type_clash(source.type.name, target.name)
    return convert(source, target)


def _convert_by_family(source: Typed, target: ColumnType, style: int | None, is_try: bool) -> Typed:  # noqa: PLR0911, PLR0912  # one pair of families each
    match family(source.type), family(target):
        case "variant", "variant":
            return source
        case "variant", _:
            value = Typed(f"({source.sql}).value", ColumnType("varchar"), collation=source.collation)
            return convert(value, target, style, is_try)
        case _, "variant":
            text = conversions_text.to_text(
                source, ColumnType("varchar"), 121 if "date" in source.type.name else None
            )
            sql = f"{{'base_type': {quote_text(source.type.name)}, 'value': {text}}}"
            return Typed(f"CASE WHEN ({source.sql}) IS NULL THEN NULL ELSE {sql} END", target)
        case _, "text":
            return _to_text(source, target, style, is_try)
        case "text", _:
            return from_text(source, target, style, is_try)
        case (("integer" | "exact" | "approximate"), ("integer" | "exact" | "approximate")):
            return _number_to_number(source, target, is_try)
        case (("binary" | "udt"), ("binary" | "udt")):
            return source.derive(fit_binary(source.sql, source.type, target), target)
        case "guid", "binary":
            return source.derive(fit_binary(_swap_guid(source.sql), ColumnType("binary", 16), target), target)
        case "binary", "guid":
            return source.derive(_swap_guid(f"from_hex(rpad(left(hex({source.sql}), 32), 32, '0'))"), target)
        case "guid", "guid":
            return source
        case "integer", "binary":
            return _integer_to_binary(source, target)
        case "binary", "integer":
            return _binary_to_integer(source, target)
        case (("integer" | "exact" | "approximate"), "datetime"):
            days = convert(source, ColumnType("float"), None, is_try).sql
            ticks = f"{_DAY_1900} + CAST(round({days} * 864000000000) AS BIGINT)"
            return source.derive(fit_ticks(f"({ticks})", ColumnType("datetime2", scale=7), target), target)
        case "datetime", ("integer" | "exact" | "approximate"):
            days = f"((({source.sql}) - {_DAY_1900}) / 864000000000.0)"
            floating = source.derive(f"CAST({days} AS DOUBLE)", ColumnType("float"))
            if family(target) == "integer":
                floating = source.derive(f"round({floating.sql})", ColumnType("float"))
            return _number_to_number(floating, target, is_try)
        case (
            ("date" | "time" | "datetime" | "datetimeoffset"),
            ("date" | "time" | "datetime" | "datetimeoffset"),
        ):
            return _temporal_to_temporal(source, target, is_try)
    raise conversion_not_allowed(source.type.name, target.name)


def _to_text(source: Typed, target: ColumnType, style: int | None, is_try: bool) -> Typed:
    if isinstance(source.constant, bytes) and not style:
        encoding = "utf-16-le" if target.name in UNICODE_TYPES else "cp1252"
        errors = "surrogatepass" if target.name in UNICODE_TYPES else "replace"
        text = hide_surrogates(source.constant.decode(encoding, errors))
        return text_constant(text if target.length is None else text[: target.length], target)
    sql = conversions_text.to_text(source, target, style)
    is_utf8 = (source.collation or "").upper().endswith("_UTF8")
    loses_letters = target.name not in UNICODE_TYPES and source.type.name in UNICODE_TYPES and not is_utf8
    if family(source.type) == "text":
        if source.is_constant and isinstance(source.constant, str):
            text = source.constant if target.length is None else source.constant[: target.length]
            if loses_letters:
                text = text.encode("cp1252", "replace").decode("cp1252")
            if target.name in ("char", "nchar"):
                units = len(text.encode("utf-16-le", "surrogatepass")) // 2
                width = units if target.name == "nchar" else len(text)
                text += " " * ((target.length or 1) - width)
            return text_constant(text, replace(target))
        if loses_letters:
            sql = conversions_text.to_code_page(sql)
    length = target.length
    source_length = source.type.length if family(source.type) == "text" else None
    if length is not None and (source_length is None or source_length > length):
        if family(source.type) in ("integer", "exact", "approximate", "guid"):
            sql = _refuse_long(sql, source, target, length, is_try)
        else:
            sql = f"left({sql}, {length})"
    if target.name in ("char", "nchar") and length is not None:
        sql = f"tsql_pad{'_units' if target.name == 'nchar' else ''}({sql}, {length})"
    return source.derive(sql, target)


def _refuse_long(sql: str, source: Typed, target: ColumnType, length: int, is_try: bool) -> str:
    shown = f"CASE WHEN length({sql}) <= {length} THEN {sql} END"
    if family(source.type) == "integer" and target.name in ("varchar", "char"):
        return f"CASE WHEN length({sql}) <= {length} THEN {sql} ELSE '*' END"
    what = "numeric" if family(source.type) == "exact" else source.type.name
    message = quote_text(f"Arithmetic overflow error converting {what} to data type {target.name}.")
    return or_fail(shown, source, 8115, message, is_try)


def _number_to_number(source: Typed, target: ColumnType, is_try: bool) -> Typed:
    cast = "TRY_CAST" if is_try else "CAST"
    value, target_duckdb = f"({source.sql})", duckdb_type(target)
    source_family = family(source.type)
    if target.name == "bit":
        return source.derive(f"({source.sql} <> 0)" if source.type.name != "bit" else source.sql, target)
    if source.type.name == "bit":
        value = f"CAST({source.sql} AS UTINYINT)"
    if family(target) == "integer" and source_family in ("exact", "approximate"):
        is_money = source.type.name in ("money", "smallmoney")
        value = f"round{value}" if is_money else f"trunc{value}"
    if is_try or _always_fits(source.type, target):
        return replace(source.derive(f"{cast}({value} AS {target_duckdb})", target), is_constant=False)
    what = {"exact": number_name(source.type.name), "integer": source.type.name, "approximate": "float"}[
        source_family
    ]
    message = f"Arithmetic overflow error converting {what} to data type {number_name(target.name)}."
    number, message_sql = 8115, quote_text(message)
    if family(target) == "integer" and target.name in ("tinyint", "smallint"):
        number = 220
        message_sql = (
            f"'Arithmetic overflow error for data type {target.name}, value = ' || CAST({value} AS "
            "VARCHAR) || '.'"
        )
    elif family(target) == "integer" and source_family == "integer":
        message_sql = quote_text(
            f"Arithmetic overflow error converting expression to data type {target.name}."
        )
    elif family(target) == "integer" and source_family == "approximate":
        number = 232
        message_sql = (
            f"'Arithmetic overflow error for type {target.name}, value = ' || CAST({value} AS VARCHAR) || '.'"
        )
    return source.derive(
        or_fail(f"TRY_CAST({value} AS {target_duckdb})", source, number, message_sql, False), target
    )


def _always_fits(source: ColumnType, target: ColumnType) -> bool:
    if family(target) == "approximate":
        return target.name == "float" or family(source) != "approximate"
    if family(source) == "approximate":
        return False
    source_digits, source_scale = decimal_digits(source)
    if family(target) == "exact":
        digits, scale = decimal_digits(target)
        return digits - scale >= source_digits - source_scale + (1 if scale < source_scale else 0)
    if family(source) == "integer":
        low, high = INTEGER_RANGES.get(source.name, (0, 1))
        return INTEGER_RANGES[target.name][0] <= low and high <= INTEGER_RANGES[target.name][1]
    return source_digits - source_scale < decimal_digits(target)[0]


def _temporal_to_temporal(source: Typed, target: ColumnType, is_try: bool) -> Typed:  # noqa: PLR0911, PLR0912  # one pair of types each
    value = source.sql
    match family(source.type), family(target):
        case "date", "date":
            return source
        case "date", "time":
            raise conversion_not_allowed("date", "time")
        case "date", _:
            ticks, ticks_type = f"tsql_date_ticks({value})", ColumnType("datetime2", scale=0)
        case "time", "time":
            return source.derive(fit_ticks(value, source.type, target), target)
        case "time", "date":
            raise conversion_not_allowed("time", "date")
        case "time", _:
            ticks, ticks_type = f"({_DAY_1900} + {value})", ColumnType("datetime2", scale=source.type.scale)
        case "datetimeoffset", "datetimeoffset":
            fitted = fit_ticks(f"({value}).ticks", source.type, target)
            struct = f"{{'ticks': {fitted}, 'offset_minutes': ({value}).offset_minutes}}"
            return source.derive(f"CASE WHEN {value} IS NULL THEN NULL ELSE {struct} END", target)
        case "datetimeoffset", _:
            ticks, ticks_type = f"tsql_local({value})", ColumnType("datetime2", scale=source.type.scale)
        case _:
            ticks, ticks_type = value, source.type
    match family(target):
        case "date":
            return source.derive(f"tsql_day({ticks})", target)
        case "time":
            if ticks_type.name == "datetime" and fraction_digits(target) > 3:
                ticks, ticks_type = f"tsql_from_datetime({ticks})", ColumnType("datetime2", scale=7)
            return source.derive(fit_ticks(f"({ticks} % 864000000000)", ticks_type, target), target)
        case "datetimeoffset":
            fitted = fit_ticks(ticks, ticks_type, target)
            struct = f"{{'ticks': {fitted}, 'offset_minutes': 0::SMALLINT}}"
            return source.derive(f"CASE WHEN {value} IS NULL THEN NULL ELSE {struct} END", target)
    if target.name in ("datetime", "smalldatetime") and ticks_type.name != "datetime":
        message = quote_text(
            f"The conversion of a {source.type.name} data type to a {target.name} data type "
            "resulted in an out-of-range value."
        )
        in_range = f"CASE WHEN {ticks} >= {DATETIME_MIN_TICKS} THEN {ticks} END"
        ticks = or_fail(in_range, source, 242, message, is_try)
    return source.derive(fit_ticks(ticks, ticks_type, target), target)


def _swap_guid(sql: str) -> str:
    """Return a GUID's bytes between textual order and SQL Server's mixed-endian storage order."""
    order = (4, 3, 2, 1, 6, 5, 8, 7, *range(9, 17))
    return "from_hex(" + " || ".join(f"substr(hex({sql}), {index * 2 - 1}, 2)" for index in order) + ")"


def _integer_to_binary(source: Typed, target: ColumnType) -> Typed:
    size = base_type(source.type).max_length
    unsigned = f"(CAST({convert(source, ColumnType('bigint')).sql} AS HUGEINT) + 18446744073709551616)"
    digits = f"right(lpad(to_hex({unsigned}), 32, '0'), {size * 2})"
    if target.length is not None and target.name == "binary":
        digits = f"right(lpad({digits}, {target.length * 2}, '0'), {target.length * 2})"
    elif target.length is not None and target.length < size:
        digits = f"right({digits}, {target.length * 2})"
    return source.derive(f"from_hex({digits})", target)


def _binary_to_integer(source: Typed, target: ColumnType) -> Typed:
    if target.name == "bit":
        return source.derive(f"regexp_matches(hex({source.sql}), '[1-9A-F]')", target)
    size = base_type(target).max_length
    unsigned = f"CAST('0x' || right(lpad(hex({source.sql}), {size * 2}, '0'), {size * 2}) AS HUGEINT)"
    half, whole = 2 ** (size * 8 - 1), 2 ** (size * 8)
    number = unsigned if target.name == "tinyint" else f"(({unsigned} + {half}) % {whole} - {half})"
    return source.derive(f"CAST({number} AS {duckdb_type(target)})", target)


def text_constant(text: str, column_type: ColumnType) -> Typed:
    """Return a text whose value is known."""
    return Typed(
        quote_text(text),
        column_type,
        nullable=False,
        is_constant=True,
        constant=text,
        hides_surrogates=has_hidden_surrogates(text),
    )
