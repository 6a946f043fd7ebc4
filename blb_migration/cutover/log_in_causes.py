"""Why a log-in fails after a load: what most often is the cause, looked at in the target. Only reads."""

from __future__ import annotations

from contextlib import suppress

from blb_migration.cutover.night import Night
from blb_migration.errors import MigrationError
from blb_migration.postgres import catalog as target_catalog
from blb_migration.postgres.log_in_facts import (
    count_capital_letters,
    find_filled_limit,
    find_low_sequences,
)

_EMAIL = ("email", "username", "user_name", "login")
_HASH = ("password", "passwd", "pwd")


def find_log_in_causes(night: Night) -> list[str]:
    """Say what was found: sequences that stand too low, letter case in names, hashes that were cut off."""
    causes: list[str] = []
    with suppress(MigrationError), night.target.connect() as connection:
        tables = [
            table
            for table in target_catalog.read_catalog(connection).tables
            if table.name.schema in {planned.target.name.schema for planned in night.project.plan.tables}
        ]
        for low in find_low_sequences(connection, tables):
            causes.append(f"the next number of {low} is taken: its sequence stands too low")
        for table in tables:
            names = [column.name for column in table.columns if column.name.lower() in _EMAIL]
            hashes = [
                column.name
                for column in table.columns
                if column.name.lower().startswith(_HASH) or "hash" in column.name.lower()
            ]
            if not names or not hashes:
                continue
            for name in names:
                mixed = count_capital_letters(connection, table.name, name)
                if mixed:
                    causes.append(
                        f"{table.name}.{name} has {mixed:,} values with capital letters; SQL Server found "
                        "them in any letter case, PostgreSQL does not"
                    )
            for name in hashes:
                length = find_filled_limit(connection, table.name, name)
                if length is not None:
                    causes.append(
                        f"the longest value of {table.name}.{name} fills the column ({length} characters): "
                        "hashes may be cut off"
                    )
    return causes or ["no sequence stands too low, no name differs by letter case, no hash fills its column"]
