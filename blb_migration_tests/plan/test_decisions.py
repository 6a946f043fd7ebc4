"""A broken decisions.yaml is refused with its file, its line and what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from blb_migration.errors import ConfigurationError, ExitCode
from blb_migration.plan.decisions import parse_decisions, read_decisions


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("project: x\ntables:\n  users: {skip: 'the reason'\n", 4, "not valid YAML"),
        ("project: x\ntabels: {}\n", 2, "unknown key 'tabels'"),
        ("project: x\ntables:\n  users:\n    skipp: because it is so\n", 4, "unknown key 'skipp'"),
        ("project: x\ntables:\n  users:\n    skip: ''\n", 4, "at least 3 characters"),
        ("tables: {}\n", 1, "Field required"),
        ("project: x\ntables:\n  a: {skip: one reason}\n  a: {skip: another}\n", 4, "stands here and on"),
        ("project: x\ntables:\n  t:\n    columns:\n      c: {to: d}\n", 5, "'to' needs a 'reason'"),
        ("project: x\ntables:\n  t:\n    key_totals:\n      - where: a = 1\n", 5, "either 'sum: column'"),
        ("- a list\n", 1, "holds list"),
    ],
)  # fmt: skip
def test_the_message_names_line_and_fault(text: str, line: int, found: str) -> None:
    with pytest.raises(ConfigurationError, match=found) as caught:
        parse_decisions(text, "decisions.yaml")
    assert str(caught.value).startswith(f"decisions.yaml, line {line}:")
    assert caught.value.expected
    assert caught.value.exit_code is ExitCode.BAD_USAGE


def test_a_missing_file_says_how_to_write_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="blb-migrate plan --project"):
        read_decisions(tmp_path / "decisions.yaml")


def test_a_file_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "decisions.yaml"
    path.write_bytes("project: x\ntitle: Größe\n".encode("latin-1"))
    with pytest.raises(ConfigurationError, match="not UTF-8"):
        read_decisions(path)
