"""How many rows a load expects: what the source says now, not what the project's catalog.json said once."""

from __future__ import annotations

from blb_migration.load.prepare import prepare_target
from blb_migration.load.table import load_table
from blb_migration.progress.run_meter import RunMeter
from blb_migration.progress.table_meter import TableReading
from blb_migration.sandbox.zoo.zoo_rows import build_arrow
from blb_migration_tests.hazards.planting import NewChain, columns, plant, table


def test_a_load_expects_what_the_source_holds_when_it_begins(new_chain: NewChain) -> None:
    things = table("things", *columns("id int not null"))
    rows = [{"id": number} for number in range(2_000)]
    chain = new_chain()
    planted = plant(chain, "CREATE TABLE things (id int PRIMARY KEY)", (things, rows))
    with chain.beginning(planted.text) as migration:
        prepare_target(migration, ())
        chain.database.execute_native('DELETE FROM "things"')  # the plan was made before
        chain.database.load(things.name, build_arrow(things, rows[:200]))
        (planned,) = migration.project.plan.tables
        meter = RunMeter([planned])
        readings: list[TableReading] = []

        def listen(event: object) -> None:
            meter.report(event)  # type: ignore[arg-type]
            readings.append(meter.read_table("things"))

        load_table(migration, planned, listen)
    assert {reading.rows_expected for reading in readings} == {200}
