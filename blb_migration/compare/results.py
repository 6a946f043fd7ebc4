"""What a check says: one comparison after the other, and whether it passed. No comparing here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """One metric on both sides, as text; ``difference`` is target minus source where that makes sense."""

    name: str
    source_value: str | None
    target_value: str | None
    match: bool
    difference: str | None = None
    is_key_total: bool = False


@dataclass(frozen=True)
class DifferencesKept:
    """What differs between a table's contents: full counts, and where the first of it can be read.

    ``source_rows`` are rows of the source without an equal one in the target, ``target_rows`` the other
    way round: a changed row counts in both. ``cell_count`` differing cells and ``row_count`` whole rows
    (missing, or too many) are in the files; ``is_complete`` is False when there are more than were kept.
    ``first`` are the first few, each as a line for people.
    """

    source_rows: int
    target_rows: int
    cell_count: int
    row_count: int
    is_complete: bool
    csv_path: str
    parquet_path: str
    first: tuple[str, ...]


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check of one table."""

    label: str
    name: str
    passed: bool
    comparisons: tuple[Comparison, ...]
    differences: DifferencesKept | None = None
