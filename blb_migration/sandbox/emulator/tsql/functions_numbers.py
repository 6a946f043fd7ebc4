"""Numeric functions; ROUND, CEILING and their like keep the type SQL Server keeps."""

from __future__ import annotations

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.calls import Call, FunctionCompiler
from blb_migration.sandbox.emulator.tsql.conversions import convert
from blb_migration.sandbox.emulator.tsql.datatypes import FLOAT, INT, decimal_digits, duckdb_type, family
from blb_migration.sandbox.emulator.tsql.server_errors import unsupported
from blb_migration.sandbox.emulator.tsql.typed import Typed

_FLOAT_FUNCTIONS = {
    "SQRT": "sqrt", "EXP": "exp", "LOG10": "log10", "SIN": "sin", "COS": "cos", "TAN": "tan", "ATAN": "atan",
    "ASIN": "asin", "ACOS": "acos",
}  # fmt: skip


def _number(call: Call, index: int = 0) -> Typed:
    value = call.value(index)
    if family(value.type) == "text":
        return convert(value, FLOAT)
    if value.type.name in ("bit", "tinyint", "smallint"):
        return convert(value, INT)
    if value.type.name == "real":
        return convert(value, FLOAT)
    if family(value.type) not in ("integer", "exact", "approximate"):
        raise SqlServerError(
            8116,
            f"Argument data type {value.type.name} is invalid for argument {index + 1} of "
            f"{call.name.lower()} function.",
        )
    return value


def _same_type(function: str) -> FunctionCompiler:
    def compile_call(call: Call) -> Typed:
        call.require(1)
        value = _number(call)
        target = value.type
        if target.name in ("decimal", "numeric") and function in ("floor", "ceil"):
            target = ColumnType(target.name, precision=decimal_digits(target)[0], scale=0)
        return value.derive(f"CAST({function}({value.sql}) AS {duckdb_type(target)})", target)

    return compile_call


def _round(call: Call) -> Typed:
    call.require(2, 3)
    value = _number(call)
    digits = call.integer(1)
    constant = call.value(1).constant
    truncates = len(call.arguments) == 3 and call.constant(2) != 0
    if family(value.type) in ("exact", "integer"):
        if not isinstance(constant, int):
            raise unsupported("ROUND of an exact number to digits that are not constant")
        unscaled_digits = decimal_digits(value.type)[1] if family(value.type) == "exact" else 0
        drop = unscaled_digits - constant
        if drop <= 0:
            return value
        unit = 10**drop
        whole = (
            f"tsql_unscaled({value.sql})"
            if family(value.type) == "exact"
            else f"CAST({value.sql} AS HUGEINT)"
        )
        half = "0" if truncates else f"(sign({whole}) * {unit // 2})"
        rounded = f"CAST((({whole} + {half}) // {unit} * {unit}) AS DECIMAL(38,0))"
        scale = (
            f" * 0.{'0' * (unscaled_digits - 1)}1::DECIMAL({unscaled_digits},{unscaled_digits})"
            if unscaled_digits
            else ""
        )
        return value.derive(f"CAST({rounded}{scale} AS {duckdb_type(value.type)})", value.type)
    if truncates:
        return value.derive(f"(trunc({value.sql} * power(10, {digits})) / power(10, {digits}))", value.type)
    return value.derive(f"round({value.sql}, CAST({digits} AS INTEGER))", value.type)


def _power(call: Call) -> Typed:
    call.require(2)
    base, exponent = _number(call), call.value(1)
    result = f"power(CAST({base.sql} AS DOUBLE), CAST({convert(exponent, FLOAT).sql} AS DOUBLE))"
    cast = f"trunc({result})" if family(base.type) == "integer" else result
    return base.derive(f"CAST({cast} AS {duckdb_type(base.type)})", base.type, nullable=True)


def _float_function(call: Call) -> Typed:
    call.require(1)
    value = convert(_number(call), FLOAT)
    return value.derive(f"{_FLOAT_FUNCTIONS[call.name]}({value.sql})", FLOAT)


def _log(call: Call) -> Typed:
    call.require(1, 2)
    value = convert(_number(call), FLOAT)
    if len(call.arguments) == 2:
        return value.derive(f"(ln({value.sql}) / ln({convert(call.value(1), FLOAT).sql}))", FLOAT)
    return value.derive(f"ln({value.sql})", FLOAT)


def _pi(call: Call) -> Typed:
    call.require(0)
    return Typed("pi()", FLOAT, False)


def _isnumeric(call: Call) -> Typed:
    call.require(1)
    value = call.value(0)
    if family(value.type) != "text":
        return Typed("1" if family(value.type) in ("integer", "exact", "approximate") else "0", INT, False)
    sql = (
        f"CASE WHEN regexp_full_match(trim({value.sql}), "
        "'[+-]?[$]?(\\d[\\d,]*[.]?\\d*|[.]\\d+)([eE][+-]?\\d+)?') THEN 1 ELSE 0 END"
    )
    return Typed(f"coalesce({sql}, 0)", INT, False)


def _rand(call: Call) -> Typed:
    call.require(0, 1)
    call.context.is_deterministic = False
    return Typed("random()", FLOAT, False)


def _checksum(call: Call) -> Typed:
    raise unsupported(f"{call.name}, whose algorithm is not documented")


FUNCTIONS: dict[str, FunctionCompiler] = {
    "ABS": _same_type("abs"), "FLOOR": _same_type("floor"), "CEILING": _same_type("ceil"), "SIGN": _same_type(
        "sign",
    ),
    "ROUND": _round, "POWER": _power, "PI": _pi, "LOG": _log, "ISNUMERIC": _isnumeric, "RAND": _rand,
    "CHECKSUM": _checksum, "BINARY_CHECKSUM": _checksum, "CHECKSUM_AGG": _checksum,
    **dict.fromkeys(_FLOAT_FUNCTIONS, _float_function),
}  # fmt: skip
