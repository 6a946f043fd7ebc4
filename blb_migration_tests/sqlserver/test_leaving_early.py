"""A result that is left early ends at once, however long it is: here it has no end at all."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pyarrow as pa
import pytest

from blb_migration.errors import SourceError
from blb_migration.model import Column, ColumnType, TableName
from blb_migration.sandbox.emulator.results import ResultColumn
from blb_migration.sqlserver import connect
from blb_migration.sqlserver.connect import SourceConnector
from blb_migration.sqlserver.read import read_batches
from blb_migration_tests.sqlserver.conftest import SettingsMaker
from blb_migration_tests.sqlserver.scripted import INT, Script

pytestmark = pytest.mark.alone
TABLE = TableName("dbo", "parts")
ID = Column("id", ColumnType("int"), nullable=False)
ENCRYPTIONS = ["Encrypt=no", "Encrypt=yes&TrustServerCertificate=yes"]
# Beside the limit itself: what a busy machine needs to notice. Without an end, any limit is a proof.
GRACE_SECONDS = 20.0


@dataclass
class EndlessRows:
    """Batches without end, until nobody takes them. ``is_over`` is set when their reader has gone."""

    is_over: threading.Event = field(default_factory=threading.Event)

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        try:
            for first in itertools.count(0, 1000):
                yield pa.record_batch({"id": pa.array([n % 2**31 for n in range(first, first + 1000)])})
        finally:
            self.is_over.set()


@pytest.fixture
def rows(script: Script) -> EndlessRows:
    rows = EndlessRows()
    script.answer_batches(r"FROM \[dbo\]\.\[parts\]", [ResultColumn("id", ID.type)], rows)
    script.answer("SELECT 1", [INT], [(1,)])
    return rows


@pytest.mark.parametrize("options", ENCRYPTIONS)
def test_a_session_closed_in_the_middle_ends_the_result(
    settings: SettingsMaker, rows: EndlessRows, options: str
) -> None:
    with SourceConnector(settings(options=options)).connect() as session:
        started = time.monotonic()
        assert next(read_batches(session, TABLE, [ID])).num_rows > 0
    assert time.monotonic() - started < connect.MAX_DRAIN_SECONDS + GRACE_SECONDS
    assert rows.is_over.wait(GRACE_SECONDS), "the server still sends"


@pytest.mark.parametrize("options", ENCRYPTIONS)
def test_a_reader_left_early_ends_the_result_and_no_broken_session_is_kept(
    settings: SettingsMaker, rows: EndlessRows, options: str
) -> None:
    connector = SourceConnector(settings(options=options))
    with connector.keeping_sessions():
        started = time.monotonic()
        with connector.connect() as session, closing(read_batches(session, TABLE, [ID])) as batches:
            next(batches)
        assert time.monotonic() - started < connect.MAX_DRAIN_SECONDS + GRACE_SECONDS
        assert rows.is_over.wait(GRACE_SECONDS), "the server still sends"
        with connector.connect() as following:
            assert following.read_rows("SELECT 1", action="asking") == [(1,)]


def test_sessions_opened_side_by_side_are_ended_one_by_one(
    settings: SettingsMaker, script: Script, rows: EndlessRows
) -> None:
    """The end of one must never be another's: whoever opens many at once has many sockets."""
    connector, count = SourceConnector(settings()), 6
    barrier, answers = threading.Barrier(count), list[object]()

    def leave_or_stay(number: int) -> None:
        barrier.wait()
        with connector.connect() as session:
            barrier.wait()
            if number % 2:
                session.close()
            barrier.wait()
            try:
                answers.append((number, session.read_rows("SELECT 1", action="asking")))
            except SourceError:
                answers.append((number, "closed"))

    threads = [threading.Thread(target=leave_or_stay, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(answers, key=str) == [
        (number, "closed" if number % 2 else [(1,)]) for number in range(count)
    ]
