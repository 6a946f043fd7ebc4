"""A broken decisions.yaml is refused with its file, its line and what was expected."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from blb_migration.errors import ConfigurationError, ExitCode
from blb_migration.plan.decisions import (
    ColumnDecision,
    Decisions,
    KeyTotalDecision,
    Replacement,
    TableDecision,
    list_keys,
)
from blb_migration.plan.decisions_file import parse_decisions, read_decisions

COLUMN = "project: x\ntables:\n  t:\n    columns:\n      c:\n"


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("project: x\ntables:\n  users: {skip: 'the reason'\n", 4, "not valid YAML"),
        ("project: x\ntabels: {}\n", 2, "unknown key 'tabels'"),
        ("project: x\ntables:\n  users:\n    skipp: because it is so\n", 4, "unknown key 'skipp'"),
        ("project: x\ntables:\n  users:\n    skip: ''\n", 4, "at least 3 characters"),
        ("tables: {}\n", 1, "Field required"),
        ("project: x\ntables:\n  a: {skip: one reason}\n  a: {skip: another}\n", 4, "stands here and on"),
        ("project: x\ntables:\n  t:\n    columns:\n      c: {to: d}\n", 5, "need a 'reason'"),
        ("project: x\ntables:\n  t:\n    columns:\n      c: {reason: because}\n", 5, "on_...' keys"),
        ("project: x\ntables:\n  t:\n    columns:\n      c: {on_null: reject}\n", 5, "need a 'reason'"),
        (f"{COLUMN}        on_null: fill\n        reason: yes\n", 6, "{fill: value}"),
        (f"{COLUMN}        on_too_precise: up\n        reason: yes\n", 6, "'round'"),
        ("project: x\ntables:\n  t:\n    key_totals:\n      - where: a = 1\n", 5, "either 'sum: column'"),
        ("- a list\n", 1, "holds list"),
        ("", 1, "the file is empty"),
        ("project: x\ntables:\n  c: {skip: }\n", 3, "nothing stands behind the key"),
        ("project: x\ntables:\n  c: {skip: '  '}\n", 3, "at least 3 characters"),
        ("project: x\ntables:\n  c: {skip: true}\n", 3, "is no reason"),
        ("project: x\ntables:\n  c: {skip: '---'}\n", 3, "is no reason"),
        ("project: x\ntables:\n  c: {skip: [a]}\n", 3, "valid string"),
        ("project: x\ntables:\n  c:\n", 3, "nothing stands behind the key"),
        ("project: x\ntables:\n  c: skip\n", 3, "no keys stand behind it"),
        ("project: x\ntables:\n  c: {}\n", 3, "nothing is decided"),
        ("project: x\ntables:\n  c: {Skip: because}\n", 3, "did you mean skip?"),
        ("project: x\ntables:\n  c: {reason: because}\n", 3, "only 'to' has one"),
        ("project: x\ntables:\n  c: {to: , reason: because}\n", 3, "nothing stands behind the key"),
        ("project: x\ntables:\n  c: {replace_rows: }\n", 3, "nothing stands behind the key"),
        ("project: x\ntables:\n  c: {skip: because, replace_rows: because}\n", 3, "nothing else to decide"),
        (f"{COLUMN}        skip:\n", 6, "nothing stands behind the key"),
        (f"{COLUMN}        to: d\n        reason:\n", 7, "nothing stands behind the key"),
        (f"{COLUMN}        on_null:\n        reason: because\n", 6, "nothing stands behind the key"),
        ("project: x\ntables:\n  t:\n    key_totals:\n      - avg: a\n", 5, "unknown key 'avg'"),
        ("project: x\ntables:\n  t:\n    key_totals:\n      - sum:\n", 5, "nothing stands behind the key"),
        ("project: x\ntables:\n  t:\n    key_totals: [{sum: a, where: }]\n", 4, "nothing stands behind"),
        ("project: x\ngroups:\n  g:\n", 3, "valid tuple"),
        ("project: x\ngroups:\n  g: []\n", 3, "at least 1 item"),
        ("project: x\nowners:\n  g: [anna]\n", 3, "neither an e-mail address nor team:name"),
        ("project: x\nowners:\n  g: []\n", 3, "at least 1 item"),
        ("project: x\ntables: &t\n  a: *t\n", 2, "alias stands inside"),
        ("project: x\n[a, b]: c\n", 2, "a key is a list"),
        ("project: x\ntitle: a\x07b\n", 2, "not valid YAML"),
    ],
)  # fmt: skip
def test_the_message_names_line_and_fault(text: str, line: int, found: str) -> None:
    with pytest.raises(ConfigurationError, match=found) as caught:
        parse_decisions(text, "decisions.yaml")
    assert str(caught.value).startswith(f"decisions.yaml, line {line}:")
    assert caught.value.expected
    assert caught.value.exit_code is ExitCode.BAD_USAGE


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="blb-migrate init"):
        read_decisions(tmp_path / "decisions.yaml")


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "decisions.yaml"
    path.write_bytes("project: x\ntitle: Größe\n".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_decisions(path)


DOCUMENTATION = (Path(__file__).parents[2] / "docs" / "decisions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("The file", Decisions),
        ("A table", TableDecision),
        ("A column", ColumnDecision),
        ("A key total", KeyTotalDecision),
    ],
)
def test_every_key_is_documented_and_every_documented_key_exists(
    heading: str, model: type[BaseModel]
) -> None:
    section = DOCUMENTATION.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
    assert sorted(documented) == sorted(list_keys(model))


def test_the_documented_example_is_a_decisions_file() -> None:
    example = DOCUMENTATION.partition("```yaml\n")[2].partition("```")[0]
    decisions = parse_decisions(example, "decisions.md").decisions
    assert decisions.tables["inventory"].columns["on_hand_quantity"].on_null == Replacement("0")


def test_plain_values_are_taken_as_they_are_written() -> None:
    text = f"{COLUMN}        on_null: {{fill: VALUE}}\n        reason: it was empty\n"
    for value in ("0.10", "NO", "2020-01-01", "007", "1e3", "12345678901234567.89"):
        columns = parse_decisions(text.replace("VALUE", value), "x").decisions.tables["t"].columns
        assert columns["c"].on_null == Replacement(value)
