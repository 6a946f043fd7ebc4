"""Source and target catalogs plus decisions: what is loaded where, what is not migrated, what is asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from blb_migration.errors import ConfigurationError
from blb_migration.findings import Severity
from blb_migration.model import Catalog, Computed, ForeignKey, TableName
from blb_migration.plan.build import build_plan
from blb_migration.plan.decisions import Decisions, TableDecision
from blb_migration.plan.decisions_file import parse_decisions
from blb_migration.plan.match import choose_target_table
from blb_migration.plan.table_plans import Plan
from blb_migration_tests.catalogs import catalog, table


def plan(source: Catalog, target: Catalog, decisions: str = "") -> Plan:
    parsed = parse_decisions("project: test\n" + decisions, "decisions.yaml")
    return build_plan(source, target, parsed.decisions)


USERS = table("users", "id int not null", "name nvarchar(50)", "active bit")
USERS_TARGET = table(
    "users", "id integer not null", "name character varying(50)", "active boolean", schema="public"
)


def codes(result: Plan, severity: Severity) -> list[tuple[str, str]]:
    return [(f.code, f.subject) for f in result.findings if f.severity is severity]


def target_columns(result: Plan) -> dict[str, str]:
    return {column.source.name: column.target.name for column in result.tables[0].columns}


def test_tables_and_columns_match_in_any_letter_case() -> None:
    shouted = table("USERS", "ID int not null", "NAME nvarchar(50)", "ACTIVE bit", key="ID")
    result = plan(catalog("sqlserver", shouted), catalog("postgres", USERS_TARGET))
    assert target_columns(result) == {"ID": "id", "NAME": "name", "ACTIVE": "active"}
    assert codes(result, Severity.ERROR) == []


def test_a_table_only_the_source_has_needs_a_decision() -> None:
    orphan = table("accounts", "id int not null")
    both = catalog("sqlserver", USERS, orphan)
    result = plan(both, catalog("postgres", USERS_TARGET))
    assert codes(result, Severity.ERROR) == [("source_table_without_target", "accounts")]
    decided = plan(both, catalog("postgres", USERS_TARGET), "tables: {accounts: {skip: kept elsewhere}}\n")
    assert codes(decided, Severity.ERROR) == []
    assert [(left.subject, left.reason) for left in decided.not_migrated] == [
        ("dbo.accounts", "kept elsewhere")
    ]


def test_a_column_only_the_source_has_needs_a_decision() -> None:
    wider = table("users", "id int not null", "name nvarchar(50)", "active bit", "level int")
    both = catalog("sqlserver", wider)
    result = plan(both, catalog("postgres", USERS_TARGET))
    assert codes(result, Severity.ERROR) == [("source_column_without_target", "users.level")]
    decided = plan(
        both, catalog("postgres", USERS_TARGET), "tables: {users: {columns: {level: {skip: not used}}}}\n"
    )
    assert codes(decided, Severity.ERROR) == []
    assert [left.subject for left in decided.not_migrated] == ["dbo.users.level"]


def test_a_column_may_go_into_another_by_decision() -> None:
    renamed = table("users", "id integer not null", "full_name text", "active boolean", schema="public")
    result = plan(
        catalog("sqlserver", USERS),
        catalog("postgres", renamed),
        "tables: {users: {columns: {name: {to: full_name, reason: clearer}}}}\n",
    )
    assert target_columns(result)["name"] == "full_name"
    assert codes(result, Severity.ERROR) == []


def test_a_pair_of_types_without_a_rule_is_a_finding() -> None:
    strange = table("users", "id integer not null", "name bytea", "active boolean", schema="public")
    result = plan(catalog("sqlserver", USERS), catalog("postgres", strange))
    assert codes(result, Severity.ERROR) == [("no_rule_for_types", "users.name")]


def test_a_target_column_that_must_be_filled_and_is_not_is_a_finding() -> None:
    demanding = replace(
        USERS_TARGET,
        columns=(*USERS_TARGET.columns, table("t", "tenant integer not null", key="tenant").columns[0]),
    )
    result = plan(catalog("sqlserver", USERS), catalog("postgres", demanding))
    assert codes(result, Severity.ERROR) == [("target_column_without_source", "public.users.tenant")]


def test_a_column_the_target_computes_is_compared_and_not_loaded() -> None:
    name = replace(USERS_TARGET.columns[1], computed=Computed("upper(id::text)", persisted=True))
    generated = replace(USERS_TARGET, columns=(USERS_TARGET.columns[0], name, USERS_TARGET.columns[2]))
    result = plan(catalog("sqlserver", USERS), catalog("postgres", generated))
    assert [column.source.name for column in result.tables[0].columns] == ["id", "active"]
    assert [pair.target.name for pair in result.tables[0].computed] == ["name"]


def test_the_cycle_gives_up_the_edge_the_target_lacks() -> None:
    source = catalog(
        "sqlserver",
        table("quotes", "id int not null", "order_id int", references={"order_id": "orders"}),
        table("orders", "id int not null", "quote_id int", references={"quote_id": "quotes"}),
    )
    target = catalog(
        "postgres",
        table("quotes", "id integer not null", "order_id integer", schema="public"),
        table(
            "orders",
            "id integer not null",
            "quote_id integer",
            references={"quote_id": "quotes"},
            schema="public",
        ),
    )
    result = plan(source, target)
    assert [table_plan.label for table_plan in result.tables] == ["quotes", "orders"]
    assert result.tables_by_label["orders"].upstream == ("quotes",)
    assert ("cycle_collapsed", "dbo.quotes") in codes(result, Severity.NOTE)
    assert ("foreign_keys_not_at_target", "quotes") in codes(result, Severity.NOTE)


def test_a_key_that_points_elsewhere_at_the_target_is_a_warning() -> None:
    source = catalog(
        "sqlserver",
        table("resources", "id int not null"),
        table("machines", "id int not null"),
        table("operations", "id int not null", "resource_id int", references={"resource_id": "resources"}),
    )
    target = catalog(
        "postgres",
        table("resources", "id integer not null", schema="public"),
        table("machines", "id integer not null", schema="public"),
        table(
            "operations",
            "id integer not null",
            "resource_id integer",
            references={"resource_id": "machines"},
            schema="public",
        ),
    )
    result = plan(source, target)
    assert codes(result, Severity.WARNING) == [("foreign_key_points_elsewhere", "operations.resource_id")]
    assert result.tables_by_label["operations"].upstream == ("machines", "resources")


def test_what_is_gone_since_the_catalog_was_written_is_a_warning() -> None:
    decisions = "tables: {logs: {skip: not needed}, users: {columns: {age: {skip: not needed}}}}\n"
    wider = table("users", "id int not null", "name nvarchar(50)", "active bit", "age int")
    known = catalog("sqlserver", wider, table("logs", "id int not null"))
    target = catalog("postgres", USERS_TARGET)
    parsed = parse_decisions("project: test\n" + decisions, "decisions.yaml").decisions
    result = build_plan(catalog("sqlserver", USERS), target, parsed, known)
    assert result.faults == ()
    gone = [("decision_without_object", "logs"), ("decision_without_object", "users.age")]
    assert codes(result, Severity.WARNING) == gone
    assert len(build_plan(catalog("sqlserver", USERS), target, parsed).faults) == 2


def test_a_source_without_any_table_is_no_fault_of_the_decisions() -> None:
    result = plan(catalog("sqlserver"), catalog("postgres"), "tables: {users: {skip: not needed}}\n")
    assert result.faults == ()


def test_the_hash_changes_with_what_is_loaded_and_not_with_statistics() -> None:
    base = plan(catalog("sqlserver", USERS), catalog("postgres", USERS_TARGET))
    busier = plan(catalog("sqlserver", replace(USERS, row_estimate=10)), catalog("postgres", USERS_TARGET))
    narrower = plan(
        catalog("sqlserver", USERS),
        catalog("postgres", USERS_TARGET),
        "tables: {users: {columns: {name: {skip: private}}}}\n",
    )  # fmt: skip
    assert base.hash == busier.hash
    assert base.hash != narrower.hash


@pytest.mark.parametrize(
    ("where", "source_sql", "target_sql"),
    [
        ("name = 'x'", "[name] = 'x'", "\"name\" = 'x'"),
        ("name = N'ü'", "[name] = N'ü'", "\"name\" = 'ü'"),
        ("active = 1", "[active] = 1", '"active" = TRUE'),
        ("id BETWEEN 1 AND 5 OR name IS NULL", "[id] BETWEEN 1 AND 5 OR [name] IS NULL",
         '"id" BETWEEN 1 AND 5 OR "name" IS NULL'),
        ("NOT id IN (1, 2)", "NOT [id] IN (1, 2)", 'NOT "id" IN (1, 2)'),
    ],
)  # fmt: skip
def test_a_where_is_spelled_for_both_engines(where: str, source_sql: str, target_sql: str) -> None:
    result = plan(
        catalog("sqlserver", USERS),
        catalog("postgres", USERS_TARGET),
        f'tables: {{users: {{key_totals: [{{count: some, where: "{where}"}}]}}}}\n',
    )
    (total,) = result.tables[0].key_totals
    assert (total.source_where, total.target_where) == (source_sql, target_sql)


@pytest.mark.parametrize(
    ("to", "schema", "name"),
    [
        ("sales.orders", "sales", "orders"),
        ("orders", "public", "orders"),
        ('"My ""S"."Art.ikel"', 'My "S', "Art.ikel"),
        ('"Art.ikel"', "public", "Art.ikel"),
        ('sales."a.b"', "sales", "a.b"),
        ('"s.x".b', "s.x", "b"),
        ('My "S.Articles', 'My "S', "Articles"),
        ("a.b.c", "a", "b.c"),
    ],
)
def test_a_target_table_may_be_named_as_sql_writes_it(to: str, schema: str, name: str) -> None:
    decision = TableDecision(to=to, reason="The application calls it so.")
    chosen = choose_target_table(TableName("dbo", "articles"), decision, Decisions(project="shop"))
    assert chosen == TableName(schema, name)


@pytest.mark.parametrize("parent_key", ["person_id", "id"])
def test_a_foreign_key_is_the_same_whatever_the_target_calls_its_columns(parent_key: str) -> None:
    people = table("Person", "PersonID int not null", "BossID int", key="PersonID")
    boss = ForeignKey("FK_Boss", ("BossID",), people.name, ("PersonID",))
    target_people = table(
        "person", f"{parent_key} integer not null", "boss_id integer", schema="public", key=parent_key
    )
    target_boss = ForeignKey("boss", ("boss_id",), target_people.name, (parent_key,))
    result = plan(
        catalog("sqlserver", replace(people, foreign_keys=(boss,))),
        catalog("postgres", replace(target_people, foreign_keys=(target_boss,))),
        "names: snake\n"
        f"tables: {{Person: {{columns: {{PersonID: {{to: {parent_key}, reason: Short.}}}}}}}}\n",
    )
    assert [str(finding) for finding in result.findings] == []


LOG = table(
    "log", "id int not null", "made datetime", "seen date", "told datetimeoffset", "sold datetime2(3)"
)
LOG_TARGET = table(
    "log",
    "id integer not null",
    "made timestamp with time zone",
    "seen timestamp with time zone",
    "told timestamp without time zone",
    "sold timestamp with time zone",
    schema="public",
)


def test_one_zone_answers_for_all_local_times_that_have_none_of_their_own() -> None:
    both = catalog("sqlserver", LOG), catalog("postgres", LOG_TARGET)
    asked = plan(*both)
    assert codes(asked, Severity.ERROR) == [
        ("meaning_not_decided", f"log.{column}") for column in ("made", "seen", "sold", "told")
    ]
    for_all = "or for all columns: local_times: {zone: Europe/Berlin, reason: WHY}"
    assert [for_all in str(finding) for finding in asked.findings] == [True, True, True, False]
    decided = plan(
        *both,
        "local_times: {zone: Europe/Berlin, reason: The server stood there.}\n"
        "tables: {log: {columns: {sold: {zone: UTC, reason: The shop's own.}}}}\n",
    )
    # An instant that becomes a local time is another question: whose is it to be?
    assert codes(decided, Severity.ERROR) == [("meaning_not_decided", "log.told")]
    decisions = {column.source.name: column.decisions for column in decided.tables[0].columns}
    assert [(rule.reason, rule.value) for rule in decisions["seen"]] == [
        ("The server stood there.", "Europe/Berlin")
    ]
    assert [rule.reason for rule in decisions["sold"]] == ["The shop's own."]


def test_a_zone_for_all_columns_is_one_that_exists_and_has_a_reason() -> None:
    for text in ("{zone: Europe/Berlin}", "{zone: Mars/Olympus, reason: There.}"):
        with pytest.raises(ConfigurationError, match="local_times"):
            plan(catalog("sqlserver", LOG), catalog("postgres", LOG_TARGET), f"local_times: {text}\n")
