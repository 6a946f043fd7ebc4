"""Works on one loaded table: what it costs to prove its content, while loading and afterwards."""

from __future__ import annotations

import time
from unittest.mock import patch

import pyarrow as pa

from blb_migration.compare.content import compare_content
from blb_migration.compare.sides import ComparedTable
from blb_migration.feed.digesting import ReadDigester
from blb_migration.postgres.binary.digest import TableDigest
from blb_migration.postgres.ledger.loads import read_finished_load
from blb_migration_tests.benchmarks.one_table import Outcome, load, open_pair


def load_without_digest(source_url: str, target_url: str, table: str) -> Outcome:
    """Our load as it would be if it did not digest what it reads; its rows are counted."""
    counted = TableDigest()

    def count(_digester: ReadDigester, batch: pa.RecordBatch, _sent: bytes) -> None:
        counted.row_counts[0] += batch.num_rows

    with (
        patch.object(ReadDigester, "add", count),
        patch.object(ReadDigester, "finish", lambda _digester: counted),
    ):
        return load(source_url, target_url, table)


def compare(source_url: str, target_url: str, table: str) -> Outcome:
    """Return the check ``content``: the target is read back and compared with the load's digest."""
    pair = open_pair(source_url, target_url, table)
    started = time.perf_counter()
    with pair.migration.target.connect() as connection:
        latest = read_finished_load(connection, pair.table.target.name)
        assert latest is not None
        outcome = compare_content(pair.migration, pair.table, connection, latest, trusts=True)
    seconds = time.perf_counter() - started
    assert all(comparison.match for comparison in outcome.comparisons), outcome
    return seconds, {"rows": int(outcome.comparisons[0].target_value or 0)}


def digest_source(source_url: str, target_url: str, table: str) -> Outcome:
    """Return what reading the source again adds to it: the source is read and digested again."""
    pair = open_pair(source_url, target_url, table)
    compared = ComparedTable.with_computed(pair.table)
    started = time.perf_counter()
    digest = compared.add_up(compared.read_source(pair.migration))
    return time.perf_counter() - started, {"rows": digest.row_count}
