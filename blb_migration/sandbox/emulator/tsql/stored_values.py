"""Single values read back from a result, as constants for later statements of the batch."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from blb_migration.sandbox.emulator.tsql.constants import build_constant
from blb_migration.sandbox.emulator.tsql.conversions import text_constant
from blb_migration.sandbox.emulator.tsql.datatypes import duckdb_type, family
from blb_migration.sandbox.emulator.tsql.surrogates import hide_surrogates
from blb_migration.sandbox.emulator.tsql.typed import Typed, quote_bytes, quote_text


def constant_from_storage(value: object, typed: Typed) -> Typed:
    """Return the value of an expression, in its physical form, as a constant of the expression's type."""
    column_type = typed.type
    if value is None:
        return build_constant(None, column_type)
    if family(column_type) == "text":
        if isinstance(value, bytes):
            value = hide_surrogates(value.decode("utf-16-le", errors="surrogatepass"))
        return text_constant(str(value), column_type)
    match value:
        case bool() | int() | float() | Decimal():
            return build_constant(value, column_type)
        case bytes():
            sql = quote_bytes(value)
        case dt.date():
            sql = f"'{value.isoformat()}'"
        case dict():
            fields = ", ".join(
                f"'{name}': {quote_text(each) if isinstance(each, str) else each}"
                for name, each in value.items()
            )
            sql = f"{{{fields}}}"
        case _:
            raise TypeError(f"{value!r} is no {column_type}")
    return Typed(f"CAST({sql} AS {duckdb_type(column_type)})", column_type, nullable=False)
