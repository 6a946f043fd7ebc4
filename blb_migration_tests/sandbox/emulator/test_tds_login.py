"""Microsoft's driver logs in to the emulator, encrypted or not, and is refused as SQL Server refuses."""

from __future__ import annotations

import platform
import re
import socket
import struct
import threading
from contextlib import closing
from pathlib import Path

import mssql_python
import pyarrow as pa
import pytest
from pysqlbridge.tds.prelogin import Encryption, Prelogin, PreloginOption
from sqlalchemy import make_url

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import ResultColumn
from blb_migration_tests.sandbox.emulator.prepared_engine import (
    DATABASE,
    PASSWORD,
    USER,
    PreparedEngine,
    ask,
    connect,
    serving,
)

ANSWER = pa.record_batch([pa.array([42], pa.int32())], names=["answer"])


@pytest.fixture
def engine() -> PreparedEngine:
    engine = PreparedEngine()
    engine.answer("SELECT answer", [ResultColumn("answer", ColumnType("int"))], ANSWER)
    return engine


@pytest.mark.parametrize("encrypt", ["no", "yes"])
@pytest.mark.parametrize("packet_size", [512, 4096, 32767])
def test_a_user_logs_in_and_reads(engine: PreparedEngine, encrypt: str, packet_size: int) -> None:
    with serving(engine) as server:
        connection_string = server.odbc_connection_string(DATABASE, USER, PASSWORD, encrypt=encrypt)
        with mssql_python.connect(
            f"{connection_string}PacketSize={packet_size};", autocommit=True
        ) as connection:
            assert ask(connection, "SELECT answer") == [(42,)]
    assert [session.database for session in engine.sessions] == [DATABASE]
    assert all(session.is_closed for session in engine.sessions)


@pytest.mark.parametrize("encrypt", ["no", "yes"])
def test_a_user_of_pyodbc_logs_in_and_reads(engine: PreparedEngine, encrypt: str) -> None:
    """Needs a driver manager (Debian's libodbc2); the driver is the one that mssql-python carries."""
    pyodbc = pytest.importorskip("pyodbc", reason="no ODBC driver manager", exc_type=ImportError)
    drivers = Path(mssql_python.__file__).parent.parent / "mssql_python_odbc" / "libs" / "linux"
    driver = next(drivers.glob(f"debian_ubuntu/{platform.machine()}/lib/libmsodbcsql-*"), None)
    if driver is None:
        pytest.skip("no bundled driver for this platform")
    with serving(engine) as server:
        connection_string = server.odbc_connection_string(DATABASE, USER, PASSWORD, encrypt=encrypt)
        with closing(pyodbc.connect(f"Driver={driver};{connection_string}", autocommit=True)) as connection:
            assert [tuple(row) for row in connection.execute("SELECT answer").fetchall()] == [(42,)]


def test_a_wrong_password_is_error_18456_and_is_not_repeated(engine: PreparedEngine) -> None:
    with (
        serving(engine) as server,
        pytest.raises(mssql_python.Error, match="Login failed for user 'sa'") as caught,
    ):
        mssql_python.connect(server.odbc_connection_string(DATABASE, USER, "not this"))
    assert "not this" not in str(caught.value)


def test_a_missing_database_refuses_the_log_in(engine: PreparedEngine) -> None:
    # SQL Server sends 4060 and then 18456. Microsoft's driver shows the latter first, mssql-odbc the former;
    # mssql-python shows one.
    words = "Login failed for user 'sa'|Cannot open database \"nowhere\""
    with serving(engine) as server, pytest.raises(mssql_python.Error, match=words):
        mssql_python.connect(server.odbc_connection_string("nowhere", USER, PASSWORD))


def test_a_certificate_nobody_vouches_for_is_refused_unless_trusted(engine: PreparedEngine) -> None:
    with serving(engine) as server:
        trusting = server.odbc_connection_string(DATABASE, USER, PASSWORD, encrypt="yes")
        doubting = trusting.replace("TrustServerCertificate=yes", "TrustServerCertificate=no")
        with pytest.raises(mssql_python.Error, match=re.compile("certificate|SSL|TLS", re.IGNORECASE)):
            mssql_python.connect(doubting)


def build_login(user: str, password: str) -> bytes:
    """Build a LOGIN7 ([MS-TDS] 2.2.6.4) with nothing in it but a user and a password."""
    scrambled = bytes(((byte & 0x0F) << 4 | byte >> 4) ^ 0xA5 for byte in password.encode("utf-16-le"))
    texts = [b"", user.encode("utf-16-le"), scrambled, *[b""] * 6]
    position, pairs, data = 94, b"", b""
    for text in texts:
        pairs += struct.pack("<HH", position + len(data), len(text) // 2)
        data += text
    end = struct.pack("<HH", position + len(data), 0)
    body = (
        struct.pack("<IIIII4BiI", 0x74000004, 4096, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        + pairs
        + bytes(6)
        + end * 3
        + bytes(4)
    )
    return struct.pack("<I", len(body) + 4 + len(data)) + body + data


def read_message(client: socket.socket) -> bytes:
    received = b""
    while len(received) < 8 or len(received) < struct.unpack_from(">H", received, 2)[0]:
        part = client.recv(4096)
        assert part
        received += part
    return received


def test_a_client_without_encryption_logs_in_in_the_clear(engine: PreparedEngine) -> None:
    """As go-mssqldb does under encrypt=disable: ENCRYPT_NOT_SUP in question and answer."""
    asked = Prelogin([(PreloginOption.VERSION, bytes(6)), (PreloginOption.ENCRYPTION, b"\x02")])
    answers = []
    with (
        serving(engine) as server,
        socket.create_connection((server.host, server.port), timeout=5) as client,
    ):
        for kind, body in ((0x12, asked.build()), (0x10, build_login(USER, PASSWORD))):
            client.sendall(struct.pack(">BBHHBB", kind, 1, len(body) + 8, 0, 1, 0) + body)
            answers.append(read_message(client)[8:])
    assert Prelogin.parse(answers[0]).encryption is Encryption.NOT_SUPPORTED
    assert "Changed database context to 'master'.".encode("utf-16-le") in answers[1]
    assert [session.is_closed for session in engine.sessions] == [True]


def test_bytes_that_are_no_tds_end_only_their_own_connection(engine: PreparedEngine) -> None:
    with serving(engine) as server, connect(server) as connection:
        for noise in (
            b"GET / HTTP/1.1\r\n\r\n",
            b"\x12\x01\x00\x09\0\0\0\0\x00",
            struct.pack(">BBH", 1, 1, 3) + bytes(4),
        ):
            with socket.create_connection((server.host, server.port), timeout=5) as client:
                client.sendall(noise)
                assert client.recv(1) == b""
        assert ask(connection, "SELECT answer") == [(42,)]


def test_stopping_ends_connections_and_threads(engine: PreparedEngine) -> None:
    before = set(threading.enumerate())  # other tests' servers may be up
    with serving(engine) as server:
        connection = connect(server)
        assert set(threading.enumerate()) - before
    started = set(threading.enumerate()) - before
    assert not [thread for thread in started if thread.name.startswith("emulator")]
    with pytest.raises(mssql_python.Error):
        connection.cursor().execute("SELECT answer")
    connection.close()


def test_a_pooled_connection_is_reset_to_a_new_session(engine: PreparedEngine) -> None:
    with serving(engine) as server:
        mssql_python.pooling(enabled=True)
        for _ in range(2):
            with connect(server) as connection:
                assert ask(connection, "SELECT answer") == [(42,)]
        mssql_python.pooling(enabled=False)


def test_the_url_is_as_people_write_it(engine: PreparedEngine) -> None:
    with serving(engine) as server:
        url = make_url(server.url(DATABASE, USER, PASSWORD))
        assert (url.host, url.port, url.database) == (server.host, server.port, DATABASE)
        assert (url.username, url.password) == (USER, PASSWORD)
        assert url.query["driver"] == "ODBC Driver 18 for SQL Server"
