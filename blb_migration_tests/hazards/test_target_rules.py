"""The target's own rules are asked of the source's rows; a dry run tries those that cannot be asked."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest

from blb_migration.errors import PreflightRefused, TableFailed
from blb_migration.findings import Severity
from blb_migration.load.prepare import prepare_target
from blb_migration.load.scratch import on_scratch
from blb_migration.load.table import load_table
from blb_migration.migration import RunInfo
from blb_migration.preflight.stage import refuse_if_errors, run_preflight
from blb_migration_tests.hazards.planting import NewChain, Planted, columns, plant, table

PEOPLE = table(
    "people",
    *columns("id int not null", "email nvarchar(40)", "status varchar(10)", "age int", "quota decimal(9,2)"),
    *columns("active bit", "since date", "until date", "code varchar(10)"),
)
PERSON = {
    "email": "Anna@x.de",
    "status": "open",
    "age": 30,
    "quota": "1.50",
    "active": True,
    "since": "2020-01-01",
    "until": "2021-01-01",
    "code": "A-1",
}
ROWS = [
    {"id": 1, **PERSON},
    {
        "id": 2,
        "email": "anna@X.de",
        "status": "OPEN",
        "age": -1,
        "quota": "9.99",
        "active": False,
        "since": "2021-01-02",
        "until": "2021-01-01",
        "code": "b  ",
    },
    dict.fromkeys(PERSON) | {"id": 3},
]
DDL = (
    "CREATE TABLE people (id int PRIMARY KEY, email varchar(40), status varchar(10), age int,"
    " quota numeric(9,2), active boolean, since date, until date, code varchar(10));"
)
# What the target wants; row 2 breaks each of them, row 3 has no values and breaks none.
ASKED = {
    "a list": "ADD CONSTRAINT rule CHECK (status IN ('open', 'paid'))",
    "not in a list": "ADD CONSTRAINT rule CHECK (status NOT IN ('OPEN', 'none'))",
    "another letter case": "ADD CONSTRAINT rule CHECK (status <> 'OPEN')",
    "a range": "ADD CONSTRAINT rule CHECK (age BETWEEN 0 AND 150)",
    "a number with digits": "ADD CONSTRAINT rule CHECK (quota < 9.5 OR quota IS NULL)",
    "a length": "ADD CONSTRAINT rule CHECK (char_length(code) < 3 OR code = 'A-1')",
    "blanks": "ADD CONSTRAINT rule CHECK (code = trim(code))",
    "a pattern": "ADD CONSTRAINT rule CHECK (code LIKE 'A-%')",
    "not a pattern": "ADD CONSTRAINT rule CHECK (code NOT LIKE 'b%')",
    "a value, or none": "ADD CONSTRAINT rule CHECK (email IS NOT NULL AND age >= 0 OR id = 3)",
    "a flag": "ADD CONSTRAINT rule CHECK (active)",
    "a flag or a number": "ADD CONSTRAINT rule CHECK (active = true OR age > 5)",
    "two columns": "ADD CONSTRAINT rule CHECK (until >= since)",
    "a date": "ADD CONSTRAINT rule CHECK (since < '2021-01-01')",
    "not valid yet": "ADD CONSTRAINT rule CHECK (age >= 0) NOT VALID",
    "an empty text": "ADD CONSTRAINT rule CHECK (status <> '' AND age >= 0)",
    "negation": "ADD CONSTRAINT rule CHECK (NOT (age < 0 AND status = 'OPEN'))",
}
DOMAIN = (
    "CREATE DOMAIN low AS integer CONSTRAINT rule_of_low CHECK (VALUE >= 0);"
    "CREATE DOMAIN whole AS low CHECK (VALUE < 200); ALTER TABLE people ALTER age TYPE whole"
)
CODE = "target_rule_broken"


def plant_people(new_chain: NewChain, rule: str) -> Planted:
    return plant(new_chain(), DDL + rule, (PEOPLE, ROWS))


def alter(rule: str) -> str:
    return f"ALTER TABLE people {rule}"


def test_t1_rows_that_a_rule_refuses_are_found_with_their_keys(new_chain: NewChain) -> None:
    rules = [alter(text.replace("rule", f"rule_{n}")) for n, text in enumerate(ASKED.values())]
    planted = plant_people(new_chain, ";".join([*rules, DOMAIN]))
    found = {f.subject: f for f in planted.chain.preflight(planted.text).findings if f.code == CODE}
    named = {f"people, rule_{n}": name for n, name in enumerate(ASKED)}
    named["people, rule_of_low of age"] = "a domain over a domain"
    assert {name for subject, name in named.items() if subject not in found} == set()
    assert {(f.severity, f.row_count, f.first_keys) for f in found.values()} == {(Severity.ERROR, 1, ("2",))}
    assert found.keys() == named.keys()
    with pytest.raises(PreflightRefused):
        planted.chain.migrate(planted.text)


def test_t1_a_dry_run_asks_the_rules_of_the_tables_that_it_copies(new_chain: NewChain) -> None:
    planted = plant(
        new_chain(),
        "CREATE DOMAIN low AS integer CHECK (VALUE >= 0); CREATE TABLE people (id int PRIMARY KEY, age low)",
        (
            table("people", *columns("id int not null", "age int")),
            [{"id": 1, "age": 1}, {"id": 2, "age": -1}],
        ),
    )
    assert planted.is_refused(CODE, 1, "2")


def test_t1_a_rule_that_nothing_is_held_to_is_not_asked(new_chain: NewChain) -> None:
    planted = plant_people(new_chain, alter("ADD CONSTRAINT rule CHECK (age > 99) NOT ENFORCED"))
    assert planted.findings(CODE) == []
    planted.migrate()
    assert planted.rows("SELECT conenforced FROM pg_constraint WHERE conname = 'rule'") == [(False,)]


def test_t1_values_that_are_one_in_lower_case_are_found(new_chain: NewChain) -> None:
    planted = plant_people(new_chain, "CREATE UNIQUE INDEX rule ON people (lower(email))")
    assert planted.is_refused("not_unique_at_target", 2, "1", "2")


NOT_ASKED = {
    "regular expression": (alter("ADD CONSTRAINT rule CHECK (code ~ '^A')"), "check rule"),
    "joined texts": (alter("ADD CONSTRAINT rule CHECK (length(code || '') < 99)"), "check rule"),
    "cast to a table": (alter("ADD CONSTRAINT rule CHECK (code::regclass IS NOT NULL)"), "check rule"),
    "function": (alter("ADD CONSTRAINT rule CHECK (code = upper(code))"), "check rule"),
    "cast": (alter("ADD CONSTRAINT rule CHECK (age::text = '30')"), "check rule"),
    "rounded constant": (alter("ADD CONSTRAINT rule CHECK (age > 1.6::int)"), "check rule"),
    "order of texts": (alter("ADD CONSTRAINT rule CHECK (status > 'Z')"), "check rule"),
    "domain": (
        "CREATE DOMAIN word AS varchar(10) CHECK (VALUE ~ '^[^b]');ALTER TABLE people ALTER code TYPE word",
        "domain word_check of code",
    ),
    "exclusion": (
        alter("ADD CONSTRAINT rule EXCLUDE ((left(upper(email), 4)) WITH =)"),
        "exclusion rule",
    ),
    "partial": ("CREATE UNIQUE INDEX rule ON people ((age > 0)) WHERE age < 99", "unique index rule"),
    "index": ("CREATE INDEX rule ON people ((1 / (age + 1)))", "index rule"),
    "generated": (alter("ADD made int GENERATED ALWAYS AS (1 / (age + 1)) STORED"), "generated column made"),
    "partitions": (
        "DROP TABLE people;"
        + DDL.removesuffix(";").replace("id int PRIMARY KEY", "id int")
        + " PARTITION BY LIST (status); CREATE TABLE people_open PARTITION OF people FOR VALUES IN ('open')",
        "its partitions",
    ),
}


def test_t1_rules_that_were_not_asked_are_named(new_chain: NewChain) -> None:
    together = {name: rule for name, rule in NOT_ASKED.items() if name != "partitions"}
    rules = [rule.replace("rule", f"rule_{n}") for n, (rule, _) in enumerate(together.values())]
    planted = plant_people(new_chain, ";".join(rules))
    finding = planted.finding("target_rules_not_asked")
    assert finding.severity is Severity.WARNING
    named = [words.replace("rule", f"rule_{n}") for n, (_, words) in enumerate(together.values())]
    assert [words for words in named if words not in finding.message] == []
    assert "--dry-run" in str(finding.decision)


@pytest.mark.parametrize("rule", ["domain", "exclusion", "partitions"])
def test_t1_a_dry_run_tries_what_was_not_asked(new_chain: NewChain, rule: str) -> None:
    planted = plant_people(new_chain, NOT_ASKED[rule][0])
    trial = replace(planted.chain.migration(planted.text), run=RunInfo(str(uuid.uuid4()), "dry_run"))
    result = run_preflight(trial)
    refuse_if_errors(result)
    with on_scratch(trial) as migration, pytest.raises(TableFailed):
        prepare_target(migration, result.findings, result.facts)
        load_table(migration, migration.project.plan.tables[0])


def test_t1_rules_over_columns_that_are_not_loaded_are_named(new_chain: NewChain) -> None:
    own = alter("ADD own int CHECK (own IS NOT NULL), ADD seal int DEFAULT 7 CONSTRAINT seals UNIQUE")
    planted = plant_people(new_chain, own)
    assert "check people_own_check" in planted.finding("target_rules_not_asked").message
    assert planted.finding("unique_key_not_asked").subject == "people, seals"


def test_t1_triggers_of_partitions_do_not_fire(new_chain: NewChain) -> None:
    ddl = (
        DDL.removesuffix(";")
        + """ PARTITION BY RANGE (id);
        CREATE TABLE people_all PARTITION OF people DEFAULT;
        CREATE FUNCTION shout() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN NEW.code := 'changed'; RETURN NEW; END$$;
        CREATE TRIGGER shouts BEFORE INSERT ON people_all FOR EACH ROW EXECUTE FUNCTION shout()"""
    )
    planted = plant(new_chain(), ddl, (PEOPLE, ROWS))
    assert "shouts" in planted.finding("triggers_disabled_for_the_load").message
    planted.migrate()
    assert planted.rows("SELECT tgenabled FROM pg_trigger WHERE tgname = 'shouts'") == [("O",)]


def test_t1_materialized_views_that_a_load_leaves_behind_are_named(new_chain: NewChain) -> None:
    ddl = f"""{DDL}
        CREATE VIEW names AS SELECT id, code FROM people;
        CREATE SCHEMA reports;
        CREATE MATERIALIZED VIEW reports."By Name" AS SELECT count(*) FROM names;
        CREATE MATERIALIZED VIEW of_nothing AS SELECT 1;
        CREATE MATERIALIZED VIEW not_filled AS SELECT * FROM people WITH NO DATA"""
    planted = plant(new_chain(), ddl, (PEOPLE, ROWS))
    [found] = planted.findings("materialized_view_is_stale")
    assert (found.severity, found.subject) == (Severity.WARNING, "reports.By Name")
    assert 'REFRESH MATERIALIZED VIEW "reports"."By Name"' in str(found.decision)
    planted.migrate()
