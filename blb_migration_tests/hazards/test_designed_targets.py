"""Pairs of types in targets that people or frameworks designed: a rule, a decision, or words that help."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from blb_migration.findings import Severity
from blb_migration_tests.hazards.planting import (
    NewChain,
    Row,
    assert_loaded,
    columns,
    decide,
    loaded,
    plant,
    plant_one,
    table,
)

UTC = dt.UTC


def test_instants_become_local_times_of_a_named_zone_alone(new_chain: NewChain) -> None:
    summer, first, second = (
        "2024-07-01 12:00:00.1234567 -05:00",
        "2024-10-27 02:30:00 +02:00",
        "2024-10-27 02:30:00 +01:00",
    )
    planted = plant_one(new_chain, "datetimeoffset(7)", "timestamp", summer, first, second, None)
    assert "zone: UTC" in str(planted.finding("meaning_not_decided").decision)
    utc = planted.decide(decide("things", "v", "zone: UTC"))
    assert "instant_shown_twice" not in [finding.code for finding in utc.chain.preflight(utc.text).findings]
    moment = dt.datetime(2024, 7, 1, 17, 0, 0, 123456)
    assert loaded(utc) == [moment, dt.datetime(2024, 10, 27, 0, 30), dt.datetime(2024, 10, 27, 1, 30), None]


def test_local_times_that_two_instants_become_are_named(new_chain: NewChain) -> None:
    values = ["2024-10-27 00:29:00 +00:00", "2024-10-27 03:30:00 +02:00", "2024-10-27 04:30:00 +02:00"]
    planted = plant_one(
        new_chain, "datetimeoffset(0)", "timestamp", "2024-10-27 03:30:00 +02:00", *values, None
    ).decide(decide("things", "v", "zone: Asia/Tokyo"))
    assert "instant_shown_twice" not in planted.errors()
    assert loaded(planted)[1] == dt.datetime(2024, 10, 27, 9, 29)
    # 1951-09-08 15:00 UTC: Tokyo's clocks went back from 25:00 to 24:00, for the last time.
    twice = plant_one(
        new_chain,
        "datetimeoffset(0)",
        "timestamp",
        "1951-09-08 14:30:00 +00:00",
        "1951-09-08 15:59:59 +00:00",
        "1951-09-08 16:00:00 +00:00",
    ).decide(decide("things", "v", "zone: Asia/Tokyo"))
    warning = twice.finding("instant_shown_twice")
    assert (warning.severity, warning.row_count, warning.first_keys) == (Severity.WARNING, 2, ("1", "2"))
    midnight = dt.datetime(1951, 9, 9)
    assert loaded(twice) == [
        midnight + dt.timedelta(minutes=30),
        midnight + dt.timedelta(minutes=59, seconds=59),
        midnight + dt.timedelta(hours=1),
    ]


def test_dates_become_instants_of_their_midnight(new_chain: NewChain) -> None:
    planted = plant_one(new_chain, "date", "timestamptz", "2024-07-01", "0001-01-02", None)
    assert planted.errors() == ["meaning_not_decided"]
    decided = planted.decide(decide("things", "v", "zone: Asia/Tokyo"))
    decided.migrate()
    found = decided.rows("SELECT (v AT TIME ZONE 'UTC')::text FROM things ORDER BY id")
    assert [text for (text,) in found] == ["2024-06-30 15:00:00", "0001-01-01 15:00:00", None]


@pytest.mark.parametrize("target", ["char(1)", "text"])
def test_bits_become_words_by_decision(new_chain: NewChain, target: str) -> None:
    planted = plant_one(new_chain, "bit", target, True, False, None)
    assert "'true': [Y], 'false': [N]" in str(planted.finding("meaning_not_decided").decision)
    assert loaded(planted.decide(decide("things", "v", "'true': [J], 'false': [N]"))) == ["J", "N", None]


@pytest.mark.parametrize("words", ["'true': [Y, J], 'false': [N]", "'true': [yes], 'false': [N]"])
def test_words_that_a_bit_cannot_become_are_refused(new_chain: NewChain, words: str) -> None:
    planted = plant_one(new_chain, "bit", "char(1)", True).decide(decide("things", "v", words))
    assert planted.errors() == ["decision_does_not_fit"]


def test_bits_and_whole_numbers_become_numbers_of_every_kind(new_chain: NewChain) -> None:
    assert_loaded(
        new_chain,
        ("bit", "numeric(1)", [True, False, None], [1, 0, None]),
        ("tinyint", "real", [255, 0, None], [255.0, 0.0, None]),
        ("smallint", "double precision", [-32768, None], [-32768.0, None]),
        ("real", "double precision", [0.10000000149011612, None], [0.10000000149011612, None]),
    )


def test_floats_become_reals_where_those_give_them_back(new_chain: NewChain) -> None:
    values = [0.5, -(2.0**-126), 3.4028234663852886e38, 0.0, None]
    planted = plant_one(new_chain, "float", "real", *values)
    planted.migrate()
    assert [v for (v,) in planted.rows("SELECT v::float8 FROM things ORDER BY id")] == values
    finer = plant_one(new_chain, "float", "real", 0.5, 0.1)
    assert finer.is_refused("inexact_as_float", 1, "2")
    decided = finer.decide(decide("things", "v", "on_too_precise: round"))
    assert loaded(decided) == [0.5, 0.1]  # as psycopg reads a real
    assert decided.changed_rows() == {"things.v": 1}


def test_floats_that_no_real_is_near_are_found_whatever_is_decided(new_chain: NewChain) -> None:
    planted = plant_one(new_chain, "float", "real", 0.1, 1e39, -1e300, 3.4028235677973366e38)
    decided = planted.decide(decide("things", "v", "on_too_precise: round"))
    assert decided.errors() == ["real_outside"]
    found = decided.finding("real_outside")
    assert (found.row_count, found.first_keys) == (3, ("2", "3", "4"))


def test_decimals_become_reals_where_those_give_them_back(new_chain: NewChain) -> None:
    planted = plant_one(new_chain, "decimal(9,3)", "real", "1234.567", "-0.001", None)
    assert loaded(planted) == [1234.567, -0.001, None]
    finer = plant_one(new_chain, "int", "real", 2**24, 2**24 + 1, -(2**31))
    assert finer.is_refused("inexact_as_float", 1, "2")
    assert loaded(finer.decide(decide("things", "v", "on_too_precise: round")))[1] == 2.0**24


def test_times_of_day_become_intervals(new_chain: NewChain) -> None:
    assert_loaded(
        new_chain,
        ("time(7)", "interval", ["23:59:59.1234567", None], [dt.timedelta(0, 86399, 123456), None]),
        ("time(3)", "interval(3)", ["00:00:00.001", None], [dt.timedelta(milliseconds=1), None]),
    )


def test_times_that_an_interval_would_round_are_found(new_chain: NewChain) -> None:
    planted = plant_one(new_chain, "time(3)", "interval(0)", "12:00:00.500", "12:00:00")
    assert planted.is_refused("fraction_finer_than", 1, "1")
    fields = plant_one(new_chain, "time(0)", "interval hour to minute", "12:00:01")
    assert "interval hour to minute" in fields.finding("no_rule_for_types").message


@pytest.mark.parametrize("source", ["varchar(30)", "nchar(30)", "nvarchar(max)"])
def test_texts_become_integers_where_those_spell_them_so(new_chain: NewChain, source: str) -> None:
    sound = plant_one(new_chain, source, "integer", "0", "-2147483648", "2147483647", None)
    assert loaded(sound) == [0, -(2**31), 2**31 - 1, None]
    strange = ["1", "007", "+1", " 1", "-0", "", "1.0", "1e3", "2147483648", "\u0661", "x"]
    planted = plant_one(new_chain, source, "integer", *strange)
    found = planted.finding("not_the_number")
    assert (found.severity, found.row_count) == (Severity.ERROR, len(strange) - 1)


def test_texts_beyond_a_small_integer_are_found(new_chain: NewChain) -> None:
    small = plant_one(new_chain, "varchar(10)", "smallint", "32767", "32768")
    assert small.is_refused("not_the_number", 1, "2")
    large = plant_one(new_chain, "varchar(30)", "bigint", str(2**63 - 1), str(2**63))
    assert large.is_refused("not_the_number", 1, "2")


def test_texts_become_dates_where_they_are_written_as_iso_has_them(new_chain: NewChain) -> None:
    sound = plant_one(new_chain, "char(10)", "date", "2024-02-29", "0001-01-01", "9999-12-31", None)
    assert loaded(sound) == [dt.date(2024, 2, 29), dt.date.min, dt.date.max, None]
    strange = ["2024-02-29", "2024-2-29", "29.02.2024", "20240229", "2023-02-29", "", "2024-02-29 00:00"]
    planted = plant_one(new_chain, "nvarchar(20)", "date", *strange)
    assert planted.is_refused("not_the_date", len(strange) - 1, *map(str, range(2, 7)))


@pytest.mark.parametrize("source", ["varchar(20)", "nchar(20)"])
def test_a_text_that_becomes_a_number_refers_to_one(new_chain: NewChain, source: str) -> None:
    parents = table("parents", *columns("id int not null"))
    things = table("things", *columns("id int not null", f"parent {source}"))
    target = """CREATE TABLE parents (id int PRIMARY KEY);
        CREATE TABLE things (id int PRIMARY KEY, parent int REFERENCES parents)"""
    rows: list[Row] = [{"id": 1, "parent": "7"}, {"id": 2, "parent": "8"}, {"id": 3}]
    planted = plant(new_chain(), target, (parents, [{"id": 7}]), (things, rows))
    assert planted.is_refused("orphans", 1, "2")
    plant(new_chain(), target, (parents, [{"id": 7}]), (things, rows[::2])).migrate()


@pytest.mark.parametrize(
    ("types", "value", "decision", "expected"),
    [
        (("bit", "char(1)"), True, "'true': [Y], 'false': [N], on_null: {fill: 0}", ["Y", "N"]),
        (
            ("time(0)", "interval"),
            "01:00:00",
            "on_null: {fill: '02:00:00'}",
            [dt.timedelta(hours=1), dt.timedelta(hours=2)],
        ),
        (("varchar(9)", "integer"), "7", "on_null: {fill: '-1'}", [7, -1]),
        (
            ("varchar(10)", "date"),
            "2024-01-01",
            "on_null: {fill: '1900-01-01'}",
            [dt.date(2024, 1, 1), dt.date(1900, 1, 1)],
        ),
        (
            ("datetimeoffset(0)", "timestamp"),
            "2024-01-01 00:00:00 +00:00",
            "zone: Asia/Tokyo, on_null: {fill: '1970-01-01'}",
            [dt.datetime(2024, 1, 1, 9), dt.datetime(1970, 1, 1, 9)],
        ),
        (
            ("datetime2(0)", "timestamptz"),
            "2024-01-01 09:00:00",
            "zone: Asia/Tokyo, on_null: {fill: '1970-01-01 09:00'}",
            [dt.datetime(2024, 1, 1, tzinfo=UTC), dt.datetime(1970, 1, 1, tzinfo=UTC)],
        ),
    ],
    ids=str,
)
def test_a_null_is_filled_with_what_its_value_becomes(
    new_chain: NewChain, types: tuple[str, str], value: Any, decision: str, expected: list[Any]
) -> None:
    source, target = types
    planted = plant_one(new_chain, source, f"{target} NOT NULL", value, None)
    assert loaded(planted.decide(decide("things", "v", decision))) == expected


@pytest.mark.parametrize(("target", "value"), [("integer", "seven"), ("integer", "07"), ("date", "1.1.1900")])
def test_a_null_is_not_filled_with_what_the_target_cannot_hold(
    new_chain: NewChain, target: str, value: str
) -> None:
    planted = plant_one(new_chain, "varchar(10)", f"{target} NOT NULL", None)
    decided = planted.decide(decide("things", "v", f"on_null: {{fill: '{value}'}}"))
    assert "decision_does_not_fit" in decided.errors()


@pytest.mark.parametrize(
    ("source", "target", "reason", "instead"),
    [
        ("money", "money", "lc_monetary", "numeric, smallint, integer, bigint"),
        ("time(0)", "timetz", "no offset", "time without time zone, interval"),
        ("varbinary(8)", "text", "encoding", "bytea, uuid"),
        ("decimal(9,2)", "text", "", "numeric, smallint"),
        ("rowversion", "bigint", "", "bytea"),
    ],
)
def test_a_pair_without_a_rule_says_what_would_do(
    new_chain: NewChain, source: str, target: str, reason: str, instead: str
) -> None:
    finding = plant_one(new_chain, source, target).finding("no_rule_for_types")
    assert reason in finding.message
    kind = source.partition("(")[0]
    assert f"change the target's type to one that {kind} goes into ({instead}" in str(finding.decision)
