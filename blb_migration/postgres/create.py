"""Creating tables in a target that has none of them yet, all in one transaction or not at all.

The statements come from ``schema/``. Nothing that exists is changed, replaced or dropped.
"""

from __future__ import annotations

from collections.abc import Sequence

from blb_migration.errors import TargetNotOurs
from blb_migration.first_few import name_some
from blb_migration.model import TableName
from blb_migration.postgres.failures import target_errors
from blb_migration.postgres.names import TargetConnection, qualified_text, server_text

_NAMES_IN_MESSAGE = 10


def find_existing(connection: TargetConnection, names: Sequence[TableName]) -> tuple[TableName, ...]:
    """Those of ``names`` that are taken by a table, view, sequence or index, in the order given."""
    with target_errors("the target's catalog"):
        rows = connection.execute(
            "SELECT to_regclass(name) IS NOT NULL FROM unnest(%s::text[]) WITH ORDINALITY t (name, position)"
            " ORDER BY position",
            ([qualified_text(name) for name in names],),
        ).fetchall()
    return tuple(name for name, (exists,) in zip(names, rows, strict=True) if exists)


def create_tables(
    connection: TargetConnection, tables: Sequence[TableName], statements: Sequence[str]
) -> None:
    """Execute ``statements``, which create ``tables`` and what belongs to them.

    Raises TargetNotOurs when one of the tables exists already, and TargetError when a statement fails;
    nothing is created then.
    """
    with connection.transaction():
        existing = find_existing(connection, tables)
        if existing:
            raise TargetNotOurs(
                "the target's schema",
                found=f"{len(existing)} of {len(tables)} tables exist already: "
                + name_some(existing, _NAMES_IN_MESSAGE),
                expected="a database without these tables",
                next_act="Name another database, or leave the schema as it is and migrate into it",
            )
        for statement in statements:
            with target_errors(f"the statement {' '.join(statement.split())[:200]}"):
                connection.execute(server_text(statement))
