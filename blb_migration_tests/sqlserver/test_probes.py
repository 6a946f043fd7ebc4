"""Questions to the source: how many rows would not fit the target, and which."""

from __future__ import annotations

import pytest

from blb_migration.questions import Answer, Question
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sqlserver.connect import SourceSession
from blb_migration.sqlserver.probes import answer_questions, build_condition
from blb_migration.value_decisions import ValueDecision
from blb_migration_tests.sqlserver.workshop import LOOSE, LOTS, MATERIALS, VARIANTS

ROUNDED = ValueDecision("decimal_finer_than", "round", "a test", limit=0)
STRIPPED = ValueDecision("contains_nul", "strip", "a test")

EXPECTED = [
    (Question("price", "is_null"), ("5",)),
    (Question("code", "is_null"), ()),
    (Question("price", "decimal_finer_than", (2,)), ("1",)),
    (Question("price", "decimal_outside", (8,)), ("1",)),
    (Question("price", "decimal_finer_than", (0,)), ("1", "2")),
    (Question("cost", "decimal_finer_than", (3,)), ("1", "2")),
    (Question("stock", "decimal_outside", (5,)), ("1", "2")),
    (Question("price", "decimal_outside", (38,)), ()),
    (Question("stock", "integer_outside", (0, 255)), ("1", "2", "5")),
    (Question("id", "integer_outside", (0, 1)), ("2", "5", "9")),
    (Question("name", "text_longer_than", (6,)), ("1", "2")),
    (Question("name", "text_longer_than", (4,)), ("1", "2")),
    (Question("name", "text_longer_than", (3,)), ("1", "2", "9")),
    (Question("spec", "text_longer_than", (1,)), ("1", "9")),
    (Question("bought_at", "fraction_finer_than", (6,)), ("1",)),
    (Question("seen_at", "fraction_finer_than", (6,)), ("1",)),
    (Question("opens", "fraction_finer_than", (6,)), ("1",)),
    (Question("opens", "fraction_finer_than", (0,)), ("1", "2")),
    (Question("notes", "contains_nul"), ("1",)),
    (Question("spec", "contains_nul"), ()),
    (Question("name", "lone_surrogate"), ()),
    (Question("seen_at", "offset_is_lost"), ("1", "2")),
    (Question("name", "ends_in_space"), ("9",)),
    (Question("notes", "not_json"), ("1", "5")),
    (Question("price", "decimal_outside", (0,), (ROUNDED,)), ("1", "9")),
    (Question("name", "text_longer_than", (6,), (STRIPPED,)), ("1", "2")),
]


class TestQuestions:
    @pytest.mark.parametrize(("question", "keys"), EXPECTED, ids=lambda value: str(value)[:80])
    def test_the_rows_are_counted_and_named(
        self, workshop: SourceSession, question: Question, keys: tuple[str, ...]
    ) -> None:
        assert answer_questions(workshop, MATERIALS, [question]) == (Answer(question, len(keys), keys),)

    def test_all_questions_take_one_scan_and_one_statement_per_finding(
        self, workshop: SourceSession, workshop_server: SqlServerEmulator
    ) -> None:
        workshop_server.statements.clear()
        answers = answer_questions(workshop, MATERIALS, [question for question, _ in EXPECTED])
        assert [(answer.question, answer.first_keys) for answer in answers] == EXPECTED
        found = sum(bool(keys) for _, keys in EXPECTED)
        assert len(workshop_server.statements) == 1 + found

    def test_only_the_first_keys_are_named(self, workshop: SourceSession) -> None:
        question = Question("material_id", "is_null")
        everything = Question("site", "integer_outside", (50, 60))
        answers = answer_questions(workshop, LOTS, [question, everything], first_keys=3)
        assert answers == (
            Answer(question, 1, ("2, 1",)),
            Answer(everything, 4, ("1, 1", "1, 2", "2, 1")),
        )

    def test_a_table_without_a_key_is_counted_all_the_same(self, workshop: SourceSession) -> None:
        question = Question("na]me", "is_null")
        assert answer_questions(workshop, LOOSE, [question]) == (Answer(question, 0),)

    def test_nothing_asked_is_nothing_sent(
        self, workshop: SourceSession, workshop_server: SqlServerEmulator
    ) -> None:
        workshop_server.statements.clear()
        assert answer_questions(workshop, MATERIALS, []) == ()
        assert len(workshop_server.statements) == 0

    def test_a_question_without_sense_is_refused(self) -> None:
        with pytest.raises(ValueError, match="decimal digits are not defined"):
            build_condition(MATERIALS, Question("weight", "decimal_outside", (10,)))
        with pytest.raises(ValueError, match="no question text_longer_than with 0 arguments"):
            build_condition(MATERIALS, Question("name", "text_longer_than"))

    def test_half_surrogate_pairs_are_found(self, workshop: SourceSession) -> None:
        question = Question("halves", "lone_surrogate")
        assert answer_questions(workshop, VARIANTS, [question]) == (Answer(question, 3, ("2", "3", "4")),)

    def test_half_surrogate_pairs_are_written_as_bytes(self) -> None:
        condition = build_condition(MATERIALS, Question("name", "lone_surrogate"))
        assert condition.isascii()
        assert "CAST(0x25005B0000D82D00FFDB5D00" in condition
