"""Defaults: constants, the clock and new GUIDs, in PostgreSQL's words. Everything else is listed.

What a default means depends on the column it fills: 0 is false in a boolean, GETDATE() is a date in a
date column. SQL Server's clock is the server's local one, PostgreSQL's is the session's time zone's.
"""

from __future__ import annotations

import datetime
import re
from typing import Any

from sqlglot import exp

from blb_migration.model import Column, ColumnType, TableName
from blb_migration.postgres.names import quote_text
from blb_migration.schema.translate_expression import parse_expression
from blb_migration.schema.translation import Untranslatable
from blb_migration.types import EXACT_NUMBERS, Family, name_target_types

_LOCAL, _UTC, _INSTANT = "local clock", "UTC clock", "clock with its offset"
_CLOCKS = {
    "getdate": _LOCAL,
    "getutcdate": _UTC,
    "sysutcdatetime": _UTC,
    "sysdatetimeoffset": _INSTANT,
}
# A datetime that enters a datetimeoffset column gets the offset +00:00, whatever the server's zone is.
_CLOCK_FORMS = {
    ("timestamp without time zone", _LOCAL): "LOCALTIMESTAMP",
    ("timestamp without time zone", _UTC): "(now() AT TIME ZONE 'UTC')",
    ("timestamp without time zone", _INSTANT): "LOCALTIMESTAMP",
    ("timestamp with time zone", _LOCAL): "(LOCALTIMESTAMP AT TIME ZONE 'UTC')",
    ("timestamp with time zone", _UTC): "now()",
    ("timestamp with time zone", _INSTANT): "now()",
    ("date", _LOCAL): "CURRENT_DATE",
    ("date", _UTC): "((now() AT TIME ZONE 'UTC')::date)",
    ("date", _INSTANT): "CURRENT_DATE",
    ("time without time zone", _LOCAL): "LOCALTIME",
    ("time without time zone", _UTC): "((now() AT TIME ZONE 'UTC')::time)",
    ("time without time zone", _INSTANT): "LOCALTIME",
}
_GUIDS = ("newid", "newsequentialid")
_INTEGERS = name_target_types(Family.INTEGER)
_NUMBERS = name_target_types(*EXACT_NUMBERS, Family.FLOAT)
_TEXTS = name_target_types(Family.TEXT)
_WHOLE_NUMBER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_NEXT_VALUE = re.compile(
    r"\(*\s*NEXT\s+VALUE\s+FOR\s+((?:\[(?:[^\]]|\]\])+\]|[^\s\[\]().]+|\.)+)\s*\)*", re.I
)
_NAME_PART = re.compile(r"\[((?:[^\]]|\]\])+)\]|([^\[\].]+)")
_BOOLEANS = {"0": "false", "1": "true", "false": "false", "true": "true"}


def translate_default(source: Column, target: ColumnType) -> str | None:
    """Return the default's SQL for a target column of type ``target``; None when the default is NULL.

    Raises Untranslatable.
    """
    if source.default is None:
        return None
    node = parse_expression(source.default)
    if isinstance(node, exp.Null):
        return None
    clock = _find_clock(node, target)
    if clock is not None:
        return clock
    if _function_name(node) in _GUIDS:
        return _new_guid(target)
    return _constant(_literal_text(node), isinstance(node, exp.HexString), target)


def find_sequence(default: str) -> TableName | None:
    """Find the sequence of the source that a default takes its numbers from: ``(NEXT VALUE FOR [a].[b])``."""
    found = _NEXT_VALUE.fullmatch(default)
    if found is None:
        return None
    parts = [bracketed.replace("]]", "]") or plain for bracketed, plain in _NAME_PART.findall(found[1])]
    return TableName(parts[-2] if len(parts) > 1 else "dbo", parts[-1])


def _function_name(node: Any) -> str | None:
    if isinstance(node, exp.Uuid):
        return "newid"
    if isinstance(node, exp.CurrentTimestamp):  # GETDATE, SYSDATETIME and CURRENT_TIMESTAMP
        return "getdate"
    if isinstance(node, exp.CurrentTimestampLTZ):
        return "sysdatetimeoffset"
    return node.name.lower() if isinstance(node, exp.Anonymous) and not node.expressions else None


def _find_clock(node: Any, target: ColumnType) -> str | None:
    is_date = False
    if isinstance(node, exp.Cast | exp.Convert):
        wanted, inner = (
            (node.this, node.expression) if isinstance(node, exp.Convert) else (node.to, node.this)
        )
        if wanted.this.name != "DATE" or _function_name(inner) not in _CLOCKS or node.args.get("style"):
            return None
        node, is_date = inner, True
    clock = _CLOCKS.get(_function_name(node) or "")
    if clock is None:
        return None
    if is_date and target.name != "date":
        form = _CLOCK_FORMS["date", clock] if target.name == "timestamp without time zone" else None
    else:
        form = _CLOCK_FORMS.get((target.name, clock))
    if form is None:
        raise Untranslatable(f"the clock's text in a column of type {target} has SQL Server's own format")
    return form


def _new_guid(target: ColumnType) -> str:
    if target.name == "uuid":
        return "gen_random_uuid()"
    if target.name in _TEXTS and (target.length is None or target.length >= 36):
        return "upper(gen_random_uuid()::text)"
    raise Untranslatable(f"a new GUID in a column of type {target}")


def _literal_text(node: Any) -> str:
    if isinstance(node, exp.HexString):
        return str(node.name)
    if isinstance(node, exp.Paren):
        return _literal_text(node.this)
    if isinstance(node, exp.Neg):
        return f"-{_literal_text(node.this)}"
    if isinstance(node, exp.Cast | exp.Convert) and not node.args.get("style"):
        is_convert = isinstance(node, exp.Convert)
        wanted = node.this if is_convert else node.args["to"]
        if wanted.this.name == "BIT":
            return _literal_text(node.expression if is_convert else node.this)
    if isinstance(node, exp.Literal | exp.National):
        return str(node.name)
    raise Untranslatable(f"{node.sql(dialect='tsql')} is neither a constant, nor the clock, nor a new GUID")


def _constant(text: str, is_binary: bool, target: ColumnType) -> str:
    if is_binary or target.name == "bytea":
        if is_binary and target.name == "bytea":
            return f"'\\x{text.lower()}'::bytea"
    elif target.name == "boolean":
        if text.lower() in _BOOLEANS:
            return _BOOLEANS[text.lower()]
    elif target.name in _NUMBERS:
        # A fraction in an integer column is cut off by SQL Server, rounded by PostgreSQL.
        if (_WHOLE_NUMBER if target.name in _INTEGERS else _NUMBER).fullmatch(text):
            return text
    elif target.name in _TEXTS:
        if target.length is None or len(text) <= target.length:
            return quote_text(text)
    elif target.name == "uuid":
        if re.fullmatch(r"\{?[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}?", text):
            return quote_text(text.strip("{}").lower())
    else:
        moment = _moment(text, target)
        if moment is not None:
            return moment
    raise Untranslatable(f"{text!r} in a column of type {target}")


def _moment(text: str, target: ColumnType) -> str | None:
    """Return a date or time literal in a form that means the same under every language setting."""
    compact = re.sub(r"^(\d{4})(\d{2})(\d{2})\b", r"\1-\2-\3", text)
    try:
        if target.name == "time without time zone":
            datetime.time.fromisoformat(text)
            return quote_text(text)
        datetime.datetime.fromisoformat(compact)
    except ValueError:
        return None
    if target.name == "date":
        return quote_text(compact[:10])
    if target.name == "timestamp without time zone":
        return quote_text(compact)
    return quote_text(compact) if re.search(r"[+-]\d{2}:\d{2}$", compact) else None
