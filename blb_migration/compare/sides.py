"""Both sides of a table as blocks of rows in the same form, whatever the engines' orders. Compares nothing.

The source's rows come through the load's own feed, decisions included; the target's are read back as they
stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from blb_migration.feed.digesting import find_content_key
from blb_migration.feed.source_rows import SourceRows
from blb_migration.migration import Migration
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.table_plans import TablePlan
from blb_migration.plan.type_pairs import find_rule
from blb_migration.postgres.binary.blocks import RowBlock
from blb_migration.postgres.binary.digest import ContentKey, TableDigest, digest_blocks
from blb_migration.postgres.binary.hash_functions import CURRENT_HASH, HashFunction
from blb_migration.postgres.binary.rows import RowEncoder
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.read_back import read_row_blocks


@dataclass(frozen=True)
class ComparedTable:
    """A table, the columns of it that are compared, and the key among them."""

    table: TablePlan
    columns: tuple[ColumnPlan, ...]
    key: ContentKey

    @classmethod
    def as_loaded(cls, table: TablePlan) -> Self:
        """Choose the loaded columns: what a load's digest is of."""
        return cls(table, table.columns, find_content_key(table))

    @classmethod
    def with_computed(cls, table: TablePlan) -> Self:
        """Choose the computed columns too, where their types can be compared."""
        rules = [(pair, find_rule(pair.source.type, pair.target.type)) for pair in table.computed]
        computed = [
            ColumnPlan(pair.source, pair.target, rule.conversion, ())
            for pair, rule in rules
            if rule is not None
        ]
        return cls(table, (*table.columns, *computed), find_content_key(table))

    def read_source(self, migration: Migration) -> Iterator[RowBlock]:
        """Read the source's rows. Raises SourceError, and ValueError for a value that does not fit."""
        rows = SourceRows(self.table, self.columns)
        encoder = RowEncoder([column.target for column in self.columns], rows.schema)
        return map(encoder.encode, rows.iterate(migration.source))

    def read_target(self, connection: TargetConnection) -> Iterator[RowBlock]:
        """Read the target's rows back as they stand. Raises TargetError."""
        columns = [column.target for column in self.columns]
        order = [columns[position] for position in self.key.positions if self.key.is_ordered]
        return read_row_blocks(connection, self.table.target.name, columns, order)

    def add_up(self, blocks: Iterable[RowBlock], function: HashFunction = CURRENT_HASH) -> TableDigest:
        """Digest all rows of one side."""
        return digest_blocks(blocks, self.key, function)
