"""What the project's plan has and the databases, as the log-ins see them, have not. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from blb_migration.errors import PreflightRefused
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import TablePlan

_SHOWN = 10


def refuse_lost_parts(known: Project, live: Project) -> None:
    """Raise PreflightRefused when a table or a column of ``known``'s plan is not in that of ``live``.

    The plan in force is the project's: what a log-in does not see is not thereby decided to stay behind.
    """
    lost = list(_iterate_lost_parts(known, live))
    if not lost:
        return
    shown = [f"  {part}" for part in lost[:_SHOWN]]
    if len(lost) > _SHOWN:
        shown.append(f"  and {len(lost) - _SHOWN} more")
    raise PreflightRefused(
        f"project {known.name}",
        found="its plan has what the databases have not:\n" + "\n".join(shown) + "\nNo table was written",
        expected="every planned table and column, seen by the log-in",
        next_act=_choose_next_act(known, live)
        + "; where it is gone for good, 'blb-migrate plan' writes the project's catalog.json anew, and the "
        "plan goes on without it",
    )


def _choose_next_act(known: Project, live: Project) -> str:
    seen = [table for table in known.plan.tables if table.source.name in live.source.tables_by_name]
    there = [table for table in seen if table.target.name in live.target.tables_by_name]
    if seen and not there:
        return "Create the target's tables ('blb-migrate schema --apply'), or name the right target database"
    if len(there) < len(seen):
        return "Create or restore in the target what it lacks"
    return "Give the log-in SELECT on it, or restore it"


def _iterate_lost_parts(known: Project, live: Project) -> Iterator[str]:
    # By the source's name: another name in the target, after a decision or 'schema --apply', loses nothing.
    found = {table.source.name: table for table in live.plan.tables}
    for table in known.plan.tables:
        now = found.get(table.source.name)
        if now is None:
            yield _describe_lost_table(table, live)
        else:
            yield from _iterate_lost_columns(table, now)


def _describe_lost_table(table: TablePlan, live: Project) -> str:
    if table.source.name not in live.source.tables_by_name:
        return f"{table.source.name}: the source's log-in does not see it; it is gone, or hidden from it"
    if table.target.name not in live.target.tables_by_name:
        return f"{table.label}: the target has no table {table.target.name}"
    return f"{table.label}: it is no longer planned onto {table.target.name}"


def _iterate_lost_columns(table: TablePlan, now: TablePlan) -> Iterator[str]:
    pairs = {pair.source.name: pair for pair in now.columns}
    for column in table.columns:
        pair = pairs.get(column.source.name)
        name = f"{table.label}.{column.source.name}"
        if pair is None:
            yield f"{name}: it is no longer loaded into {table.target.name}.{column.target.name}"
        elif str(pair.source.type) != str(column.source.type):
            yield f"{name}: it was {column.source.type} at the source, and is {pair.source.type}"
        elif str(pair.target.type) != str(column.target.type):
            yield f"{name}: it was {column.target.type} in the target, and is {pair.target.type}"
