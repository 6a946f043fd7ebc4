"""Sessions: who may read what, transactions, streaming, and when a result may be replayed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import mssql_python
import pyarrow as pa
import pytest

from blb_migration.model import Column, ColumnType, Table, TableName
from blb_migration.sandbox.emulator.results import Parameter, ResultSet, SqlServerError
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.emulator.tsql.session import TsqlSession
from blb_migration_tests.sandbox.emulator.tsql_shop import PASSWORD, Shop


@pytest.fixture
def shop() -> Iterator[Shop]:
    shop = Shop()
    yield shop
    shop.close()


def drain(session: TsqlSession, batch: str) -> None:
    for outcome in session.execute(batch):
        if isinstance(outcome, ResultSet):
            for _ in outcome.batches:
                pass


class TestLogins:
    @pytest.mark.parametrize(("user", "password"), [("sa", "wrong"), ("nobody", PASSWORD)])
    def test_a_wrong_log_in_is_refused(self, shop: Shop, user: str, password: str) -> None:
        with pytest.raises(SqlServerError) as caught:
            shop.engine.login(user, password, "SHOP")
        assert (caught.value.number, caught.value.text) == (18456, f"Login failed for user '{user}'.")

    def test_a_missing_database_cannot_be_opened(self, shop: Shop) -> None:
        with pytest.raises(SqlServerError) as caught:
            shop.engine.login("sa", PASSWORD, "nowhere")
        assert caught.value.number == 4060
        assert caught.value.text == 'Cannot open database "nowhere" requested by the login. The login failed.'

    def test_a_log_in_sees_only_its_databases(self, shop: Shop) -> None:
        shop.engine.create_database("Other")
        shop.engine.add_login("clerk", PASSWORD, databases=["SHOP"])
        with pytest.raises(SqlServerError) as caught:
            shop.engine.login("clerk", PASSWORD, "Other")
        assert caught.value.number == 4060
        with pytest.raises(SqlServerError) as caught:
            drain(shop.engine.login("clerk", PASSWORD, "SHOP"), "USE Other")
        assert caught.value.number == 916

    def test_a_denied_table_cannot_be_read(self, shop: Shop) -> None:
        shop.engine.add_login("clerk", PASSWORD, denied_tables=["dbo.Items"])
        session = shop.engine.login("clerk", PASSWORD, "SHOP")
        drain(session, "SELECT * FROM Categories")
        with pytest.raises(SqlServerError) as caught:
            drain(session, "SELECT COUNT(*) FROM Items")
        assert (caught.value.number, caught.value.severity) == (229, 14)
        assert caught.value.text == (
            "The SELECT permission was denied on the object 'Items', database 'SHOP', schema 'dbo'."
        )

    def test_no_password_shows_in_what_is_printed(self, shop: Shop) -> None:
        assert PASSWORD not in repr(shop.session.login)


class TestTransactions:
    def test_a_transaction_reads_one_state(self, shop: Shop) -> None:
        shop.database.allows_snapshot = True
        count = "SELECT COUNT(*) FROM Items"
        drain(shop.session, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN")
        assert shop.value(count) == 4
        shop.database.execute_native("DELETE FROM Items WHERE id = 1")
        assert shop.value(count) == 4
        drain(shop.session, "COMMIT")
        assert shop.value(count) == 3

    def test_snapshot_must_be_allowed(self, shop: Shop) -> None:
        error = shop.error("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT COUNT(*) FROM Items")
        assert error.number == 3952
        assert error.text.startswith(
            "Snapshot isolation transaction failed accessing database 'SHOP' because",
        )

    def test_transactions_nest(self, shop: Shop) -> None:
        assert shop.value("BEGIN TRAN; BEGIN TRANSACTION; COMMIT; SELECT @@TRANCOUNT") == 1
        assert shop.value("ROLLBACK; SELECT @@TRANCOUNT") == 0


class TestReplayKeys:
    def key(self, shop: Shop, batch: str) -> str | None:
        keys: list[str | None] = []
        for result in shop.results(batch):
            keys.append(result.replay_key)
            list(result.batches)
        return keys[-1]

    def test_the_same_question_of_the_same_state_has_the_same_key(self, shop: Shop) -> None:
        first = self.key(shop, "SELECT * FROM Items")
        assert first is not None
        assert self.key(shop, "select *\nfrom dbo.items -- again") == first
        assert self.key(shop, "SELECT * FROM Items WHERE id > 1") != first

    def test_a_change_changes_the_key(self, shop: Shop) -> None:
        first = self.key(shop, "SELECT * FROM Items")
        shop.database.execute_native("UPDATE Items SET quantity = 0 WHERE id = 1")
        second = self.key(shop, "SELECT * FROM Items")
        shop.database.load(
            "Items", pa.table({"id": pa.array([99], pa.int32()), "quantity": pa.array([1], pa.int32())})
        )
        assert len({first, second, self.key(shop, "SELECT * FROM Items")}) == 3

    @pytest.mark.parametrize(
        "batch", ["SELECT GETDATE(), id FROM Items", "SELECT NEWID() FROM Items", "SELECT 1"]
    )
    def test_what_depends_on_more_than_the_data_has_none(self, shop: Shop, batch: str) -> None:
        assert self.key(shop, batch) is None

    def test_a_state_older_than_now_is_not_replayed(self, shop: Shop) -> None:
        drain(shop.session, "BEGIN TRAN; SELECT COUNT(*) FROM Items")
        shop.database.execute_native("DELETE FROM Items WHERE id = 1")
        assert self.key(shop, "SELECT COUNT(*) FROM Items") is None

    def test_a_transaction_that_was_answered_by_a_replay_still_reads_one_state(self, shop: Shop) -> None:
        shop.database.allows_snapshot = True
        drain(shop.session, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN")
        next(shop.results("SELECT * FROM Items"))  # a replayed result is not read
        shop.database.execute_native("DELETE FROM Items WHERE id = 1")
        assert shop.value("SELECT COUNT(*) FROM Items") == 4

    def test_catalog_views_are_replayed_until_the_catalog_changes(self, shop: Shop) -> None:
        question = "SELECT name FROM sys.tables ORDER BY name"
        first = self.key(shop, question)
        assert first is not None
        assert self.key(shop, question) == first
        shop.database.create_table(Table(TableName("dbo", "Added"), (Column("id", ColumnType("int"), True),)))
        assert self.key(shop, question) != first
        assert shop.ask(question)[0] == ("Added",)

    def test_a_replayed_result_has_its_row_count(self, shop: Shop) -> None:
        with (
            SqlServerEmulator(shop.engine) as server,
            mssql_python.connect(server.odbc_connection_string("SHOP", "sa", PASSWORD)) as connection,
        ):
            counts = []
            for _ in range(2):
                cursor = connection.cursor()
                assert len(cursor.execute("SELECT * FROM Items").fetchall()) == 4
                counts.append(cursor.execute("SELECT @@ROWCOUNT").fetchall()[0][0])
                cursor.execute("SELECT id FROM Items WHERE id = 1").fetchall()
                cursor.close()
        assert counts == [4, 4]


class TestStatementsCompiledBefore:
    """The second time a text comes it is not compiled, unless something it depends on is different."""

    QUESTION = "SELECT TOP 1 id FROM Items ORDER BY id"

    def test_another_table_of_the_same_name(self, shop: Shop) -> None:
        assert shop.value(self.QUESTION) == 1
        shop.database.drop_table(shop.database.find_table("Items"))
        assert shop.error(self.QUESTION).number == 208
        shop.database.create_table(
            Table(TableName("dbo", "Items"), (Column("id", ColumnType("varchar", 5), True),))
        )
        shop.database.load("Items", pa.table({"id": ["seven"]}))
        assert shop.value(self.QUESTION) == "seven"

    def test_another_database(self, shop: Shop) -> None:
        other = shop.engine.create_database("Other")
        other.create_table(Table(TableName("dbo", "Items"), (Column("id", ColumnType("int"), True),)))
        assert shop.value(self.QUESTION) == 1
        assert shop.ask(f"USE Other; {self.QUESTION}") == []

    def test_another_log_in(self, shop: Shop) -> None:
        drain(shop.session, self.QUESTION)
        shop.engine.add_login("clerk", PASSWORD, denied_tables=["dbo.Items"])
        clerk = shop.engine.login("clerk", PASSWORD, "SHOP")
        with pytest.raises(SqlServerError) as caught:
            drain(clerk, self.QUESTION)
        assert caught.value.number == 229

    def test_other_values(self, shop: Shop) -> None:
        question = "SELECT id FROM Items WHERE id >= @least AND id < @most ORDER BY id"

        def read(least: int, most: int) -> list[tuple[object, ...]]:
            bounds = [Parameter(name, ColumnType("int"), value) for name, value in zip(
                ("@least", "@most"), (least, most), strict=True)]  # fmt: skip
            return shop.ask(question, bounds)

        assert [read(1, 3), read(3, 9), read(1, 3)] == [[(1,), (2,)], [(5,), (7,)], [(1,), (2,)]]

    def test_variables_of_other_types(self, shop: Shop) -> None:
        question = "SELECT @a + @a"
        assert shop.ask(question, [Parameter("@a", ColumnType("int"), 1)]) == [(2,)]
        assert shop.ask(question, [Parameter("@a", ColumnType("varchar", 5), "1")]) == [("11",)]

    def test_what_the_session_itself_knows(self, shop: Shop) -> None:
        other = shop.engine.login("sa", PASSWORD, "SHOP")
        assert shop.value("SELECT @@SPID") == shop.session.spid
        (result,) = other.execute("SELECT @@SPID")
        assert isinstance(result, ResultSet)
        assert next(result.batches).column(0)[0].as_py() == other.spid

    def test_variables_are_set_each_time(self, shop: Shop) -> None:
        batch = "DECLARE @n int; SELECT @n = COUNT(*) FROM Items; SELECT @n"
        assert [shop.value(batch), shop.value(batch)] == [4, 4]
        shop.database.execute_native("DELETE FROM Items WHERE id = 1")
        assert shop.value(batch) == 3


def test_a_million_rows_stream_in_small_batches(shop: Shop) -> None:
    shop.database.create_table(
        Table(
            TableName("dbo", "Big"),
            (Column("id", ColumnType("int"), False), Column("text", ColumnType("varchar", 100), True)),
        )
    )
    shop.database.execute_native("INSERT INTO Big SELECT i, repeat('x', 100) FROM range(1000000) AS r(i)")
    before = pa.total_allocated_bytes()
    row_count = largest = 0
    (result,) = shop.results("SELECT * FROM Big")
    for batch in result.batches:
        row_count += batch.num_rows
        largest = max(largest, batch.nbytes)
        assert pa.total_allocated_bytes() - before < 64 * 2**20
    assert row_count == 1_000_000
    assert largest < 8 * 2**20


def test_sessions_read_at_the_same_time(shop: Shop) -> None:
    other = shop.engine.login("sa", PASSWORD, "SHOP")
    (first,) = shop.results("SELECT id FROM Items ORDER BY id")
    drain(other, "SELECT id FROM Items")
    assert [value for batch in first.batches for value in batch.column(0).to_pylist()] == [1, 2, 5, 7]
    assert other.spid != shop.session.spid


def test_a_result_may_be_left_half_read(shop: Shop) -> None:
    shop.database.execute_native("INSERT INTO archive.Notes SELECT repeat('x', 100) FROM range(200000)")
    outcomes = shop.session.execute("SELECT * FROM archive.Notes")
    (result,) = [next(outcomes)]
    assert isinstance(result, ResultSet)
    assert next(result.batches).num_rows > 0
    assert shop.value("SELECT COUNT(*) FROM archive.Notes") == 200_000


def test_rows_can_live_in_files(tmp_path: Path) -> None:
    engine = TsqlEngine(tmp_path, memory_limit="200MB")
    engine.add_login("sa", PASSWORD)
    database = engine.create_database("FILED")
    database.create_table(Table(TableName("dbo", "t"), (Column("id", ColumnType("int"), False),)))
    database.load("t", pa.table({"id": pa.array(range(1000), pa.int32())}))
    session = engine.login("sa", PASSWORD, "FILED")
    (result,) = session.execute("SELECT SUM(id) FROM t")
    assert isinstance(result, ResultSet)
    assert [batch.to_pylist() for batch in result.batches] == [[{"c1": 499_500}]]
    engine.close()
    assert list(tmp_path.glob("*.duckdb"))
