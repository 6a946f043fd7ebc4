"""Chunks of one table go to whoever asks first, come back when he is gone, and are loaded once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from blb_migration import waiting
from blb_migration.cli.main import main
from blb_migration.compare.run_checks import run_check
from blb_migration.errors import ConfigurationError, TargetError
from blb_migration.load.chunks.helping import find_project, help_load
from blb_migration.load.table import load_table
from blb_migration.migration import Loading, Migration, TableProgress
from blb_migration.plan.project import save_project
from blb_migration.postgres.ledger.chunk_claims import ChunkClaims, LoadToHelp, read_loads_to_help
from blb_migration.postgres.ledger.loads import lock_table_load, unlock_table_load
from blb_migration.postgres.names import TargetConnection
from blb_migration.postgres.session_slots import SessionSlots
from blb_migration.retries import becomes_true
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration_tests.chain import Chain
from blb_migration_tests.load.chunks.chunk_shop import LABEL, ROW_COUNT, begin_run, fill, loading, parts_of

CHUNKS = "SELECT count(*), count(*) FILTER (WHERE status = 'finished') FROM blb_migration.table_chunks"


@pytest.fixture
def chain(new_chain: Callable[..., Chain]) -> Chain:
    chain = new_chain()
    fill(chain)
    chain.execute("INSERT INTO makers SELECT generate_series(0, 6)")
    return chain


class RunningLoad:
    """A load at work in a thread of its own, slow enough to meet it."""

    def __init__(self, migration: Migration) -> None:
        self.parts: dict[int, int] = {}
        self.sentences: list[str] = []
        self.error: BaseException | None = None
        self._migration = migration
        self._thread = threading.Thread(target=self._load)

    def _load(self) -> None:
        def watch(event: object) -> None:
            if isinstance(event, TableProgress):
                self.parts[event.part] = event.rows_read

        try:
            with waiting.told_to(self.sentences.append):
                load_table(self._migration, parts_of(self._migration), watch)
        except BaseException as error:  # noqa: BLE001 - the test's thread judges it
            self.error = error

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error


@contextmanager
def loading_slowly(
    chain: Chain, emulator: SqlServerEmulator, how: Loading, seconds: float = 0.1
) -> Iterator[tuple[RunningLoad, Migration, LoadToHelp]]:
    migration = begin_run(chain, how)
    emulator.faults.add(Fault(r"\[parts\] WHERE", batch_delay_seconds=seconds))
    load = RunningLoad(migration)
    load.start()
    try:
        with chain.target.connect() as connection:
            while not (found := read_loads_to_help(connection)):
                assert load.error is None
        yield load, migration, found[0]
        load.end()
    finally:
        emulator.faults.clear()
        load._thread.join(60)


def assert_loaded_once(chain: Chain, migration: Migration) -> None:
    total, finished = chain.execute(CHUNKS)[0]
    assert total == finished > 10
    assert chain.execute("SELECT count(*), count(DISTINCT id) FROM parts") == [(ROW_COUNT, ROW_COUNT)]
    assert chain.execute("SELECT count(DISTINCT load_xid) FROM blb_migration.table_chunks") == [(total,)]
    for name in ("row_count", "key_totals", "content"):
        assert run_check(migration, parts_of(migration), name).passed


def test_helpers_take_chunks_of_a_load_that_is_at_work(chain: Chain, emulator: SqlServerEmulator) -> None:
    with loading_slowly(chain, emulator, loading(1)) as (load, migration, found):
        assert (found.run_id, found.kind) == (migration.run.run_id, "migration")
        # Another machine has connectors of its own, and knows the run from the ledger alone.
        elsewhere = replace(chain.migration("project: shop\n"), loading=loading(2))
        helped: set[int] = set()
        help_load(elsewhere, found, lambda event: helped.add(getattr(event, "part", 0)))
    assert_loaded_once(chain, migration)
    assert len(helped) > 2
    # The meter of the load's own process knows of all rows, whoever has loaded them.
    assert sum(load.parts.values()) == ROW_COUNT


def test_chunks_that_others_hold_are_waited_for_and_taken_back(
    chain: Chain, emulator: SqlServerEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "SAY_EVERY_SECONDS", 0.3)
    with (
        psycopg.connect(chain.target_url, autocommit=True) as gone,
        loading_slowly(chain, emulator, loading(2), 0.02) as (load, migration, found),
    ):
        assert ChunkClaims(gone, found.load_id).claim() is not None
        while not load.sentences:
            assert load.error is None
        assert "waiting for 1 chunk that other processes load" in load.sentences[0]
        total, finished = chain.execute(CHUNKS)[0]
        assert total - finished == 1
        gone.close()  # as the server closes it when its process was killed
    assert_loaded_once(chain, migration)


@pytest.fixture
def claimed_load(chain: Chain) -> Iterator[tuple[TargetConnection, LoadToHelp]]:
    """Yield a session beside a load whose process holds the table and does nothing more, and that load."""
    migration = begin_run(chain)
    name = parts_of(migration).target.name
    with chain.target.connect() as owner:
        with pytest.raises(RuntimeError):

            def stop(_: object) -> None:
                raise RuntimeError

            load_table(migration, parts_of(migration), stop)
        assert lock_table_load(owner, name)
        with chain.target.connect() as other:
            [found] = read_loads_to_help(other)
            yield other, found
        with suppress(TargetError):  # a test has ended its session
            unlock_table_load(owner, name)


def test_a_chunk_is_claimed_by_one_session_and_once(
    chain: Chain, claimed_load: tuple[TargetConnection, LoadToHelp]
) -> None:
    connection, found = claimed_load
    first = ChunkClaims(connection, found.load_id)
    with chain.target.connect() as elsewhere:
        second = ChunkClaims(elsewhere, found.load_id)
        taken = [claims.claim() for claims in (first, second, first, second)]
        numbers = [each.chunk_no for each in taken if each is not None]
        assert len(set(numbers)) == 4
        opened = first.count_open()
        assert opened.count - opened.unclaimed == 4
        first.release(numbers[0])
        again = second.claim()
        assert again is not None and again.chunk_no == numbers[0]
    # With its session all of them went, as soon as the server has ended it.
    assert becomes_true(
        lambda: first.count_open().unclaimed == opened.unclaimed + 3, within_seconds=30, pause_seconds=0.01
    )


def test_nothing_is_claimed_of_a_load_whose_process_has_gone(
    chain: Chain, claimed_load: tuple[TargetConnection, LoadToHelp]
) -> None:
    connection, found = claimed_load
    claims = ChunkClaims(connection, found.load_id)
    assert claims.claim() is not None
    chain.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks"
        " WHERE locktype = 'advisory' AND classid = %s AND pid <> pg_backend_pid()",
        0x626C626D,
    )
    assert becomes_true(lambda: not read_loads_to_help(connection), within_seconds=30, pause_seconds=0.01)
    assert claims.claim() is None


def test_another_plan_or_source_is_refused(
    chain: Chain, claimed_load: tuple[TargetConnection, LoadToHelp]
) -> None:
    _, found = claimed_load
    with pytest.raises(ConfigurationError, match="its plan is not the one that run"):
        find_project([chain.project("project: other\n")], found)
    migration = replace(chain.migration("project: shop\n"), loading=loading())
    assert find_project([migration.project], found) is migration.project
    restored = replace(found, basis=found.basis | {"source_origin": {"server": "another"}})
    with pytest.raises(ConfigurationError, match="which database the source is differs"):
        help_load(migration, restored)
    assert chain.execute(CHUNKS)[0][1] == 0


def test_sessions_of_either_side_are_bounded_over_all_processes(chain: Chain) -> None:
    with chain.target.connect() as one, chain.target.connect() as other:
        first, second = SessionSlots(one, 2, 3), SessionSlots(other, 2, 3)
        assert [first.take_pair(), second.take_pair(), first.take_pair(), second.take_pair()] == [
            True,
            True,
            False,
            False,
        ]
        first.give_back_pair()
        assert second.take_pair()
        unlimited = SessionSlots(one, None, None)
        assert all(unlimited.take_pair() for _ in range(20))
        wider = SessionSlots(one, 3, 3)
        assert wider.take_pair() and not wider.take_pair()


def test_a_load_waits_for_a_slot_and_says_so(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "SAY_EVERY_SECONDS", 0.3)
    migration = begin_run(chain, replace(loading(4), source_sessions=1))
    load = RunningLoad(migration)
    with psycopg.connect(chain.target_url, autocommit=True) as elsewhere:
        assert SessionSlots(elsewhere, 1, None).take_pair()
        load.start()
        while not load.sentences:
            assert load.error is None
        assert f"table {LABEL}: waiting for one of the 1 sessions" in load.sentences[0]
        assert "BLB_SOURCE_SESSIONS" in load.sentences[0]
    load.end()
    assert_loaded_once(chain, migration)


def test_the_command_helps_and_ends_when_no_run_is_at_work(
    chain: Chain,
    claimed_load: tuple[TargetConnection, LoadToHelp],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, found = claimed_load
    save_project(replace(chain.project("project: shop\n"), folder=tmp_path))
    urls = ["--source-conn", chain.source_url, "--target-conn", chain.target_url]
    assert main([*urls, "--project", str(tmp_path), "work"]) == 0
    out = capsys.readouterr().out
    assert f"Helps run {found.run_id} with public.parts." in out
    assert "No run is at work any more." in out
    total, finished = chain.execute(CHUNKS)[0]
    assert total == finished
    assert main([*urls, "--project", str(tmp_path), "work"]) == 0
    assert "Nothing to do: no run is loading a table in chunks." in capsys.readouterr().out
    (tmp_path / "decisions.yaml").write_text("project: other\n", encoding="utf-8")
    chain.execute("UPDATE blb_migration.table_chunks SET status = 'open'")
    assert main([*urls, "--project", str(tmp_path), "work"]) == 2
    assert "its plan is not the one that run" in capsys.readouterr().err
