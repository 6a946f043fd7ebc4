"""Dates and times: parts, differences, additions and the clock."""

from __future__ import annotations

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.calls import Call, FunctionCompiler
from blb_migration.sandbox.emulator.tsql.conversions import convert, convert_implicitly
from blb_migration.sandbox.emulator.tsql.datatypes import BIGINT, DATE, DATETIME, INT, family
from blb_migration.sandbox.emulator.tsql.macros import UNIX_EPOCH_TICKS
from blb_migration.sandbox.emulator.tsql.server_errors import conversion_not_allowed, unsupported
from blb_migration.sandbox.emulator.tsql.typed import Typed

_PART_NAMES = {
    "yy": "year",
    "yyyy": "year",
    "qq": "quarter",
    "q": "quarter",
    "mm": "month",
    "m": "month",
    "dy": "dayofyear",
    "y": "dayofyear",
    "dd": "day",
    "d": "day",
    "wk": "week",
    "ww": "week",
    "dw": "weekday",
    "w": "weekday",
    "hh": "hour",
    "mi": "minute",
    "n": "minute",
    "ss": "second",
    "s": "second",
    "ms": "millisecond",
    "mcs": "microsecond",
    "ns": "nanosecond",
    "tz": "tzoffset",
    "isowk": "iso_week",
    "isoww": "iso_week",
}
_DATE_PARTS = {
    "year": "year({d})",
    "quarter": "quarter({d})",
    "month": "month({d})",
    "day": "day({d})",
    "dayofyear": "dayofyear({d})",
    "weekday": "(dayofweek({d}) + 1)",
    "iso_week": "week({d})",
    "week": "((dayofyear({d}) + dayofweek(CAST(date_trunc('year', {d}) AS DATE)) - 1) // 7 + 1)",
}
_TIME_PARTS = {
    "hour": "({t} // 36000000000)",
    "minute": "({t} // 600000000 % 60)",
    "second": "({t} // 10000000 % 60)",
    "millisecond": "({t} % 10000000 // 10000)",
    "microsecond": "({t} % 10000000 // 10)",
    "nanosecond": "({t} % 10000000 * 100)",
}
_PART_TICKS = {
    "week": 6_048_000_000_000,
    "day": 864_000_000_000,
    "dayofyear": 864_000_000_000,
    "weekday": 864_000_000_000,
    "hour": 36_000_000_000,
    "minute": 600_000_000,
    "second": 10_000_000,
    "millisecond": 10_000,
    "microsecond": 10,
}
_MONTHS = {"month": 1, "quarter": 3, "year": 12}


def _part(word: str, function: str) -> str:
    part = _PART_NAMES.get(word, word)
    if part not in _DATE_PARTS and part not in _TIME_PARTS and part != "tzoffset":
        raise SqlServerError(155, f"'{word}' is not a recognized {function.lower()} option.", severity=15)
    return part


def _temporal(value: Typed, function: str) -> Typed:
    kind = family(value.type)
    if kind in ("date", "time", "datetime", "datetimeoffset"):
        return value
    if kind == "text":
        return convert(value, ColumnType("datetime2", scale=7))
    if kind in ("integer", "exact", "approximate"):
        return convert_implicitly(value, DATETIME)
    raise SqlServerError(
        8116,
        f"Argument data type {value.type.name} is invalid for argument 2 of {function.lower()} function.",
    )


def _local_ticks(value: Typed) -> str:
    match family(value.type):
        case "date":
            return f"tsql_date_ticks({value.sql})"
        case "time":
            return f"(599266080000000000 + {value.sql})"
        case "datetimeoffset":
            return f"tsql_local({value.sql})"
    return f"({value.sql})"


def _datepart_of(part: str, value: Typed) -> Typed:
    if part == "tzoffset":
        if family(value.type) != "datetimeoffset":
            raise SqlServerError(
                9810,
                "The datepart tzoffset is not supported by date function datepart for data type "
                f"{value.type.name}.",
            )
        return value.derive(f"CAST(({value.sql}).offset_minutes AS INTEGER)", INT)
    ticks = _local_ticks(value)
    day = value.sql if family(value.type) == "date" else f"tsql_day({ticks})"
    template = _DATE_PARTS.get(part) or _TIME_PARTS[part]
    if (part in _TIME_PARTS and family(value.type) == "date") or (
        part in _DATE_PARTS and family(value.type) == "time"
    ):
        raise SqlServerError(
            9810,
            f"The datepart {part} is not supported by date function datepart for data type "
            f"{value.type.name}.",
        )
    return value.derive(f"CAST({template.format(d=day, t=f'({ticks} % 864000000000)')} AS INTEGER)", INT)


def _datepart(call: Call) -> Typed:
    call.require(2)
    return _datepart_of(_part(call.word(0), call.name), _temporal(call.value(1), call.name))


def _datename(call: Call) -> Typed:
    call.require(2)
    part, value = _part(call.word(0), call.name), _temporal(call.value(1), call.name)
    result = ColumnType("nvarchar", 30)
    if part in ("month", "weekday"):
        function = "monthname" if part == "month" else "dayname"
        return value.derive(f"{function}(tsql_day({_local_ticks(value)}))", result)
    number = _datepart_of(part, value)
    return value.derive(f"CAST({number.sql} AS VARCHAR)", result)


def _short_part(part: str) -> FunctionCompiler:
    def compile_call(call: Call) -> Typed:
        call.require(1)
        return _datepart_of(part, _temporal(call.value(0), part))

    return compile_call


def _dateadd(call: Call) -> Typed:
    call.require(3)
    part, count = _part(call.word(0), call.name), call.integer(1)
    value = call.value(2)
    if family(value.type) not in ("date", "time", "datetime", "datetimeoffset"):
        value = convert(value, DATETIME)
    kind = family(value.type)
    ticks = (
        f"({value.sql}).ticks"
        if kind == "datetimeoffset"
        else value.sql
        if kind == "time"
        else _local_ticks(value)
    )
    if part in _MONTHS:
        if kind in ("time", "datetimeoffset"):
            raise unsupported(f"DATEADD({part}) of {value.type.name}")
        day = f"CAST(tsql_day({ticks}) + to_months(CAST({count} * {_MONTHS[part]} AS INTEGER)) AS DATE)"
        moved = f"(tsql_date_ticks({day}) + {ticks} % 864000000000)"
    elif part == "nanosecond":
        moved = f"({ticks} + {count} // 100)"
    elif part in _PART_TICKS:
        moved = f"({ticks} + {count} * {_PART_TICKS[part]})"
    else:
        raise unsupported(f"DATEADD({part})")
    if kind == "date":
        return value.derive(f"tsql_day({moved})", value.type, nullable=True)
    if kind == "time":
        return value.derive(
            f"(({moved} % 864000000000 + 864000000000) % 864000000000)", value.type, nullable=True
        )
    if kind == "datetimeoffset":
        sql = (
            f"CASE WHEN {value.sql} IS NULL THEN NULL ELSE {{'ticks': {moved}, 'offset_minutes': "
            f"({value.sql}).offset_minutes}} END"
        )
        return value.derive(sql, value.type, nullable=True)
    return value.derive(
        convert(Typed(moved, ColumnType("datetime2", scale=7)), value.type).sql, value.type, nullable=True
    )


def _datediff(call: Call) -> Typed:
    call.require(3)
    part = _part(call.word(0), call.name)
    first, second = (_temporal(call.value(index), call.name) for index in (1, 2))
    start, end = (
        f"({each.sql}).ticks" if family(each.type) == "datetimeoffset" else _local_ticks(each)
        for each in (first, second)
    )
    if part in _MONTHS:
        months = "(year(tsql_day({0})) * 12 + month(tsql_day({0})) - 1)"
        sql = f"({months.format(end)} // {_MONTHS[part]} - {months.format(start)} // {_MONTHS[part]})"
    elif part == "week":
        sql = f"(({end} // 864000000000 + 1) // 7 - ({start} // 864000000000 + 1) // 7)"
    elif part == "nanosecond":
        sql = f"(({end} - {start}) * 100)"
    elif part in _PART_TICKS:
        sql = f"({end} // {_PART_TICKS[part]} - {start} // {_PART_TICKS[part]})"
    else:
        raise unsupported(f"{call.name}({part})")
    nullable = first.nullable or second.nullable
    if call.name == "DATEDIFF_BIG":
        return Typed(f"CAST({sql} AS BIGINT)", BIGINT, nullable)
    message = (
        "535|The datediff function resulted in an overflow. The number of dateparts separating two date/time "
        "instances is too large. Try to use datediff with a less precise datepart."
    )
    return Typed(f"tsql_fail({sql}, TRY_CAST({sql} AS INTEGER), '{message}')", INT, nullable)


def _clock(column_type: ColumnType) -> FunctionCompiler:
    """Return the clock; the emulator's server lives in UTC, so local time and UTC are the same."""

    def compile_call(call: Call) -> Typed:
        call.require(0)
        call.context.is_deterministic = False
        ticks = f"(epoch_us(get_current_timestamp()) * 10 + {UNIX_EPOCH_TICKS})"
        now = Typed(ticks, ColumnType("datetime2", scale=7), nullable=False)
        return convert(now, column_type)

    return compile_call


def _eomonth(call: Call) -> Typed:
    call.require(1, 2)
    value = _temporal(call.value(0), call.name)
    months = f" + to_months(CAST({call.integer(1)} AS INTEGER))" if len(call.arguments) == 2 else ""
    day = f"tsql_day({_local_ticks(value)})"
    return value.derive(f"last_day(CAST({day}{months} AS DATE))", DATE, nullable=True)


def _datefromparts(call: Call) -> Typed:
    call.require(3)
    year, month, day = (call.integer(index) for index in range(3))
    return Typed(f"make_date({year}, {month}, {day})", DATE)


def _switchoffset(call: Call) -> Typed:
    call.require(2)
    value = call.value(0)
    if family(value.type) != "datetimeoffset":
        value = convert(value, ColumnType("datetimeoffset", scale=7))
    offset = _offset_minutes(call.value(1))
    sql = (
        f"CASE WHEN {value.sql} IS NULL THEN NULL ELSE {{'ticks': ({value.sql}).ticks, 'offset_minutes': "
        f"{offset}}} END"
    )
    return value.derive(sql, value.type, nullable=True)


def _todatetimeoffset(call: Call) -> Typed:
    call.require(2)
    value = _temporal(call.value(0), call.name)
    offset = _offset_minutes(call.value(1))
    ticks = f"({_local_ticks(value)} - CAST({offset} AS BIGINT) * 600000000)"
    result = ColumnType("datetimeoffset", scale=7 if value.type.scale is None else value.type.scale)
    sql = f"CASE WHEN {value.sql} IS NULL THEN NULL ELSE {{'ticks': {ticks}, 'offset_minutes': {offset}}} END"
    return value.derive(sql, result, nullable=True)


def _offset_minutes(value: Typed) -> str:
    if family(value.type) == "text":
        sign = f"CASE WHEN left({value.sql}, 1) = '-' THEN -1 ELSE 1 END"
        return (
            f"CAST({sign} * (CAST(substr({value.sql}, 2, 2) AS INTEGER) * 60 + CAST(right({value.sql}, 2) "
            "AS INTEGER)) AS SMALLINT)"
        )
    return f"CAST({value.sql} AS SMALLINT)"


def _at_time_zone(call: Call) -> Typed:
    value, zone = call.value(0), str(call.constant(1)).upper()
    if zone != "UTC":
        raise unsupported(f"AT TIME ZONE '{zone}'")
    target = ColumnType("datetimeoffset", scale=value.type.scale if value.type.scale is not None else 3)
    if family(value.type) == "datetimeoffset":
        sql = (
            f"CASE WHEN {value.sql} IS NULL THEN NULL ELSE {{'ticks': ({value.sql}).ticks, "
            f"'offset_minutes': 0::SMALLINT}} END"
        )
        return value.derive(sql, value.type)
    if family(value.type) != "datetime":
        raise conversion_not_allowed(value.type.name, "datetimeoffset")
    return convert(value, target)


def _isdate(call: Call) -> Typed:
    call.require(1)
    return Typed(f"CASE WHEN tsql_parse_ticks({call.text(0).sql}) IS NULL THEN 0 ELSE 1 END", INT, False)


FUNCTIONS: dict[str, FunctionCompiler] = {
    "DATEPART": _datepart,
    "DATENAME": _datename,
    "DATEADD": _dateadd,
    "DATEDIFF": _datediff,
    "DATEDIFF_BIG": _datediff,
    "YEAR": _short_part("year"),
    "MONTH": _short_part("month"),
    "DAY": _short_part("day"),
    "GETDATE": _clock(DATETIME),
    "CURRENT_TIMESTAMP": _clock(DATETIME),
    "GETUTCDATE": _clock(DATETIME),
    "SYSDATETIME": _clock(ColumnType("datetime2", scale=7)),
    "SYSUTCDATETIME": _clock(ColumnType("datetime2", scale=7)),
    "SYSDATETIMEOFFSET": _clock(ColumnType("datetimeoffset", scale=7)),
    "EOMONTH": _eomonth,
    "DATEFROMPARTS": _datefromparts,
    "SWITCHOFFSET": _switchoffset,
    "TODATETIMEOFFSET": _todatetimeoffset,
    "AT TIME ZONE": _at_time_zone,
    "ISDATE": _isdate,
}
