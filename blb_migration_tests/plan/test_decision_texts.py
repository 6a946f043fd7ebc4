"""What a finding prints to be pasted into decisions.yaml says there what it means, whatever the names are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import blb_migration
from blb_migration.plan.decision_texts import WHY, write_decision
from blb_migration.plan.decisions_file import parse_decisions

PACKAGE = Path(blb_migration.__file__).parent
HARD = (
    *"#?=%`|>~:'\"\\\t",
    *("active?", "Rate, %", "a: b", "@x", "  x", "x ", "yes", "1e3", "null", "- a", "a\nb", "{a}", "[b]"),
    *("ünï", "!x", "&a", "*a", "...", "---", "<<", "\x85", "\u2028", "\ufeff", "\U0001f600", "\x1b[2J"),
    *("\u202eevil", "x" * 128, "0x1F", "2020-01-01", "a #b", "\xa0"),
)
LETTERS = st.characters(exclude_categories=["Cs"])
NAMES = st.one_of(st.sampled_from(HARD), st.text(LETTERS, min_size=1, max_size=128))  # SQL Server's longest


@given(NAMES, NAMES, NAMES)
@example("a\x00b", "x", "y")
def test_what_is_printed_is_read_back_as_it_was_meant(table: str, column: str, target: str) -> None:
    text = write_decision(table, {"to": target, "reason": WHY}, column)
    assert text.isprintable()  # one line, and nothing that a terminal obeys
    decisions = parse_decisions(f"project: a\n{text}\n", "decisions.yaml").decisions
    assert list(decisions.tables) == [table]
    assert list(decisions.tables[table].columns) == [column]
    assert decisions.tables[table].columns[column].to == target


@pytest.mark.parametrize("name", HARD)
def test_a_table_that_is_skipped(name: str) -> None:
    text = write_decision(name, {"skip": WHY})
    [(table, decision)] = parse_decisions(f"project: a\n{text}\n", "f").decisions.tables.items()
    assert (table, decision.skip) == (name, WHY)


def test_simple_names_are_written_without_quotes() -> None:
    assert write_decision("users", {"skip": WHY}) == "tables: {users: {skip: WHY}}"


def test_no_other_place_writes_decisions() -> None:
    by_hand = re.compile(r"(tables|columns|schemas): \{\{")
    modules = PACKAGE.rglob("*.py")
    assert [path for path in modules if by_hand.search(path.read_text(encoding="utf-8"))] == []
