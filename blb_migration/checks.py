"""The checks of comparison, shallow to deep: their names, and what each of them proves. No comparing here.

A table counts as equal only when it has passed all of them; ``compare/run_checks.py`` carries them out.
"""

from __future__ import annotations

from collections.abc import Mapping

CHECKS: Mapping[str, str] = {
    "row_count": "The exact number of rows of the table, counted on both sides.",
    "key_totals": "The project's own totals, and of every column the number of values; of exact numbers the "
    "sum, smallest and largest, of dates and times the earliest and latest, of texts and binaries the total "
    "length. Each side computes its own.",
    "content": "Every cell of every row: what was read against what stands in the target.",
    "integrity": "Every foreign key, unique key, check and NOT NULL of the target is as before the load, "
    "validated and true of every row; numbering goes on beyond the last number; nothing of this tool is left "
    "but its ledger.",
}
CHECK_NAMES = tuple(CHECKS)
