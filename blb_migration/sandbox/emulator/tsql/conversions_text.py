"""What every type looks like as text: the styles of CONVERT, and SQL Server's defaults.

Styles per https://learn.microsoft.com/sql/t-sql/functions/cast-and-convert-transact-sql. A style
that is not listed here is refused, not approximated.
"""

from __future__ import annotations

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.tsql.datatypes import UNICODE_TYPES, family, fraction_digits
from blb_migration.sandbox.emulator.tsql.server_errors import conversion_not_allowed, unsupported
from blb_migration.sandbox.emulator.tsql.typed import Typed

_DATE_STYLES = {
    1: "{mm}/{dd}/{yy}",
    101: "{mm}/{dd}/{yyyy}",
    102: "{yyyy}.{mm}.{dd}",
    103: "{dd}/{mm}/{yyyy}",
    104: "{dd}.{mm}.{yyyy}",
    105: "{dd}-{mm}-{yyyy}",
    110: "{mm}-{dd}-{yyyy}",
    111: "{yyyy}/{mm}/{dd}",
    112: "{yyyy}{mm}{dd}",
}
_CODE_PAGE_1252 = bytes(
    code for code in range(0x80, 0xA0) if code not in (0x81, 0x8D, 0x8F, 0x90, 0x9D)
).decode("cp1252")


def to_code_page(sql: str) -> str:
    """Unicode text as a varchar of code page 1252 can hold it: '?' for the rest."""
    outside = rf"[^\x{{00}}-\x{{7F}}\x{{A0}}-\x{{FF}}{_CODE_PAGE_1252}]"
    return (
        f"CASE WHEN strlen({sql}) = length({sql}) THEN {sql} ELSE regexp_replace({sql}, '{outside}', '?', "
        "'g') END"
    )


def to_text(source: Typed, target: ColumnType, style: int | None) -> str:  # noqa: PLR0911  # one family each
    """DuckDB text of the value as text, before the target's length is applied."""
    value = source.sql
    match family(source.type):
        case "text":
            return value
        case "integer":
            return (
                f"CAST(CAST({value} AS UTINYINT) AS VARCHAR)"
                if source.type.name == "bit"
                else f"CAST({value} AS VARCHAR)"
            )
        case "exact":
            return _money_text(value, style) if "money" in source.type.name else f"CAST({value} AS VARCHAR)"
        case "approximate":
            return _float_text(value, source.type.name, style or 0)
        case "guid":
            return f"tsql_guid_text({value})"
        case "binary" | "udt":
            return _binary_text(value, target, style or 0)
        case "date" | "time" | "datetime" | "datetimeoffset":
            return _temporal_text(source, style)
        case "variant":
            return f"({value}).value"
    raise conversion_not_allowed(source.type.name, target.name)


def _money_text(value: str, style: int | None) -> str:
    if style in (None, 0):
        return f"CAST(CAST({value} AS DECIMAL(19,2)) AS VARCHAR)"
    if style in (2, 126):
        return f"CAST({value} AS VARCHAR)"
    raise unsupported(f"CONVERT of money with style {style}")


def _float_text(value: str, name: str, style: int) -> str:
    if style == 3:
        return f"printf('%.{9 if name == 'real' else 17}g', {value})"
    if style in (1, 2):
        return (
            f"regexp_replace(printf('%.{7 if style == 1 else 15}e', {value}), 'e([+-])(\\d\\d)$', 'e\\10\\2')"
        )
    if style == 0:
        return f"regexp_replace(printf('%.6g', {value}), 'e([+-])(\\d\\d)$', 'e\\10\\2')"
    raise unsupported(f"CONVERT of {name} with style {style}")


def _binary_text(value: str, target: ColumnType, style: int) -> str:
    if style in (1, 2):
        return f"'0x' || hex({value})" if style == 1 else f"hex({value})"
    if style == 0 and target.name not in UNICODE_TYPES:
        return f"decode({value})"
    raise unsupported(f"CONVERT of binary to {target.name} with style {style}")


def _temporal_text(source: Typed, style: int | None) -> str:  # noqa: PLR0911, PLR0912  # one style each
    value, digits = source.sql, fraction_digits(source.type)
    kind = family(source.type)
    is_old = source.type.name in ("datetime", "smalldatetime")
    ticks = {"date": f"tsql_date_ticks({value})", "datetimeoffset": f"tsql_local({value})"}.get(kind, value)
    day = value if kind == "date" else f"tsql_day({ticks})"
    tod = f"({ticks} % 864000000000)"
    if style is None:
        style = 0 if is_old else 121
    clock = f"tsql_clock({tod})"
    fraction = f"tsql_fraction({tod}, {3 if is_old else digits})"
    offset = f" || ' ' || tsql_offset_text(({value}).offset_minutes)" if kind == "datetimeoffset" else ""
    if style in (8, 24, 108) and kind != "date":
        return clock
    if style in (14, 114) and kind != "date":
        return f"{clock} || replace({fraction}, '.', ':')" if is_old else f"{clock} || {fraction}"
    if kind == "time":
        if style in (20, 120):
            return clock
        if style in (21, 25, 121, 126, 127):
            return f"{clock} || {fraction}"
        raise unsupported(f"CONVERT of time with style {style}")
    date_text = f"tsql_date_text({day})"
    if style == 23 or (kind == "date" and style in (20, 21, 25, 120, 121, 126, 127)):
        return date_text
    if style in _DATE_STYLES:
        return _pattern_text(_DATE_STYLES[style], day)
    if style in (20, 120):
        return f"{date_text} || ' ' || {clock}{offset}"
    if style in (21, 25, 121):
        return f"{date_text} || ' ' || {clock} || {fraction}{offset}"
    if style in (126, 127):
        shown = f"CASE WHEN {tod} % 10000000 = 0 THEN '' ELSE {fraction} END" if is_old else fraction
        if style == 127 and kind == "datetimeoffset":
            utc = f"({value}).ticks"
            return (
                f"tsql_date_text(tsql_day({utc})) || 'T' || tsql_clock({utc} % 864000000000) || "
                f"tsql_fraction({utc} % 864000000000, {digits}) || 'Z'"
            )
        tail = f" || tsql_offset_text(({value}).offset_minutes)" if kind == "datetimeoffset" else ""
        return f"{date_text} || 'T' || {clock} || {shown}{tail}"
    if style in (0, 100):
        hour = f"(({tod} // 36000000000 + 11) % 12 + 1)"
        half = f"CASE WHEN {tod} < 432000000000 THEN 'AM' ELSE 'PM' END"
        month_day = f"left(monthname({day}), 3) || ' ' || lpad(CAST(day({day}) AS VARCHAR), 2, ' ')"
        year = f"lpad(CAST(year({day}) AS VARCHAR), 4, '0')"
        if kind == "date":
            return f"{month_day} || ' ' || {year}"
        minute = f"tsql_two({tod} // 600000000 % 60)"
        return (
            f"{month_day} || ' ' || {year} || ' ' || lpad(CAST({hour} AS VARCHAR), 2, ' ') || ':' || "
            f"{minute} || {half}{offset}"
        )
    raise unsupported(f"CONVERT of {source.type.name} with style {style}")


def _pattern_text(pattern: str, day: str) -> str:
    parts = {
        "{yyyy}": f"lpad(CAST(year({day}) AS VARCHAR), 4, '0')",
        "{yy}": f"tsql_two(year({day}) % 100)",
        "{mm}": f"tsql_two(month({day}))",
        "{dd}": f"tsql_two(day({day}))",
    }
    pieces: list[str] = []
    for piece in pattern.replace("}", "}|").replace("{", "|{").split("|"):
        if piece:
            pieces.append(parts.get(piece) or f"'{piece}'")
    return " || ".join(pieces)
