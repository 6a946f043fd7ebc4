"""Hazards that a single value carries: found and counted before the load, or carried to the last digit."""

from __future__ import annotations

import datetime
import re
import uuid
from decimal import Decimal
from pathlib import Path

import pytest

from blb_migration.findings import Severity
from blb_migration.model import Index, IndexColumn
from blb_migration.sandbox.zoo.zoo_rows import Variant
from blb_migration_tests.hazards.planting import NewChain, Row, columns, decide, plant, table


def test_01_the_zero_character_is_found_and_stripped_or_replaced_by_decision(new_chain: NewChain) -> None:
    notes = table("notes", *columns("id int not null", "body nvarchar(40)"))
    rows = [{"id": 1, "body": "a\0b\0"}, {"id": 2, "body": "plain"}, {"id": 3, "body": "\0"}]
    planted = plant(new_chain(), "CREATE TABLE notes (id int PRIMARY KEY, body varchar(40))", (notes, rows))
    assert planted.is_refused("contains_nul", 2, "1", "3")
    stripped = planted.decide(decide("notes", "body", "on_nul_character: strip"))
    stripped.migrate()
    assert stripped.rows("SELECT body FROM notes ORDER BY id") == [("ab",), ("plain",), ("",)]
    assert stripped.changed_rows() == {"notes.body": 2}
    replaced = planted.decide(decide("notes", "body", "on_nul_character: {replace: <0>}"))
    replaced.migrate()
    assert replaced.rows("SELECT body FROM notes ORDER BY id") == [("a<0>b<0>",), ("plain",), ("<0>",)]


@pytest.mark.parametrize(
    ("declared", "value", "shown"),
    [
        ("datetime2(7)", "2024-02-29 12:00:00.1234567", "2024-02-29 12:00:00.1234567"),
        ("datetimeoffset(7)", "2024-02-29 12:00:00.1234567 +02:00", "2024-02-29 12:00:00.1234567 +02:00"),
        ("time(7)", "23:59:59.9999999", "23:59:59.9999999"),
        ("datetime", "2024-02-29 12:00:00.003", "2024-02-29 12:00:00.003"),
        ("date", "2024-02-29", "2024-02-29"),
        ("varbinary(9)", b"\x00\xff", "0x00FF"),
        ("bit", True, "1"),
    ],
)
def test_a_key_is_named_to_its_last_digit(
    new_chain: NewChain, declared: str, value: object, shown: str
) -> None:
    notes = table("notes", *columns(f"id {declared} not null", "body nvarchar(9)"))
    target = {"varbinary(9)": "bytea", "bit": "boolean", "date": "date", "time(7)": "time"}
    instant = "timestamptz" if "offset" in declared else "timestamp"
    ddl = f"CREATE TABLE notes (id {target.get(declared, instant)} PRIMARY KEY, body varchar(9))"
    planted = plant(new_chain(), ddl, (notes, [{"id": value, "body": "\0"}]))
    assert planted.finding("contains_nul").first_keys == (shown,)


def test_rows_without_a_primary_key_are_named_by_what_else_is_unique(new_chain: NewChain) -> None:
    code = Index("UX_code", (IndexColumn("code"),), unique=True)
    notes = table("notes", *columns("code int", "body nvarchar(9)"), key=(), indexes=(code,))
    rows: list[Row] = [{"code": 7, "body": "\0"}, {"code": None, "body": "\0"}]
    planted = plant(new_chain(), "CREATE TABLE notes (code int, body varchar(9))", (notes, rows))
    assert planted.is_refused("contains_nul", 2, "NULL", "7")


def test_02_decimals_and_money_never_pass_through_a_float(new_chain: NewChain) -> None:
    prices = table(
        "prices", *columns("id int not null", "amount decimal(38,10)", "cost money", "small smallmoney")
    )
    nines = "9999999999999999999999999999.9999999999"
    rows = [
        {"id": 1, "amount": "7082761.6900000001", "cost": "7082761.69", "small": "214748.3647"},
        {"id": 2, "amount": nines, "cost": "922337203685477.5807", "small": "-214748.3648"},
        {"id": 3, "amount": f"-{nines}", "cost": "-922337203685477.5808", "small": "0.0001"},
    ]
    planted = plant(
        new_chain(),
        "CREATE TABLE prices (id int PRIMARY KEY, amount numeric(38,10), cost numeric(19,4),"
        " small numeric(10,4))",
        (prices, rows),
    )
    planted.migrate()
    found = planted.rows("SELECT amount, cost, small FROM prices ORDER BY id")
    assert found == [tuple(Decimal(row[name]) for name in ("amount", "cost", "small")) for row in rows]  # type: ignore[arg-type]
    assert planted.rows("SELECT sum(cost) FROM prices") == [(Decimal("7082761.6899"),)]


def test_04_the_seventh_digit_is_cut_by_rule_and_counted(new_chain: NewChain) -> None:
    moments = table("moments", *columns("id int not null", "at datetime2(7)", "clock time(7)"))
    rows = [
        {"id": 1, "at": "2024-02-29 12:34:56.1234567", "clock": "23:59:59.9999999"},
        {"id": 2, "at": "9999-12-31 23:59:59.9999999", "clock": "00:00:00.1234560"},
        {"id": 3, "at": "0001-01-01 00:00:00", "clock": None},
    ]
    planted = plant(
        new_chain(), 'CREATE TABLE moments (id int PRIMARY KEY, "at" timestamp, clock time)', (moments, rows)
    )
    found = {finding.subject: finding for finding in planted.findings("fraction_finer_than")}
    assert {name: finding.row_count for name, finding in found.items()} == {
        "moments.at": 2,
        "moments.clock": 1,
    }
    assert {finding.severity for finding in found.values()} == {Severity.WARNING}
    planted.migrate()
    assert planted.rows('SELECT "at"::text, clock::text FROM moments ORDER BY id') == [
        ("2024-02-29 12:34:56.123456", "23:59:59.999999"),
        ("9999-12-31 23:59:59.999999", "00:00:00.123456"),
        ("0001-01-01 00:00:00", None),
    ]


def test_04_fewer_digits_than_six_are_refused_or_truncated_by_decision(new_chain: NewChain) -> None:
    moments = table("moments", *columns("id int not null", "at datetime2(7)"))
    rows = [{"id": 1, "at": "1899-12-31 23:59:59.9996543"}, {"id": 2, "at": "2024-01-01 00:00:00.125"}]
    planted = plant(
        new_chain(), 'CREATE TABLE moments (id int PRIMARY KEY, "at" timestamp(3))', (moments, rows)
    )
    assert planted.is_refused("fraction_finer_than", 1, "1")
    decided = planted.decide(decide("moments", "at", "on_too_precise: truncate"))
    decided.migrate()
    assert decided.rows('SELECT "at"::text FROM moments ORDER BY id') == [
        ("1899-12-31 23:59:59.999",),
        ("2024-01-01 00:00:00.125",),
    ]
    assert decided.changed_rows() == {"moments.at": 1}


def test_05_a_naive_time_is_not_shifted_even_where_no_clock_shows_it(new_chain: NewChain) -> None:
    moments = table("moments", *columns("id int not null", "at datetime2(0)", "old datetime"))
    rows = [{"id": 1, "at": "2024-03-31 02:30:00", "old": "2024-10-27 02:30:00.997"}]
    planted = plant(
        new_chain(),
        'CREATE TABLE moments (id int PRIMARY KEY, "at" timestamp, old timestamp(3))',
        (moments, rows),
    )
    planted.rows(f"ALTER DATABASE {planted.chain.target.settings.database} SET timezone = 'Europe/Berlin'")
    planted.migrate()
    assert planted.rows('SELECT "at"::text, old::text FROM moments') == [
        ("2024-03-31 02:30:00", "2024-10-27 02:30:00.997")
    ]


def test_06_an_instant_is_kept_and_its_lost_offset_is_reported(new_chain: NewChain) -> None:
    moments = table("moments", *columns("id int not null", "at datetimeoffset(7)"))
    rows = [
        {"id": 1, "at": "2024-10-27 02:30:00.5 +02:00"},
        {"id": 2, "at": "2024-10-27 02:30:00 +00:00"},
        {"id": 3, "at": "0001-01-01 00:00:00 -14:00"},
    ]
    planted = plant(
        new_chain(), 'CREATE TABLE moments (id int PRIMARY KEY, "at" timestamptz)', (moments, rows)
    )
    finding = planted.finding("offset_is_lost")
    assert (finding.severity, finding.row_count, finding.first_keys) == (Severity.WARNING, 2, ("1", "3"))
    planted.migrate()
    assert planted.rows("SELECT (\"at\" AT TIME ZONE 'UTC')::text FROM moments ORDER BY id") == [
        ("2024-10-27 00:30:00.5",),
        ("2024-10-27 02:30:00",),
        ("0001-01-01 14:00:00",),
    ]


def test_17_a_rowversion_is_carried_as_bytes_and_reported(new_chain: NewChain) -> None:
    docs = table("docs", *columns("id int not null", "version rowversion not null"))
    rows = [{"id": 1, "version": bytes(range(8))}]
    planted = plant(new_chain(), "CREATE TABLE docs (id int PRIMARY KEY, version bytea)", (docs, rows))
    assert planted.finding("rowversion_stands_still").severity is Severity.WARNING
    planted.migrate()
    assert planted.rows("SELECT version FROM docs") == [(bytes(range(8)),)]


def test_18_the_bytes_of_a_uniqueidentifier_keep_their_order(new_chain: NewChain) -> None:
    things = table("things", *columns("id uniqueidentifier not null", "code uniqueidentifier"))
    guid = "00112233-4455-6677-8899-aabbccddeeff"
    planted = plant(
        new_chain(),
        "CREATE TABLE things (id uuid PRIMARY KEY, code varchar(36))",
        (things, [{"id": guid, "code": guid}]),
    )
    planted.migrate()
    assert planted.rows("SELECT id, code FROM things") == [(uuid.UUID(guid), guid.upper())]


def test_21_half_a_surrogate_pair_is_found_and_replaced_by_decision(new_chain: NewChain) -> None:
    notes = table("notes", *columns("id int not null", "body nvarchar(40)"))
    rows: list[Row] = [
        {"id": 1, "body": "high \ud83d"},
        {"id": 2, "body": "\ude00 low \ud83dx"},
        {"id": 3, "body": "whole 🧵 and \ufffd"},
        {"id": 4, "body": None},
    ]
    planted = plant(new_chain(), "CREATE TABLE notes (id int PRIMARY KEY, body text)", (notes, rows))
    assert planted.is_refused("lone_surrogate", 2, "1", "2")
    decided = planted.decide(decide("notes", "body", "on_lone_surrogate: replace"))
    decided.migrate()
    assert decided.rows("SELECT body FROM notes ORDER BY id") == [
        ("high \ufffd",),
        ("\ufffd low \ufffdx",),
        ("whole 🧵 and \ufffd",),
        (None,),
    ]
    # A text that holds U+FFFD of its own is not counted.
    assert decided.changed_rows() == {"notes.body": 2}


def test_22_letters_of_a_code_page_and_of_none_arrive(new_chain: NewChain) -> None:
    texts = table("texts", *columns("id int not null", "narrow varchar(40)", "wide nvarchar(40)"))
    rows = [{"id": 1, "narrow": "ÄÖÜäöüß€“”…ŸžŠ", "wide": "Größe 世界 🧵 Ελλάδα"}]
    planted = plant(
        new_chain(),
        "CREATE TABLE texts (id int PRIMARY KEY, narrow varchar(40), wide varchar(40))",
        (texts, rows),
    )
    planted.migrate()
    assert planted.rows("SELECT narrow, wide FROM texts") == [(rows[0]["narrow"], rows[0]["wide"])]


def test_23_large_values_arrive_whole(new_chain: NewChain) -> None:
    files = table("files", *columns("id int not null", "body nvarchar(max)", "content varbinary(max)"))
    size = 3 * 1024 * 1024
    rows = [{"id": n, "body": "世🧵" * (size // 8), "content": b"\x00\xff\x10" * (size // 3)} for n in (1, 2)]
    planted = plant(
        new_chain(), "CREATE TABLE files (id int PRIMARY KEY, body text, content bytea)", (files, rows)
    )
    planted.migrate()
    assert planted.rows("SELECT char_length(body), octet_length(content) FROM files") == [
        (size // 4, size),
        (size // 4, size),
    ]


NARROW = table(
    "lines",
    *columns(
        "id int not null", "price decimal(18,4)", "name nvarchar(20)", "unit nvarchar(5)", "due datetime"
    ),
)
NARROW_ROWS = [
    {"id": 1, "price": "1.2345", "name": "short", "unit": "m", "due": "2024-01-01 00:00:00"},
    {"id": 2, "price": "-0.005", "name": "x🧵" * 6, "unit": None, "due": None},
    {"id": 3, "price": "0.0149", "name": "exactly ten", "unit": None, "due": None},
    {"id": 4, "price": "99999999.00", "name": None, "unit": "", "due": None},
]
NARROW_TARGET = """CREATE TABLE lines (id int PRIMARY KEY, price numeric(10,2), name varchar(10),
    unit varchar(5) NOT NULL, due timestamp NOT NULL)"""
NARROW_DECISIONS = """
tables:
  lines:
    columns:
      price: {on_too_precise: round, reason: cents are enough}
      name: {on_too_long: truncate, reason: labels are printed short}
      unit: {on_null: {fill: EA}, reason: pieces when nothing is said}
      due: {on_null: {fill: 2000-01-01}, reason: unknown}
    key_totals:
      - sum: price
"""


def test_26_what_a_narrower_target_cannot_hold_is_found_all_at_once(new_chain: NewChain) -> None:
    planted = plant(new_chain(), NARROW_TARGET, (NARROW, NARROW_ROWS))
    found = planted.chain.preflight(planted.text).findings
    counted = {(f.code, f.subject): f.row_count for f in found if f.severity is Severity.ERROR}
    assert counted == {
        ("decimal_finer_than", "lines.price"): 3,
        ("text_longer_than", "lines.name"): 2,
        ("is_null", "lines.unit"): 2,
        ("is_null", "lines.due"): 3,
    }
    assert all(f.decision and "tables: {lines: {columns:" in f.decision for f in found if f.row_count)


def test_26_decisions_round_truncate_and_fill_and_both_sides_are_compared_after_them(
    new_chain: NewChain,
) -> None:
    planted = plant(new_chain(), NARROW_TARGET, (NARROW, NARROW_ROWS), decisions=NARROW_DECISIONS)
    migration = planted.migrate()
    assert planted.rows("SELECT price::text, name, unit, due::date::text FROM lines ORDER BY id") == [
        ("1.23", "short", "m", "2024-01-01"),
        ("-0.01", "x🧵" * 5, "EA", "2000-01-01"),  # halves are rounded away from zero
        ("0.01", "exactly te", "EA", "2000-01-01"),
        ("99999999.00", None, "", "2000-01-01"),
    ]
    expected = {"lines.price": 3, "lines.name": 2, "lines.unit": 2, "lines.due": 3}
    assert planted.changed_rows() == expected
    found = planted.chain.preflight(planted.text).findings
    assert {f.subject: f.row_count for f in found if "by decision" in f.message} == expected
    planted.rows("UPDATE lines SET price = price + 0.01 WHERE id = 1")
    assert not planted.chain.check(migration)["lines", "key_totals"].passed


def test_26_rounding_that_makes_a_number_too_large_is_found(new_chain: NewChain) -> None:
    prices = table("prices", *columns("id int not null", "price decimal(10,4)"))
    rows = [{"id": 1, "price": "999.996"}, {"id": 2, "price": "999.994"}]
    planted = plant(
        new_chain(),
        "CREATE TABLE prices (id int PRIMARY KEY, price numeric(5,2))",
        (prices, rows),
        decisions=decide("prices", "price", "on_too_precise: round"),
    )
    assert planted.is_refused("decimal_outside", 1, "1")
    cut = planted.decide(decide("prices", "price", "on_too_precise: truncate"))
    cut.migrate()
    assert cut.rows("SELECT price::text FROM prices ORDER BY id") == [("999.99",), ("999.99",)]


@pytest.mark.parametrize(
    ("decision", "message"),
    [
        ("on_null: {fill: pieces}", "holds 5"),
        ("on_too_long: truncate", "raises no such question"),
    ],
)
def test_26_a_decision_that_makes_no_sense_is_named(new_chain: NewChain, decision: str, message: str) -> None:
    planted = plant(
        new_chain(), NARROW_TARGET, (NARROW, NARROW_ROWS), decisions=decide("lines", "unit", decision)
    )
    found = planted.chain.preflight(planted.text).findings
    named = [f for f in found if f.code in ("decision_does_not_fit", "decision_without_effect")]
    assert [message in f.message for f in named] == [True]


def test_32_empty_texts_quotes_and_escapes_are_not_changed(new_chain: NewChain) -> None:
    texts = table("texts", *columns("id int not null", "body nvarchar(40)"))
    bodies = ["", None, "\\N", "\\.", "NULL", "a\tb\nc\r\n\x0b\x1f", "\"quoted\",'it''s'", "  ", "\\\\"]
    rows = [{"id": n, "body": body} for n, body in enumerate(bodies)]
    planted = plant(new_chain(), "CREATE TABLE texts (id int PRIMARY KEY, body text)", (texts, rows))
    planted.migrate()
    assert [body for (body,) in planted.rows("SELECT body FROM texts ORDER BY id")] == bodies


def test_a_sql_variant_becomes_text_and_its_base_types_are_counted(new_chain: NewChain) -> None:
    things = table("things", *columns("id int not null", "value sql_variant"))
    values = [Variant("int", "42"), Variant("int", "-1"), Variant("nvarchar", "text"), None]
    rows = [{"id": n, "value": value} for n, value in enumerate(values)]
    planted = plant(new_chain(), "CREATE TABLE things (id int PRIMARY KEY, value text)", (things, rows))
    finding = planted.finding("variant_base_types")
    assert "int 2, nvarchar 1" in finding.message
    planted.migrate()
    assert planted.rows("SELECT value FROM things ORDER BY id") == [("42",), ("-1",), ("text",), (None,)]


def test_03_times_keep_their_microseconds_whatever_the_batch(new_chain: NewChain) -> None:
    moments = table("moments", *columns("id int not null", "at datetime2(6)"))
    rows = [
        {"id": 1, "at": "2024-01-01 00:00:00"},
        {"id": 2, "at": "2024-01-01 00:00:00.000001"},
        {"id": 3, "at": "2024-12-31 23:59:59.999999"},
    ]
    planted = plant(new_chain(), 'CREATE TABLE moments (id int PRIMARY KEY, "at" timestamp)', (moments, rows))
    migration = planted.migrate()
    assert planted.rows('SELECT max("at") FROM moments') == [
        (datetime.datetime(2024, 12, 31, 23, 59, 59, 999999),)
    ]
    planted.rows('UPDATE moments SET "at" = date_trunc(\'day\', "at") WHERE id = 3')
    result = planted.chain.check(migration)["moments", "key_totals"]
    assert [c.name for c in result.comparisons if not c.match] == ["max(at)"]


def test_the_list_of_hazards_links_to_tests_that_exist() -> None:
    docs = Path(__file__).parents[2] / "docs"
    text = (docs / "hazards.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and line[2].isdigit()]
    assert [int(row.split("|")[1]) for row in rows] == list(range(1, 35))
    for row in rows:
        number = int(row.split("|")[1])
        own = [name for name, _ in find_links(row) if name.startswith(f"test_{number:02}_")]
        assert own, row
    links = find_links(text)
    assert len(links) > 100
    for name, target in links:
        assert f"def {name}(" in (docs / target).read_text(encoding="utf-8"), f"{name} is not in {target}"


def find_links(text: str) -> list[tuple[str, str]]:
    """Return each test that a text links to, with its file, as seen from docs/."""
    return re.findall(r"\[(test_\w+)\]\(([^)]+\.py)\)", text)
