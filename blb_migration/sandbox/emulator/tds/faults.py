"""Faults that tests order: rows lost, doubled or cut short, connections dropped, answers slow.

They act on a result's Arrow batches before these are encoded, so that a client meets them as it
would meet a real server's. What they touched is never recorded for replay.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from blb_migration.sandbox.emulator.results import SqlServerError


class ConnectionDropped(Exception):
    """A fault that ends the connection without a word."""


@dataclass(frozen=True)
class Fault:
    """What to do to results of statements that ``statement_pattern`` (a regular expression) finds.

    Rows are counted from 0 within one result. ``error`` is raised, or the connection dropped, after
    so many rows were sent; ``skipped_row`` is left out; the batch of rows numbered
    ``repeated_batch`` comes twice; each batch waits ``batch_delay_seconds``. ``occurrences`` is how
    many results are hit before the fault is spent; None is all.
    """

    statement_pattern: str
    error: SqlServerError | None = None
    error_after_rows: int = 0
    drop_after_rows: int | None = None
    skipped_row: int | None = None
    repeated_batch: int | None = None
    batch_delay_seconds: float = 0.0
    occurrences: int | None = None


class FaultBoard:
    """The faults in force; tests set them while clients run."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._hits: dict[int, int] = {}

    def add(self, fault: Fault) -> None:
        """Put one more fault in force; the first that matches a statement acts."""
        with self._lock:
            self._faults.append(fault)

    def clear(self) -> None:
        """Be a sound server again."""
        with self._lock:
            self._faults.clear()
            self._hits.clear()

    def take(self, statement: str) -> Fault | None:
        """Return the fault for a result of this statement, counting it as having occurred."""
        with self._lock:
            for position, fault in enumerate(self._faults):
                hits = self._hits.get(position, 0)
                if fault.occurrences is not None and hits >= fault.occurrences:
                    continue
                if re.search(fault.statement_pattern, statement, re.IGNORECASE | re.DOTALL):
                    self._hits[position] = hits + 1
                    return fault
        return None


def apply_fault(
    fault: Fault, batches: Iterator[pa.RecordBatch], pause: Callable[[float], None]
) -> Iterator[pa.RecordBatch]:
    """Yield the batches as the fault lets them through; raises its error, or ConnectionDropped."""
    limit = _row_limit(fault)
    row_count = 0
    for number, batch in enumerate(batches):
        if fault.batch_delay_seconds:
            pause(fault.batch_delay_seconds)
        if limit is not None and row_count + batch.num_rows >= limit:
            yield batch.slice(0, limit - row_count)
            break
        yield from _without_row(batch, fault.skipped_row, row_count)
        if number == fault.repeated_batch:
            yield batch
        row_count += batch.num_rows
    if fault.drop_after_rows is not None:
        raise ConnectionDropped
    if fault.error is not None:
        raise fault.error


def _row_limit(fault: Fault) -> int | None:
    if fault.drop_after_rows is not None:
        return fault.drop_after_rows
    return fault.error_after_rows if fault.error is not None else None


def _without_row(batch: pa.RecordBatch, row: int | None, first_row: int) -> Iterator[pa.RecordBatch]:
    if row is None or not first_row <= row < first_row + batch.num_rows:
        yield batch
        return
    yield batch.slice(0, row - first_row)
    yield batch.slice(row - first_row + 1)
