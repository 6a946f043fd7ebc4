"""A table that is split ends like one that is not."""

from __future__ import annotations

import _thread
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

import pytest

from blb_migration.compare.run_checks import CHECK_NAMES, run_check
from blb_migration.errors import SourceUnreachable, TableFailed
from blb_migration.load import guards
from blb_migration.load.finish import restore_constraints
from blb_migration.load.prepare import prepare_target
from blb_migration.load.scratch import on_scratch
from blb_migration.migration import PhaseBegun, ProgressEvent
from blb_migration.postgres.fingerprint import read_definitions
from blb_migration.postgres.ledger.loads import lock_table_load, unlock_table_load
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration.settings import SourceSettings
from blb_migration.sqlserver.connect import SourceConnector, SourceSession
from blb_migration_tests.chain import Chain
from blb_migration_tests.load.chunks.chunk_loads import (
    DEADLOCK,
    WHOLE,
    break_off,
    count_ranges,
    load,
    load_all,
)
from blb_migration_tests.load.chunks.chunk_shop import (
    MAKERS,
    RANGE_ROWS,
    ROW_COUNT,
    begin_run,
    loading,
    parts_of,
)
from blb_migration_tests.older_loads import hashing_by_blake2b


def test_a_split_table_ends_like_a_whole_one(chain: Chain) -> None:
    names = chain.project("project: shop\n").plan.target_tables
    with chain.target.connect() as connection:
        before = read_definitions(connection, names)
    load_all(chain, begin_run(chain, WHOLE))
    for connections in (1, 2, 4):
        load_all(chain, begin_run(chain, loading(connections)))
    whole, *split = chain.execute(
        "SELECT chunk_count, digest, rows_read, rows_written, next_sequence_value"
        " FROM blb_migration.table_loads WHERE table_name = 'parts' ORDER BY load_id"
    )
    assert whole[0] is None and count_ranges(chain) > 10
    assert split == [(count_ranges(chain), *whole[1:])] * 3
    with chain.target.connect() as connection:
        assert read_definitions(connection, names) == before
    load_all(chain, begin_run(chain, WHOLE))  # the chunks' rows are ours
    assert count_ranges(chain) == 0


def test_an_interrupt_stops_all_workers_and_leaves_what_was_done(
    chain: Chain, emulator: SqlServerEmulator
) -> None:
    migration = begin_run(chain, loading(2))
    emulator.faults.add(Fault(r"\[parts\] WHERE", batch_delay_seconds=0.05))
    counted = 0

    def interrupt(event: ProgressEvent) -> None:
        nonlocal counted
        counted += 1
        if counted == 5:
            _thread.interrupt_main()

    try:
        with pytest.raises(KeyboardInterrupt):
            load(migration, on_progress=interrupt)
    finally:
        emulator.faults.clear()
    assert 0 < count_ranges(chain, "finished") < count_ranges(chain)
    (row,) = chain.execute(
        "SELECT status, error FROM blb_migration.table_loads ORDER BY load_id DESC LIMIT 1"
    )
    assert row == ("failed", "KeyboardInterrupt")
    load_all(chain, begin_run(chain))
    assert chain.execute("SELECT count(resumed_from) FROM blb_migration.table_loads") == [(1,)]


def test_chunks_that_were_hashed_by_another_function_are_loaded_again(
    chain: Chain, emulator: SqlServerEmulator
) -> None:
    with hashing_by_blake2b():
        break_off(chain, emulator)
    load_all(chain, begin_run(chain))
    assert chain.execute("SELECT count(resumed_from) FROM blb_migration.table_loads") == [(0,)]


class CrowdedSource(SourceConnector):
    """Lets nobody in from the ``first``th log-in to the ``last``th."""

    def __init__(self, settings: SourceSettings, first: int, last: int) -> None:
        super().__init__(settings)
        self._crowded, self._log_ins = range(first, last + 1), count(1)

    @contextmanager
    def connect(self) -> Iterator[SourceSession]:
        if next(self._log_ins) in self._crowded:
            raise SourceUnreachable("the source", found="it has no free connection")
        with super().connect() as session:
            yield session


def test_a_server_that_lets_fewer_in_is_served_by_fewer(chain: Chain) -> None:
    migration = begin_run(chain, loading(2))
    # The first log-in reads the marker, the second plans the chunks, the next two are the workers'.
    one_left = CrowdedSource(chain.source.settings, 4, 4)
    assert load(replace(migration, source=one_left)).rows_written == ROW_COUNT
    with pytest.raises(SourceUnreachable, match="no free connection"):
        load(replace(migration, source=CrowdedSource(chain.source.settings, 3, 4)))
    assert count_ranges(chain, "finished") == 0
    assert load(migration).rows_written == ROW_COUNT


def test_two_processes_do_not_load_one_table(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "_PATIENCE_SECONDS", 0.1)
    migration = begin_run(chain)
    name = parts_of(migration).target.name
    with chain.target.connect() as other:
        assert lock_table_load(other, name)
        with pytest.raises(TableFailed, match="another process is loading it"):
            load(migration)
        unlock_table_load(other, name)
        assert load(migration).rows_written == ROW_COUNT
        assert lock_table_load(other, name)  # given back, though sessions may be kept


@pytest.mark.parametrize(
    ("is_prepared", "expected"),
    [(True, ["building indexes"]), (False, ["building indexes", "analyzing"])],
    ids=["a run analyzes at its end", "loaded alone"],
)
def test_phases_are_reported(chain: Chain, is_prepared: bool, expected: list[str]) -> None:
    chain.execute("INSERT INTO makers SELECT generate_series(0, 6)")
    phases: list[str] = []
    migration = begin_run(chain, is_prepared=is_prepared)
    load(migration, on_progress=lambda e: phases.append(e.phase) if isinstance(e, PhaseBegun) else None)
    assert phases == expected


def test_ranges_that_do_not_add_up_to_the_source_fail(chain: Chain, emulator: SqlServerEmulator) -> None:
    emulator.faults.add(Fault(r"\[parts\] WHERE", skipped_row=3, occurrences=1))
    try:
        with pytest.raises(TableFailed, match=rf"gave {ROW_COUNT - 1:,} rows, but it holds {ROW_COUNT:,}"):
            load(begin_run(chain))
    finally:
        emulator.faults.clear()
    load_all(chain, begin_run(chain))
    assert chain.execute("SELECT count(resumed_from) FROM blb_migration.table_loads") == [(0,)]


def test_a_table_loaded_alone_gets_its_foreign_keys_back(chain: Chain, emulator: SqlServerEmulator) -> None:
    chain.execute("INSERT INTO makers SELECT generate_series(0, 6)")
    keys = (
        "SELECT conname::text FROM pg_constraint WHERE contype = 'f'"
        " AND connamespace = 'public'::regnamespace ORDER BY 1"
    )
    before = chain.execute(keys)
    break_off(chain, emulator, is_prepared=False)
    assert chain.execute(keys) == []
    migration = begin_run(chain, is_prepared=False)
    load(migration)
    assert chain.execute(keys) == before
    assert run_check(migration, parts_of(migration), "row_count").passed


def test_a_whole_load_restores_what_a_chunked_one_left_dropped(
    chain: Chain, emulator: SqlServerEmulator
) -> None:
    chain.execute("INSERT INTO makers SELECT generate_series(0, 6)")
    names = chain.project("project: shop\n").plan.target_tables
    with chain.target.connect() as connection:
        before = read_definitions(connection, names)
    break_off(chain, emulator, is_prepared=False)
    migration = begin_run(chain, WHOLE, is_prepared=False)
    assert load(migration).rows_written == ROW_COUNT
    with chain.target.connect() as connection:
        assert read_definitions(connection, names) == before
    assert chain.execute("SELECT * FROM blb_migration.chunked_loads") == []
    assert chain.execute("SELECT * FROM blb_migration.dropped_keys WHERE restored_at IS NULL") == []


def test_a_whole_load_that_violates_a_foreign_key_leaves_everything_as_it_was(chain: Chain) -> None:
    names = chain.project("project: shop\n").plan.target_tables
    with chain.target.connect() as connection:
        before = read_definitions(connection, names)
    with pytest.raises(TableFailed, match=rf"maker_id_fkey: {ROW_COUNT:,} rows refer to no parent") as caught:
        load(begin_run(chain, WHOLE, is_prepared=False))
    assert "Nothing of this load stayed" in str(caught.value)
    with chain.target.connect() as connection:
        assert read_definitions(connection, names) == before
    assert chain.execute("SELECT count(*) FROM parts") == [(0,)]
    assert chain.execute("SELECT * FROM blb_migration.dropped_keys") == []


def test_a_foreign_key_that_rows_violate_stays_dropped(chain: Chain) -> None:
    with pytest.raises(TableFailed, match=r"parts_maker_id_fkey.*The table is loaded"):
        load(begin_run(chain, is_prepared=False))
    assert chain.execute("SELECT status FROM blb_migration.table_loads") == [("finished",)]
    (pending,) = chain.execute(
        "SELECT constraint_name FROM blb_migration.dropped_keys WHERE restored_at IS NULL"
    )
    assert pending == ("parts_maker_id_fkey",)


def test_a_partitioned_target(chain: Chain) -> None:
    chain.execute("DROP TABLE uses")
    chain.execute("DROP TABLE parts")
    chain.execute(
        "CREATE TABLE parts (id integer PRIMARY KEY, maker_id integer NOT NULL, price numeric(18,4),"
        " name varchar(40) NOT NULL, twice numeric GENERATED ALWAYS AS (price * 2) STORED)"
        " PARTITION BY RANGE (id)"
    )
    chain.execute("CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (MINVALUE) TO (0)")
    chain.execute("CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (0) TO (MAXVALUE)")
    for _ in range(2):
        migration = begin_run(chain)
        load(migration)
        assert all(run_check(migration, parts_of(migration), name).passed for name in CHECK_NAMES)


def test_a_dry_run_splits_too_and_leaves_nothing(chain: Chain, emulator: SqlServerEmulator) -> None:
    schemas = "SELECT nspname::text FROM pg_namespace ORDER BY 1"
    before = chain.execute(schemas)
    for fails in (True, False):
        with on_scratch(replace(chain.migration("project: shop\n"), loading=loading())) as migration:
            prepare_target(migration, ())
            load(migration, MAKERS)
            if fails:
                emulator.faults.add(Fault(r"\[parts\] WHERE", error=DEADLOCK))
                with pytest.raises(TableFailed):
                    load(migration)
                emulator.faults.clear()
            load(migration)
            restore_constraints(migration)
            table = parts_of(migration)
            assert all(run_check(migration, table, name).passed for name in CHECK_NAMES)
        assert chain.execute(schemas) == before


def test_the_size_of_ranges_is_kept(chain: Chain) -> None:
    load(begin_run(chain))
    (largest,) = chain.execute("SELECT max(rows_written) FROM blb_migration.table_chunks")[0]
    assert largest < RANGE_ROWS + 64  # a bound is moved down to where a unit of the digest begins
