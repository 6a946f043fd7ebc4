"""Key totals: what a person looks at, written once in decisions.yaml, run in both engines' SQL.

A total that either side could not compute, or not exactly, is a fault of the file: it is refused with its
line before anything is loaded. The ``where`` is checked and spelled in ``where_clauses``.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from blb_migration.metrics import is_summable
from blb_migration.near_names import suggest
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.decisions import KeyTotalDecision
from blb_migration.plan.decisions_file import DecisionFault, Location
from blb_migration.plan.where_clauses import Columns, UnclearCondition, translate_where
from blb_migration.value_decisions import ValueDecision


@dataclass(frozen=True)
class KeyTotal:
    """One total. ``column`` is None for a count. The two ``where`` are the engines' own SQL.

    ``decisions`` are those about the summed column's values.
    """

    name: str
    source_column: str | None
    target_column: str | None
    source_where: str | None
    target_where: str | None
    decisions: tuple[ValueDecision, ...] = ()


@dataclass(frozen=True)
class TotalledTable:
    """What key totals can be about: the loaded columns; and why others are not loaded, by name.

    ``undecided`` are columns with an error of their own, which refuses the migration anyhow. ``location`` is
    where the table stands in decisions.yaml. All names are the source's, in lower case.
    """

    location: Location
    columns: Columns
    not_loaded: dict[str, str]
    undecided: Collection[str]


def build_key_totals(
    table: TotalledTable, decisions: Sequence[KeyTotalDecision]
) -> tuple[tuple[KeyTotal, ...], list[DecisionFault]]:
    """Build the table's key totals, and a fault for each that cannot be computed on both sides."""
    totals: dict[str, KeyTotal] = {}
    faults: list[DecisionFault] = []
    for number, decision in enumerate(decisions):
        location = (*table.location, "key_totals", number)
        try:
            total = _build_total(table, decision)
        except _Refused as refused:
            faults.append(refused.at(location))
            continue
        if total is None:
            continue
        if total.name in totals:
            faults.append(DecisionFault(location, f"the key total {total.name} stands twice", "each once"))
        totals[total.name] = total
    return tuple(totals.values()), faults


class _Refused(Exception):
    def __init__(self, key: str, found: str, expected: str) -> None:
        super().__init__(found)
        self.key, self.found, self.expected = key, found, expected

    def at(self, location: Location) -> DecisionFault:
        return DecisionFault((*location, self.key), self.found, self.expected)


def _build_total(table: TotalledTable, decision: KeyTotalDecision) -> KeyTotal | None:
    """Build the total, or None where its column waits for a decision. Raises _Refused."""
    pair = None
    if decision.sum is not None:
        if decision.sum.lower() in table.undecided:
            return None
        pair = _find_summable(table, decision.sum)
    source_where = target_where = None
    if decision.where is not None:
        try:
            source_where, target_where = translate_where(decision.where, table.columns)
        except UnclearCondition as reason:
            if any(name in decision.where.lower() for name in table.undecided):
                return None
            raise _Refused(
                "where",
                f"the key total's where cannot be run on both sides: {reason}",
                "comparisons of loaded columns with values of their type, joined by AND, OR and NOT",
            ) from None
    suffix = f" where {decision.where}" if decision.where else ""
    if pair is None:
        return KeyTotal(f"count {decision.count}{suffix}", None, None, source_where, target_where)
    names = (pair.source.name, pair.target.name)
    return KeyTotal(f"sum({decision.sum}){suffix}", *names, source_where, target_where, pair.decisions)


def _find_summable(table: TotalledTable, name: str) -> ColumnPlan:
    expected = "a loaded column of integers, decimals, money or bits on both sides"
    pair = table.columns.get(name.lower())
    if pair is None:
        known = [column.source.name for column in table.columns.values()]
        why = table.not_loaded.get(name.lower(), f"the source table has no such column{suggest(name, known)}")
        raise _Refused("sum", f"sum: {name} cannot be computed: {why}", expected)
    for side, column_type, is_exact in (
        ("source", pair.source.type, is_summable("sqlserver", pair.source.type)),
        ("target", pair.target.type, is_summable("postgres", pair.target.type)),
    ):
        if not is_exact:
            raise _Refused(
                "sum", f"sum: {name} has no exact answer: it is {column_type} at the {side}", expected
            )
    return pair
