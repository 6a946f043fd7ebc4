"""A metric as people read it: thousands set apart, digests cut, and which metrics say most."""

from __future__ import annotations

import re

from blb_migration.checks import Comparison

_DIGITS_OF_DIGEST = 12
_DECIMAL = re.compile(r"(?P<sign>-?)(?P<whole>[0-9]+)(?:\.(?P<decimals>[0-9]+))?")
_DIGEST = re.compile(r"[0-9a-f]{32,}")
_TELLING = ("rows without", "sum(", "min(", "max(", "count_true(", "sum_length(", "count_", "digest")


def format_metric(value: str | None) -> str:
    """Return a metric as recorded, thousands set apart, without the zeros that only the column's scale
    adds; of a digest the beginning."""
    if value is None:
        return "NULL"
    if _DIGEST.fullmatch(value):
        return f"{value[:_DIGITS_OF_DIGEST]}…"
    matched = _DECIMAL.fullmatch(value)
    if matched is None:
        return value
    decimals = (matched["decimals"] or "").rstrip("0")
    shown = f"{matched['sign']}{int(matched['whole']):,}"
    return f"{shown}.{decimals.ljust(2, '0')}" if matched["decimals"] else shown


def describe_metric(comparison: Comparison) -> str:
    """Return ``sum(price): expected 1.10, found 1.20, difference 0.10``."""
    difference = ""
    if comparison.difference not in (None, "0"):
        difference = f", difference {format_metric(comparison.difference)}"
    expected, found = format_metric(comparison.source_value), format_metric(comparison.target_value)
    return f"{comparison.name}: expected {expected}, found {found}{difference}"


def rank_metric(name: str, *, is_key_total: bool) -> int:
    """Rank it by what it tells of a difference: rows and key totals first; digests only the auditor reads."""
    if name == "rows" or is_key_total:
        return 0
    for rank, beginning in enumerate(_TELLING, start=1):
        if name.startswith(beginning):
            return rank
    return len(_TELLING) // 2
