"""Metrics over a table that both engines compute exactly, so that they can be compared with ``==``.

Only the vocabulary: what a metric means and in which Python value it comes back. Each engine's SQL for it
is in ``table_metrics.py`` of its room.

=================  ==================================================================  ==================
kind               meaning                                                             value
=================  ==================================================================  ==================
count_rows         rows                                                                int
count_non_null     rows whose column is not NULL                                       int
count_where        rows that meet ``where``                                            int
sum                exact sum of integers, decimals, money; of bits: how many are set   Decimal or None
min, max           of integers and decimals                                            Decimal or None
min, max           of dates and times: ISO 8601 text, cut (never rounded) to           str or None
                   microseconds; instants in UTC, ending in ``+00:00``
sum_length         characters (code points) of texts, bytes of binaries                int or None
=================  ==================================================================  ==================

None means that no row counted. Floats are not summed: their sum depends on the order of the rows. Texts and
uniqueidentifiers have no min and max here: the engines sort them differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from blb_migration.model import ColumnType, EngineName
from blb_migration.types import EXACT_NUMBERS, Family, name_source_types, name_target_types
from blb_migration.value_decisions import DecidedColumn, ValueDecision

MetricKind = Literal["count_rows", "count_non_null", "count_where", "sum", "min", "max", "sum_length"]
MetricValue = int | Decimal | str | None

_SUMMABLE: dict[EngineName, tuple[str, ...]] = {
    "sqlserver": name_source_types(Family.BOOLEAN, *EXACT_NUMBERS),
    "postgres": name_target_types(Family.BOOLEAN, *EXACT_NUMBERS),
}


def is_summable(engine: EngineName, column_type: ColumnType) -> bool:
    """Whether a column's sum is exact there and does not depend on the order of the rows."""
    return column_type.name in _SUMMABLE[engine]


@dataclass(frozen=True)
class Metric:
    """One metric. ``column`` is None for the counts of rows; ``where`` is the engine's own SQL.

    A ``where`` restricts any kind; with ``count_where`` it is required. The metric is of the values as
    ``decisions`` leave them (the source's side alone: on the target they were carried out);
    for a computed column, as it follows from ``inputs`` after their decisions.
    """

    kind: MetricKind
    column: str | None = None
    where: str | None = None
    decisions: tuple[ValueDecision, ...] = ()
    inputs: tuple[DecidedColumn, ...] = ()
