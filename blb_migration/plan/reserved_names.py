"""Names that no column of PostgreSQL can have: those of the columns that every table has."""

from __future__ import annotations

from blb_migration.findings import Code, Finding, Severity
from blb_migration.plan.decision_texts import WHY, write_decision

# "System Columns" of PostgreSQL's documentation.
SYSTEM_COLUMNS = ("tableoid", "xmin", "cmin", "xmax", "cmax", "ctid")


def describe_reserved_name(label: str, column: str, target_name: str) -> Finding:
    """Describe a source column that would have such a name, with the decision that gives it another."""
    return Finding(
        Code.COLUMN_NAME_RESERVED,
        Severity.ERROR,
        f"{label}.{column}",
        f"{target_name} is the name of a system column that every table of PostgreSQL has",
        write_decision(label, {"to": f"{target_name}_1", "reason": WHY}, column),
    )
