"""The farm so far: which tables have been made, and how many rows each gets.

Every table draws from a generator of its own, seeded by sample seed, scale and table name, so that
one table's rows do not depend on how another's are made.
"""

from __future__ import annotations

import zlib
from math import ceil, sqrt

import numpy as np

from blb_migration.model import TableName
from blb_migration.sandbox.erp.erp_rows import Rows, number_rows
from blb_migration.sandbox.erp.erp_schema import SOURCE_SCHEMA, build_source_catalog
from blb_migration.sandbox.erp.physical import IntArray

ROWS_PER_SCALE = 5_000  # of the migrated tables, and a few; the stock ledger takes what others leave

# Rows at scale 1. Business grows with the scale, what is behind it (products, machines) with its root.
GROWING = {
    "users": 60,
    "quotes": 110,
    "sales_orders": 130,
    "production_orders": 190,
    "purchase_orders": 26,
    "planned_orders": 45,
    "refresh_tokens": 90,
    "password_reset_requests": 9,
    "customers": 30,
    "journal_entries": 35,
}
GROWING_BY_ROOT = {
    "vendors": 12,
    "printers": 9,
    "machines": 10,
    "goods": 26,
    "mrp_runs": 20,
    "customer_traceability_profiles": 8,
    "licenses": 4,
}


class World:
    """What has been made, by table name, for one scale and seed."""

    def __init__(self, scale: int, seed: int) -> None:
        self.scale = scale
        self.seed = seed
        self.facts: dict[str, IntArray] = {}  # about rows, in no column of theirs: "products.grams"
        self._tables: dict[str, Rows] = {}
        self._reserved: dict[str, IntArray] = {}

    def __getitem__(self, table_name: str) -> Rows:
        return self._tables[table_name]

    def count(self, subject: str) -> int:
        """How many rows (or goods) the scale asks for."""
        if subject in GROWING:
            return GROWING[subject] * self.scale
        return ceil(GROWING_BY_ROOT[subject] * sqrt(self.scale))

    def generator(self, subject: str) -> np.random.Generator:
        """Return the random generator of one table, or of another subject."""
        return np.random.default_rng([self.seed, self.scale, zlib.crc32(subject.encode("ascii"))])

    def reserve(self, table_name: str, count: int) -> IntArray:
        """Reserve numbers of rows that are made later: what refers to them may come first."""
        self._reserved[table_name] = number_rows(self.generator(f"{table_name}.id"), count)
        return self._reserved[table_name]

    def start(self, table_name: str, count: int | None = None, ids: IntArray | None = None) -> Rows:
        """Begin a table with ``count`` rows, with given ids, or with those reserved for it."""
        if ids is None:
            ids = self.reserve(table_name, count) if count is not None else self._reserved[table_name]
        table = build_source_catalog().tables_by_name[TableName(SOURCE_SCHEMA, table_name)]
        self._tables[table_name] = Rows(table, self.generator(table_name), ids)
        return self._tables[table_name]
