"""A split table whose load was broken off goes on where it stopped, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from blb_migration.compare.run_checks import run_check
from blb_migration.errors import TargetNotOurs
from blb_migration.load.finish import restore_constraints
from blb_migration.load.prepare import prepare_target
from blb_migration.migration import Migration, ProgressEvent, TableProgress
from blb_migration.postgres.ledger.reasons import ReasonCode
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration_tests.chain import Chain
from blb_migration_tests.load.chunks.chunk_loads import (
    WHOLE,
    assert_equal,
    break_off,
    load,
    load_all,
    read_reasons,
)
from blb_migration_tests.load.chunks.chunk_shop import (
    LABEL,
    MAKERS,
    ROW_COUNT,
    begin_run,
    loading,
    parts_of,
)


def test_a_load_that_was_broken_off_goes_on(chain: Chain, emulator: SqlServerEmulator) -> None:
    load_all(chain, begin_run(chain, WHOLE))
    broken = break_off(chain, emulator)
    # What was equal before is so no more.
    assert read_reasons(broken)[LABEL] == (ReasonCode.LOADED_IN_PART,)
    finished = chain.execute(
        "SELECT chunk_no, load_xid, finished_at FROM blb_migration.table_chunks WHERE status = 'finished'"
    )
    migration = begin_run(chain)
    kept: list[int] = []

    def watch(event: ProgressEvent) -> None:
        if isinstance(event, TableProgress) and event.is_kept:
            kept.append(event.part)

    loaded = load(migration, on_progress=watch)
    assert loaded.rows_written == loaded.rows_read == ROW_COUNT
    assert sorted(kept) == sorted(row[0] for row in finished)
    again = chain.execute(
        "SELECT chunk_no, load_xid, finished_at FROM blb_migration.table_chunks WHERE loaded_by <> load_id"
    )
    assert sorted(again) == sorted(finished)
    load(migration, MAKERS)
    restore_constraints(migration)
    assert_equal(chain, migration)
    (content,) = chain.execute(
        "SELECT details::text FROM blb_migration.check_results WHERE table_name = 'parts'"
        " AND check_name = 'content' ORDER BY check_id DESC LIMIT 1"
    )
    assert "read again" in content[0]


def test_a_source_that_changed_between_two_attempts_is_not_called_equal(
    chain: Chain, emulator: SqlServerEmulator
) -> None:
    break_off(chain, emulator)
    first_id = chain.execute("SELECT min(id) FROM parts")[0][0]
    with chain.source.connect() as session, session.open_cursor(
        f"UPDATE dbo.parts SET price = 17 WHERE id = {first_id}", action="changing the source"
    ):  # fmt: skip
        pass
    migration = begin_run(chain)
    load(migration)
    assert not run_check(migration, parts_of(migration), "content").passed


def change_plan(chain: Chain) -> Migration:
    text = "project: shop\ntables:\n  parts:\n    key_totals: [{sum: price}]\n"
    migration = replace(chain.migration(text), loading=loading())
    prepare_target(migration, ())
    return migration


def age(chain: Chain) -> Migration:
    chain.execute("UPDATE blb_migration.chunked_loads SET begun_at = begun_at - interval '25 hours'")
    return begin_run(chain)


def load_whole(chain: Chain) -> Migration:
    return begin_run(chain, WHOLE)


def do_not_resume(chain: Chain) -> Migration:
    return begin_run(chain, loading(resumes=False))


@pytest.mark.parametrize("prepare_anew", [change_plan, age, load_whole, do_not_resume])
def test_what_does_not_belong_together_begins_again(
    chain: Chain, emulator: SqlServerEmulator, prepare_anew: Callable[[Chain], Migration]
) -> None:
    break_off(chain, emulator)
    load_all(chain, prepare_anew(chain))
    assert chain.execute("SELECT count(resumed_from) FROM blb_migration.table_loads") == [(0,)]


def test_rows_of_others_in_a_table_loaded_in_part_refuse(chain: Chain, emulator: SqlServerEmulator) -> None:
    break_off(chain, emulator)
    chain.execute("INSERT INTO parts (id, maker_id, name) VALUES (5000000, 1, 'theirs')")
    for how in (loading(), WHOLE):
        with pytest.raises(
            TargetNotOurs, match=r"1 rows were added to the [\d,]+ rows that its last load left; first"
        ):
            load(begin_run(chain, how))


def test_rows_missing_in_a_table_loaded_in_part_refuse(chain: Chain, emulator: SqlServerEmulator) -> None:
    break_off(chain, emulator)
    chain.execute("DELETE FROM parts WHERE id = (SELECT min(id) FROM parts)")
    with pytest.raises(TargetNotOurs, match=r"1 of the [\d,]+ rows that its last load left are missing"):
        load(begin_run(chain))


def test_a_table_loaded_in_part_that_was_rewritten_is_still_ours(
    chain: Chain, emulator: SqlServerEmulator
) -> None:
    break_off(chain, emulator)
    chain.execute("UPDATE parts SET name = name")
    load_all(chain, begin_run(chain))
    assert chain.execute("SELECT count(resumed_from) FROM blb_migration.table_loads") == [(0,)]
