"""Text functions and NULL handling: types and lengths as SQL Server derives them."""

from __future__ import annotations

from dataclasses import replace

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.arithmetic import unite
from blb_migration.sandbox.emulator.tsql.calls import Call, FunctionCompiler
from blb_migration.sandbox.emulator.tsql.collation_rules import is_case_insensitive, winning_collation
from blb_migration.sandbox.emulator.tsql.comparisons import compare, matching
from blb_migration.sandbox.emulator.tsql.constants import build_constant
from blb_migration.sandbox.emulator.tsql.conversions import convert, convert_implicitly, text_constant
from blb_migration.sandbox.emulator.tsql.datatypes import (
    BIGINT,
    INT,
    NVARCHAR_MAX,
    UNICODE_TYPES,
    VARCHAR_MAX,
    byte_length,
    family,
    is_max,
    is_text,
)
from blb_migration.sandbox.emulator.tsql.server_errors import unsupported
from blb_migration.sandbox.emulator.tsql.surrogates import hide_surrogates
from blb_migration.sandbox.emulator.tsql.typed import Typed

_HIDDEN_TO_CODE = (
    "CASE WHEN ord({0}) BETWEEN 1110016 AND 1112063 THEN ord({0}) - 1110016 + 55296 ELSE ord({0}) END"
)


def _variable_type(value: Typed, length: int | None = None) -> ColumnType:
    name = "nvarchar" if value.type.name in UNICODE_TYPES else "varchar"
    return ColumnType(name, None if is_max(value.type) else length or value.type.length)


def _len(call: Call) -> Typed:
    call.require(1)
    text = call.text(0)
    collation = (text.collation or call.context.collation).upper()
    counts_code_points = any(mark in collation for mark in ("_SC", "_140_", "UTF8"))
    units = "length" if counts_code_points else "tsql_units"
    result = BIGINT if is_max(text.type) else INT
    return text.derive(
        f"CAST({units}(rtrim({text.sql}, ' ')) AS {'BIGINT' if is_max(text.type) else 'INTEGER'})", result
    )


def _datalength(call: Call) -> Typed:
    call.require(1)
    value = call.value(0)
    result = BIGINT if is_max(value.type) else INT
    match family(value.type):
        case "text":
            if value.type.name in UNICODE_TYPES:
                size = f"(2 * tsql_units({value.sql}))"
            else:
                is_utf8 = (value.collation or call.context.collation).upper().endswith("UTF8")
                size = f"strlen({value.sql})" if is_utf8 else f"length({value.sql})"
        case "binary" | "udt":
            size = f"octet_length({value.sql})"
        case _ if value.type.name == "rowversion" and call.context.database is not None:
            shown = call.context.database.oddities.rowversion_bytes
            size = f"CASE WHEN ({value.sql}) IS NOT NULL THEN {shown} END"
        case "variant":
            raise unsupported("DATALENGTH of sql_variant")
        case _:
            size = f"CASE WHEN ({value.sql}) IS NOT NULL THEN {byte_length(value.type)} END"
    return value.derive(f"CAST({size} AS {'BIGINT' if result == BIGINT else 'INTEGER'})", result)


def _simple(pattern: str) -> FunctionCompiler:
    def compile_call(call: Call) -> Typed:
        call.require(1)
        text = call.text(0)
        return text.derive(pattern.format(text.sql), _variable_type(text))

    return compile_call


def _trim(call: Call) -> Typed:
    call.require(1, 2)
    text = call.text(0)
    characters = call.text(1).sql if len(call.arguments) == 2 else "' '"
    return text.derive(f"trim({text.sql}, {characters})", _variable_type(text))


def _left_right(call: Call) -> Typed:
    call.require(2)
    text, count = call.text(0), call.integer(1)
    message = f"TSQL|536|Invalid length parameter passed to the {call.name} function."
    checked = f"CASE WHEN {count} < 0 THEN error('{message}') ELSE {count} END"
    constant = call.value(1).constant
    length = (
        min(constant, text.type.length or constant) if isinstance(constant, int) and constant > 0 else None
    )
    return text.derive(f"{call.name.lower()}({text.sql}, {checked})", _variable_type(text, length))


def _substring(call: Call) -> Typed:
    call.require(3)
    value = call.value(0)
    start, length = call.integer(1), call.integer(2)
    message = "TSQL|537|Invalid length parameter passed to the LEFT or SUBSTRING function."
    end = f"({start} + CASE WHEN {length} < 0 THEN error('{message}') ELSE {length} END - 1)"
    constant = call.value(2).constant
    size = max(constant, 1) if isinstance(constant, int) else None
    if family(value.type) == "binary":
        limit = None if is_max(value.type) else min(size or 8000, value.type.length or 8000)
        sql = f"array_slice({value.sql}, greatest({start}, 1), greatest({end}, 0))"
        return value.derive(sql, ColumnType("varbinary", limit))
    text = call.text(0)
    if size is not None and text.type.length is not None:
        size = min(size, text.type.length)
    sql = f"substr({text.sql}, greatest({start}, 1), greatest({end} - greatest({start}, 1) + 1, 0))"
    return text.derive(sql, _variable_type(text, size))


def _replace(call: Call) -> Typed:
    call.require(3)
    text, old, new = (call.text(index) for index in range(3))
    collation = winning_collation(text, old, call.context.collation, "replace")
    wide = any(each.type.name in UNICODE_TYPES for each in (text, old, new))
    large = is_max(text.type)
    result = (
        (NVARCHAR_MAX if wide else VARCHAR_MAX)
        if large
        else ColumnType("nvarchar" if wide else "varchar", 4000 if wide else 8000)
    )
    if is_case_insensitive(collation):
        if not old.is_constant:
            raise unsupported(
                "REPLACE under a case-insensitive collation with a search text that is not constant"
            )
        if str(old.constant).lower() != str(old.constant).upper():
            quoted = "".join(f"\\x{{{ord(each):X}}}" for each in str(old.constant))
            escaped = f"replace({new.sql}, '\\', '\\\\')"
            sql = f"regexp_replace({text.sql}, '(?i){quoted}', {escaped}, 'g')"
            return replace(text.derive(sql, result), nullable=True)
    sql = f"CASE WHEN {old.sql} = '' THEN {text.sql} ELSE replace({text.sql}, {old.sql}, {new.sql}) END"
    return replace(
        text.derive(sql, result),
        nullable=any(each.nullable for each in (text, old, new)),
        hides_surrogates=text.hides_surrogates or new.hides_surrogates,
    )


def _stuff(call: Call) -> Typed:
    call.require(4)
    text, new = call.text(0), call.text(3)
    start, length = call.integer(1), call.integer(2)
    sql = (
        f"CASE WHEN {start} < 1 OR {start} > length({text.sql}) OR {length} < 0 THEN NULL "
        f"ELSE left({text.sql}, {start} - 1) || coalesce({new.sql}, '') || substr({text.sql}, {start} + "
        f"{length}) END"
    )
    return text.derive(
        sql, _variable_type(text, (text.type.length or 1) + (new.type.length or 1)), nullable=True
    )


def _charindex(call: Call) -> Typed:
    call.require(2, 3)
    needle, text = call.text(0), call.text(1)
    collation = winning_collation(text, needle, call.context.collation, "charindex")
    fold = "lower({})" if is_case_insensitive(collation) else "{}"
    haystack, search = fold.format(text.sql), fold.format(needle.sql)
    if len(call.arguments) == 3:
        start = f"greatest({call.integer(2)}, 1)"
        found = f"instr(substr({haystack}, {start}), {search})"
        sql = f"CASE WHEN {found} = 0 THEN 0 ELSE {found} + {start} - 1 END"
    else:
        sql = f"CASE WHEN {search} = '' THEN 0 ELSE instr({haystack}, {search}) END"
    result = BIGINT if is_max(text.type) else INT
    storage = "BIGINT" if result == BIGINT else "INTEGER"
    return Typed(f"CAST({sql} AS {storage})", result, text.nullable or needle.nullable)


def _patindex(call: Call) -> Typed:
    call.require(2)
    pattern, text = call.text(0), call.text(1)
    constant = str(call.constant(0))
    subject, whole = matching(text, pattern, None, call.context.collation, "patindex")
    if constant.startswith("%"):
        stripped = text_constant(constant.lstrip("%"), pattern.type)
        stripped = replace(
            stripped, collation=pattern.collation, has_explicit_collation=pattern.has_explicit_collation
        )
        subject, regex = matching(text, stripped, None, call.context.collation, "patindex")
        anchor = "" if constant.rstrip("%") != constant else "$"
        searched = f"regexp_extract({subject}, '^(?s)(.*?)' || {regex} || '{anchor}', 1)"
        sql = f"CASE WHEN NOT regexp_full_match({subject}, {whole}) THEN 0 ELSE length({searched}) + 1 END"
    else:
        sql = f"CASE WHEN regexp_full_match({subject}, {whole}) THEN 1 ELSE 0 END"
    result = BIGINT if is_max(text.type) else INT
    guarded = f"CASE WHEN {text.sql} IS NULL THEN NULL ELSE {sql} END"
    return text.derive(f"CAST({guarded} AS {'BIGINT' if result == BIGINT else 'INTEGER'})", result)


def _concat(call: Call) -> Typed:
    call.require(2, 254)
    parts = [call.text(index) for index in range(len(call.arguments))]
    wide = any(each.type.name in UNICODE_TYPES for each in parts)
    lengths = [each.type.length for each in parts]
    limit = 4000 if wide else 8000
    length = (
        None if any(is_max(each.type) for each in parts) else min(sum(each or 0 for each in lengths), limit)
    )
    sql = " || ".join(f"coalesce({each.sql}, '')" for each in parts)
    united = unite(parts)
    return replace(
        united.with_sql(f"({sql})"),
        type=ColumnType("nvarchar" if wide else "varchar", length),
        nullable=False,
    )


def _concat_ws(call: Call) -> Typed:
    call.require(3, 254)
    parts = [call.text(index) for index in range(len(call.arguments))]
    wide = any(each.type.name in UNICODE_TYPES for each in parts)
    sql = f"concat_ws({', '.join(each.sql for each in parts)})"
    return Typed(sql, ColumnType("nvarchar", 4000) if wide else ColumnType("varchar", 8000), False)


def _isnull(call: Call) -> Typed:
    call.require(2)
    first, second = call.value(0), call.value(1)
    target = second.type if first.is_untyped_null else first.type
    collation = first.collation or second.collation
    converted = convert_implicitly(second, target)
    sql = f"coalesce({convert(first, target).sql}, {converted.sql})"
    return Typed(
        sql,
        target,
        second.nullable and first.nullable,
        collation=collation,
        has_explicit_collation=first.has_explicit_collation,
        hides_surrogates=first.hides_surrogates or second.hides_surrogates,
    )


def _coalesce(call: Call) -> Typed:
    values = call.values()
    common = unite(values)
    if common.is_untyped_null:
        raise SqlServerError(
            4127,
            "At least one of the arguments to COALESCE must be an expression that is not the NULL constant.",
        )
    sql = ", ".join(convert_implicitly(each, common.type).sql for each in values)
    return replace(common.with_sql(f"coalesce({sql})"), nullable=all(each.nullable for each in values))


def _nullif(call: Call) -> Typed:
    call.require(2)
    first, second = call.value(0), call.value(1)
    equal = compare("=", first, second, call.context.collation)
    return first.derive(f"CASE WHEN {equal} THEN NULL ELSE {first.sql} END", first.type, nullable=True)


def _iif(call: Call) -> Typed:
    call.require(3)
    condition = call.compiler.predicate(call.arguments[0])
    return call.compiler.choose([condition], [call.value(1), call.value(2)])


def _choose(call: Call) -> Typed:
    call.require(2, 254)
    index = call.integer(0)
    values = [call.value(position) for position in range(1, len(call.arguments))]
    conditions = [f"{index} = {position}" for position in range(1, len(values) + 1)]
    return replace(
        call.compiler.choose(conditions, [*values, Typed("NULL", INT, is_untyped_null=True)]), nullable=True
    )


def _unicode(call: Call) -> Typed:
    call.require(1)
    text = call.text(0)
    sql = f"CASE WHEN {text.sql} = '' THEN NULL ELSE {_HIDDEN_TO_CODE.format(text.sql)} END"
    return Typed(f"CAST({sql} AS INTEGER)", INT)


def _nchar(call: Call) -> Typed:
    call.require(1)
    value = call.value(0)
    result = ColumnType("nchar", length=1)
    if isinstance(value.constant, bytes):
        value = build_constant(int.from_bytes(value.constant[-4:].rjust(4, b"\0"), "big", signed=True), INT)
    if value.is_constant and isinstance(value.constant, int) and 0 <= value.constant <= 0xFFFF:
        return replace(text_constant(hide_surrogates(chr(value.constant)), result), nullable=True)
    code = call.integer(0)
    sql = (
        f"CASE WHEN {code} BETWEEN 55296 AND 57343 THEN chr(CAST({code} - 55296 + 1110016 AS INTEGER)) "
        f"WHEN {code} BETWEEN 0 AND 65535 THEN chr(CAST({code} AS INTEGER)) END"
    )
    return Typed(sql, result, hides_surrogates=True)


def _char(call: Call) -> Typed:
    call.require(1)
    value = call.value(0)
    result = ColumnType("char", length=1)
    if value.is_constant and isinstance(value.constant, int):
        if not 0 <= value.constant <= 255:
            return Typed("CAST(NULL AS VARCHAR)", result)
        return replace(
            text_constant(bytes([value.constant]).decode("cp1252", errors="replace"), result), nullable=True
        )
    code = call.integer(0)
    return Typed(f"CASE WHEN {code} BETWEEN 0 AND 255 THEN chr(CAST({code} AS INTEGER)) END", result)


def _replicate(call: Call) -> Typed:
    call.require(2)
    text, count = call.text(0), call.value(1)
    if (
        text.is_constant
        and isinstance(text.constant, str)
        and isinstance(count.constant, int)
        and count.constant <= 8000
    ):
        return text_constant(text.constant * count.constant, _variable_type(text, 8000))
    return text.derive(f"repeat({text.sql}, {call.integer(1)})", _variable_type(text, 8000), nullable=True)


def _space(call: Call) -> Typed:
    call.require(1)
    return Typed(f"repeat(' ', {call.integer(0)})", ColumnType("varchar", 8000))


def _isjson(call: Call) -> Typed:
    call.require(1)
    text = call.text(0)
    sql = f"CASE WHEN json_valid({text.sql}) AND regexp_matches({text.sql}, '^\\s*[\\[{{]') THEN 1 ELSE 0 END"
    return text.derive(f"CASE WHEN {text.sql} IS NULL THEN NULL ELSE {sql} END", INT)


def _hashbytes(call: Call) -> Typed:
    call.require(2)
    algorithm = str(call.constant(0)).upper()
    value = call.value(1)
    functions = {"SHA2_256": "sha256", "SHA1": "sha1", "SHA": "sha1", "MD5": "md5"}
    if algorithm not in functions:
        raise unsupported(f"HASHBYTES('{algorithm}')")
    if is_text(value.type) and value.type.name in UNICODE_TYPES:
        raise unsupported("HASHBYTES of Unicode text")
    return value.derive(f"from_hex({functions[algorithm]}({value.sql}))", ColumnType("varbinary", 8000))


def _quotename(call: Call) -> Typed:
    call.require(1, 2)
    text = call.text(0)
    quote = str(call.constant(1)) if len(call.arguments) == 2 else "["
    pairs = {"[": "[]", "]": "[]", '"': '""', "'": "''"}
    if quote not in pairs:
        return Typed("CAST(NULL AS VARCHAR)", ColumnType("nvarchar", 258))
    opening, closing = (each.replace("'", "''") for each in pairs[quote])
    sql = f"'{opening}' || replace({text.sql}, '{closing}', '{closing}{closing}') || '{closing}'"
    return text.derive(sql, ColumnType("nvarchar", 258), nullable=True)


FUNCTIONS: dict[str, FunctionCompiler] = {
    "LEN": _len,
    "DATALENGTH": _datalength,
    "UPPER": _simple("upper({})"),
    "LOWER": _simple("lower({})"),
    "LTRIM": _simple("ltrim({}, ' ')"),
    "RTRIM": _simple("rtrim({}, ' ')"),
    "REVERSE": _simple("reverse({})"),
    "TRIM": _trim,
    "LEFT": _left_right,
    "RIGHT": _left_right,
    "SUBSTRING": _substring,
    "REPLACE": _replace,
    "STUFF": _stuff,
    "CHARINDEX": _charindex,
    "PATINDEX": _patindex,
    "CONCAT": _concat,
    "CONCAT_WS": _concat_ws,
    "ISNULL": _isnull,
    "COALESCE": _coalesce,
    "NULLIF": _nullif,
    "IIF": _iif,
    "CHOOSE": _choose,
    "UNICODE": _unicode,
    "ASCII": _unicode,
    "NCHAR": _nchar,
    "CHAR": _char,
    "REPLICATE": _replicate,
    "SPACE": _space,
    "ISJSON": _isjson,
    "HASHBYTES": _hashbytes,
    "QUOTENAME": _quotename,
}
