"""What a person decided about single values: the vocabulary that plan, source and load share.

The person writes it in decisions.yaml (``plan/decisions.py``), the plan makes it concrete for a pair of
columns (``plan/decided_values.py``), the load carries it out on Arrow batches (``feed/convert.py``),
and the source applies the same rule in SQL (``sqlserver/expressions.py``), so that both sides are compared
after it. No behaviour lives here.

==================  ==================  ==========================================================
covers              action              what becomes of the value
==================  ==================  ==========================================================
is_null             fill                NULL becomes ``value``
decimal_finer_than  round, truncate     ``limit`` digits after the point; halves away from zero
fraction_finer_than truncate            ``limit`` fractional second digits
contains_nul        strip, replace      each U+0000 goes, or becomes ``value``
lone_surrogate      replace             each half of a surrogate pair becomes U+FFFD
text_longer_than    truncate            the first ``limit`` characters stay
json_nul            strip, replace      each escaped U+0000 of a JSON text goes, or becomes ``value``
json_lone_surrogate replace             each escape of half a surrogate pair becomes U+FFFD
has_time_of_day     truncate            the date stays
float_finer_than    round               ``limit`` digits after the point; halves away from zero
inexact_as_float    round               the nearest float; ``value`` is its type
meaning             (the key)           what the pair of types means: ``value`` is its parameter
==================  ==================  ==========================================================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from blb_migration.model import Column

DecisionAction = Literal[
    "fill", "round", "truncate", "strip", "replace", "zone", "true", "false", "byte_order", "as"
]
DecidedHazard = Literal[
    "is_null",
    "decimal_finer_than",
    "fraction_finer_than",
    "contains_nul",
    "lone_surrogate",
    "text_longer_than",
    "has_time_of_day",
    "json_nul",
    "json_lone_surrogate",
    "float_finer_than",
    "inexact_as_float",
    "meaning",
]
REPLACEMENT_CHARACTER = "\ufffd"  # Unicode's own emulator for what is no character


@dataclass(frozen=True)
class ValueDecision:
    """One rule for one column. ``value`` is text in canonical form, ``limit`` counts digits or characters."""

    covers: DecidedHazard
    action: DecisionAction
    reason: str
    value: str | None = None
    limit: int | None = None

    def __str__(self) -> str:  # noqa: PLR0911  # one case after the other
        match self.action:
            case "fill":
                return f"NULL filled with {self.value!r}"
            case "round" if self.covers == "inexact_as_float":
                return f"the nearest {self.value}"
            case "round":
                return f"rounded to {self.limit} digits after the point"
            case "strip":
                return "U+0000 stripped"
            case "replace":
                what = "U+0000" if self.covers in ("contains_nul", "json_nul") else "half a surrogate pair"
                return f"{what} replaced by {self.value!a}"
            case "zone":
                return f"taken as local times of {self.value}"
            case "true" | "false":
                return f"{self.action}: {self.value!r}"
            case "byte_order":
                return f"sixteen bytes in the order of {self.value}"
            case "as":
                return f"each text as one JSON {self.value}"
        if self.covers == "has_time_of_day":
            return "truncated to the date"
        if self.covers == "text_longer_than":
            return f"truncated to {self.limit} characters"
        what = "digits after the point" if self.covers == "decimal_finer_than" else "fractional second digits"
        return f"truncated to {self.limit} {what}"


@dataclass(frozen=True)
class DecidedColumn:
    """A source column whose values decisions change."""

    column: Column
    decisions: tuple[ValueDecision, ...]
