"""What decisions.yaml decides and cannot be carried out is refused with its file and line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from blb_migration.errors import ConfigurationError, ExitCode
from blb_migration.model import ColumnType, TableName
from blb_migration.plan.build import build_plan
from blb_migration.plan.decisions_file import parse_decisions
from blb_migration.plan.names_given import find_labels
from blb_migration.plan.project import Project
from blb_migration.plan.table_plans import Plan
from blb_migration_tests.catalogs import catalog, table

SOURCE = catalog(
    "sqlserver",
    table(
        "orders",
        "id int not null",
        "status char(4)",
        "remark nvarchar(50)",
        "total decimal(38,4)",
        "paid bit",
        "created datetime",
        "changed datetime2(3)",
        "seen datetimeoffset(6)",
        "due date",
        "weight real",
        "token uniqueidentifier",
        "body xml",
        "photo varbinary(50)",
        "price money",
        "gone int",
    ),
    table("Users", "id int not null", "name nvarchar(20)"),
)
TARGET = catalog(
    "postgres",
    table(
        "orders",
        "id integer not null",
        "status text",
        "remark text",
        "total numeric(38,4)",
        "paid boolean",
        "created timestamp without time zone",
        "changed timestamp without time zone",
        "seen timestamp with time zone",
        "due date",
        "weight real",
        "token uuid",
        "body text",
        "photo bytea",
        "price numeric(19,4)",
        schema="public",
    ),
    table("Users", "id integer not null", "name text", schema="public"),
)
TOTAL = """\
project: test
tables:
  orders:
    columns: {gone: {skip: not needed any more}}
    key_totals:
      - TOTAL
"""


def refuse(text: str) -> ConfigurationError:
    project = Project(Path("test"), parse_decisions(text, "decisions.yaml"), SOURCE, TARGET)
    with pytest.raises(ConfigurationError) as caught:
        project.plan  # noqa: B018
    assert caught.value.exit_code is ExitCode.BAD_USAGE
    return caught.value


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("status", "it is char(4) at the source"),
        ("remark", "it is nvarchar(50) at the source"),
        ("created", "it is datetime at the source"),
        ("changed", "it is datetime2(3) at the source"),
        ("seen", "it is datetimeoffset(6) at the source"),
        ("due", "it is date at the source"),
        ("weight", "it is real at the source"),
        ("token", "it is uniqueidentifier at the source"),
        ("body", "it is xml at the source"),
        ("photo", "it is varbinary(50) at the source"),
        ("gone", "skipped by decision (not needed any more)"),
        ("totl", "no such column (did you mean total?)"),
    ],
)
def test_a_sum_without_an_exact_answer_is_refused_with_its_line(name: str, reason: str) -> None:
    error = refuse(TOTAL.replace("TOTAL", f"sum: {name}"))
    assert str(error).startswith(f"decisions.yaml, line 6: sum: {name} ")
    assert reason in str(error)


@pytest.mark.parametrize(
    "where",
    [
        *("GETDATE() > 1", "missing = 1", "paid = 7", "remark = (SELECT 1)", "remark =", "remark = 'x", "1"),
        *("paid", "paid > 0", "paid BETWEEN 0 AND 1", "remark > 'm'", "remark = 5", "id = 'x'", "id = 1e400"),
        *("id = 1; id = 2", "id = NULL", "id IS TRUE", "id IN (SELECT 1)", "id IN ()", "id = total"),
        *("orders.id = 1", "id + 1 = 2", "weight = 0.1", "body = 'x'", "photo = 'x'", "remark LIKE 'x%'"),
        *(
            "token = 'x'",
            "created > 'yesterday'",
            "created > '01.02.2024'",
            "created > '2024-01-01T00:00:00.5'",
        ),
        *("changed > '2024-01-01T00:00:00.1234'", "seen > '2024-01-01'", "due = '2024-02-30'"),
        *("created > '2024-01-01T00:00:00+02:00'", "id = 123456789012345678901234567890123456789"),
        *("gone = 1", "CASE WHEN id = 1 THEN 1 END = 1", "EXISTS (SELECT 1)", "'a' = 'a'", ""),
    ],
)
def test_a_where_that_could_fail_or_mean_something_else_is_refused(where: str) -> None:
    text = TOTAL.replace("TOTAL", f'{{count: some, where: "{where}"}}')
    with pytest.raises(ConfigurationError, match="line 6: "):
        Project(Path("test"), parse_decisions(text, "decisions.yaml"), SOURCE, TARGET).plan  # noqa: B018


@pytest.mark.parametrize(
    ("where", "source_sql", "target_sql"),
    [
        ("status = 'ab'", "[status] = 'ab'", "RTRIM(\"status\") = 'ab'"),
        ("remark IN ('ü', 'x')", "[remark] IN (N'ü', 'x')", "\"remark\" IN ('ü', 'x')"),
        ("remark = 'it''s'", "[remark] = 'it''s'", "\"remark\" = 'it''s'"),
        ("paid = TRUE", "[paid] = 1", '"paid" = TRUE'),
        ("1 = paid", "1 = [paid]", 'TRUE = "paid"'),
        ("price >= -1.5", "[price] >= -1.5", '"price" >= -1.5'),
        ("created < '2024-02-13'", "[created] < '2024-02-13T00:00:00'",
         "\"created\" < '2024-02-13T00:00:00'"),
        ("due = '20240213'", "[due] = '2024-02-13'", "\"due\" = '2024-02-13'"),
        (
            "seen > '2024-01-01T02:00:00+02:00'",
            "[seen] > '2024-01-01T00:00:00+00:00'",
            "\"seen\" > '2024-01-01T00:00:00+00:00'",
        ),
        ("body IS NOT NULL", "NOT [body] IS NULL", 'NOT "body" IS NULL'),
        ("(id = 1 OR id = 2) AND NOT paid = 0", "([id] = 1 OR [id] = 2) AND NOT [paid] = 0",
         '("id" = 1 OR "id" = 2) AND NOT "paid" = FALSE'),
        ("id = 1 -- a remark", "[id] = 1", '"id" = 1'),
    ],
)  # fmt: skip
def test_a_where_is_spelled_as_each_engine_takes_it(where: str, source_sql: str, target_sql: str) -> None:
    text = TOTAL.replace("TOTAL", f'{{count: some, where: "{where}"}}')
    plan = Project(Path("test"), parse_decisions(text, "decisions.yaml"), SOURCE, TARGET).plan
    [total] = plan.tables_by_label["orders"].key_totals
    assert (total.source_where, total.target_where) == (source_sql, target_sql)


def test_numbers_money_and_bits_are_summed() -> None:
    text = TOTAL.replace("- TOTAL", "[{sum: TOTAL}, {sum: price}, {sum: paid}, {sum: id, where: id > 1}]")
    text = text.replace("key_totals:\n      ", "key_totals: ")
    plan = Project(Path("test"), parse_decisions(text, "decisions.yaml"), SOURCE, TARGET).plan
    columns = [total.target_column for total in plan.tables_by_label["orders"].key_totals]
    assert columns == ["total", "price", "paid", "id"]


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ("tables:\n  order: {skip: a typo}\n", 3, "no such table (did you mean orders?)"),
        ("tables:\n  sales.orders: {skip: elsewhere}\n", 3, "no such table (did you mean dbo.orders?)"),
        ("tables:\n  nothing: {skip: not needed}\n", 3, "the source has no such table"),
        ("tables:\n  orders:\n    columns:\n      sttaus: {skip: a typo}\n", 5, "(did you mean status?)"),
        ("tables:\n  USERS: {skip: once}\n  dbo.users: {skip: twice}\n", 4, "decided on twice, as USERS too"),
        (
            "tables:\n  users:\n    columns:\n      name: {skip: once}\n      NAME: {skip: twice}\n",
            6,
            "decided on twice, as name too",
        ),
        ("groups:\n  sales: [orders, user]\n", 3, "(did you mean Users?)"),
        ("groups: {sales: [orders]}\nowners:\n  sale: ['team:x']\n", 4, "(did you mean sales?)"),
        ("schemas:\n  dbo: public\n  Sales: sales\n", 4, "no table in such a schema"),
        ("default_schema: dob\n", 2, "(did you mean dbo?)"),
        ("tables:\n  orders:\n    key_totals: [{sum: id}, {sum: id}]\n", 4, "stands twice"),
    ],
)
def test_a_name_that_means_nothing_is_refused_with_its_line(text: str, line: int, found: str) -> None:
    error = refuse("project: test\n" + text)
    assert str(error).startswith(f"decisions.yaml, line {line}: ")
    assert found in str(error)


def test_all_faults_are_named_at_once() -> None:
    error = refuse("project: test\ntables:\n  a: {skip: unknown}\n  b: {skip: unknown}\ngroups: {g: [c]}\n")
    assert "line 3: tables.a" in str(error)
    assert "line 4: tables.b" in str(error)
    assert "line 5: groups.g.0" in str(error)


def test_a_total_of_a_column_that_waits_for_a_decision_does_not_hide_that() -> None:
    text = TOTAL.replace("    columns: {gone: {skip: not needed any more}}\n", "").replace(
        "TOTAL", "sum: gone"
    )
    plan = Project(Path("test"), parse_decisions(text, "decisions.yaml"), SOURCE, TARGET).plan
    assert [finding.code for finding in plan.findings[:1]] == ["source_column_without_target"]


TWINS = catalog(
    "sqlserver",
    table("Item", "Id int not null", "id int", "ID int"),
    table("ITEM", "id int not null"),
    table("a.b", "id int not null"),
    table("b", "id int not null", schema="a"),
    table("c", "id int not null", schema="a.b"),
    table("b.c", "id int not null", schema="a"),
    table("parts.2025", "id int not null"),
)


def plan_twins(decisions: str) -> Plan:
    file = parse_decisions(f"project: test\n{decisions}", "decisions.yaml")
    integer = ColumnType("integer")
    tables = [
        replace(
            each,
            name=TableName("public" if each.name.schema == "dbo" else each.name.schema, each.name.name),
            columns=tuple(replace(column, type=integer) for column in each.columns),
        )
        for each in TWINS
    ]
    target = catalog("postgres", *tables)
    return build_plan(TWINS, target, file.decisions)


def test_no_two_tables_have_one_label() -> None:
    labels = ["Item", "ITEM", "dbo.a.b", "a.b", '"a.b"."c"', "a.b.c", "dbo.parts.2025"]
    assert sorted(table.label for table in plan_twins("").tables) == sorted(labels)


@pytest.mark.parametrize(
    ("name", "skipped"),
    [
        ("Item", "dbo.Item"),
        ("ITEM", "dbo.ITEM"),
        ("a.b", "a.b"),
        ("dbo.a.b", "dbo.a.b"),
        ("DBO.A.B", "dbo.a.b"),
        ("parts.2025", "dbo.parts.2025"),
        ("Parts.2025", "dbo.parts.2025"),
    ],
)
def test_a_decision_is_about_one_table(name: str, skipped: str) -> None:
    plan = plan_twins(f"tables: {{{name}: {{skip: not wanted}}}}")
    assert plan.faults == ()
    assert [item.subject for item in plan.not_migrated] == [skipped]


def test_a_decision_that_two_tables_or_columns_could_be_meant_by_is_a_fault() -> None:
    assert "no such table" in str(plan_twins("tables: {item: {skip: not wanted}}").faults)
    assert "no such column" in str(plan_twins("tables: {Item: {columns: {iD: {skip: not wanted}}}}").faults)


def test_a_decision_is_about_one_column() -> None:
    plan = plan_twins("tables: {Item: {columns: {id: {skip: not wanted}, ID: {hide: of a test}}}}")
    item = plan.tables_by_label["Item"]
    assert plan.faults == ()
    assert [column.source.name for column in item.columns] == ["Id", "ID"]
    assert [column.source for column in item.hidden] == ["ID"]


def test_a_table_that_is_named_on_a_line_is_the_one_of_these_letters() -> None:
    plan = plan_twins("groups: {own: [ITEM]}")
    assert find_labels(plan, ["Item", "ITEM", "dbo.ITEM", "a.b", "dbo.a.b"], "--tables") == [
        "Item",
        "ITEM",
        "ITEM",
        "a.b",
        "dbo.a.b",
    ]
    assert plan.tables_by_label["ITEM"].group == "own"
    assert plan.tables_by_label["Item"].group == "dbo"
