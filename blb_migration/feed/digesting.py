"""Digesting what was read of a table, batch by batch, in the form in which the target will give it back."""

from __future__ import annotations

import pyarrow as pa

from blb_migration.plan.table_plans import TablePlan
from blb_migration.plan.type_pairs import Conversion
from blb_migration.postgres.binary.canonical import is_sent_canonical
from blb_migration.postgres.binary.digest import ContentKey, Digester, TableDigest
from blb_migration.postgres.binary.rows import RowEncoder
from blb_migration.postgres.content_form import ContentForm


class ReadDigester:
    """Adds up one table's converted batches; ``schema`` is theirs, ``sent`` encodes them for COPY.

    Most tables are digested in the very bytes that are sent, so that nothing is encoded twice.
    """

    def __init__(self, table: TablePlan, schema: pa.Schema, sent: RowEncoder) -> None:
        columns = [column.target for column in table.columns]
        self._sent = sent
        self._canonical = None if is_sent_canonical(columns) else RowEncoder(columns, schema)
        self._digester = Digester(find_content_key(table))

    def add(self, batch: pa.RecordBatch, sent: bytes) -> None:
        """Add a batch's rows, which are sent as ``sent``.

        Raises ValueError when they do not come in the order of ``find_order``.
        """
        if self._canonical is None:
            self._digester.add(self._sent.locate(sent, batch))
        else:
            self._digester.add(self._canonical.encode(batch))

    def finish(self) -> TableDigest:
        """Return the digest of all batches."""
        return self._digester.finish()


def find_content_key(table: TablePlan) -> ContentKey:
    """Find the target's primary key, else the source's, else the target's first unique key without NULLs.

    A key counts only if all its columns are loaded. It is ordered if it is one integer, carried as it is,
    and the source's primary key too: then reading by it costs the source no sort.
    """
    by_target = {column.target.name: position for position, column in enumerate(table.columns)}
    by_source = {column.source.name: position for position, column in enumerate(table.columns)}
    primary = table.target.primary_key.columns if table.target.primary_key is not None else ()
    candidates = [(by_target, primary), (by_source, table.source_key)]
    candidates += [
        (by_target, key.columns)
        for key in table.target.unique_keys
        if not any(table.target.columns_by_name[name].nullable for name in key.columns)
    ]
    for positions, names in candidates:
        if names and all(name in positions for name in names):
            key = tuple(positions[name] for name in names)
            return ContentKey(key, _is_ordered(table, key))
    return ContentKey(())


def build_content_form(table: TablePlan) -> ContentForm:
    """Describe the form in which a load of ``table`` leaves its rows."""
    loaded = [column.target for column in table.columns]
    return ContentForm.of_table(table.target, loaded, find_content_key(table))


def find_order(table: TablePlan) -> tuple[str, ...]:
    """Find the source column by which rows must be read for the digest; none: in any order."""
    key = find_content_key(table)
    return (table.columns[key.positions[0]].source.name,) if key.is_ordered else ()


def _is_ordered(table: TablePlan, key: tuple[int, ...]) -> bool:
    column = table.columns[key[0]]
    is_alone = len(key) == 1 and table.source_key == (column.source.name,)
    return is_alone and column.conversion is Conversion.INTEGER and not column.source.nullable
