"""Preflight on the zoo: nothing stands in its way as it is; planted hazards are found, with their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from blb_migration.errors import PreflightRefused
from blb_migration.findings import Finding, Severity
from blb_migration.preflight.stage import PreflightResult, refuse_if_errors
from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration.sandbox.zoo import Hazard, create_zoo_target
from blb_migration.sandbox.zoo.odd_names import LONGEST_NAME
from blb_migration_tests.chain import Chain
from blb_migration_tests.conftest import LOG_IN, PASSWORD
from blb_migration_tests.zoo.conftest import DECISIONS, FOUND

# What each hazard leads to: code, severity, subject, rows, and the first key of a row concerned.
Expected = tuple[str, Severity, str, int | None, str | None]
EXPECTED: dict[Hazard, tuple[Expected, ...]] = {
    Hazard.NUL_IN_TEXT: (
        ("contains_nul", Severity.ERROR, "shop.measures.notes", 1, "1010"),
        ("contains_nul", Severity.ERROR, "shop.measures.label", 1, "1011"),
    ),
    Hazard.SEVENTH_DIGIT: (
        ("fraction_finer_than", Severity.WARNING, "shop.measures.taken_at", 1, "1030"),
        ("fraction_finer_than", Severity.WARNING, "shop.measures.opens", 1, "1031"),
        ("fraction_finer_than", Severity.WARNING, "shop.measures.zoned_at", 1, "1032"),
    ),
    Hazard.LOST_OFFSET: (("offset_is_lost", Severity.WARNING, "shop.measures.zoned_at", 2, "1032"),),
    Hazard.CASE_TWINS: (("orphans", Severity.ERROR, "keys.towns.country", 2, "de, Aachen"),),
    Hazard.TRAILING_SPACES: (
        ("ends_in_space", Severity.WARNING, "keys.towns.country", 1, "DE  , Ulm"),
        ("orphans", Severity.ERROR, "keys.towns.country", 2, "DE  , Ulm"),
    ),
    Hazard.ORPHANS: (("orphans", Severity.ERROR, "shop.repairs.device_code", 2, "404"),),
    Hazard.LONE_SURROGATE: (
        ("lone_surrogate", Severity.ERROR, "shop.measures.notes", 1, "1060"),
        ("lone_surrogate", Severity.ERROR, "shop.measures.label", 1, "1061"),
    ),
    Hazard.FRACTION_TOO_FINE: (("decimal_finer_than", Severity.ERROR, "shop.measures.amount", 2, "1090"),),
    Hazard.NUMBER_TOO_LARGE: (("decimal_outside", Severity.ERROR, "shop.measures.amount", 1, "1100"),),
    Hazard.TEXT_TOO_LONG: (("text_longer_than", Severity.ERROR, "shop.measures.label", 2, "1110"),),
    Hazard.NULL_IN_REQUIRED: (("is_null", Severity.ERROR, "shop.measures.unit", 1, "1120"),),
    Hazard.NOT_JSON: (("not_json", Severity.ERROR, "shop.measures.settings", 2, "1130"),),
    Hazard.KEY_POINTS_ELSEWHERE: (
        ("foreign_key_points_elsewhere", Severity.WARNING, "shop.repairs.spare_code", None, None),
        ("orphans", Severity.ERROR, "shop.repairs.spare_code", 1, "500"),
    ),
    Hazard.ONLY_AT_SOURCE: (("source_table_without_target", Severity.ERROR, "left_over", None, None),),
    Hazard.BOOKKEEPING_TABLE: (
        ("target_rows_not_ours", Severity.ERROR, "alembic_version", 1, "version_num=900_postgres"),
    ),
    Hazard.NAMES_COLLIDE: (("target_table_fed_twice", Severity.ERROR, LONGEST_NAME[:-1] + "z", None, None),),
}


@pytest.fixture(scope="module")
def dangers(
    engine: TsqlEngine, emulator: SqlServerEmulator, embedded_postgres: EmbeddedPostgres, dangerous_zoo: str
) -> Iterator[PreflightResult]:
    target_url = embedded_postgres.create_database("zoo_found")
    create_zoo_target(target_url)
    source_url = emulator.url(dangerous_zoo, LOG_IN, PASSWORD)
    chain = Chain(source_url, target_url, engine.databases[dangerous_zoo.lower()])
    result = chain.preflight(DECISIONS)
    assert chain.execute("SELECT count(*) FROM shop.devices") == [(0,)]
    yield result
    embedded_postgres.drop_database("zoo_found")


@pytest.mark.parametrize("hazard", FOUND, ids=lambda hazard: hazard.name)
def test_a_planted_hazard_is_found(dangers: PreflightResult, hazard: Hazard) -> None:
    found = {(str(finding.code), finding.subject): finding for finding in dangers.findings}
    for code, severity, subject, row_count, key in EXPECTED[hazard]:
        finding = found[code, subject]
        assert (finding.severity, finding.row_count) == (severity, row_count), str(finding)
        assert key is None or key in finding.first_keys, str(finding)


def test_every_danger_refuses_the_migration_at_once(dangers: PreflightResult) -> None:
    with pytest.raises(PreflightRefused) as refused:
        refuse_if_errors(dangers)
    errors = {
        (code, subject)
        for expected in EXPECTED.values()
        for code, severity, subject, *_ in expected
        if severity is Severity.ERROR
    }
    assert errors == {_place(finding) for finding in dangers.findings if finding.severity is Severity.ERROR}
    assert refused.value.exit_code == 3


def test_nothing_stands_in_the_way_of_the_zoo_as_it_is(
    new_zoo_chain: Callable[[str], Chain], zoo: str
) -> None:
    result = new_zoo_chain(zoo).preflight(DECISIONS)
    assert not [str(finding) for finding in result.findings if finding.severity is Severity.ERROR]
    found = {_place(finding) for finding in result.findings}
    assert {
        ("foreign_key_points_elsewhere", "shop.repairs.spare_code"),
        ("fraction_finer_than", "types.moments.moment_7"),
        ("variant_base_types", "types.others.anything"),
        ("rowversion_stands_still", "people.version"),
        ("cycle_collapsed", "ring.bodies"),
    } <= found
    assert len(found) == len(result.findings)


def _place(finding: Finding) -> tuple[str, str]:
    return finding.code, finding.subject
