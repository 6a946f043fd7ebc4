"""Which pairs of types have a rule, and what each pair must ask the source."""

from __future__ import annotations

from pathlib import Path

import pytest

from blb_migration.model import ColumnType
from blb_migration.plan.risks import build_questions
from blb_migration.plan.type_pairs import RULES, find_rule, render_type_table
from blb_migration.postgres.binary.encoders import is_loadable_type
from blb_migration.types import SOURCE_TYPES
from blb_migration_tests.catalogs import column

DOCS = Path(__file__).parents[1] / "docs"


@pytest.mark.parametrize(
    ("source", "target", "questions"),
    [
        ("c int", "c integer", []),
        ("c int", "c integer not null", ["is_null"]),
        ("c bigint", "c integer", ["integer_outside"]),
        ("c tinyint", "c smallint", []),
        ("c decimal(18,4)", "c numeric(10,2)", ["decimal_finer_than", "decimal_outside"]),
        ("c decimal(18,4)", "c numeric(18,4)", []),
        ("c decimal(18,4)", "c numeric(20,4)", []),
        ("c decimal(18,4)", "c numeric(20,6)", []),
        ("c decimal(18,4)", "c numeric(19,6)", ["decimal_outside"]),
        ("c decimal(18,4)", "c numeric", []),
        ("c money", "c numeric(19,4)", []),
        ("c money", "c numeric(18,4)", ["decimal_outside"]),
        ("c int", "c numeric(10,0)", []),
        ("c int", "c numeric(8,0)", ["decimal_outside"]),
        ("c decimal(9,0)", "c integer", []),
        ("c decimal(10,0)", "c integer", ["integer_outside"]),
        ("c decimal(9,2)", "c integer", ["decimal_finer_than"]),
        ("c varchar(50)", "c character varying(50)", ["contains_nul"]),
        ("c varchar(255)", "c character varying(100)", ["contains_nul", "text_longer_than"]),
        ("c nvarchar(50)", "c text", ["contains_nul", "lone_surrogate"]),
        ("c nvarchar", "c json", ["contains_nul", "lone_surrogate", "not_json"]),
        ("c datetime", "c timestamp without time zone", []),
        ("c datetime2(7)", "c timestamp without time zone", ["fraction_finer_than"]),
        ("c datetime2(3)", "c timestamp without time zone", []),
        ("c time(7)", "c time without time zone", ["fraction_finer_than"]),
        ("c datetimeoffset(7)", "c timestamp with time zone", ["fraction_finer_than", "offset_is_lost"]),
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
        ("c money", "c money"),
        ("c varchar(20)", "c numeric"),
        ("c varbinary(20)", "c text"),
        ("c rowversion", "c bigint"),
    ],
)
def test_a_pair_that_would_lose_or_guess_has_no_rule(source: str, target: str) -> None:
    assert find_rule(column(source).type, column(target).type) is None


def test_each_pair_has_one_rule() -> None:
    pairs = [(source, target) for rule in RULES for source in rule.sources for target in rule.targets]
    assert len(pairs) == len(set(pairs))


# "Data types (Transact-SQL)", 2026: every type a column can have. sysname is an alias that servers have.
EVERY_TYPE = {
    *("bigint", "int", "smallint", "tinyint", "bit", "decimal", "numeric", "money", "smallmoney"),
    *("float", "real"),
    *("date", "time", "datetime", "smalldatetime", "datetime2", "datetimeoffset"),
    *("char", "varchar", "text", "nchar", "nvarchar", "ntext", "sysname", "binary", "varbinary", "image"),
    *("rowversion", "uniqueidentifier", "sql_variant", "xml", "json", "vector"),
    *("hierarchyid", "geometry", "geography"),
}


def test_every_type_of_sql_server_has_a_rule_and_an_arrow_type() -> None:
    assert EVERY_TYPE == set(SOURCE_TYPES) == {source for rule in RULES for source in rule.sources}


def test_every_target_type_can_be_written() -> None:
    targets = {target for rule in RULES for target in rule.targets}
    assert [name for name in targets if not is_loadable_type(ColumnType(name))] == []


def test_the_documentation_holds_the_table_of_types() -> None:
    assert render_type_table() in (DOCS / "type-mapping.md").read_text(encoding="utf-8")
