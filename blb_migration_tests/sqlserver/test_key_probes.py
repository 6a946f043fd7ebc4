"""Questions about keys: rows that PostgreSQL would take for duplicates or for orphans, counted and named."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blb_migration.errors import SourceError
from blb_migration.model import Table, TableName
from blb_migration.questions import (
    KeyColumn,
    KeyQuestion,
    ReferenceQuestion,
    TextEquality,
    UniquenessQuestion,
)
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.key_probes import answer_key_questions
from blb_migration.value_decisions import ValueDecision
from blb_migration_tests.sqlserver.workshop import LOTS, MATERIALS

FIRST_LETTER = (ValueDecision("text_longer_than", "truncate", "a test", limit=1),)
FILLED = (ValueDecision("is_null", "fill", "a test", value="false"),)


def columns(*names: str) -> tuple[KeyColumn, ...]:
    return tuple(KeyColumn(name) for name in names)


def reference(own: tuple[str, ...], parent: Table, referred: tuple[str, ...]) -> ReferenceQuestion:
    return ReferenceQuestion("fk", columns(*own), parent, columns(*referred), is_enforced=True)


@pytest.mark.parametrize(
    ("table", "question", "keys"),
    [
        (LOTS, reference(("material_id",), MATERIALS, ("id",)), ("1, 2",)),
        # A NULL in a composite key refers to nothing.
        (LOTS, reference(("parent_site", "parent_number"), LOTS, ("site", "number")), ("2, 2",)),
        (MATERIALS, reference(("name",), MATERIALS, ("code",)), ("1", "2", "9")),
        (MATERIALS, UniquenessQuestion("uq", columns("name"), nulls_distinct=True), ()),
        (MATERIALS, UniquenessQuestion("uq", columns("active"), nulls_distinct=True), ("1", "2")),
        (MATERIALS, UniquenessQuestion("uq", columns("active", "id"), nulls_distinct=False), ()),
        (MATERIALS, UniquenessQuestion("uq", (KeyColumn("active", FILLED),), True), ("1", "2", "5", "9")),
        (MATERIALS, UniquenessQuestion("uq", columns("bought_at"), nulls_distinct=False), ()),
        (LOTS, UniquenessQuestion("uq", columns("parent_number"), nulls_distinct=True), ()),
        (LOTS, UniquenessQuestion("uq", columns("site"), True), ("1, 1", "1, 2", "2, 1", "2, 2")),
    ],
)  # fmt: skip
def test_the_rows_are_counted_and_named(
    workshop: SourceSession, table: Table, question: KeyQuestion, keys: tuple[str, ...]
) -> None:
    (answer,) = answer_key_questions(workshop, table, [question])
    assert (answer.row_count, answer.first_keys) == (len(keys), keys)


def test_texts_that_a_decision_makes_equal_are_found(workshop: SourceSession) -> None:
    question = UniquenessQuestion("uq", (KeyColumn("spec", FIRST_LETTER),), nulls_distinct=True)
    (answer,) = answer_key_questions(workshop, MATERIALS, [question])
    assert answer.row_count == 0  # "c", "" and " ": the empty text and a space differ at the target


def test_letters_and_spaces_count_as_they_do_at_the_target(workshop: SourceSession) -> None:
    for filled, equality, row_count in (
        ("CAFÉ", TextEquality(), 0),
        ("CAFÉ", TextEquality("lower case"), 2),
        ("CAFÉ", TextEquality("any case"), 2),
        ("CAFE", TextEquality("any case"), 0),
        ("CAFE", TextEquality("any case or accent"), 2),
        ("café ", TextEquality("any case"), 0),
        ("café ", TextEquality(pads=True), 4),  # the empty text and spaces are equal, too
    ):
        decided = ValueDecision("is_null", "fill", "a test", value=filled)
        key = KeyColumn("spec", (decided,), equality=equality)
        question = UniquenessQuestion("uq", (key,), nulls_distinct=True)
        (answer,) = answer_key_questions(workshop, MATERIALS, [question])
        assert answer.row_count == row_count


def test_all_questions_take_one_scan(workshop: SourceSession, workshop_server: SqlServerEmulator) -> None:
    workshop_server.statements.clear()
    questions: list[KeyQuestion] = [
        reference(("material_id",), MATERIALS, ("id",)),
        UniquenessQuestion("uq", columns("number", "site"), nulls_distinct=True),
    ]
    answers = answer_key_questions(workshop, LOTS, questions)
    assert [answer.row_count for answer in answers] == [1, 0]
    assert len(workshop_server.statements) == 2  # the scan, and the keys of what was found


def test_a_missing_parent_table_is_an_error(workshop: SourceSession) -> None:
    gone = replace(MATERIALS, name=TableName("dbo", "gone"))
    with pytest.raises(SourceError, match="asking for values of keys failed"):
        answer_key_questions(workshop, LOTS, [reference(("site",), gone, ("id",))])
