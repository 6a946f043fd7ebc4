"""What changed from one night to the next: rows, contents, totals, duration, findings, tables, columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from blb_migration.history.past_nights import NightDetails, NightFinding, NightTable, PastNight


@dataclass(frozen=True)
class RowChange:
    """One table's rows, then and now."""

    label: str
    before: int
    after: int


@dataclass(frozen=True)
class MetricChange:
    """One key total of the source, then and now; None: no row counted, or it was not asked for then."""

    label: str
    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class ColumnChange:
    """One column's types, then and now; None: there is no such column."""

    label: str
    column: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        where = f"{self.label}.{self.column}"
        if self.before is None:
            return f"{where} is new: {self.after}"
        if self.after is None:
            return f"{where} is gone: it was {self.before}"
        return f"{where} was {self.before}, and is {self.after}"


@dataclass(frozen=True)
class NightChanges:
    """Everything that differs between two nights; ``before`` None: there is none to compare with.

    ``contents`` are tables of as many rows as before, but other contents; None: the digests are of two
    functions. ``columns`` None: the columns of one of the nights are not on record. ``is_plan_other``: what
    is loaded where, or how it is compared.
    """

    before: PastNight | None
    after: PastNight
    rows: tuple[RowChange, ...] = ()
    contents: tuple[str, ...] | None = ()
    metrics: tuple[MetricChange, ...] = ()
    new_findings: tuple[NightFinding, ...] = ()
    gone_findings: tuple[NightFinding, ...] = ()
    new_tables: tuple[str, ...] = ()
    gone_tables: tuple[str, ...] = ()
    columns: tuple[ColumnChange, ...] | None = ()
    is_plan_other: bool = False

    @property
    def seconds_longer(self) -> float | None:
        """How much longer it took than the one before, None where one of both is not counted."""
        if self.before is None or not self.after.is_counted:
            return None
        if self.before.seconds is None or self.after.seconds is None:
            return None
        return self.after.seconds - self.before.seconds

    @property
    def rows_added(self) -> int:
        """How many rows the tables loaded in both have more, all together."""
        return sum(change.after - change.before for change in self.rows)


@dataclass(frozen=True)
class SlowTable:
    """One of the tables that took longest; ``before``: how long it took in the night before, if loaded."""

    label: str
    seconds: float
    rows: int
    before: float | None


def compare_nights(before: NightDetails | None, after: NightDetails) -> NightChanges:
    """Compare two nights; tables that were not loaded in both are compared by their columns alone."""
    if before is None:
        return NightChanges(None, after.night)
    then, now = _by_label(before), _by_label(after)
    both = [label for label in now if label in then]
    loaded = [(label, then[label], now[label]) for label in both if _are_loaded(then[label], now[label])]
    found_then, found_now = set(before.findings), set(after.findings)
    return NightChanges(
        before.night,
        after.night,
        rows=tuple(
            RowChange(label, old.rows or 0, new.rows or 0)
            for label, old, new in loaded
            if old.rows != new.rows
        ),
        contents=_compare_contents(loaded),
        metrics=tuple(change for label, old, new in loaded for change in _compare_metrics(label, old, new)),
        new_findings=_in_order(found_now - found_then),
        gone_findings=_in_order(found_then - found_now),
        new_tables=tuple(label for label in now if label not in then),
        gone_tables=tuple(label for label in then if label not in now),
        columns=_compare_columns([(label, then[label], now[label]) for label in both]),
        is_plan_other=before.night.plan_hash != after.night.plan_hash,
    )


def find_slowest(before: NightDetails | None, after: NightDetails, limit: int) -> tuple[SlowTable, ...]:
    """Return the tables of a night that took longest, the slowest first."""
    then = _by_label(before) if before else {}
    loaded = [
        SlowTable(
            table.label, table.seconds, table.rows, then[table.label].seconds if table.label in then else None
        )
        for table in after.tables
        if table.seconds is not None and table.rows is not None
    ]
    return tuple(sorted(loaded, key=lambda table: (-table.seconds, table.label))[:limit])


def _by_label(details: NightDetails) -> dict[str, NightTable]:
    return {table.label: table for table in details.tables}


def _are_loaded(*tables: NightTable) -> bool:
    return all(table.rows is not None for table in tables)


def _compare_metrics(label: str, old: NightTable, new: NightTable) -> Iterator[MetricChange]:
    for name in {**old.metrics, **new.metrics}:
        then, now = old.metrics.get(name), new.metrics.get(name)
        if then != now:
            yield MetricChange(label, name, then, now)


def _compare_contents(tables: Iterable[tuple[str, NightTable, NightTable]]) -> tuple[str, ...] | None:
    digested = [
        (label, old, new)
        for label, old, new in tables
        if old.rows == new.rows and None not in (old.digest, new.digest)
    ]
    if any(old.hash_function != new.hash_function for _, old, new in digested):
        return None
    return tuple(label for label, old, new in digested if old.digest != new.digest)


def _compare_columns(
    tables: Iterable[tuple[str, NightTable, NightTable]],
) -> tuple[ColumnChange, ...] | None:
    changes: list[ColumnChange] = []
    for label, old, new in tables:
        if old.column_types is None or new.column_types is None:
            return None
        changes += _compare_types(label, old.column_types, new.column_types)
    return tuple(changes)


def _compare_types(label: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[ColumnChange]:
    for column in {**old, **new}:
        if old.get(column) != new.get(column):
            yield ColumnChange(label, column, old.get(column), new.get(column))


def _in_order(findings: Iterable[NightFinding]) -> tuple[NightFinding, ...]:
    """Sort errors first, then warnings, then notes."""
    ranks = {"error": 0, "warning": 1}
    return tuple(
        sorted(
            findings, key=lambda each: (ranks.get(each.severity, 2), each.subject, each.code, each.severity)
        )
    )
