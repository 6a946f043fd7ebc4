"""Fills the SQL Server emulator with the sample ERP. No rows are made here: see ``sample.py``."""

from __future__ import annotations

from typing import Protocol, TypeVar

import pyarrow as pa

from blb_migration.model import Table, TableName
from blb_migration.sandbox.erp.erp_schema import SOURCE_DATABASE
from blb_migration.sandbox.erp.sample import DEFAULT_SEED, ErpSample


class SourceDatabase(Protocol):
    """The emulator's database, as far as filling it goes."""

    def create_table(self, table: Table) -> object:
        """Add an empty table with all its keys, indexes and its identity counter."""

    def load(self, table_name: str | TableName, data: pa.Table) -> object:
        """Append rows in the physical forms of ``sandbox/results.py``."""


Database_co = TypeVar("Database_co", bound=SourceDatabase, covariant=True)


class SourceEngine(Protocol[Database_co]):
    """The emulator's server, as far as filling it goes."""

    def create_database(self, name: str) -> Database_co:
        """Add an empty database."""


def create_source(engine: SourceEngine[Database_co], scale: int = 1, seed: int = DEFAULT_SEED) -> Database_co:
    """Create the database ``BLB3D_ERP`` with its 49 tables and their rows, and return it."""
    database = engine.create_database(SOURCE_DATABASE)
    for table, rows in ErpSample(scale, seed).tables():
        database.create_table(table)
        database.load(str(table.name), rows)
        del rows
    # Arrow's pool keeps what the rows took; a demo of a million rows has better use for it.
    pa.default_memory_pool().release_unused()
    return database
