"""Tables as a person names them on a line or in a form: found in the plan, or refused."""

from __future__ import annotations

from collections.abc import Collection

from blb_migration.near_names import refuse_unknown
from blb_migration.plan.name_index import NameIndex
from blb_migration.plan.table_plans import Plan


def find_labels(plan: Plan, wanted: Collection[str], option: str) -> list[str]:
    """Find the planned labels for names in any letter case, with or without the default schema.

    Raises ConfigurationError, naming ``option``, for a name that the plan does not have.
    """
    exact = {str(table.source.name): table.label for table in plan.tables}
    exact |= {label: label for label in plan.tables_by_label}
    by_name = NameIndex(exact)
    labels = []
    for name in wanted:
        label = by_name.find(name)
        if label is None:
            refuse_unknown(
                f"{option} {name}",
                name,
                plan.tables_by_label,
                found="the plan has no such table",
                expected="a table of the plan",
                next_act="Correct the name; 'blb-migrate plan --check' lists the tables",
            )
        else:
            labels.append(label)
    return labels
