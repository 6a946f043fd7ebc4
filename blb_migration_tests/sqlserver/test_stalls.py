"""A source that falls silent is said, and given up at the limit; one that works is not."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pyarrow as pa
import pytest

from blb_migration import waiting
from blb_migration.errors import SourceError, SourceUnreachable
from blb_migration.model import Column, ColumnType, TableName
from blb_migration.sandbox.emulator.results import ResultColumn
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.settings import parse_source_url
from blb_migration.sqlserver import stalls
from blb_migration.sqlserver.blockers import describe_wait
from blb_migration.sqlserver.connect import SourceConnector, SourceSession
from blb_migration.sqlserver.read import read_batches
from blb_migration_tests.sqlserver.conftest import SettingsMaker
from blb_migration_tests.sqlserver.scripted import INT, NAME, Script

TABLE = TableName("dbo", "parts")
ID = Column("id", ColumnType("int"), nullable=False)
ROWS = 200_000


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    monkeypatch.setattr(stalls, "FIRST_SECONDS", 0.5)
    sentences: list[str] = []
    with waiting.told_to(sentences.append):
        yield sentences


@pytest.fixture
def connector(settings: SettingsMaker, script: Script, server: SqlServerEmulator) -> SourceConnector:
    ids = [pa.array(range(first, first + 1000), pa.int32()) for first in range(0, ROWS, 1000)]
    batches = [pa.record_batch({"id": some}) for some in ids]
    script.answer_batches(r"FROM \[dbo\]\.\[parts\]", [ResultColumn("id", ID.type)], batches)
    script.answer("SELECT 1", [INT], [(1,)])
    script.answer("SELECT 2", [INT], [(2,)])
    return SourceConnector(settings())


def test_rows_that_stop_coming_are_given_up_and_worth_another_try(
    connector: SourceConnector, server: SqlServerEmulator, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLB_STALL", "1.5")
    server.faults.add(Fault(r"FROM \[dbo\]", batch_delay_seconds=600))
    with pytest.raises(SourceError) as failure, connector.connect() as session:
        list(read_batches(session, TABLE, [ID]))
    assert failure.value.is_transient
    assert "the source sent nothing for 1.5 seconds" in str(failure.value)
    assert "dbo.parts" in str(failure.value)
    assert any("dbo.parts: selecting its rows: the source has sent nothing for" in text for text in said)
    server.faults.clear()
    with connector.connect() as session:
        assert sum(batch.num_rows for batch in read_batches(session, TABLE, [ID])) == ROWS


def test_a_question_without_an_answer_is_given_up(
    connector: SourceConnector, server: SqlServerEmulator, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLB_ANSWER_WAIT", "1.5")
    server.faults.add(Fault("SELECT 2", batch_delay_seconds=600))
    with (
        pytest.raises(SourceError, match=r"counting its rows was broken off") as failure,
        connector.connect() as session,
    ):
        session.read_rows("SELECT 2", action="counting its rows", subject="dbo.parts")
    assert failure.value.is_transient
    assert "BLB_ANSWER_WAIT" in str(failure.value)
    assert said


def test_a_question_that_takes_its_time_is_said_and_answered(
    connector: SourceConnector, server: SqlServerEmulator, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLB_STALL", "1")  # which is for rows
    server.faults.add(Fault("SELECT 2", batch_delay_seconds=2))
    with connector.connect() as session:
        assert session.read_rows("SELECT 2", action="counting its rows", subject="dbo.parts") == [(2,)]
    assert "dbo.parts: counting its rows: the source has sent nothing for" in said[0]
    assert "3600 s at most" in said[0]


def test_rows_that_come_slowly_are_not_a_stall(
    connector: SourceConnector, server: SqlServerEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLB_STALL", "3")
    server.faults.add(Fault(r"FROM \[dbo\]", batch_delay_seconds=0.03))  # six seconds in all
    with connector.connect() as session:
        assert sum(batch.num_rows for batch in read_batches(session, TABLE, [ID])) == ROWS


def test_a_log_in_that_nobody_answers_is_said(said: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # as a frozen server: the kernel takes connections
        url = f"mssql://sa:x@127.0.0.1:{silent.getsockname()[1]}/erp?timeout=2"
        with pytest.raises(SourceUnreachable), SourceConnector(parse_source_url(url)).connect():
            pass
    assert "/erp: logging in: the source has sent nothing for" in said[0]
    assert "it is waited for 2 s at most" in said[0]
    assert "sa:x@" not in said[0]


WAITED = "the source has sent nothing for"


def answer_who_waits(script: Script, *, may_see: int) -> None:
    """Have session 57 hold a lock on the table, for whoever may see it."""
    script.answer("HAS_PERMS_BY_NAME", [INT, INT], [(may_see, may_see)])
    script.answer("dm_tran_locks", [NAME, NAME, NAME], [("IS", "OBJECT", "parts")])
    script.answer("dm_exec_sql_text", [NAME], [("UPDATE parts SET name = 'Frau O''Neil'\n WHERE id = 1",)])
    script.answer(
        "FROM sys.dm_exec_requests",
        [INT, NAME, NAME, NAME, NAME, NAME, NAME, INT],
        [(57, "LCK_M_IS", "erp_app", "ERP-01", "Lager", "sleeping", None, 1)],
    )


def wait_for_a_lock(connector: SourceConnector, server: SqlServerEmulator) -> str:
    """Return the error of a question that a lock stands in the way of."""
    server.faults.add(Fault("SELECT 2", batch_delay_seconds=600))
    with (
        pytest.MonkeyPatch.context() as patch,
        pytest.raises(SourceError) as failure,
        connector.connect() as session,
    ):
        patch.setattr(stalls, "ASK_FROM_SECONDS", 0.2)
        patch.setenv("BLB_ANSWER_WAIT", "3")
        session.read_rows("SELECT 2", action="counting its rows", subject="dbo.parts")
    return str(failure.value)


def test_a_readers_lock_names_who_holds_it(
    connector: SourceConnector, server: SqlServerEmulator, script: Script, said: list[str]
) -> None:
    answer_who_waits(script, may_see=1)
    words = wait_for_a_lock(connector, server)
    assert (
        "it waits for a lock (IS of object parts), which session 57 of erp_app (Lager) from ERP-01" in words
    )
    assert "1 open transactions holds, sleeping: UPDATE parts SET name = '…' WHERE id = 1" in words
    assert "Neil" not in words
    assert any(WAITED in text and "session 57 of erp_app" in text for text in said)


def test_a_log_in_that_may_not_see_locks_names_the_right_to_ask(
    connector: SourceConnector, server: SqlServerEmulator, script: Script, said: list[str]
) -> None:
    answer_who_waits(script, may_see=0)
    words = wait_for_a_lock(connector, server)
    assert "USE master; GRANT VIEW SERVER STATE TO [log-in]" in words
    assert "57" not in words
    assert WAITED in said[0]


def test_whoever_waits_for_nobody_is_told_so(workshop: SourceSession) -> None:
    assert workshop.number is not None
    assert describe_wait(workshop, workshop.number) is None
