"""Rows and index entries that PostgreSQL does not hold, as findings."""

from __future__ import annotations

from blb_migration.findings import Code, Finding, Severity
from blb_migration.first_few import name_some
from blb_migration.plan.decision_texts import WHY, write_decision
from blb_migration.plan.table_plans import TablePlan
from blb_migration.questions import Answer


def describe_page_answer(table: TablePlan, answer: Answer) -> Finding:
    """Describe the rows that are too wide or too large, or whose entry in one index is too large."""
    if answer.question.kind == "row_too_wide":
        return Finding(
            Code.ROW_TOO_WIDE,
            Severity.ERROR,
            table.label,
            "rows wider than the 8,160 bytes that a page of PostgreSQL holds, long values kept aside",
            "divide the target's table, or skip some of its columns in decisions.yaml",
            row_count=answer.row_count,
            first_keys=answer.first_keys,
        )
    if answer.question.kind == "row_too_large":
        limit, *names = answer.question.arguments
        return Finding(
            Code.ROW_TOO_LARGE,
            Severity.ERROR,
            table.label,
            f"rows that have more than {int(limit):,} bytes in {name_some(names)} together, which is more "
            "than PostgreSQL takes of one row",
            "divide these values at the source, keep them elsewhere (files, large objects), or skip a column "
            "in decisions.yaml: " + write_decision(table.label, {"skip": WHY}, str(names[0])),
            row_count=answer.row_count,
            first_keys=answer.first_keys,
        )
    limit, index, reason = answer.question.arguments[:3]
    message = f"rows whose entry in the target's index {index} has more than {int(limit):,} bytes"
    if reason:
        message += f"; they are loaded by decision ({reason}), and fit if compression makes them small enough"
    return Finding(
        Code.INDEX_ENTRY_TOO_LARGE,
        Severity.WARNING if reason else Severity.ERROR,
        table.label,
        message,
        None
        if reason
        else "take the long column out of the index (INCLUDE), or index a part or a hash of it (left(), "
        "md5()); where the values compress well enough to fit, decide: "
        + write_decision(table.label, {"long_index_entries": WHY}),
        row_count=answer.row_count,
        first_keys=answer.first_keys,
    )
