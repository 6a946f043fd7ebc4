"""Fills the SQL Server emulator with the zoo, hazards included. What is in it is said elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from blb_migration.model import Table
from blb_migration.sandbox.erp.erp_source import Database_co, SourceEngine
from blb_migration.sandbox.zoo.declare import Exhibit
from blb_migration.sandbox.zoo.hazards import PLANTINGS, Hazard
from blb_migration.sandbox.zoo.key_tables import build_key_exhibits
from blb_migration.sandbox.zoo.odd_names import build_name_exhibits
from blb_migration.sandbox.zoo.shapes import build_shape_exhibits
from blb_migration.sandbox.zoo.type_tables import build_type_exhibits
from blb_migration.sandbox.zoo.zoo_rows import build_arrow

ZOO_DATABASE = "ZOO"


def build_exhibits(hazards: Iterable[Hazard] = ()) -> tuple[Exhibit, ...]:
    """Every table with its rows and what the hazards add, sorted by name; the same at every call."""
    exhibits = {
        exhibit.table.name: exhibit
        for build in (build_type_exhibits, build_name_exhibits, build_key_exhibits, build_shape_exhibits)
        for exhibit in build()
    }
    for hazard in sorted(set(hazards), key=lambda hazard: hazard.name):
        planting = PLANTINGS[hazard]
        for name, rows in planting.rows.items():
            exhibits[name] = exhibits[name].with_rows(rows)
        exhibits |= {exhibit.table.name: exhibit for exhibit in planting.exhibits}
        for name, last_value in planting.last_identities.items():
            exhibits[name] = replace(exhibits[name], table=_move_identity(exhibits[name].table, last_value))
    return tuple(exhibits[name] for name in sorted(exhibits))


def create_zoo(
    engine: SourceEngine[Database_co], name: str = ZOO_DATABASE, hazards: Iterable[Hazard] = ()
) -> Database_co:
    """Create the zoo as a database of the server and return it."""
    database = engine.create_database(name)
    for exhibit in build_exhibits(hazards):
        database.create_table(exhibit.table)
        if exhibit.rows:
            database.load(exhibit.table.name, build_arrow(exhibit.table, exhibit.rows))
    return database


def _move_identity(table: Table, last_value: int) -> Table:
    columns = tuple(
        replace(column, identity=replace(column.identity, last_value=last_value))
        if column.identity is not None
        else column
        for column in table.columns
    )
    return replace(table, columns=columns)
