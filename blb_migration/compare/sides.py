"""Both sides of a table as blocks of rows in the same form, whatever the engines' orders. Compares nothing.

The source's rows are read and converted exactly as for a load, decisions included; the target's are read
back as they stand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Self

import pyarrow as pa

from blb_migration.feed.convert import BatchConverter
from blb_migration.feed.digesting import find_content_key, find_order
from blb_migration.feed.read_ahead import read_ahead
from blb_migration.migration import Migration
from blb_migration.plan.build import TablePlan
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.type_pairs import find_rule
from blb_migration.postgres.binary.blocks import RowBlock
from blb_migration.postgres.binary.digest import ContentKey, Digester, TableDigest
from blb_migration.postgres.binary.rows import RowEncoder
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.read_back import read_row_blocks
from blb_migration.sqlserver.expressions import computed_expression
from blb_migration.sqlserver.read import read_batches


@dataclass(frozen=True)
class ComparedTable:
    """A table, the columns of it that are compared, and the key among them."""

    table: TablePlan
    columns: tuple[ColumnPlan, ...]
    key: ContentKey

    @classmethod
    def as_loaded(cls, table: TablePlan) -> Self:
        """The loaded columns: what a load's digest is of."""
        return cls(table, table.columns, find_content_key(table))

    @classmethod
    def with_computed(cls, table: TablePlan) -> Self:
        """The computed columns too, where their types can be compared."""
        rules = [(pair, find_rule(pair.source.type, pair.target.type)) for pair in table.computed]
        computed = [
            ColumnPlan(pair.source, pair.target, rule.conversion, ())
            for pair, rule in rules
            if rule is not None
        ]
        return cls(table, (*table.columns, *computed), find_content_key(table))

    def read_source(self, migration: Migration) -> Iterator[RowBlock]:
        """The source's rows. Raises SourceError, and ValueError for a value that does not fit."""
        converter = BatchConverter(self.columns)
        recomputed = {
            pair.source.name: computed_expression(pair.source, pair.inputs)
            for pair in self.table.computed
            if pair.inputs
        }
        encoder = RowEncoder([column.target for column in self.columns], converter.schema)

        @contextmanager
        def open_batches() -> Iterator[Iterator[pa.RecordBatch]]:
            with migration.source.connect() as session:
                columns = [column.source for column in self.columns]
                yield read_batches(
                    session,
                    self.table.source.name,
                    columns,
                    order_by=find_order(self.table),
                    expressions=recomputed,
                    row_estimate=self.table.source.row_estimate,
                )

        for batch in read_ahead(open_batches):
            yield encoder.encode(converter.convert(batch))

    def read_target(self, connection: TargetConnection) -> Iterator[RowBlock]:
        """The target's rows. Raises TargetError."""
        columns = [column.target for column in self.columns]
        order = [columns[position] for position in self.key.positions if self.key.is_ordered]
        return read_row_blocks(connection, self.table.target.name, columns, order)

    def add_up(self, blocks: Iterable[RowBlock]) -> TableDigest:
        """The digest of all rows of one side."""
        digester = Digester(self.key)
        for block in blocks:
            digester.add(block)
        return digester.finish()
