"""JSON on its way into json and jsonb: scalars, escapes that jsonb refuses, numbers that no numeric holds."""

from __future__ import annotations

import json

import pytest

from blb_migration_tests.hazards.planting import NewChain, Planted, columns, decide, plant, table

# An escaped backslash before "u0000" makes letters of it; a whole pair is a character.
SOUND = [r'{"a":"\\u0000"}', r'{"a":"\ud83d\ude00"}', r'{"a":"x\\\\\u00e9"}', r'["\ud83d\ude00\ud83d\ude00"]']


def plant_json(new_chain: NewChain, target: str, *texts: str | None) -> Planted:
    documents = table("documents", *columns("id int not null", "body nvarchar(max)"))
    rows = [{"id": number, "body": text} for number, text in enumerate(texts, 1)]
    return plant(
        new_chain(), f"CREATE TABLE documents (id int PRIMARY KEY, body {target})", (documents, rows)
    )


def test_s6_an_escaped_u0000_is_found_in_values_and_keys_and_decided(new_chain: NewChain) -> None:
    planted = plant_json(
        new_chain, "jsonb", *SOUND, r'{"a":"\u0000"}', r'{"k\u0000":1}', r'["\\\u0000"]', None
    )
    assert planted.is_refused("json_nul", 3, "5", "6", "7")
    stripped = planted.decide(decide("documents", "body", "on_nul_character: strip"))
    stripped.migrate()
    rows = stripped.rows("SELECT body FROM documents WHERE id > 4 ORDER BY id")
    assert rows == [({"a": ""},), ({"k": 1},), (["\\"],), (None,)]
    assert stripped.changed_rows() == {"documents.body": 3}
    replaced = planted.decide(decide("documents", "body", "on_nul_character: {replace: '\"'}"))
    replaced.migrate()
    assert replaced.rows("SELECT body FROM documents WHERE id = 5") == [({"a": '"'},)]


def test_s6_half_a_surrogate_pair_as_an_escape_is_found_and_decided(new_chain: NewChain) -> None:
    halves = [
        r'"\ud83d"',
        r'{"a":"x\ud83dx"}',
        r'["\ude00"]',
        r'["\ud83d\ud83d\ude00"]',
        r'["\ud83d\ude00\ude00"]',
    ]
    planted = plant_json(new_chain, "jsonb", *SOUND, *halves)
    assert planted.is_refused("json_lone_surrogate", 5, "5", "6", "7", "8", "9")
    replaced = planted.decide(decide("documents", "body", "on_lone_surrogate: replace"))
    replaced.migrate()
    rows = replaced.rows("SELECT body FROM documents WHERE id > 4 ORDER BY id")
    assert rows == [("\ufffd",), ({"a": "x\ufffdx"},), (["\ufffd"],), (["\ufffd😀"],), (["😀\ufffd"],)]


def test_s6_a_number_that_no_numeric_holds_is_found(new_chain: NewChain) -> None:
    planted = plant_json(
        new_chain, "jsonb", '{"a":1e400000}', "[1.5, -2.5E+999999]", '{"a":"f1e123456"}', "[1e300]"
    )
    assert planted.is_refused("json_number_outside", 2, "1", "2")


def test_s6_json_keeps_what_jsonb_refuses(new_chain: NewChain) -> None:
    planted = plant_json(new_chain, "json", r'{"a":"\u0000"}', '{"a":1e400000}')
    planted.migrate()


@pytest.mark.parametrize("target", ["json", "jsonb"])
def test_s7_scalars_are_json_too(new_chain: NewChain, target: str) -> None:
    scalars = ["null", "5", '"x"', "true", " -1.5 ", '"a,b"', "{}", "[]"]
    planted = plant_json(new_chain, target, *scalars)
    planted.migrate()
    rows = planted.rows("SELECT body::text FROM documents ORDER BY id")
    assert [json.loads(text) for (text,) in rows] == [json.loads(text) for text in scalars]


def test_s7_what_is_not_one_json_value_is_found(new_chain: NewChain) -> None:
    planted = plant_json(new_chain, "jsonb", "", "1,2", '1,"b":2', "x", "1],[2", '"a","b"', "1")
    assert planted.finding("not_json").row_count == 6
