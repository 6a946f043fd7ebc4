"""What the databases have changed since the graph was drawn from catalog.json: what, from what, to what.

A run of the UI carries out the plan that its code location has loaded; the databases may have moved on.
"""

from __future__ import annotations

from collections.abc import Iterator

from blb_migration.findings import Code, Finding, Severity
from blb_migration.plan.table_plans import Plan, TablePlan

_NEXT_ACT = "run 'blb-migrate plan', then reload the definitions"
_SINCE = "since catalog.json was written"

Change = tuple[str, str]


def find_changes(planned: Plan, live: Plan) -> Iterator[Finding]:
    """Find what of the plan is another one by now; nothing that the plan does not depend on."""
    if planned.hash == live.hash:
        return
    changes = [*_compare_plans(planned, live)]
    for subject, message in changes or [(f"project {planned.project}", f"its plan has changed {_SINCE}")]:
        yield Finding(Code.PLAN_IS_OUT_OF_DATE, Severity.ERROR, subject, message, _NEXT_ACT)


def _compare_plans(planned: Plan, live: Plan) -> Iterator[Change]:
    before, now = planned.tables_by_label, live.tables_by_label
    for label in sorted({*before, *now}):
        if label not in before:
            yield label, f"the table is new {_SINCE}"
        elif label not in now:
            yield label, f"the table is gone {_SINCE}, from the source, the target or what the log-in sees"
        else:
            yield from _compare_tables(before[label], now[label])


def _compare_tables(before: TablePlan, now: TablePlan) -> Iterator[Change]:
    for side, old, new in (
        ("source", before.source.name, now.source.name),
        ("target", before.target.name, now.target.name),
    ):
        if old != new:
            yield before.label, f"the {side}'s table was {old} when catalog.json was written, and is {new}"
    yield from _compare_columns(before, now)
    if before.key_totals != now.key_totals:
        totals = (*before.key_totals, *now.key_totals)
        changed = [each for each in totals if each not in before.key_totals or each not in now.key_totals]
        names = ", ".join(sorted({each.name for each in changed}))
        yield before.label, f"its key totals have changed {_SINCE}: {names}"


def _compare_columns(before: TablePlan, now: TablePlan) -> Iterator[Change]:
    old, new = _list_columns(before), _list_columns(now)
    for name in [*old, *(name for name in new if name not in old)]:
        subject = f"{before.label}.{name}"
        if name not in new:
            yield subject, f"the column is not loaded any more {_SINCE}"
        elif name not in old:
            yield subject, f"the column is new {_SINCE}"
        else:
            for what, (was, is_now) in zip(_FACTS, zip(old[name], new[name], strict=True), strict=True):
                if was != is_now:
                    yield subject, f"{what} was {was} when catalog.json was written, and is {is_now}"


_FACTS = ("its type at the source", "its name in the target", "its type in the target", "its decisions")


def _list_columns(table: TablePlan) -> dict[str, tuple[str, str, str, str]]:
    """Return what the plan depends on, by the source's name; a computed column is only compared."""
    loaded = {
        column.source.name: (
            str(column.source.type),
            column.target.name,
            str(column.target.type),
            ", ".join(map(str, column.decisions)) or "none",
        )
        for column in table.columns
    }
    computed = {
        pair.source.name: ("computed", pair.target.name, "computed", "none") for pair in table.computed
    }
    return loaded | computed
