"""Defaults of source columns that new rows would not get at the target: listed once per table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from blb_migration.findings import Code, Finding, Severity
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.table_plans import TablePlan
from blb_migration.schema.defaults import translate_default
from blb_migration.schema.translation import Untranslatable

_CAST = re.compile(r"::[a-z ]+(\(\d+(,\d+)?\))?$")
_CLOCKS = frozenset({"now()", "current_timestamp", "localtimestamp", "transaction_timestamp()"})


def find_lost_defaults(table: TablePlan) -> Iterator[Finding]:
    """One note with every default that the target lacks, has otherwise, or that nobody can compare."""
    lost = [text for column in table.columns if (text := _describe(column)) is not None]
    if lost:
        yield Finding(
            Code.DEFAULTS_NOT_CARRIED,
            Severity.NOTE,
            table.label,
            f"new rows get these defaults at the source, others or none at the target: {'; '.join(lost)}",
            "give the target's columns these defaults, or leave them to the application",
        )


def _describe(column: ColumnPlan) -> str | None:
    source, target = column.source, column.target
    if source.default is None:
        return None
    has = f" here, {target.default} there" if target.default is not None else ""
    try:
        wanted = translate_default(source, target.type)
    except Untranslatable:
        return f"{source.name} {source.default}{has}, not to be translated"
    if wanted is None or (target.default is not None and is_same_default(wanted, target.default)):
        return None
    return f"{source.name} {source.default}{has}"


def is_same_default(wanted: str, found: str) -> bool:
    """Whether two defaults in PostgreSQL's SQL give the same value, as far as their texts show."""
    wanted, found = _normalise(wanted), _normalise(found)
    if wanted == found or (wanted in _CLOCKS and found in _CLOCKS):
        return True
    try:
        return Decimal(wanted) == Decimal(found)
    except InvalidOperation:
        return False


def _normalise(text: str) -> str:
    text = text.strip()
    before = ""
    while before != text:
        before = text
        text = _CAST.sub("", text.removeprefix("(").removesuffix(")") if _is_wrapped(text) else text).strip()
    is_text = text.startswith("'") and text.endswith("'")
    if is_text and re.fullmatch(r"'[-+]?[\d.]+'", text):
        return text[1:-1]
    return text if is_text else text.lower()


def _is_wrapped(text: str) -> bool:
    """Whether the first parenthesis closes with the last character."""
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depth = 0
    for position, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if depth == 0 and position < len(text) - 1:
            return False
    return True
