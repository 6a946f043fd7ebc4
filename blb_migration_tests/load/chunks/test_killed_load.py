"""A load that is killed at random moments and run again each time ends equal, and does nothing twice."""

from __future__ import annotations

from collections.abc import Callable

from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tds.faults import Fault
from blb_migration_tests.benchmarks.killed import load_killed
from blb_migration_tests.chain import Chain
from blb_migration_tests.load.chunks.chunk_shop import LABEL, fill

KILLS = 3


def test_a_killed_load_goes_on(new_chain: Callable[..., Chain], emulator: SqlServerEmulator) -> None:
    chain = new_chain()
    fill(chain)
    chain.execute("INSERT INTO makers SELECT generate_series(0, 6)")
    # Slow enough for the moments to lie within the load.
    emulator.faults.add(Fault(r"\[parts\] WHERE", batch_delay_seconds=0.03))
    try:
        outcome = load_killed(
            chain.source_url,
            chain.target_url,
            LABEL,
            KILLS,
            loading={"connections": 2, "chunked_from_rows": 1000, "chunk_rows": 64},
            longest_delay_seconds=0.02,
        )
    finally:
        emulator.faults.clear()
    assert outcome.is_equal
    assert outcome.kills > 0
    assert outcome.loaded_twice == 0
    assert outcome.work <= 1.3
    loads = chain.execute(
        "SELECT status, resumed_from IS NOT NULL, error LIKE 'interrupted%%' FROM blb_migration.table_loads"
        " ORDER BY load_id"
    )
    assert len(loads) == outcome.kills + 1
    assert [row for row in loads if row[0] == "finished"] == [("finished", True, None)]
    assert chain.execute("SELECT count(*) FROM pg_indexes WHERE tablename = 'parts'") == [(3,)]
