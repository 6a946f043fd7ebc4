"""Which rows and columns of a source table are read, in which order, and brought into the target's form.

The one way to a table's rows: a load and a comparison see the same values, decisions included.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager

import pyarrow as pa

from blb_migration.feed.convert import BatchConverter
from blb_migration.feed.digesting import find_order
from blb_migration.feed.read_ahead import read_ahead
from blb_migration.plan.columns import ColumnPlan
from blb_migration.plan.table_plans import TablePlan
from blb_migration.questions import Question
from blb_migration.sqlserver.batch_sizes import TARGET_BATCH_BYTES
from blb_migration.sqlserver.connect import SourceConnector, SourceSession
from blb_migration.sqlserver.expressions import computed_expression
from blb_migration.sqlserver.probes import build_condition
from blb_migration.sqlserver.read import KeyRange, read_batches


class SourceRows:
    """A table's rows, or those of one range of its key; ``columns`` are the loaded ones if not given.

    ``schema`` is that of the converted batches, whose columns have the target's names.
    """

    def __init__(
        self,
        table: TablePlan,
        columns: Sequence[ColumnPlan] | None = None,
        *,
        key_range: KeyRange | None = None,
        batch_bytes: int = TARGET_BATCH_BYTES,
    ) -> None:
        self.table = table
        self.columns = table.columns if columns is None else tuple(columns)
        self.key_range = key_range
        self._batch_bytes = batch_bytes
        self._converter = BatchConverter(self.columns)
        self.schema = self._converter.schema
        self.rows_changed = self._converter.rows_changed

    def read(self, session: SourceSession) -> Generator[pa.RecordBatch, None, None]:
        """Read the batches, for ``convert``. Raises SourceError."""
        return read_batches(
            session,
            self.table.source.name,
            [column.source for column in self.columns],
            key_range=self.key_range,
            order_by=find_order(self.table),
            marks=[
                build_condition(self.table.source, Question(column.source.name, "lone_surrogate"))
                for column in self._converter.marked_columns
            ],
            expressions={
                pair.source.name: computed_expression(pair.source, pair.inputs)
                for pair in self.table.computed
                if pair.inputs
            },
            row_estimate=self.table.source.row_estimate,
            target_batch_bytes=self._batch_bytes,
        )

    def iterate(self, source: SourceConnector) -> Iterator[pa.RecordBatch]:
        """Yield the converted batches; a session and a thread of their own read ahead.

        Raises SourceError, and ValueError for a value that does not fit.
        """

        @contextmanager
        def open_batches() -> Iterator[Iterator[pa.RecordBatch]]:
            with source.connect() as session, closing(self.read(session)) as batches:
                yield batches

        with closing(read_ahead(open_batches)) as batches:
            yield from map(self.convert, batches)

    def convert(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Convert one batch that was read. Raises ValueError for a value that does not fit its column."""
        return self._converter.convert(batch)
