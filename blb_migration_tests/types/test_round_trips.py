"""Every type, from the wire of SQL Server to a SELECT on PostgreSQL: golden values, and any values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blb_migration.checks import Comparison
from blb_migration_tests.types.conftest import RoundTrips
from blb_migration_tests.types.every_type import PAIRS
from blb_migration_tests.types.pairs import Pair

DRAWN_LISTS, LIST_LENGTH = 21, 10  # hypothesis's first list is the simplest value ten times


@dataclass(frozen=True)
class Carried:
    """What one load has carried of one pair: golden values, then drawn ones; as texts at the target."""

    pair: Pair
    golden: list[Any]
    golden_arrived: list[tuple[str | None, str | None]]
    drawn: list[Any]
    drawn_arrived: list[tuple[str | None, str | None]]
    unequal_metrics: list[Comparison]


def draw_values(pair: Pair) -> list[Any]:
    """Return hypothesis's values, many to an example: to begin an example costs more than a value does."""
    values: list[Any] = []

    @settings(max_examples=DRAWN_LISTS, database=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(pair.values, min_size=LIST_LENGTH, max_size=LIST_LENGTH))
    def collect(drawn: list[Any]) -> None:
        values.extend(drawn)

    collect()
    return values


def with_nulls(texts: Sequence[str]) -> list[tuple[str | None, str | None]]:
    return [(text, None if number % 3 == 2 else text) for number, text in enumerate(texts)]


@pytest.fixture(scope="module", params=PAIRS, ids=lambda pair: pair.name)
def carried(request: pytest.FixtureRequest, round_trips: RoundTrips) -> Carried:
    """Return one pair's values after one load, which all tests of the pair look at."""
    pair: Pair = request.param
    golden = [*pair.golden] * 3  # a multiple of three, so that the drawn ones begin as they do alone
    drawn = draw_values(pair)
    arrived = round_trips.carry(pair, [*golden, *drawn])
    count = len(golden)
    unequal = round_trips.find_unequal_metrics(pair)
    return Carried(pair, golden, arrived[:count], drawn, arrived[count:], unequal)


def test_golden_values_arrive_as_they_must(carried: Carried) -> None:
    assert carried.golden_arrived == with_nulls([carried.pair.golden[value] for value in carried.golden])


def test_any_values_arrive_as_they_are(carried: Carried) -> None:
    arrived = carried.drawn_arrived
    if carried.pair.target in ("json", "jsonb"):
        arrived = [(_canonical(filled), _canonical(maybe)) for filled, maybe in arrived]
    expected = with_nulls([carried.pair.rule(value) for value in carried.drawn])
    wrong = [each for each in zip(carried.drawn, expected, arrived, strict=True) if each[1] != each[2]]
    assert not wrong, wrong[:5]


def test_both_sides_have_the_same_metrics(carried: Carried) -> None:
    assert not carried.unequal_metrics


def _canonical(text: str | None) -> Any:
    return None if text is None else json.dumps(json.loads(text), sort_keys=True)


def test_values_of_several_megabytes_arrive_whole(round_trips: RoundTrips) -> None:
    wide = next(pair for pair in PAIRS if (pair.source, pair.target) == ("nvarchar(max)", "text"))
    texts = ["世" * 2_000_000, "", "x" * 4_000_000, "🧵" * 500_000]
    assert round_trips.carry(wide, texts) == with_nulls(texts)
    binary = next(pair for pair in PAIRS if pair.source == "varbinary(max)")
    values = [bytes(range(256)) * 20_000, b"", b"\0" * 3_000_000]
    assert round_trips.carry(binary, values) == with_nulls([value.hex() for value in values])
