"""The source marker: a write is seen by the strongest sign that the server offers; no more is claimed."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pytest

from blb_migration.model import TableName, UniqueKey
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.emulator.tsql.databases import Database
from blb_migration.settings import parse_source_url
from blb_migration.source_marker import MarkerVerdict, Movement, SourceMarker, compare_markers
from blb_migration.sqlserver.connect import SourceConnector, SourceSession
from blb_migration.sqlserver.marker import read_marker
from blb_migration_tests.catalogs import table
from blb_migration_tests.sqlserver.scripted import NAME, Script

ITEMS = table("items", "id int not null", "name nvarchar(20)", primary_key=UniqueKey("PK_items", ("id",)))
STAMPED = table(
    "stamped", "id int not null", "v rowversion not null", primary_key=UniqueKey("PK_stamped", ("id",))
)
OTHERS = table("others", "id int not null")
PLANNED = (ITEMS.name, STAMPED.name)


class Source:
    """A server with one database, its writer, and two readers: one sees the server's state, one does not."""

    def __init__(self, engine: TsqlEngine, server: SqlServerEmulator, name: str) -> None:
        self.database: Database = engine.create_database(name)
        for each in (ITEMS, STAMPED, OTHERS):
            self.database.create_table(each)
        self.database.load(ITEMS.name, pa.table({"id": pa.array([1, 2], pa.int32()), "name": ["a", "b"]}))
        self.writer = engine.login("writer", "secret", name)
        self.reader = SourceConnector(parse_source_url(server.url(name, "reader", "secret")))
        self.clerk = SourceConnector(parse_source_url(server.url(name, "clerk", "secret")))

    def write(self, sql: str) -> None:
        list(self.writer.execute(sql))

    def track(self, *names: TableName) -> None:
        self.write(f"ALTER DATABASE {self.database.name} SET CHANGE_TRACKING = ON (AUTO_CLEANUP = ON)")
        for name in names:
            self.write(f"ALTER TABLE {name} ENABLE CHANGE_TRACKING")

    def compare(self, *writes: str, by_clerk: bool = False) -> MarkerVerdict:
        """Read a marker, write, and read another."""
        with (self.clerk if by_clerk else self.reader).connect() as session:
            before = read_marker(session, PLANNED)
            for sql in writes:
                self.write(sql)
            return compare_markers(before, read_marker(session, PLANNED))


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[TsqlEngine, SqlServerEmulator]]:
    engine = TsqlEngine()
    engine.add_login("writer", "secret")
    engine.add_login("reader", "secret", read_only=True)
    engine.add_login("clerk", "secret", read_only=True, sees_server_state=False)
    with SqlServerEmulator(engine) as server:
        yield engine, server
    engine.close()


@pytest.fixture
def source(running: tuple[TsqlEngine, SqlServerEmulator], request: pytest.FixtureRequest) -> Source:
    return Source(*running, f"db{abs(hash(request.node.nodeid))}")


WRITES = {
    "update": "UPDATE dbo.items SET name = 'c' WHERE id = 1",
    "insert": "INSERT INTO dbo.items (id, name) VALUES (3, 'c')",
    "delete": "DELETE FROM dbo.items WHERE id = 1",
    "truncate": "TRUNCATE TABLE dbo.items",
    "swap": "UPDATE dbo.items SET name = CASE WHEN name = 'a' THEN 'b' ELSE 'a' END",
}


@pytest.mark.parametrize("sql", WRITES.values(), ids=WRITES)
def test_a_write_is_seen_and_its_table_named(source: Source, sql: str) -> None:
    verdict = source.compare(sql)
    assert verdict.movement is Movement.MOVED
    assert verdict.moved_tables == ("dbo.items",)
    assert "dbo.items" in verdict.sentence


@pytest.mark.parametrize("kind", WRITES)
def test_without_the_servers_state_only_some_writes_are_seen(source: Source, kind: str) -> None:

    verdict = source.compare(WRITES[kind], by_clerk=True)
    if kind in ("update", "swap"):  # of no statistic's first column: nothing counts it
        assert verdict.movement is Movement.NO_SIGN and not verdict.is_proof
    else:
        assert verdict.moved_tables == ("dbo.items",)


@pytest.mark.parametrize("sql", WRITES.values(), ids=WRITES)
def test_change_tracking_sees_the_same(source: Source, sql: str) -> None:
    source.track(*PLANNED)
    assert source.compare(sql).movement is Movement.MOVED


def test_no_write_without_a_proof_is_an_indication(source: Source) -> None:
    verdict = source.compare()
    assert (verdict.movement, verdict.is_proof) == (Movement.NO_SIGN, False)
    assert "an indication, no proof: the end of the log, the tables' counts of writing" in verdict.sentence
    verdict = source.compare(by_clerk=True)
    assert (verdict.movement, verdict.is_proof) == (Movement.NO_SIGN, False)
    assert "the end of the log" not in verdict.sentence


def test_a_write_to_another_table_is_none_to_the_planned(source: Source) -> None:
    verdict = source.compare("INSERT INTO dbo.others (id) VALUES (1)")
    assert verdict.movement is Movement.NO_SIGN
    assert "the end of the log" not in verdict.sentence  # which has moved


def test_a_read_only_database_stood_still(source: Source) -> None:
    source.database.is_read_only = True
    verdict = source.compare()
    assert verdict.is_proof and "it is READ_ONLY" in verdict.sentence


def test_a_database_snapshot_stood_still(source: Source) -> None:
    source.database.is_read_only = True
    source.database.source_database_id = 1
    verdict = source.compare()
    assert verdict.is_proof and "a database snapshot of master" in verdict.sentence


def test_a_database_that_was_read_only_before_and_after_may_have_been_written_to(source: Source) -> None:
    source.database.is_read_only = True
    with source.reader.connect() as session:
        before = read_marker(session, PLANNED)
        source.database.is_read_only = False
        source.write("INSERT INTO dbo.others (id) VALUES (1)")
        source.database.is_read_only = True
        assert not compare_markers(before, read_marker(session, PLANNED)).is_proof


def test_change_tracking_on_all_tables_is_a_proof(source: Source) -> None:
    source.track(*PLANNED)
    verdict = source.compare("INSERT INTO dbo.others (id) VALUES (1)")
    assert verdict.is_proof and "Change Tracking has them all" in verdict.sentence


def test_change_tracking_on_some_tables_is_none(source: Source) -> None:
    source.track(ITEMS.name)
    assert source.compare().movement is Movement.NO_SIGN


def test_a_copy_under_the_same_name_is_another_source(
    running: tuple[TsqlEngine, SqlServerEmulator], source: Source
) -> None:
    engine, server = running
    with source.reader.connect() as session:
        before = read_marker(session, PLANNED)
    engine.drop_database(source.database.name)
    copy = Source(engine, server, source.database.name)
    with copy.reader.connect() as session:
        after = read_marker(session, PLANNED)
    verdict = compare_markers(before, after)
    assert verdict.movement is Movement.OTHER_SOURCE and "created" in verdict.sentence


def test_a_marker_is_the_same_after_the_ledger(source: Source) -> None:
    source.track(*PLANNED)
    for connector in (source.reader, source.clerk):
        with connector.connect() as session:
            marker = read_marker(session, PLANNED)
        assert SourceMarker.from_json(marker.to_json()) == marker


def test_what_may_not_be_seen_is_noted(source: Source) -> None:
    with source.clerk.connect() as session:
        marker = read_marker(session, PLANNED)
    assert marker.log_end is None and marker.tables["dbo.items"].user_updates is None
    assert marker.tables["dbo.items"].row_count == 2
    assert [note for note in marker.notes if "end of its log" in note and "VIEW SERVER STATE" in note]


def test_a_server_that_tells_nothing_is_not_known_to_stand_still(
    session: SourceSession, script: Script
) -> None:
    markers = [read_marker(session, PLANNED) for _ in range(2)]
    verdict = compare_markers(*markers)
    assert verdict.movement is Movement.UNKNOWN and not verdict.is_proof
    assert len(markers[0].notes) >= 6
    script.answer("begin_version", [NAME, NAME, NAME], [])  # nothing was asked a second time
    assert read_marker(session, PLANNED).notes == markers[0].notes
