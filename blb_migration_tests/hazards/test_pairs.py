"""Pairs of types that people have: each loaded by a rule or by a decision that says what the values mean."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal

import pytest

from blb_migration.findings import Severity
from blb_migration.model import UniqueKey
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.zoo.zoo_rows import Variant
from blb_migration_tests.hazards.planting import (
    NewChain,
    Row,
    assert_loaded,
    columns,
    decide,
    loaded,
    plant,
    plant_one,
    refers,
    table,
)

GUID = "01234567-89AB-CDEF-0123-456789ABCDEF"


def test_s10_a_guid_kept_as_text_becomes_a_uuid(new_chain: NewChain) -> None:
    texts, guids = [GUID, GUID.lower(), None], [uuid.UUID(GUID), uuid.UUID(GUID), None]
    assert_loaded(
        new_chain, *((source, "uuid", texts, guids) for source in ("char(36)", "nvarchar(36)", "nchar(40)"))
    )


def test_s10_texts_that_are_no_guid_are_found(new_chain: NewChain) -> None:
    planted = plant_one(new_chain, "nvarchar(40)", "uuid", GUID, "none", GUID + " ", "", None)
    assert planted.is_refused("not_uuid", 3, "2", "3", "4")


@pytest.mark.parametrize("source", ["char(1)", "varchar(3)", "char(3)"])
def test_s10_words_become_booleans_by_decision(new_chain: NewChain, source: str) -> None:
    planted = plant_one(new_chain, source, "boolean", "Y", "N", None)
    finding = planted.finding("meaning_not_decided")
    assert finding.severity is Severity.ERROR
    assert "'true': [Y], 'false': [N]" in str(finding.decision)
    decided = planted.decide(decide("things", "v", "'true': [Y, J], 'false': [N]"))
    assert loaded(decided) == [True, False, None]


def test_s10_a_word_that_is_neither_true_nor_false_is_found(new_chain: NewChain) -> None:
    planted = plant_one(new_chain, "varchar(3)", "boolean", "Y", "y", "N", "N ", None)
    decided = planted.decide(decide("things", "v", "'true': [Y], 'false': [N]"))
    assert decided.is_refused("not_a_word", 2, "2", "4")


def test_s10_labels_of_an_enum_are_carried_and_others_found(new_chain: NewChain) -> None:
    enum = "CREATE TYPE mood AS ENUM ('sad', 'very glad'); "
    planted = plant_one(new_chain, "varchar(20)", "mood", "sad", "very glad", None, before=enum)
    assert loaded(planted) == ["sad", "very glad", None]
    other = plant_one(new_chain, "varchar(20)", "mood", "sad", "Sad", "", before=enum)
    assert other.is_refused("not_a_word", 2, "2", "3")


def test_s10_numbers_become_texts_and_what_is_longer_is_found(new_chain: NewChain) -> None:
    planted = plant_one(new_chain, "int", "text", -(2**31), 0, 2**31 - 1, None)
    assert loaded(planted) == ["-2147483648", "0", "2147483647", None]
    short = plant_one(new_chain, "int", "varchar(3)", 999, -99, 1000, -100)
    assert short.is_refused("integer_outside", 2, "3", "4")


def test_s10_a_guid_that_a_text_is_too_short_for_is_found(new_chain: NewChain) -> None:
    things = table("things", *columns("id int not null", "mark uniqueidentifier"))
    rows: list[Row] = [{"id": 1, "mark": str(uuid.uuid4())}, {"id": 2, "mark": None}]
    ddl = "CREATE TABLE things (id int PRIMARY KEY, mark varchar(35))"
    assert plant(new_chain(), ddl, (things, rows)).is_refused("text_longer_than", 1, "1")


def test_s10_floats_become_the_decimals_that_give_them_back(new_chain: NewChain) -> None:
    planted = plant_one(new_chain, "float", "numeric(18,4)", 0.1, -7082761.69, 1e12, None)
    assert loaded(planted) == [Decimal("0.1"), Decimal("-7082761.69"), Decimal(10**12), None]
    finer = plant_one(new_chain, "float", "numeric(18,4)", 0.1, 0.12345, 1e15)
    assert sorted(finer.errors()) == ["float_finer_than", "float_outside"]
    rounded = plant_one(new_chain, "float", "numeric(18,4)", 0.1, 0.12345)
    decided = rounded.decide(decide("things", "v", "on_too_precise: round"))
    assert loaded(decided) == [Decimal("0.1"), Decimal("0.1235")]
    assert decided.changed_rows() == {"things.v": 1}


def test_s10_money_becomes_a_double_where_that_gives_it_back(new_chain: NewChain) -> None:
    planted = plant_one(new_chain, "money", "double precision", "7082761.69", "-0.0001", None)
    assert loaded(planted) == [7082761.69, -0.0001, None]
    large = plant_one(new_chain, "money", "double precision", "1.5", "922337203685477.5807")
    assert large.is_refused("inexact_as_float", 1, "2")
    decided = large.decide(decide("things", "v", "on_too_precise: round"))
    assert loaded(decided) == [1.5, 922337203685477.6]


@pytest.mark.parametrize(
    ("order", "expected"),
    [("rfc", GUID), ("sqlserver", "67452301-AB89-EFCD-0123-456789ABCDEF")],
)
def test_s10_sixteen_bytes_become_a_uuid_in_the_decided_order(
    new_chain: NewChain, order: str, expected: str
) -> None:
    planted = plant_one(new_chain, "varbinary(16)", "uuid", uuid.UUID(GUID).bytes, None)
    assert planted.errors() == ["meaning_not_decided"]
    decided = planted.decide(decide("things", "v", f"byte_order: {order}"))
    assert loaded(decided) == [uuid.UUID(expected), None]


def test_s10_local_times_become_instants_of_a_named_zone(new_chain: NewChain) -> None:
    summer, winter, twice = "2024-07-01 12:00:00", "1953-01-01 00:30:00.1234567", "2024-10-27 02:30:00"
    planted = plant_one(
        new_chain, "datetime2(7)", "timestamptz", summer, winter, twice, "9999-12-31 23:59:59", None
    )
    assert "zone: Europe/Berlin" in str(planted.finding("meaning_not_decided").decision)
    decided = planted.decide(decide("things", "v", "zone: Europe/Berlin"))
    warning = decided.finding("repeated_local_time")
    assert (warning.severity, warning.row_count, warning.first_keys) == (Severity.WARNING, 1, ("3",))
    decided.migrate()
    found = decided.rows("SELECT (v AT TIME ZONE 'UTC')::text FROM things ORDER BY id")
    assert [text for (text,) in found] == [
        "2024-07-01 10:00:00",
        "1952-12-31 23:30:00.123456",
        "2024-10-27 00:30:00",
        "9999-12-31 22:59:59",
        None,
    ]


def test_s10_a_local_time_that_never_was_is_found(new_chain: NewChain) -> None:
    planted = plant_one(new_chain, "datetime", "timestamptz", "1948-05-02 00:30:00", "1948-05-02 01:00:00")
    decided = planted.decide(decide("things", "v", "zone: Asia/Tokyo"))
    assert decided.is_refused("skipped_local_time", 1, "1")
    assert decided.decide(decide("things", "v", "zone: UTC")).errors() == []


def test_s10_only_changes_of_the_years_that_a_table_has_are_asked(
    new_chain: NewChain, emulator: SqlServerEmulator
) -> None:
    moments = ["2023-12-31 23:59:59", "2024-03-31 01:59:59", "2024-03-31 02:00:00", "9999-12-31", None]
    planted = plant_one(new_chain, "datetime2(7)", "timestamptz", *moments)
    decided = planted.decide(decide("things", "v", "zone: Europe/Berlin"))
    assert decided.is_refused("skipped_local_time", 1, "3")
    sent = [each.text for each in emulator.statements]
    asked = [text for text in sent if "2024-03-31T02:00:00" in text]
    assert asked
    assert not [text for text in asked if "2031-03-30" in text]


def test_s10_a_timestamp_becomes_a_date_where_it_is_midnight(new_chain: NewChain) -> None:
    planted = plant_one(new_chain, "datetime2(7)", "date", "2024-02-29 00:00:00", "2024-02-29 00:00:01", None)
    assert planted.is_refused("has_time_of_day", 1, "2")
    decided = planted.decide(decide("things", "v", "on_time_of_day: truncate"))
    assert loaded(decided) == [dt.date(2024, 2, 29), dt.date(2024, 2, 29), None]


def test_s10_xml_becomes_one_json_string_by_decision(new_chain: NewChain) -> None:
    planted = plant_one(new_chain, "xml", "jsonb", '<a b="1">é</a>', None)
    assert planted.errors() == ["meaning_not_decided"]
    decided = planted.decide(decide("things", "v", "as: string"))
    assert loaded(decided) == ['<a b="1">é</a>', None]


def test_s10_bits_become_integers_and_whole_numbers_booleans(new_chain: NewChain) -> None:
    assert_loaded(
        new_chain,
        ("bit", "integer", [True, False, None], [1, 0, None]),
        ("smallint", "boolean", [1, 0, None], [True, False, None]),
    )


BINARY = "Latin1_General_100_BIN2"
NONE: list[Row] = []


def test_s10_guids_that_differ_in_letter_case_alone_are_one_key(new_chain: NewChain) -> None:
    things = table(
        "things",
        *columns("id int not null"),
        *columns("v char(36)", collation=BINARY),
        unique_keys=(UniqueKey("UQ_v", ("v",)),),
    )
    rows: list[Row] = [{"id": 1, "v": GUID}, {"id": 2, "v": GUID.lower()}, {"id": 3}]
    planted = plant(new_chain(), "CREATE TABLE things (id int PRIMARY KEY, v uuid UNIQUE)", (things, rows))
    assert planted.is_refused("not_unique_at_target", 2, "1", "2")


def test_s10_a_guid_refers_to_its_parent_whatever_its_letters(new_chain: NewChain) -> None:
    parents = table("parents", *columns("id uniqueidentifier not null"))
    others = table("others", *columns("id varchar(40) not null"))
    things = table(
        "things",
        *columns("id int not null", "parent char(36)", "other char(36)"),
        foreign_keys=(refers(["other"], "others", ["id"]),),
    )
    target = """CREATE TABLE parents (id uuid PRIMARY KEY); CREATE TABLE others (id uuid PRIMARY KEY);
        CREATE TABLE things (id int PRIMARY KEY, parent uuid REFERENCES parents,
            other uuid REFERENCES others)"""
    good: Row = {"id": 1, "parent": GUID.lower(), "other": GUID.lower()}
    planted = plant(
        new_chain(), target, (parents, [{"id": GUID}]), (others, [{"id": GUID}]), (things, [good])
    )
    planted.migrate()
    stray: Row = {"id": 1, "parent": GUID.replace("0", "F")}
    astray = plant(new_chain(), target, (parents, [{"id": GUID}]), (others, NONE), (things, [stray]))
    assert astray.is_refused("orphans", 1, "1")


def test_s10_numbers_that_become_the_same_float_are_one_key(new_chain: NewChain) -> None:
    things = table(
        "things", *columns("id int not null", "v decimal(38,20)"), unique_keys=(UniqueKey("UQ_v", ("v",)),)
    )
    rows = [{"id": n, "v": f"1.0000000000000000000{n}"} for n in (1, 2)]
    target = "CREATE TABLE things (id int PRIMARY KEY, v double precision UNIQUE)"
    decisions = decide("things", "v", "on_too_precise: round")
    planted = plant(new_chain(), target, (things, rows), decisions=decisions)
    assert planted.is_refused("not_unique_at_target", 2, "1", "2")


def test_s10_variants_of_one_text_are_one_key(new_chain: NewChain) -> None:
    things = table(
        "things", *columns("id int not null", "v sql_variant"), unique_keys=(UniqueKey("UQ_v", ("v",)),)
    )
    rows = [{"id": 1, "v": Variant("int", "7")}, {"id": 2, "v": Variant("nvarchar", "7")}]
    planted = plant(new_chain(), "CREATE TABLE things (id int PRIMARY KEY, v text UNIQUE)", (things, rows))
    assert planted.is_refused("not_unique_at_target", 2, "1", "2")


@pytest.mark.parametrize("source", ["text", "ntext"])
def test_s10_large_texts_can_be_a_key_of_the_target(new_chain: NewChain, source: str) -> None:
    things = table("things", *columns("id int not null", f"v {source}"))
    rows = [{"id": 1, "v": "same"}, {"id": 2, "v": "same"}, {"id": 3, "v": "Same"}]
    planted = plant(new_chain(), "CREATE TABLE things (id int PRIMARY KEY, v text UNIQUE)", (things, rows))
    assert planted.is_refused("not_unique_at_target", 2, "1", "2")


def test_s10_numerics_that_no_arrow_decimal_is_like_are_loaded(new_chain: NewChain) -> None:
    small, large = "1.5", "-99999999999999999.1234567891"
    assert_loaded(
        new_chain,
        ("decimal(38,20)", "numeric(50,10)", [small, large, None], [Decimal(small), Decimal(large), None]),
        ("float", "numeric(50,4)", [2.5, -1e20], [Decimal("2.5"), -(10**20)]),
        ("bigint", "numeric(50,4)", [2**63 - 1], [2**63 - 1]),
        ("decimal(38,0)", "numeric(50,4)", ["9" * 38, "-100", "0"], [10**38 - 1, -100, 0]),
    )
    rounded = plant_one(new_chain, "decimal(38,20)", "numeric(50,10)", "0.00000000005", "1")
    decided = rounded.decide(decide("things", "v", "on_too_precise: round"))
    assert loaded(decided) == [Decimal("0.0000000001"), Decimal(1)]


def test_s10_numerics_that_keep_hundreds_are_loaded_and_others_found(new_chain: NewChain) -> None:
    assert_loaded(
        new_chain,
        ("int", "numeric(5,-2)", [12300, -1234500, 0, None], [12300, -1234500, 0, None]),
        ("decimal(9,2)", "numeric(5,-2)", ["12300.00"], [12300]),
    )
    for source in ("int", "decimal(9,2)"):
        finer = plant_one(new_chain, source, "numeric(5,-2)", 12300, 12350, 12301)
        assert finer.is_refused("decimal_finer_than", 2, "2", "3")
        decided = finer.decide(decide("things", "v", "on_too_precise: round"))
        assert loaded(decided) == [12300, 12400, 12300]


@pytest.mark.parametrize(
    ("source", "value", "other"), [("int", 1, "01"), ("uniqueidentifier", GUID, GUID.lower())]
)
def test_s10_a_text_refers_to_what_becomes_the_same_text(
    new_chain: NewChain, source: str, value: object, other: str
) -> None:
    parents = table("parents", *columns(f"id {source} not null"))
    things = table("things", *columns("id int not null", "parent varchar(40)"))
    target = """CREATE TABLE parents (id text PRIMARY KEY);
        CREATE TABLE things (id int PRIMARY KEY, parent text REFERENCES parents)"""
    rows: list[Row] = [{"id": 1, "parent": str(value)}, {"id": 2, "parent": other}, {"id": 3}]
    planted = plant(new_chain(), target, (parents, [{"id": value}]), (things, rows))
    assert planted.is_refused("orphans", 1, "2")
    sound = plant(new_chain(), target, (parents, [{"id": value}]), (things, rows[::2]))
    sound.migrate()
