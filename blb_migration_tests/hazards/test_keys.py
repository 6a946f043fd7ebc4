"""Hazards of keys: rows that PostgreSQL takes for duplicates or orphans, references, order."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from blb_migration.findings import Severity
from blb_migration.model import Index, IndexColumn, UniqueKey
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.zoo.declare import column
from blb_migration_tests.chain import Chain
from blb_migration_tests.hazards.planting import NewChain, Row, columns, plant, refers, table

PARENTS = table("parents", *columns("code nvarchar(10) not null", "name nvarchar(20)"), key=["code"])
CHILDREN = table(
    "children",
    *columns("id int not null", "parent nvarchar(10)"),
    foreign_keys=(refers(["parent"], "parents", ["code"]),),
)
PARENTS_TARGET = "CREATE TABLE parents (code varchar(10) PRIMARY KEY, name varchar(20));"
CHILDREN_TARGET = """CREATE TABLE children (id int PRIMARY KEY,
    parent varchar(10) CONSTRAINT fk_parent REFERENCES parents);"""


def test_07_references_in_other_letters_than_their_parent_are_found(new_chain: NewChain) -> None:
    children: list[Row] = [{"id": 1, "parent": "DE"}, {"id": 2, "parent": "de"}, {"id": 3, "parent": None}]
    planted = plant(
        new_chain(), PARENTS_TARGET + CHILDREN_TARGET, (PARENTS, [{"code": "DE"}]), (CHILDREN, children)
    )
    assert planted.is_refused("orphans", 1, "2")


def test_07_case_insensitive_columns_are_reported_once_per_table(new_chain: NewChain) -> None:
    people = table(
        "people",
        *columns("id int not null", "email nvarchar(50)", "first varchar(20)", "last varchar(20)"),
        column("token", "varchar(20)", collation="Latin1_General_100_BIN2"),
        unique_keys=(UniqueKey("UQ_email", ("email",)),),
    )
    target = """CREATE TABLE people (id int PRIMARY KEY, email varchar(50) UNIQUE, first text, last text,
        token text)"""
    finding = plant(new_chain(), target, (people, [])).finding("case_insensitive_collation")
    assert finding.severity is Severity.WARNING
    assert "email, first, last; unique at the source: email" in finding.message


def test_07_values_are_unique_or_not_as_the_target_compares_them(new_chain: NewChain) -> None:
    codes = table("codes", *columns("id int not null", "code varchar(9)"))
    target = "CREATE TABLE codes (id int PRIMARY KEY, code varchar(9) UNIQUE)"
    values = ["a", "a", "A", "a ", None, None]
    rows = [{"id": number, "code": value} for number, value in enumerate(values)]
    assert plant(new_chain(), target, (codes, rows)).is_refused("not_unique_at_target", 2, "0", "1")


def test_08_keys_equal_only_without_their_trailing_spaces_are_found(new_chain: NewChain) -> None:
    children = [{"id": 1, "parent": "DE"}, {"id": 2, "parent": "DE  "}]
    planted = plant(
        new_chain(), PARENTS_TARGET + CHILDREN_TARGET, (PARENTS, [{"code": "DE"}]), (CHILDREN, children)
    )
    assert planted.finding("ends_in_space").row_count == 1
    assert planted.is_refused("orphans", 1, "2")


def test_08_a_character_key_ignores_trailing_spaces_as_the_target_does(new_chain: NewChain) -> None:
    codes = table("codes", *columns("id int not null", "code varchar(9)"))
    target = "CREATE TABLE codes (id int PRIMARY KEY, code char(9) UNIQUE)"
    rows = [{"id": number, "code": code} for number, code in enumerate(["a", "a ", "b"])]
    assert plant(new_chain(), target, (codes, rows)).is_refused("not_unique_at_target", 2, "0", "1")


@pytest.mark.parametrize(
    ("parent_type", "child_type"),
    [("char(5)", "varchar(9)"), ("char(5)", "char(2)"), ("varchar(9)", "char(5)")],
)
def test_08_a_reference_between_padded_texts_is_none_to_correct(
    new_chain: NewChain, parent_type: str, child_type: str
) -> None:
    parents = table("parents", *columns(f"code {parent_type} not null"), key=["code"])
    children = table(
        "children",
        *columns("id int not null", f"parent {child_type}"),
        foreign_keys=(refers(["parent"], "parents", ["code"]),),
    )
    target = f"""CREATE TABLE parents (code {parent_type} PRIMARY KEY);
        CREATE TABLE children (id int PRIMARY KEY, parent {child_type} REFERENCES parents)"""
    rows: list[Row] = [{"id": 1, "parent": "DE".ljust(5 if child_type == "char(5)" else 2)}]
    code = "DE".ljust(5 if parent_type == "char(5)" else 2)
    plant(new_chain(), target, (parents, [{"code": code}]), (children, rows)).migrate()


def test_07_a_reference_between_two_collations_is_asked(new_chain: NewChain) -> None:
    children = table(
        "children",
        *columns("id int not null"),
        column("parent", "nvarchar(10)", collation="Latin1_General_100_BIN2"),
    )
    rows: list[Row] = [{"id": 1, "parent": "DE"}, {"id": 2, "parent": "de"}]
    planted = plant(
        new_chain(), PARENTS_TARGET + CHILDREN_TARGET, (PARENTS, [{"code": "DE"}]), (children, rows)
    )
    assert planted.is_refused("orphans", 1, "2")


def test_08_padding_and_trailing_spaces_are_carried(new_chain: NewChain) -> None:
    texts = table("texts", *columns("id int not null", "fixed char(5)", "free nvarchar(9)", "loose nchar(4)"))
    rows = [{"id": 1, "fixed": "ab   ", "free": "x  ", "loose": "y   "}]
    target = "CREATE TABLE texts (id int PRIMARY KEY, fixed char(5), free varchar(9), loose varchar(4))"
    planted = plant(new_chain(), target, (texts, rows))
    planted.migrate()
    assert planted.rows("SELECT octet_length(fixed), free, loose FROM texts") == [(5, "x  ", "y   ")]


def test_10_a_unique_key_that_would_allow_several_nulls_is_reported(new_chain: NewChain) -> None:
    people = table(
        "people",
        *columns("id int not null", "badge int", "phone int"),
        unique_keys=(UniqueKey("UQ_badge", ("badge",)), UniqueKey("UQ_phone", ("phone",))),
    )
    target = """CREATE TABLE people (id int PRIMARY KEY, badge int CONSTRAINT uq_badge UNIQUE,
        phone int UNIQUE NULLS NOT DISTINCT)"""
    planted = plant(
        new_chain(), target, (people, [{"id": 1, "badge": None}, {"id": 2, "badge": 7, "phone": 1}])
    )
    message = planted.finding("unique_key_allows_several_nulls").message
    assert "uq_badge" in message
    assert "phone" not in message
    planted.migrate()


def test_11_filtered_and_covering_indexes_that_the_target_lacks_are_listed(new_chain: NewChain) -> None:
    orders = table(
        "orders",
        *columns("id int not null", "code int", "state int", "total int"),
        indexes=(
            Index("UX_code", (IndexColumn("code"),), unique=True, filter="([code] IS NOT NULL)"),
            Index("IX_state", (IndexColumn("state"),), included=("total",)),
        ),
    )
    target = "CREATE TABLE orders (id int PRIMARY KEY, code int, state int, total int)"
    planted = plant(new_chain(), target, (orders, []))
    assert "UX_code (code) where ([code] IS NOT NULL)" in planted.finding("unique_keys_not_at_target").message
    assert "IX_state (state) include (total)" in planted.finding("indexes_not_at_target").message
    planted.rows("CREATE UNIQUE INDEX ON orders (code) WHERE code IS NOT NULL")
    planted.rows("CREATE INDEX ON orders (state) INCLUDE (total)")
    assert planted.findings("unique_keys_not_at_target") == planted.findings("indexes_not_at_target") == []


def test_11_a_unique_index_without_the_sources_condition_is_asked_of_the_rows(new_chain: NewChain) -> None:
    orders = table(
        "orders",
        *columns("id int not null", "code int", "closed bit not null"),
        indexes=(Index("UX_code", (IndexColumn("code"),), unique=True, filter="([closed]=(0))"),),
    )
    target = "CREATE TABLE orders (id int PRIMARY KEY, code int UNIQUE, closed boolean)"
    rows = [{"id": n, "code": code, "closed": n > 1} for n, code in enumerate([5, 6, 5, 5, None, None])]
    assert plant(new_chain(), target, (orders, rows)).is_refused("not_unique_at_target", 3, "0", "2", "3")


def test_11_a_partial_unique_index_is_asked_of_the_rows_that_it_covers(new_chain: NewChain) -> None:
    orders = table("orders", *columns("id int not null", "code varchar(9)", "closed bit", "kind varchar(9)"))
    target = """CREATE TABLE orders (id int PRIMARY KEY, code varchar(9), closed boolean, kind varchar(9));
        CREATE UNIQUE INDEX open_code ON orders (code) WHERE NOT closed AND kind IS NOT NULL"""
    codes = [("a", False, "x"), ("a", True, "x"), ("a", None, "x"), ("a", False, None), ("A", False, "x")]
    rows: list[Row] = [
        {"id": n, "code": c, "closed": closed, "kind": k} for n, (c, closed, k) in enumerate(codes)
    ]
    planted = plant(new_chain(), target, (orders, rows))
    assert planted.findings("target_rules_not_asked") == planted.findings("unique_key_not_asked") == []
    planted.migrate()
    twice = [*rows, {"id": 7, "code": "a", "closed": False, "kind": "y"}]
    assert plant(new_chain(), target, (orders, twice)).is_refused("not_unique_at_target", 2, "0", "7")


def test_10_an_index_that_takes_one_null_is_asked_of_the_rows(new_chain: NewChain) -> None:
    people = table("people", *columns("id int not null", "badge int", "email varchar(9)"))
    target = """CREATE TABLE people (id int PRIMARY KEY, badge int, email varchar(9));
        CREATE UNIQUE INDEX one_badge ON people (badge) NULLS NOT DISTINCT;
        CREATE UNIQUE INDEX one_email ON people (lower(email)) NULLS NOT DISTINCT"""
    planted = plant(new_chain(), target, (people, [{"id": 1}, {"id": 2}]))
    assert planted.errors() == ["not_unique_at_target"] * 2
    loose = replace(people, indexes=(Index("UX_badge", (IndexColumn("badge"),), unique=True),))
    assert plant(new_chain(), target, (loose, [])).findings("unique_key_allows_several_nulls") == []


def test_12_a_composite_key_of_which_a_part_is_left_is_found(new_chain: NewChain) -> None:
    places = table("places", *columns("site int not null", "bin int not null"), key=["site", "bin"])
    stock = table(
        "stock",
        *columns("id int not null", "site int", "bin int"),
        foreign_keys=(refers(["site", "bin"], "places", ["site", "bin"]),),
    )
    target = """CREATE TABLE places (site int, bin int UNIQUE, PRIMARY KEY (site, bin));
        CREATE TABLE stock (id int PRIMARY KEY, site int, bin int REFERENCES places (bin))"""
    rows: list[dict[str, Any]] = [{"site": 1, "bin": 1}, {"site": 1, "bin": 2}]
    planted = plant(new_chain(), target, (places, rows), (stock, [{"id": 1, "site": 1, "bin": 2}]))
    finding = planted.finding("foreign_key_columns_differ")
    assert "(site, bin) refers to dbo.places (site, bin) at the source, (bin) to (bin)" in finding.message
    planted.migrate()
    planted.rows("ALTER TABLE stock DROP CONSTRAINT stock_bin_fkey")
    planted.rows("ALTER TABLE stock ADD FOREIGN KEY (bin, site) REFERENCES places (bin, site)")
    assert planted.findings("foreign_key_columns_differ") == []


def test_12_a_key_that_is_partly_null_is_found_where_the_target_matches_full(new_chain: NewChain) -> None:
    places = table("places", *columns("site int not null", "bin int not null"), key=["site", "bin"])
    stock = table(
        "stock",
        *columns("id int not null", "site int", "bin int"),
        foreign_keys=(refers(["site", "bin"], "places", ["site", "bin"]),),
    )
    target = """CREATE TABLE places (site int, bin int, PRIMARY KEY (site, bin));
        CREATE TABLE stock (id int PRIMARY KEY, site int, bin int,
            FOREIGN KEY (site, bin) REFERENCES places MATCH FULL)"""
    rows: list[Row] = [{"id": 1, "site": 1, "bin": 1}, {"id": 2, "site": 1}, {"id": 3}]
    planted = plant(new_chain(), target, (places, [{"site": 1, "bin": 1}]), (stock, rows))
    assert planted.is_refused("orphans", 1, "2")


def test_13_cycles_self_and_forward_references_load_in_any_order(new_chain: NewChain) -> None:
    a = table(
        "a", *columns("id int not null", "b_id int not null"), foreign_keys=(refers(["b_id"], "b", ["id"]),)
    )
    b = table(
        "b", *columns("id int not null", "c_id int not null"), foreign_keys=(refers(["c_id"], "c", ["id"]),)
    )
    c = table(
        "c",
        *columns("id int not null", "a_id int not null", "c_id int"),
        foreign_keys=(refers(["a_id"], "a", ["id"]), refers(["c_id"], "c", ["id"])),
    )
    target = """CREATE TABLE a (id int PRIMARY KEY, b_id int NOT NULL);
        CREATE TABLE b (id int PRIMARY KEY, c_id int NOT NULL);
        CREATE TABLE c (id int PRIMARY KEY, a_id int NOT NULL REFERENCES a, c_id int REFERENCES c);
        ALTER TABLE a ADD FOREIGN KEY (b_id) REFERENCES b;
        ALTER TABLE b ADD FOREIGN KEY (c_id) REFERENCES c"""
    planted = plant(
        new_chain(),
        target,
        (a, [{"id": 1, "b_id": 1}]),
        (b, [{"id": 1, "c_id": 1}]),
        (c, [{"id": 1, "a_id": 1, "c_id": 2}, {"id": 2, "a_id": 1, "c_id": None}]),
    )
    assert len(planted.findings("cycle_collapsed")) == 1
    planted.migrate()
    assert planted.rows(_VALIDATED) == [(4,)]


_VALIDATED = """SELECT count(*) FROM pg_constraint
    WHERE contype = 'f' AND convalidated AND connamespace = 'public'::regnamespace"""


def test_14_orphans_under_an_untrusted_key_are_counted_and_never_deleted(new_chain: NewChain) -> None:
    untrusted = replace(CHILDREN, foreign_keys=(refers(["parent"], "parents", ["code"], trusted=False),))
    rows: list[Row] = [{"id": 1, "parent": "DE"}, {"id": 2, "parent": "XX"}, {"id": 3, "parent": None}]
    planted = plant(
        new_chain(), PARENTS_TARGET + CHILDREN_TARGET, (PARENTS, [{"code": "DE"}]), (untrusted, rows)
    )
    assert planted.is_refused("orphans", 1, "2")
    planted.rows("ALTER TABLE children DROP CONSTRAINT fk_parent")
    carried = planted.finding("orphans_carried")
    assert (carried.severity, carried.row_count, carried.first_keys) == (Severity.WARNING, 1, ("2",))
    planted.migrate()
    assert planted.rows("SELECT count(*) FROM children") == [(3,)]


@pytest.mark.parametrize("left_as", ["NOT VALID", "NOT ENFORCED"])
def test_14_orphans_under_a_key_that_the_target_does_not_validate_are_carried(
    new_chain: NewChain, left_as: str
) -> None:
    untrusted = replace(CHILDREN, foreign_keys=(refers(["parent"], "parents", ["code"], trusted=False),))
    planted = plant(
        new_chain(),
        f"""{PARENTS_TARGET}{CHILDREN_TARGET} ALTER TABLE children DROP CONSTRAINT fk_parent,
        ADD CONSTRAINT fk_parent FOREIGN KEY (parent) REFERENCES parents {left_as}""",
        (PARENTS, [{"code": "DE"}]),
        (untrusted, [{"id": 1, "parent": "DE"}, {"id": 2, "parent": "XX"}]),
    )
    assert f"fk_parent is {left_as}, and is restored as that" in planted.finding("orphans_carried").message
    planted.migrate()
    assert planted.rows(f"""SELECT pg_get_constraintdef(oid) LIKE '%{left_as}' FROM pg_constraint
        WHERE conname = 'fk_parent'""") == [(True,)]


def test_20_sparse_negative_and_missing_values_lose_no_row(new_chain: NewChain) -> None:
    numbers = table("numbers", *columns("id bigint not null", "split int"))
    ids = [-(2**63), -5, 0, 1, 10**12, 2**63 - 1]
    rows = [{"id": number, "split": None if number % 2 else 1} for number in ids]
    planted = plant(new_chain(), "CREATE TABLE numbers (id bigint PRIMARY KEY, split int)", (numbers, rows))
    planted.migrate()
    assert [number for (number,) in planted.rows("SELECT id FROM numbers ORDER BY id")] == ids


def test_27_values_that_the_targets_other_parent_lacks_are_found(new_chain: NewChain) -> None:
    resources, machines = (
        table("resources", *columns("id int not null")),
        table("machines", *columns("id int not null")),
    )
    steps = table(
        "steps",
        *columns("id int not null", "resource_id int"),
        foreign_keys=(refers(["resource_id"], "resources", ["id"]),),
    )
    target = """CREATE TABLE resources (id int PRIMARY KEY); CREATE TABLE machines (id int PRIMARY KEY);
        CREATE TABLE steps (id int PRIMARY KEY, resource_id int REFERENCES machines)"""
    planted = plant(
        new_chain(),
        target,
        (resources, [{"id": 1}, {"id": 2}]),
        (machines, [{"id": 1}]),
        (
            steps,
            [{"id": 10, "resource_id": 1}, {"id": 11, "resource_id": 2}, {"id": 12, "resource_id": None}],
        ),
    )
    assert "to dbo.resources at the source" in planted.finding("foreign_key_points_elsewhere").message
    assert planted.is_refused("orphans", 1, "11")


def test_27_rows_of_a_table_that_is_not_loaded_and_refer_to_one_that_is_are_found(
    new_chain: NewChain,
) -> None:
    target = (
        PARENTS_TARGET
        + """CREATE TABLE notes (id int PRIMARY KEY, parent varchar(10) REFERENCES parents);
        INSERT INTO parents VALUES ('DE', NULL); INSERT INTO notes VALUES (1, 'DE'), (2, NULL)"""
    )
    may_go = "tables: {parents: {replace_rows: of a test}}\n"
    planted = plant(new_chain(), target, (PARENTS, [{"code": "DE"}]), decisions=may_go)
    found = planted.finding("child_is_not_loaded")
    assert (found.severity, found.subject, found.row_count) == (Severity.WARNING, "public.notes", 1)
    planted.migrate()


def test_34_a_table_without_a_key_is_loaded_whole(new_chain: NewChain) -> None:
    log = table("log", *columns("at datetime", "line nvarchar(20)"), key=())
    rows = [{"at": "2024-01-01 00:00:00", "line": "same"}] * 3 + [{"at": None, "line": None}]
    planted = plant(new_chain(), 'CREATE TABLE log ("at" timestamp(3), line varchar(20))', (log, rows))
    planted.migrate()
    assert planted.rows("SELECT line, count(*) FROM log GROUP BY line ORDER BY line") == [
        ("same", 3),
        (None, 1),
    ]


def test_preflight_costs_at_most_two_scans_per_table(
    new_chain: NewChain, emulator: SqlServerEmulator
) -> None:
    planted = plant(
        new_chain(),
        PARENTS_TARGET + CHILDREN_TARGET + "ALTER TABLE children ADD UNIQUE (parent)",
        (PARENTS, [{"code": "DE"}]),
        (CHILDREN, [{"id": 1, "parent": "DE"}]),
    )
    before = len(emulator.statements)
    assert planted.errors() == []
    statements = emulator.statements.texts[before:]
    for name in ("parents", "children"):
        # The parents' rows that a question about children looks up are no scan of their own.
        own = rf"(?<!SELECT 1 )FROM \[dbo\]\.\[{name}\](?! WHERE 1 = 0)"
        scans = [text for text in statements if re.search(own, text)]
        assert 1 <= len(scans) <= 2, scans
        assert all("COUNT_BIG" in text for text in scans)


def test_preflight_of_the_erp_costs_at_most_two_scans_per_table(
    erp_chain: Chain, emulator: SqlServerEmulator
) -> None:
    before = len(emulator.statements)
    result = erp_chain.preflight()
    scans = Counter(
        name
        for text in emulator.statements.texts[before:]
        for name in re.findall(r"(?<!SELECT 1 )FROM (\[dbo\]\.\[\w+\])(?! WHERE 1 = 0)", text)
        if not re.match(r"SELECT \(SELECT CAST\(MAX\(\[\w+\]\) AS", text)  # one step into an index
    )
    assert 30 < len(scans) <= len(result.live_project.plan.tables)
    tables = result.live_project.plan.tables
    with_rules = {f"[dbo].[{table.source.name.name}]" for table in tables if table.target.checks}
    assert max(number - (name in with_rules) for name, number in scans.items()) <= 2
