"""What the zoo promises: every type, every shape, every hazard, and the same rows each time."""

from __future__ import annotations

import pytest

from blb_migration.model import Table
from blb_migration.plan.type_pairs import RULES
from blb_migration.sandbox.zoo import PLANTINGS, Hazard, build_exhibits
from blb_migration.sandbox.zoo.odd_names import LONGEST_COLUMN, LONGEST_NAME, shorten
from blb_migration.sandbox.zoo.zoo_rows import build_arrow, parse_instant, parse_ticks
from blb_migration_tests.zoo.conftest import CARRIED, FOUND

TABLES: dict[str, Table] = {str(exhibit.table.name): exhibit.table for exhibit in build_exhibits()}
NOT_IN_SQL_SERVER_2022 = {"json", "vector"}
ALIASES = {"sysname"}


def test_every_type_has_a_column() -> None:
    types = {column.type.name for table in TABLES.values() for column in table.columns}
    assert {name for rule in RULES for name in rule.sources} - ALIASES - NOT_IN_SQL_SERVER_2022 <= types


def test_two_zoos_are_equal() -> None:
    hazards = tuple(Hazard)
    for first, second in zip(build_exhibits(hazards), build_exhibits(reversed(hazards)), strict=True):
        assert first.table == second.table
        assert build_arrow(first.table, first.rows).equals(build_arrow(second.table, second.rows))


def test_every_hazard_can_be_planted_and_is_either_found_or_carried() -> None:
    assert set(PLANTINGS) == set(Hazard) == {*FOUND, *CARRIED}
    plain = {exhibit.table.name: exhibit for exhibit in build_exhibits()}
    for hazard in Hazard:
        planted = {exhibit.table.name: exhibit for exhibit in build_exhibits([hazard])}
        assert planted != plain, hazard


def test_names_reach_sql_servers_limit_and_beyond_postgresqls() -> None:
    assert len(LONGEST_NAME) == len(LONGEST_COLUMN) == 128
    assert len(shorten(LONGEST_NAME).encode()) == 63
    assert shorten("é" * 40) == "é" * 31


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("dbo.wide", lambda table: len(table.columns) == 250),
        ("dbo.log lines", lambda table: table.primary_key is None),
        ("keys.boxes", lambda table: table.foreign_keys[0].referred_columns == ("number", "site")),
        ("keys.shelves", lambda table: table.foreign_keys[0].referred_table == table.name),
        ("keys.downwards", lambda table: table.columns[0].identity.increment < 0),
        ("shop.repairs", lambda table: not table.foreign_keys[0].trusted),
        ("dbo.people", lambda table: table.indexes[0].included and table.indexes[0].filter),
    ],
)
def test_a_shape_is_there(name: str, shape: object) -> None:
    assert callable(shape)
    assert shape(TABLES[name])


def test_the_ring_has_no_nullable_edge() -> None:
    ring = [table for table in TABLES.values() if table.name.schema == "ring"]
    assert len(ring) == 3
    for table in ring:
        (key,) = table.foreign_keys
        assert not any(table.columns_by_name[column].nullable for column in key.columns)


def test_ticks_are_counted_from_the_first_of_january_of_the_year_1() -> None:
    assert parse_ticks("0001-01-01 00:00:00") == 0
    assert parse_ticks("0001-01-02") == 864_000_000_000
    assert parse_ticks("23:59:59.9999999") == 863_999_999_999
    assert parse_ticks("9999-12-31 23:59:59.9999999") == 3_155_378_975_999_999_999
    assert parse_instant("0001-01-01 14:00:00.0000001 +14:00") == {"ticks": 1, "offset_minutes": 840}
    assert parse_instant("0001-01-01 00:00:00 -00:30")["ticks"] == 30 * 600_000_000
