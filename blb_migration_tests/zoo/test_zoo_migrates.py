"""The zoo goes into a database that was made beforehand, and nothing of it changes on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import psycopg
import pytest

from blb_migration.compare.verdict import read_verdict
from blb_migration.migration import Migration
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.zoo import create_zoo_target
from blb_migration.sandbox.zoo.key_tables import BIGINT_LIMIT
from blb_migration.sandbox.zoo.odd_names import shorten
from blb_migration_tests.chain import Chain
from blb_migration_tests.conftest import LOG_IN, PASSWORD
from blb_migration_tests.zoo.cells import Difference, find_differences
from blb_migration_tests.zoo.conftest import DECISIONS

FEWEST_CELLS = 1_800
SCHEMAS = {"dbo": "public"}


@dataclass(frozen=True)
class Migrated:
    chain: Chain
    migration: Migration


@pytest.fixture(scope="module")
def migrated(
    engine: TsqlEngine, emulator: SqlServerEmulator, embedded_postgres: EmbeddedPostgres, carried_zoo: str
) -> Iterator[Migrated]:
    target_url = embedded_postgres.create_database("zoo_carried")
    create_zoo_target(target_url)
    source_url = emulator.url(carried_zoo, LOG_IN, PASSWORD)
    chain = Chain(source_url, target_url, engine.databases[carried_zoo.lower()])
    yield Migrated(chain, chain.migrate(DECISIONS))
    embedded_postgres.drop_database("zoo_carried")


def test_every_cell_is_the_same(
    migrated: Migrated, carried_zoo: str, connection_string: Callable[[str], str]
) -> None:
    differences, cell_count = find_differences(
        connection_string(carried_zoo), migrated.chain.target_url, shorten, SCHEMAS
    )
    assert not differences, "\n".join(map(str, differences))
    assert cell_count > FEWEST_CELLS


@pytest.mark.parametrize(
    ("table", "damage"),
    [
        ("types.numbers", "UPDATE types.numbers SET fraction_38 = -fraction_38 WHERE id = 2"),
        ("types.numbers", "UPDATE types.numbers SET double = 0 WHERE id = 4"),  # it was -0
        (
            "types.moments",
            "UPDATE types.moments SET moment_7 = moment_7 - interval '1 microsecond' WHERE id = 2",
        ),
        ("types.texts", "UPDATE types.texts SET wide_short = '' WHERE wide_short IS NULL"),
        ("types.binaries", "UPDATE types.binaries SET spot = spot || '\\x00' WHERE id = 1"),
        ("dbo.log lines", 'DELETE FROM "log lines" WHERE ctid = (SELECT min(ctid) FROM "log lines")'),
        ("dbo.wide", "UPDATE wide SET column_249 = NULL WHERE id = 1"),
        ("dbo.order", 'UPDATE "order" SET "MixedCase" = NULL, "mixedcase" = "MixedCase"'),
    ],
)
def test_a_changed_cell_is_seen_and_loading_again_mends_it(
    migrated: Migrated, carried_zoo: str, connection_string: Callable[[str], str], table: str, damage: str
) -> None:
    def compare() -> list[Difference]:
        url = migrated.chain.target_url
        return find_differences(connection_string(carried_zoo), url, shorten, SCHEMAS, only=table)[0]

    migrated.chain.execute(damage)
    assert [difference.table for difference in compare()] == [table]
    migrated.chain.replace_changed(migrated.migration, table.removeprefix("dbo."))
    assert not compare()


def test_every_check_passes(migrated: Migrated) -> None:
    failed = [
        (key, comparison)
        for key, check in migrated.chain.check(migrated.migration).items()
        for comparison in check.comparisons
        if not comparison.match
    ]
    assert not failed
    with migrated.chain.target.connect() as connection:
        verdict = read_verdict(connection, migrated.migration.project.plan)
    assert verdict.is_equal, verdict


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        ("people_id_seq", 90_001),  # far ahead of the rows
        ("keys.downwards_id_seq", -1025),
        ("keys.fives_id_seq", 20),
        ("keys.tiny_id_seq", 2),
        ("keys.nearly_full_id_seq", BIGINT_LIMIT),
        ("keys.decimals_numbers", 10**15 + 6),
        ("empty_id_seq", 1),
        ("shop.measures_id_seq", 1146),  # beyond the highest row
    ],
)
def test_sequences_go_on_where_the_source_left_off(migrated: Migrated, sequence: str, expected: int) -> None:
    assert migrated.chain.execute(f"SELECT nextval('{sequence}')") == [(expected,)]


def test_a_full_identity_stays_full(migrated: Migrated) -> None:
    with pytest.raises(psycopg.errors.SequenceGeneratorLimitExceeded):
        migrated.chain.execute("INSERT INTO keys.full (name) VALUES ('one too many')")


def test_the_ring_of_required_references_is_in_place(migrated: Migrated) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        migrated.chain.execute("UPDATE ring.tails SET next_id = 99")


def test_a_composite_key_keeps_the_order_of_its_columns(migrated: Migrated) -> None:
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        # (site 7, number -1) does not exist, (site -1, number 7) does.
        migrated.chain.execute("INSERT INTO keys.boxes VALUES (99, 7, -1)")
