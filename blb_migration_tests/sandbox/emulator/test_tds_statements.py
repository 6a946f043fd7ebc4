"""Batches, prepared statements and transactions reach the engine, are answered and are recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal

import mssql_python
import pyarrow as pa
import pytest

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import (
    Message,
    Parameter,
    ResultColumn,
    ResultSet,
    RowCount,
    SqlServerError,
)
from blb_migration.sandbox.emulator.tds.rpc import parse_declarations
from blb_migration_tests.sandbox.emulator.prepared_engine import (
    DATABASE,
    NEEDS_CALLS_BY_NAME,
    USER,
    Outcome,
    PreparedEngine,
    PreparedSession,
    ask,
    connect,
    serving,
    skip_unless_microsofts_driver,
)

NUMBER = (ResultColumn("n", ColumnType("int")),)


def numbers(*values: int) -> ResultSet:
    return ResultSet(NUMBER, iter([pa.record_batch([pa.array(values, pa.int32())], names=["n"])]))


@pytest.fixture
def engine() -> PreparedEngine:
    return PreparedEngine()


@pytest.mark.parametrize(
    ("value", "type_names"),
    [
        (5, {"tinyint"}),
        (-(2**63), {"bigint"}),
        (True, {"bit"}),
        (1.5, {"float"}),
        (Decimal("12345678901234567890.1234"), {"decimal", "numeric"}),
        ("häß€", {"nvarchar"}),
        ("x" * 5000, {"varchar", "nvarchar"}),
        (b"\x00\xff", {"varbinary"}),
        (date(2024, 2, 29), {"date"}),
        (time(23, 59, 59, 123456), {"time"}),
        (datetime(2024, 2, 29, 23, 59, 59, 123456), {"datetime2"}),
        (None, {"varchar", "nvarchar"}),
    ],
)
def test_a_parameter_keeps_its_value_and_type(
    engine: PreparedEngine, value: object, type_names: set[str]
) -> None:
    engine.answers["SELECT n WHERE p = @P1"] = lambda _session, _parameters: iter([numbers(1)])
    with serving(engine) as server, connect(server) as connection:
        assert ask(connection, "SELECT n WHERE p = ?", value) == [(1,)]
    parameter = engine.sessions[0].executed[-1][1][0]
    assert (parameter.name, parameter.value) == ("@P1", value)
    assert parameter.type.name in type_names


def test_a_statement_prepared_once_runs_with_each_set_of_parameters(engine: PreparedEngine) -> None:
    def double(_session: PreparedSession, parameters: Sequence[Parameter]) -> Iterator[Outcome]:
        value = parameters[0].value
        assert isinstance(value, int)
        yield numbers(2 * value)

    engine.answers["SELECT 2 * @P1"] = double
    with serving(engine) as server, connect(server) as connection:
        for value in (100, 101, 102):
            assert ask(connection, "SELECT 2 * ?", value) == [(2 * value,)]
        assert server.statements.texts.count("SELECT 2 * @P1") == 3


def test_declarations_are_read_as_sql_server_reads_them() -> None:
    declared = parse_declarations(
        "@P1 int,@P2 nvarchar(50), @P3 decimal(38, 4) OUTPUT,@P4 varchar(max),@P5 datetime2"
    )
    assert declared == (
        ("@P1", ColumnType("int")),
        ("@P2", ColumnType("nvarchar", length=50)),
        ("@P3", ColumnType("decimal", precision=38, scale=4)),
        ("@P4", ColumnType("varchar")),
        ("@P5", ColumnType("datetime2", scale=7)),
    )
    with pytest.raises(SqlServerError):
        parse_declarations("@P1")


def test_all_results_of_a_batch_arrive_in_order(engine: PreparedEngine) -> None:
    engine.answers["three"] = lambda _session, _parameters: iter(
        [numbers(1), Message(0, "halfway"), RowCount(7), numbers(), numbers(2, 3)]
    )
    with serving(engine) as server, connect(server) as connection:
        cursor = connection.cursor()
        cursor.execute("three")
        results = [[row[0] for row in cursor.fetchall()]]
        while cursor.nextset():
            results.append([row[0] for row in cursor.fetchall()] if cursor.description else [])
        assert results == [[1], [], [], [2, 3]]
        cursor.close()


def test_an_error_carries_its_text_and_the_session_goes_on(engine: PreparedEngine) -> None:
    engine.answers["SELECT n"] = lambda _session, _parameters: iter([numbers(1)])
    with serving(engine) as server, connect(server) as connection:
        with pytest.raises(mssql_python.Error, match=r"Invalid object name 'SELECT \* FROM nowhere'"):
            connection.cursor().execute("SELECT * FROM nowhere")
        with pytest.raises(mssql_python.Error, match="Invalid object name"):
            connection.cursor().execute("SELECT * FROM nowhere WHERE n = ?", 1)
        assert ask(connection, "SELECT n") == [(1,)]


def test_an_engines_defect_reads_as_an_error(engine: PreparedEngine) -> None:
    engine.answer("SELECT n", NUMBER, pa.record_batch([pa.array(["text"])], names=["n"]))
    with serving(engine) as server, connect(server) as connection:
        cursor = connection.cursor()
        with pytest.raises(mssql_python.Error, match="The emulator failed"):
            cursor.execute("SELECT n")
            cursor.fetchall()
        cursor.close()


def test_a_procedure_that_does_not_exist_is_error_2812(engine: PreparedEngine) -> None:
    skip_unless_microsofts_driver(NEEDS_CALLS_BY_NAME)
    with serving(engine) as server, connect(server) as connection:
        with pytest.raises(mssql_python.Error, match="Could not find stored procedure"):
            connection.cursor().execute("{CALL no_such_procedure(?)}", 1)
        assert server.statements[-1].text == "EXEC no_such_procedure"


def test_a_client_follows_the_session_to_another_database(engine: PreparedEngine) -> None:
    def use(session: PreparedSession, _parameters: Sequence[Parameter]) -> Iterator[Outcome]:
        session.database = "other"
        yield Message(5701, "Changed database context to 'other'.")
        yield RowCount(None)

    engine.answers["USE other"] = use
    with serving(engine) as server, connect(server) as connection:
        connection.cursor().execute("USE other")
        connection.cursor().execute("SET NOCOUNT ON")
        assert [statement.database for statement in server.statements] == [DATABASE, "other"]


def test_transactions_are_begun_committed_and_rolled_back(engine: PreparedEngine) -> None:
    engine.answers["SELECT n"] = lambda _session, _parameters: iter([numbers(1)])
    with serving(engine) as server, connect(server, autocommit=False) as connection:
        ask(connection, "SELECT n")
        connection.commit()
        ask(connection, "SELECT n")
        connection.rollback()
        kinds = [(statement.kind, statement.text) for statement in server.statements]
    assert kinds[:4] == [
        ("transaction", "BEGIN TRANSACTION"),
        ("batch", "SELECT n"),
        ("transaction", "COMMIT TRANSACTION"),
        ("transaction", "BEGIN TRANSACTION"),
    ]
    assert ("transaction", "ROLLBACK TRANSACTION") in kinds


def test_every_statement_is_recorded_with_who_sent_it(engine: PreparedEngine) -> None:
    engine.answers["SELECT n"] = lambda _session, _parameters: iter([numbers(1)])
    with serving(engine) as server, connect(server) as connection:
        ask(connection, "SELECT n")
        (statement,) = server.statements
        assert (statement.text, statement.kind, statement.user, statement.database) == (
            "SELECT n",
            "batch",
            USER,
            DATABASE,
        )
        assert statement.application == "MSSQL-Python"
        assert statement.session_id > 50
        assert statement.received_at.tzinfo is not None
        server.statements.clear()
        assert len(server.statements) == 0
