"""What has no counterpart is named, never invented: expressions, keys, server features, modules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from blb_migration.findings import Severity
from blb_migration.model import (
    CheckConstraint,
    Column,
    ColumnType,
    Computed,
    ForeignKey,
    Index,
    IndexColumn,
    Table,
    TableName,
    UniqueKey,
)
from blb_migration.postgres.server_features import USUAL_SERVER
from blb_migration.schema.ddl import build_statements
from blb_migration.schema.defaults import find_sequence
from blb_migration.schema.design import SchemaDesign, build_design
from blb_migration.schema.script import render_not_migrated, render_script
from blb_migration.schema.type_design import render_created_types
from blb_migration.sqlserver.other_objects import SourceModule
from blb_migration_tests.catalogs import COLLATION
from blb_migration_tests.hazards.planting import NewChain
from blb_migration_tests.schema.designs import codes, create, decisions, read_back, source_catalog

INT = ColumnType("int")
MONEY = ColumnType("money")
AMOUNT = ColumnType("decimal", precision=18, scale=4)
COLUMNS = (
    Column("id", INT, nullable=False),
    Column("amount", AMOUNT, True),
    Column("price", MONEY, True),
    Column("ratio", ColumnType("float"), True),
    Column("name", ColumnType("nvarchar", 40), True, collation=COLLATION),
    Column("code", ColumnType("char", 4), True, collation=COLLATION),
    Column("exact", ColumnType("varchar", 40), True, collation="Latin1_General_BIN2"),
    Column("day", ColumnType("datetime"), True),
    Column("live", ColumnType("bit"), True),
)


def design(*tables: Table, text: str = "", features: object = USUAL_SERVER) -> SchemaDesign:
    return build_design(source_catalog(tables), decisions(text), features)  # type: ignore[arg-type]


def things(*more: Column, **parts: object) -> Table:
    return Table(TableName("dbo", "things"), (*COLUMNS, *more), **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("default", "column_type"),
    [
        ("(suser_sname())", ColumnType("nvarchar", 128)),
        ("(NEXT VALUE FOR [dbo].[numbers])", INT),
        ("([dbo].[first_free]())", INT),
        ("(dateadd(day,(30),getdate()))", ColumnType("date")),
        ("(getdate())", ColumnType("varchar", 30)),
        ("('01/02/2024')", ColumnType("datetime")),
        ("('')", INT),
        ("((1.5))", INT),
        ("((2))", ColumnType("bit")),
        ("(newid())", ColumnType("varchar", 20)),
        ("('too long for it')", ColumnType("varchar", 4)),
        ("(0x00)", INT),
        ("not even SQL (", INT),
    ],
)
def test_a_default_that_is_not_understood_is_left_out(default: str, column_type: ColumnType) -> None:
    made = design(things(Column("odd", column_type, True, default=default)))
    [finding] = [finding for finding in made.findings if finding.code == "default_not_translated"]
    assert (finding.severity, finding.subject) == (Severity.WARNING, "things.odd")
    assert default in finding.message
    assert made.catalog.tables[0].columns_by_name["odd"].default is None


@pytest.mark.parametrize(
    ("default", "name"),
    [
        ("(NEXT VALUE FOR [Counters].[Thing'sID])", TableName("Counters", "Thing'sID")),
        ("(NEXT VALUE FOR [numbers])", TableName("dbo", "numbers")),
        ("next value for Counters.numbers", TableName("Counters", "numbers")),
        ("(NEXT VALUE FOR [a.b].[c]]d])", TableName("a.b", "c]d")),
        ("(NEXT VALUE FOR [numbers]+(1))", None),
        ("('NEXT VALUE FOR [numbers]')", None),
    ],
)
def test_a_default_s_sequence_is_known(default: str, name: TableName | None) -> None:
    assert find_sequence(default) == name


def test_what_makes_a_default_s_sequence_is_said_as_statements_that_run(new_chain: NewChain) -> None:
    chain = new_chain()
    numbered = Column("Id", INT, nullable=False, default="(NEXT VALUE FOR [Counters].[Thing'sID])")
    things = Table(TableName("Shop", "things"), (numbered,), UniqueKey("PK_things", ("Id",)))
    made = create(chain, [things])
    [finding] = [finding for finding in made.findings if finding.code == "default_not_translated"]
    statements = str(finding).partition("not-migrated.sql has: ")[2].partition("; the load then")[0]
    chain.execute(statements)
    chain.execute('INSERT INTO "Shop".things DEFAULT VALUES')
    [created] = read_back(chain)
    assert created.columns[0].identity is not None
    assert created.columns[0].identity.sequence == TableName("Counters", "Thing'sID")
    assert chain.execute('SELECT "Id" FROM "Shop".things') == [(1,)]


@pytest.mark.parametrize(
    ("expression", "column_type"),
    [
        ("([amount]/(3))", AMOUNT),
        ("([price]*[amount])", MONEY),
        ("([amount]*[amount]*[amount])", AMOUNT),
        ("([name]+[code])", ColumnType("nvarchar", 44)),
        ("([name]+[id])", ColumnType("nvarchar", 50)),
        ("(case when [id]>(0) then [code] else 'none' end)", ColumnType("varchar", 4)),
        ("(isnull([exact],N'a text that is longer than forty characters'))", ColumnType("varchar", 40)),
        ("(upper([name]))", ColumnType("nvarchar", 40)),
        ("(getdate())", ColumnType("datetime")),
        ("(datediff(day,[day],getdate()))", INT),
        ("([dbo].[tax]([amount]))", AMOUNT),
        ("(CONVERT([varchar](10),[day],(120)))", ColumnType("varchar", 10)),
        ("(CONVERT([varchar](10),[amount]))", ColumnType("varchar", 10)),
        ("(case when [name]<[exact] then (1) else (0) end)", INT),
        ("([amount]+[ratio])", ColumnType("float")),
        ("(datepart(weekday,[day]))", INT),
        ("([missing]+(1))", INT),
    ],
)
def test_a_computed_column_that_would_differ_is_loaded_instead(
    expression: str, column_type: ColumnType
) -> None:
    odd = Column("odd", column_type, False, computed=Computed(expression, persisted=True))
    made = design(things(odd))
    created = made.catalog.tables[0].columns_by_name["odd"]
    assert (created.computed, created.nullable) == (None, True)
    [finding] = [finding for finding in made.findings if finding.code == "computed_column_not_translated"]
    assert expression in finding.message


@pytest.mark.parametrize(
    "expression",
    [
        "([name]>'m')",
        "([name]=[code])",
        "([name]='Größe')",
        "([name] like '[a-z]%')",
        "([code] like 'A%')",
        "(isjson([name])=(1))",
        "([day]<getdate())",
        "([dbo].[is_valid]([id])=(1))",
        "([live]=(2))",
        "([day]>='1/2/2024')",
        "(datalength([name])>(0))",
    ],
)
def test_a_check_that_might_refuse_other_rows_is_left_out(expression: str) -> None:
    made = design(things(checks=(CheckConstraint("CK", expression),)))
    assert codes(made) == ["check_not_translated"]
    assert made.catalog.tables[0].checks == ()
    assert expression in next(f.message for f in made.findings if f.code == "check_not_translated")


@pytest.mark.parametrize(
    ("expression", "translated"),
    [
        ("([amount]>=(0) AND [amount]<=(100))", '("amount" >= 0 AND "amount" <= 100)'),
        ("([exact]='A ' OR [exact] IS NULL)", "(rtrim(\"exact\", ' ') = 'A' OR \"exact\" IS NULL)"),
        ("([exact] like 'a\\_%')", "\"exact\" LIKE E'a\\\\_%' ESCAPE ''"),
        ("([exact] not like 'a%')", "NOT (\"exact\" LIKE 'a%')"),
        (
            "([exact] not like 'a!%' escape '!' AND [id]>(1))",
            "(NOT (\"exact\" LIKE 'a!%' ESCAPE '!') AND \"id\" > 1)",
        ),
        ("(NOT [live]=(1))", 'NOT ("live" = true)'),
        ("([day]>='20240229')", "\"day\" >= timestamp '2024-02-29'"),
        ("([id]-(-(1))>(0))", '("id" - (-1)) > 0'),
        ("([id]>(1) OR [id]>(2) AND [id]>(3))", '("id" > 1 OR ("id" > 2 AND "id" > 3))'),
    ],
)
def test_a_check_is_spelled_in_postgresql(expression: str, translated: str) -> None:
    made = design(things(checks=(CheckConstraint("CK", expression),)))
    assert made.catalog.tables[0].checks == (CheckConstraint("CK", translated),)


def test_an_untrusted_check_is_left_out_with_the_statement_for_later() -> None:
    made = design(things(checks=(CheckConstraint("CK", "([id]>(0))", trusted=False),)))
    [finding] = [finding for finding in made.findings if finding.code == "check_not_trusted"]
    assert 'ADD CONSTRAINT "CK" CHECK ("id" > 0) NOT VALID' in (finding.decision or "")


def test_keys_over_columns_that_are_not_created_are_left_out() -> None:
    table = things(
        primary_key=UniqueKey("PK", ("id",)),
        unique_keys=(UniqueKey("UQ", ("id", "name")),),
        indexes=(
            Index("IX", (IndexColumn("id"),)),
            Index("IX_live", (IndexColumn("name"),), filter="([id]>(1))"),
        ),
        foreign_keys=(ForeignKey("FK", ("id",), TableName("dbo", "things"), ("id",)),),
    )
    made = design(table, text="tables: {things: {columns: {id: {skip: not needed}}}}\n")
    assert codes(made) == [
        *["key_left_out"] * 3,
        "foreign_key_left_out",
        "index_filter_not_translated",
    ]


def test_a_type_that_nobody_decided_on_is_an_error() -> None:
    made = design(things(Column("odd", ColumnType("cursor"), True)))
    [finding] = [finding for finding in made.findings if finding.severity is Severity.ERROR]
    assert (finding.code, finding.subject) == ("no_type_to_create", "things.odd")


def test_a_second_key_over_the_same_columns_is_not_made_twice() -> None:
    keys = (UniqueKey("UQ_1", ("id",)), UniqueKey("UQ_2", ("id",)))
    made = design(things(unique_keys=keys))
    assert (codes(made), len(made.catalog.tables[0].unique_keys)) == (["key_redundant"], 1)


class TestOlderServers:
    def test_before_15_many_nulls_are_allowed_and_that_is_said(self) -> None:
        old = replace(USUAL_SERVER, version=140000)
        keys = {
            "unique_keys": (UniqueKey("UQ", ("amount",)),),
            "indexes": (Index("UX", (IndexColumn("price"),), unique=True),),
        }
        made = design(things(**keys), features=old)
        assert codes(made) == ["unique_allows_many_nulls"] * 2
        assert not any("NULLS NOT DISTINCT" in statement for statement in build_statements(made))

    @pytest.mark.parametrize(
        ("text", "lacking", "code"),
        [
            ("case_insensitive: citext\n", "has_citext", "server_lacks_citext"),
            ("case_insensitive: icu\n", "has_icu", "server_lacks_icu"),
            ("xml: xml\n", "has_xml", "server_lacks_xml"),
        ],
    )
    def test_what_was_decided_must_be_there(self, text: str, lacking: str, code: str) -> None:
        made = design(things(), text=text, features=replace(USUAL_SERVER, **{lacking: False}))
        [finding] = [finding for finding in made.findings if finding.severity is Severity.ERROR]
        assert finding.code == code


class TestLetterCase:
    TABLE = things(unique_keys=(UniqueKey("UQ", ("name",)),))

    def test_without_a_decision_it_is_reported_keys_first(self) -> None:
        keyed, others = design(self.TABLE).findings
        assert (keyed.code, keyed.severity) == ("case_insensitive_keys", Severity.WARNING)
        assert keyed.message.endswith(": things.name")
        assert (others.code, others.severity) == ("case_insensitive_columns", Severity.NOTE)
        assert "things.code" in others.message
        assert "things.exact" not in others.message

    def test_citext_by_decision(self) -> None:
        made = design(self.TABLE, text="case_insensitive: citext\n")
        first, *_, create = build_statements(made)
        assert first == 'CREATE EXTENSION IF NOT EXISTS "citext"'
        assert '"name" citext' in create
        assert '"exact" character varying(40)' in create
        assert made.findings == ()

    def test_an_icu_collation_by_decision(self) -> None:
        accents = Column("accents", ColumnType("varchar", 5), True, collation="Latin1_General_CI_AI")
        made = design(things(accents), text="case_insensitive: icu\n")
        statements = build_statements(made)
        assert statements[:2] == (
            'CREATE COLLATION IF NOT EXISTS "public"."case_and_accent_insensitive" '
            "(provider = icu, locale = 'und-u-ks-level1', deterministic = false)",
            'CREATE COLLATION IF NOT EXISTS "public"."case_insensitive" '
            "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        )
        assert '"name" character varying(40) COLLATE "public"."case_insensitive"' in statements[2]
        assert '"exact" character varying(40),' in statements[2]

    def test_under_either_a_check_compares_as_written(self) -> None:
        check = CheckConstraint("CK", "([name]='Open')")
        for decided in ("citext", "icu"):
            made = design(things(checks=(check,)), text=f"case_insensitive: {decided}\n")
            assert made.catalog.tables[0].checks[0].expression == "\"name\" = 'Open'"


class TestModules:
    MODULES = (
        SourceModule(
            "procedure", "dbo", "close*/", definition="CREATE PROC [close*/] AS\n/* one */\nSELECT 1"
        ),
        SourceModule("sequence", "dbo", "numbers"),
        SourceModule("trigger", "dbo", "audit", parent="things", definition="CREATE TRIGGER audit ..."),
    )

    def test_the_script_lists_each_with_its_definition_in_comments(self) -> None:
        script = render_script(design(things()), self.MODULES, notes=["index IX is a columnstore index"])
        after = script.split("COMMIT;\n")[1]
        assert all(not line or line.startswith("-- ") for line in after.splitlines())
        for text in ("CREATE PROC [close*/] AS", "SELECT 1", "dbo.audit of things", "columnstore"):
            assert text in after

    def test_the_project_gets_them_as_they_are(self) -> None:
        text = render_not_migrated("source", self.MODULES)
        assert "CREATE PROC [close*/] AS\n/* one */\nSELECT 1\n" in text
        assert "sequence dbo.numbers\n-- the server does not show its definition" in text


def test_the_document_shows_the_types_as_they_are_created() -> None:
    document = Path(__file__).parents[2] / "docs" / "schema.md"
    assert f"\n{render_created_types()}\n" in document.read_text(encoding="utf-8")
