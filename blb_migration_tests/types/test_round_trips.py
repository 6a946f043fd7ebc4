"""Every type, from the wire of SQL Server to a SELECT on PostgreSQL: golden values, and any values."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from blb_migration_tests.types.conftest import RoundTrips
from blb_migration_tests.types.every_type import PAIRS
from blb_migration_tests.types.pairs import Pair

each_pair = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
VALUES_PER_TYPE = 200


def draw_values(pair: Pair) -> list[Any]:
    """Hypothesis's values, drawn before any is carried: they share one load, which an example would cost."""
    values: list[Any] = []

    @settings(max_examples=VALUES_PER_TYPE, database=None, suppress_health_check=list(HealthCheck))
    @given(pair.values)
    def collect(value: Any) -> None:
        values.append(value)

    collect()
    return values


def with_nulls(texts: Sequence[str]) -> list[tuple[str | None, str | None]]:
    return [(text, None if number % 3 == 2 else text) for number, text in enumerate(texts)]


@each_pair
def test_golden_values_arrive_as_they_must(round_trips: RoundTrips, pair: Pair) -> None:
    values = [*pair.golden, *pair.golden, *pair.golden]
    assert round_trips.carry(pair, values) == with_nulls([pair.golden[value] for value in values])
    assert not round_trips.find_unequal_metrics(pair)


@each_pair
def test_any_values_arrive_as_they_are(round_trips: RoundTrips, pair: Pair) -> None:
    values = draw_values(pair)
    arrived = round_trips.carry(pair, values)
    if pair.target in ("json", "jsonb"):
        arrived = [(_canonical(filled), _canonical(maybe)) for filled, maybe in arrived]
    expected = with_nulls([pair.rule(value) for value in values])
    wrong = [each for each in zip(values, expected, arrived, strict=True) if each[1] != each[2]]
    assert not wrong, wrong[:5]
    assert not round_trips.find_unequal_metrics(pair)


def _canonical(text: str | None) -> Any:
    return None if text is None else json.dumps(json.loads(text), sort_keys=True)


def test_values_of_several_megabytes_arrive_whole(round_trips: RoundTrips) -> None:
    wide = next(pair for pair in PAIRS if (pair.source, pair.target) == ("nvarchar(max)", "text"))
    texts = ["世" * 4_000_000, "", "x" * 9_000_000, "🧵" * 1_000_000]
    assert round_trips.carry(wide, texts) == with_nulls(texts)
    binary = next(pair for pair in PAIRS if pair.source == "varbinary(max)")
    values = [bytes(range(256)) * 40_000, b"", b"\0" * 5_000_000]
    assert round_trips.carry(binary, values) == with_nulls([value.hex() for value in values])
