"""Which texts of a key are equal at the target, as its type and collation say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blb_migration.model import Column, ColumnType
from blb_migration.plan.build import build_plan
from blb_migration.plan.key_questions import find_key_questions
from blb_migration.plan.table_plans import Plan
from blb_migration.plan.text_equality import find_equality
from blb_migration.questions import Letters, ReferenceQuestion, TextEquality, UniquenessQuestion
from blb_migration.schema.design import build_design
from blb_migration_tests.catalogs import catalog, table
from blb_migration_tests.hazards.planting import columns, refers
from blb_migration_tests.hazards.planting import table as plant_table
from blb_migration_tests.schema.designs import decisions, source_catalog

PARENTS = plant_table("parents", *columns("code varchar(5) not null"), key=["code"])
CHILDREN = plant_table(
    "children",
    *columns("id int not null", "parent varchar(5)"),
    foreign_keys=(refers(["parent"], "parents", ["code"]),),
)


@pytest.mark.parametrize(
    ("type_name", "locale", "letters", "pads"),
    [
        ("text", None, "exact", False),
        ("character", None, "exact", True),
        ("citext", None, "lower case", False),
        ("character varying", "und-u-ks-level2", "any case", False),
        ("character", "und-u-ks-level1", "any case or accent", True),
        ("text", "en-US-u-ks-level2", "any case", False),
        ("text", "@colStrength=secondary", "any case", False),
        ("text", "und@colStrength=primary", "any case or accent", False),
        # 01 is 1, a-b is ab, and i is not I: what only the server knows.
        ("text", "und-u-kn-true-ks-level2", "unknown", False),
        ("text", "und-u-ka-shifted-ks-level2", "unknown", False),
        ("text", "tr-u-ks-level2", "unknown", False),
        ("text", "und", "unknown", False),
        ("text", "", "unknown", False),
    ],
)
def test_it_follows_from_type_and_locale(
    type_name: str, locale: str | None, letters: Letters, pads: bool
) -> None:
    column = Column("code", ColumnType(type_name), nullable=False, insensitive_locale=locale)
    assert find_equality(column) == TextEquality(letters, pads)


@pytest.mark.parametrize(
    ("decided", "letters"), [("report", "exact"), ("citext", "lower case"), ("icu", "any case")]
)
def test_a_designed_target_is_asked_about_as_it_compares(decided: str, letters: Letters) -> None:
    source, chosen = source_catalog([PARENTS, CHILDREN]), decisions(f"case_insensitive: {decided}\n")
    plan = build_plan(source, build_design(source, chosen).catalog, chosen)
    asked = [question for question in _ask(plan) if isinstance(question, ReferenceQuestion)]
    assert [(q.columns[0].equality, q.referred_columns[0].equality) for q in asked] == [
        (TextEquality(letters), TextEquality(letters))
    ]
    # Unique at the source, by a collation that the target's may tell more of: asked, where it ignores any.
    is_unique_asked = any(isinstance(question, UniquenessQuestion) for question in _ask(plan))
    assert is_unique_asked is (decided != "report")


def test_a_collation_of_the_targets_own_is_named_and_not_asked() -> None:
    parents = table("parents", "code character varying(5) not null", schema="public", key="code")
    children = table(
        "children",
        "id integer not null",
        "parent character varying(5)",
        schema="public",
        foreign_keys=(replace(CHILDREN.foreign_keys[0], referred_table=parents.name),),
    )
    parents = replace(parents, columns=(replace(parents.columns[0], insensitive_locale="tr-u-ks-level2"),))
    plan = build_plan(
        source_catalog([PARENTS, CHILDREN]), catalog("postgres", parents, children), decisions()
    )
    found = {finding.code: finding.message for finding in plan.findings if "tr-u-ks" in finding.message}
    assert sorted(found) == ["foreign_key_not_asked", "unique_key_not_asked"]
    assert _ask(plan) == []


def _ask(plan: Plan) -> list[object]:
    by_target = {planned.target.name: planned for planned in plan.tables}
    return [question for planned in plan.tables for question in find_key_questions(planned, by_target)[0]]
