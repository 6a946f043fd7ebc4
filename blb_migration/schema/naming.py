"""Names in the target schema: which are taken, and what something is called when its name is taken.

PostgreSQL keeps tables, indexes and sequences of a schema under one set of names, and constraints
under one per table. SQL Server keeps index names per table, so that two tables may both have IX_name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from blb_migration.model import TableName
from blb_migration.plan.target_names import NameStyle, build_target_name, shorten_name


class NameRegistry:
    """Hands out names. Deterministic: the same requests in the same order get the same names."""

    def __init__(self, style: NameStyle) -> None:
        self._style = style
        self._relations: defaultdict[str, set[str]] = defaultdict(set)
        self._constraints: defaultdict[TableName, set[str]] = defaultdict(set)

    def claim_table(self, table: TableName) -> bool:
        """Take a table's name; False when it is taken."""
        if table.name in self._relations[table.schema]:
            return False
        self._relations[table.schema].add(table.name)
        return True

    def take_relation(self, table: TableName, wanted: str) -> str:
        """Return a free name for an index or a sequence of ``table``, as close to ``wanted`` as possible."""
        taken = self._relations[table.schema]
        name = next(name for name in self._candidates(wanted, table) if name not in taken)
        taken.add(name)
        return name

    def take_constraint(self, table: TableName, wanted: str) -> str:
        """Return a free name for a check or a foreign key of ``table``."""
        taken = self._constraints[table]
        name = next(name for name in self._candidates(wanted, table) if name not in taken)
        taken.add(name)
        return name

    def take_key(self, table: TableName, wanted: str) -> str:
        """Return a free name for a primary key or a unique constraint, which is an index as well."""
        relations, constraints = self._relations[table.schema], self._constraints[table]
        name = next(name for name in self._candidates(wanted, table) if name not in relations | constraints)
        relations.add(name)
        constraints.add(name)
        return name

    def _candidates(self, wanted: str, table: TableName) -> Iterator[str]:
        yield build_target_name(wanted, self._style)
        with_table = f"{build_target_name(wanted, self._style)}_{table.name}"
        yield shorten_name(with_table)
        number = 2
        while True:
            yield shorten_name(f"{with_table}_{number}")
            number += 1
