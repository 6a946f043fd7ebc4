"""The checks, cheap to thorough: what each of them compares, and what its outcome is. No comparing here.

A table counts as equal only when it has passed all of them; ``compare/run_checks.py`` carries them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

CHECKS: Mapping[str, str] = {
    "row_count": "The exact number of rows of the table, counted on both sides.",
    "key_totals": "The project's own totals, and of every column the number of values; of exact numbers the "
    "sum, smallest and largest, of dates and times the earliest and latest, of texts and binaries the total "
    "length. Each side computes its own.",
    "content": "Every cell of every row: what was read against what stands in the target.",
    "integrity": "Every foreign key, unique key, check and NOT NULL of the target is as before the load, "
    "validated and true of every row; sequences go on beyond the last number; nothing of this tool is left "
    "but its ledger.",
}
CHECK_NAMES = tuple(CHECKS)


@dataclass(frozen=True)
class Comparison:
    """One metric on both sides, as text; ``difference`` is target minus source where that makes sense."""

    name: str
    source_value: str | None
    target_value: str | None
    match: bool
    difference: str | None = None
    is_key_total: bool = False


def describe_comparison(comparison: Comparison) -> dict[str, object]:
    """Describe it as the ledger keeps it: without what goes without saying of one that matches."""
    described: dict[str, object] = {"name": comparison.name, "source_value": comparison.source_value}
    if comparison.target_value != comparison.source_value:
        described["target_value"] = comparison.target_value
    if not comparison.match:
        described["match"] = False
    if comparison.difference is not None and (comparison.is_key_total or not comparison.match):
        described["difference"] = comparison.difference
    if comparison.is_key_total:
        described["is_key_total"] = True
    return described


def complete_comparison(described: Mapping[str, Any]) -> dict[str, Any]:
    """Give a comparison from the ledger every key; older versions have written them all."""
    without_saying = {"match": True, "difference": None, "is_key_total": False}
    return {"target_value": described["source_value"], **without_saying, **described}


HIDDEN = "(hidden)"
"""In place of a value of a column that decisions.yaml hides."""


@dataclass(frozen=True)
class Difference:
    """One cell, or one whole row: then ``column`` is None and its values stand on the side that has it."""

    kind: Literal["changed", "missing", "extra"]
    key: str
    column: str | None
    source_value: str | None
    target_value: str | None

    def __str__(self) -> str:
        if self.kind == "missing":
            return f"{self.key}: the row is missing in the target"
        if self.kind == "extra":
            return f"{self.key}: the target has a row too many"
        if self.source_value == HIDDEN:
            return f"{self.key}, {self.column}: changed; decisions.yaml hides its values"
        return f"{self.key}, {self.column}: {_show(self.source_value)} became {_show(self.target_value)}"


def _show(value: str | None) -> str:
    return "NULL" if value is None else repr(value)


@dataclass(frozen=True)
class DifferencesKept:
    """What differs between a table's contents: full counts, and where the first of it can be read.

    ``source_rows`` are rows of the source without an equal one in the target, ``target_rows`` the other
    way round: a changed row counts in both. ``cell_count`` differing cells and ``row_count`` whole rows
    (missing, or too many) are in the files; ``is_complete`` is False when there are more than were kept.
    ``first`` are the first few, each as a line for people; ``cells`` the first few as they are, changed
    cells before whole rows, whose values are left out.
    """

    source_rows: int
    target_rows: int
    cell_count: int
    row_count: int
    is_complete: bool
    csv_path: str
    parquet_path: str
    first: tuple[str, ...]
    cells: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check of one table; ``left_out`` names what one side could not compute.

    ``source_sentence`` says what of the source it has read, and whether somebody wrote there meanwhile.
    """

    label: str
    name: str
    passed: bool
    comparisons: tuple[Comparison, ...]
    differences: DifferencesKept | None = None
    left_out: tuple[str, ...] = ()
    source_sentence: str = ""
