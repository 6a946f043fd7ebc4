"""Which pairs of types have a rule, and what each pair must ask the source."""

from __future__ import annotations

import pytest

from blb_migration.plan.types import RULES, build_questions, find_rule
from blb_migration_tests.plan.catalogs import column


@pytest.mark.parametrize(
    ("source", "target", "questions"),
    [
        ("c int", "c integer", []),
        ("c int", "c integer not null", ["is_null"]),
        ("c bigint", "c integer", ["integer_outside"]),
        ("c tinyint", "c smallint", []),
        ("c decimal(18,4)", "c numeric(10,2)", ["decimal_does_not_fit"]),
        ("c decimal(18,4)", "c numeric(18,4)", []),
        ("c decimal(18,4)", "c numeric(20,4)", []),
        ("c decimal(18,4)", "c numeric(20,6)", []),
        ("c decimal(18,4)", "c numeric(19,6)", ["decimal_does_not_fit"]),
        ("c decimal(18,4)", "c numeric", []),
        ("c money", "c numeric(19,4)", []),
        ("c money", "c numeric(18,4)", ["decimal_does_not_fit"]),
        ("c int", "c numeric(10,0)", []),
        ("c int", "c numeric(8,0)", ["decimal_does_not_fit"]),
        ("c decimal(9,0)", "c integer", []),
        ("c decimal(10,0)", "c integer", ["integer_outside"]),
        ("c decimal(9,2)", "c integer", ["decimal_does_not_fit"]),
        ("c varchar(50)", "c character varying(50)", ["contains_nul"]),
        ("c varchar(255)", "c character varying(100)", ["text_longer_than", "contains_nul"]),
        ("c nvarchar(50)", "c text", ["contains_nul", "lone_surrogate"]),
        ("c nvarchar", "c json", ["contains_nul", "lone_surrogate", "not_json"]),
        ("c datetime", "c timestamp without time zone", []),
        ("c datetime2(7)", "c timestamp without time zone", ["fraction_finer_than"]),
        ("c datetime2(3)", "c timestamp without time zone", []),
        ("c time(7)", "c time without time zone", ["fraction_finer_than"]),
        ("c datetimeoffset(7)", "c timestamp with time zone", ["fraction_finer_than"]),
        ("c uniqueidentifier", "c uuid", []),
        ("c bit", "c boolean", []),
        ("c tinyint", "c boolean", ["integer_outside"]),
    ],
)
def test_the_questions_of_a_pair(source: str, target: str, questions: list[str]) -> None:
    asked = build_questions(column(source), column(target))
    assert [question.kind for question in asked] == questions


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("c decimal(18,4)", "c double precision"),
        ("c float", "c real"),
        ("c float", "c numeric(18,4)"),
        ("c datetime2(7)", "c timestamp with time zone"),
        ("c datetime2(7)", "c date"),
        ("c datetimeoffset(7)", "c timestamp without time zone"),
        ("c varchar(20)", "c integer"),
        ("c rowversion", "c bigint"),
    ],
)
def test_a_pair_that_would_lose_or_guess_has_no_rule(source: str, target: str) -> None:
    assert find_rule(column(source).type, column(target).type) is None


def test_each_pair_has_one_rule() -> None:
    pairs = [(source, target) for rule in RULES for source in rule.sources for target in rule.targets]
    assert len(pairs) == len(set(pairs))
