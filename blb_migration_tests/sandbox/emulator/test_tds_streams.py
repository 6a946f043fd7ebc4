"""Large results stream, can be cancelled, fail half-way as told, and replay byte for byte."""

from __future__ import annotations

import itertools
import select
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import mssql_python
import pyarrow as pa
import pytest

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import ResultColumn, ResultSet, SqlServerError
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.sandbox.emulator.tds.link import Link, LinkBoard, PacedLine
from blb_migration_tests.sandbox.emulator.prepared_engine import (
    NEEDS_CANCELLING,
    PASSWORD,
    PreparedEngine,
    connect,
    serving,
    skip_unless_microsofts_driver,
)

COLUMNS = (
    ResultColumn("id", ColumnType("int"), nullable=False, identity=True),
    ResultColumn("name", ColumnType("nvarchar", length=50)),
)
WITH_NOTES = (*COLUMNS, ResultColumn("notes", ColumnType("nvarchar")))
BATCH_ROWS = 1000
# Of severity 16: from 20 on a server ends the connection, and one of the drivers expects it to.
FAILURE = SqlServerError(8115, "Arithmetic overflow error converting expression to data type int.")


def batch(number: int, *, notes: bool = False) -> pa.RecordBatch:
    ids = range(number * BATCH_ROWS, (number + 1) * BATCH_ROWS)
    arrays = [
        pa.array(ids, pa.int32()),
        pa.array([f"Spule {each} für €" if each % 3 else None for each in ids]),
    ]
    if notes:
        arrays.append(pa.array(["ä" * (each % 700) for each in ids]))
    return pa.record_batch(arrays, names=["id", "name", "notes"][: len(arrays)])


def read(connection: mssql_python.Connection, statement: str = "SELECT rows") -> list[tuple[Any, ...]]:
    cursor = connection.cursor()
    try:
        cursor.execute(statement)
        rows: list[tuple[Any, ...]] = []
        while (part := cursor.arrow_batch(700)).num_rows:
            rows.extend(zip(*(column.to_pylist() for column in part.columns), strict=True))
        return rows
    finally:
        cursor.close()


def expected(*numbers: int, notes: bool = False) -> list[tuple[Any, ...]]:
    columns = [pa.Table.from_batches([batch(number, notes=notes) for number in numbers]).to_pydict()[name]
               for name in ["id", "name", "notes"][: 3 if notes else 2]]  # fmt: skip
    return list(zip(*columns, strict=True))


@pytest.fixture
def engine() -> PreparedEngine:
    engine = PreparedEngine()
    engine.answer("SELECT rows", COLUMNS, *(batch(number) for number in range(5)))
    engine.answer("SELECT kept", COLUMNS, *(batch(number) for number in range(5)), key="five")
    engine.answer(
        "SELECT notes", WITH_NOTES, *(batch(number, notes=True) for number in range(3)), key="notes"
    )
    return engine


class Relay:
    """Passes one connection on to a server and keeps what the server sends."""

    def __init__(self, server_port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.received = bytearray()
        self._thread = threading.Thread(target=self._pass_on, args=(server_port,))
        self._thread.start()

    def close(self) -> None:
        self._thread.join()
        self._listener.close()

    def _pass_on(self, server_port: int) -> None:
        client, _ = self._listener.accept()
        with client, socket.create_connection(("127.0.0.1", server_port)) as server:
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(1 << 16)
                    if not data:
                        return
                    if ready is server:
                        self.received += data
                    (client if ready is server else server).sendall(data)


def recording(server_port: int) -> closing[Relay]:
    return closing(Relay(server_port))


def join_packets(data: bytes) -> bytes:
    payload, position = bytearray(), 0
    while position < len(data):
        (length,) = struct.unpack_from(">H", data, position + 2)
        payload += data[position + 8 : position + length]
        position += length
    return bytes(payload)


def endless(produced: list[int]) -> Iterator[pa.RecordBatch]:
    for number in itertools.count():
        produced.append(number)
        yield batch(number % 1000)


@pytest.mark.parametrize("encrypt", ["no", "yes"])
def test_an_endless_result_is_streamed_and_cancelled(engine: PreparedEngine, encrypt: str) -> None:
    skip_unless_microsofts_driver(NEEDS_CANCELLING)
    produced: list[int] = []
    engine.answers["SELECT endless"] = lambda _session, _parameters: iter(
        [ResultSet(COLUMNS, endless(produced), "endless")]
    )
    with serving(engine) as server, connect(server, encrypt=encrypt) as connection:
        cursor = connection.cursor()
        cursor.execute("SELECT endless")
        assert cursor.arrow_batch(BATCH_ROWS).num_rows == BATCH_ROWS
        cursor.close()
        assert read(connection) == expected(0, 1, 2, 3, 4)
    assert len(produced) < 2000


def test_a_row_that_cannot_be_read_half_way_through_is_an_error_after_the_rows_before_it(
    engine: PreparedEngine,
) -> None:
    def breaking() -> Iterator[pa.RecordBatch]:
        yield batch(0)
        raise FAILURE

    engine.answers["SELECT broken"] = lambda _session, _parameters: iter(
        [ResultSet(COLUMNS, breaking(), "broken")]
    )
    with serving(engine) as server, connect(server) as connection:
        for _ in range(2):
            cursor = connection.cursor()
            cursor.execute("SELECT broken")
            assert cursor.arrow_batch(BATCH_ROWS // 2).num_rows == BATCH_ROWS // 2
            with pytest.raises(mssql_python.Error, match="Arithmetic overflow"):
                while cursor.arrow_batch(BATCH_ROWS).num_rows:
                    pass
            cursor.close()
        assert read(connection) == expected(0, 1, 2, 3, 4)


@pytest.mark.parametrize("encrypt", ["no", "yes"])
@pytest.mark.parametrize(("statement", "batch_count"), [("SELECT kept", 5), ("SELECT notes", 3)])
def test_a_second_read_is_replayed_without_asking_for_rows_again(
    engine: PreparedEngine, encrypt: str, statement: str, batch_count: int
) -> None:
    rows = expected(*range(batch_count), notes=statement == "SELECT notes")
    with serving(engine) as server, connect(server, encrypt=encrypt) as connection:
        assert read(connection, statement) == rows
        engine.answer(statement, COLUMNS if statement == "SELECT kept" else WITH_NOTES, key={
            "SELECT kept": "five", "SELECT notes": "notes"}[statement])  # fmt: skip
        assert read(connection, statement) == rows


def test_a_replay_is_the_first_answer_byte_for_byte(engine: PreparedEngine) -> None:
    with serving(engine) as server, recording(server.port) as relay:
        connection_string = server.odbc_connection_string("erp", "sa", PASSWORD)
        relayed = connection_string.replace(f",{server.port};", f",{relay.port};")
        with mssql_python.connect(relayed, autocommit=True) as connection:
            answers = []
            for _ in range(2):
                relay.received.clear()
                read(connection, "SELECT kept")
                answers.append(join_packets(bytes(relay.received)))
    assert len(answers[0]) > 5 * BATCH_ROWS * 8
    assert answers[0] == answers[1]


READ_NOTES = """
import sys, mssql_python
from blb_migration.sqlserver.drivers import load_driver
load_driver(None)
cursor = mssql_python.connect(sys.stdin.read(), autocommit=True).cursor()
print(sum(len(notes) for _, _, notes in cursor.execute("SELECT notes").fetchall()))
"""


def test_a_client_of_another_process_is_streamed_values_of_any_length(engine: PreparedEngine) -> None:
    with serving(engine, has_clients_in_process=False) as server:
        for _ in range(2):
            done = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", READ_NOTES],
                input=server.odbc_connection_string("erp", "sa", PASSWORD),
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            )
            assert int(done.stdout) == sum(len(row[2]) for row in expected(0, 1, 2, notes=True))


def test_a_recording_that_would_not_fit_is_not_kept(engine: PreparedEngine) -> None:
    with serving(engine, replay_limit_bytes=1000) as server, connect(server) as connection:
        assert read(connection, "SELECT kept") == expected(0, 1, 2, 3, 4)
        engine.answer("SELECT kept", COLUMNS, batch(9), key="five")
        assert read(connection, "SELECT kept") == expected(9)


class TestFaults:
    def test_an_error_after_so_many_rows(self, engine: PreparedEngine) -> None:
        with serving(engine) as server, connect(server) as connection:
            server.faults.add(Fault("kept", error=FAILURE, error_after_rows=1500, occurrences=1))
            with pytest.raises(mssql_python.Error, match="Arithmetic overflow"):
                read(connection, "SELECT kept")
            assert read(connection, "SELECT kept") == expected(0, 1, 2, 3, 4)

    @pytest.mark.parametrize("statement", ["SELECT rows", "SELECT notes"])
    def test_a_dropped_connection(self, engine: PreparedEngine, statement: str) -> None:
        with serving(engine) as server:
            server.faults.add(Fault(statement, drop_after_rows=1500))
            connection = connect(server)
            with pytest.raises(mssql_python.Error):
                read(connection, statement)
            connection.close()

    def test_a_skipped_row(self, engine: PreparedEngine) -> None:
        with serving(engine) as server, connect(server) as connection:
            server.faults.add(Fault("rows", skipped_row=1234))
            rows = expected(0, 1, 2, 3, 4)
            assert read(connection) == rows[:1234] + rows[1235:]
            server.faults.clear()
            assert read(connection) == rows

    def test_a_batch_that_comes_twice(self, engine: PreparedEngine) -> None:
        with serving(engine) as server, connect(server) as connection:
            server.faults.add(Fault("rows", repeated_batch=1))
            assert read(connection) == expected(0, 1, 1, 2, 3, 4)

    def test_a_slow_answer_is_still_cancelled(self, engine: PreparedEngine) -> None:
        skip_unless_microsofts_driver(NEEDS_CANCELLING)
        produced: list[int] = []
        engine.answers["SELECT slow"] = lambda _session, _parameters: iter(
            [ResultSet(COLUMNS, endless(produced))]
        )
        with serving(engine) as server, connect(server) as connection:
            server.faults.add(Fault("slow", batch_delay_seconds=0.05))
            cursor = connection.cursor()
            cursor.execute("SELECT slow")
            cursor.close()
            assert read(connection) == expected(0, 1, 2, 3, 4)


class Clock(threading.Event):
    """Counts the seconds that would be waited."""

    waited_seconds = 0.0

    def wait(self, timeout: float | None = None) -> bool:
        self.waited_seconds += timeout or 0
        return False


class TestASlowLine:
    @pytest.mark.parametrize("statement", ["SELECT rows", "SELECT kept", "SELECT notes"])
    def test_the_same_rows_come_but_no_faster_than_the_line_is(
        self, engine: PreparedEngine, statement: str
    ) -> None:
        with serving(engine) as server, connect(server) as connection:
            rows = read(connection, statement)
            server.link = Link(latency_seconds=0.05, bytes_per_second=1_000_000)
            started = time.perf_counter()
            assert read(connection, statement) == rows
            assert time.perf_counter() - started > 0.05 + 5 * BATCH_ROWS * 15 / 1_000_000
            server.link = Link()
            assert read(connection, statement) == rows

    def test_each_connection_has_a_line_of_its_own(self) -> None:
        board = LinkBoard()
        board.link = Link(bytes_per_second=1000)
        clocks = [Clock(), Clock()]
        for line in [PacedLine(board, clock) for clock in clocks]:
            line.send(500)
        assert [round(clock.waited_seconds, 2) for clock in clocks] == [0.5, 0.5]

    def test_what_is_too_short_to_sleep_is_saved_up(self) -> None:
        board, clock = LinkBoard(), Clock()
        board.link = Link(bytes_per_second=1e9)
        line = PacedLine(board, clock)
        for _ in range(1000):
            line.send(1_000_000)
        assert clock.waited_seconds > 1
