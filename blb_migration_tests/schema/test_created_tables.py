"""What is created is what was designed, and behaves as the source did."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest

from blb_migration.model import (
    CheckConstraint,
    Column,
    ColumnType,
    Computed,
    ForeignKey,
    Identity,
    Index,
    IndexColumn,
    Table,
    UniqueKey,
)
from blb_migration.sandbox.erp.erp_schema import build_source_catalog
from blb_migration.sandbox.zoo import build_exhibits
from blb_migration_tests import catalogs
from blb_migration_tests.catalogs import COLLATION, column
from blb_migration_tests.chain import Chain
from blb_migration_tests.schema.designs import codes, create, read_back, without_spelling
from blb_migration_tests.sqlserver.workshop import TABLES as WORKSHOP_TABLES


@pytest.fixture
def chain(new_chain: Callable[..., Chain]) -> Chain:
    return new_chain()


def table(name: str, *columns: str | Column, **parts: Any) -> Table:
    return catalogs.table(name, *columns, key=(), collation=COLLATION, **parts)


@pytest.mark.parametrize(
    "tables",
    [
        pytest.param(build_source_catalog().tables, id="erp"),
        pytest.param([exhibit.table for exhibit in build_exhibits()], id="zoo"),
        pytest.param(WORKSHOP_TABLES, id="workshop"),
    ],
)
def test_what_is_read_back_is_what_was_designed(chain: Chain, tables: list[Table]) -> None:
    design = create(chain, tables)
    assert without_spelling(read_back(chain)) == without_spelling(design.catalog)


class TestIdentity:
    def test_seed_and_step_are_kept(self, chain: Chain) -> None:
        create(chain, [table("fives", "id int identity(-7,5)", "n int")])
        for n in (1, 2, 3):
            chain.execute("INSERT INTO fives (n) VALUES (%s)", n)
        assert chain.execute("SELECT id FROM fives ORDER BY n") == [(-7,), (-2,), (3,)]

    def test_it_may_count_down_and_take_given_values(self, chain: Chain) -> None:
        column = Column("id", ColumnType("bigint"), nullable=False, identity=Identity(2**40, -1))
        create(chain, [table("downwards", column, "n int")])
        chain.execute("INSERT INTO downwards (n) VALUES (1), (2)")
        chain.execute("INSERT INTO downwards VALUES (5, 3)")
        assert chain.execute("SELECT id FROM downwards ORDER BY n") == [(2**40,), (2**40 - 1,), (5,)]

    def test_a_decimal_one_draws_from_a_sequence(self, chain: Chain) -> None:
        create(chain, [table("wide", "id decimal(20,0) identity(10,10)", "n int")])
        chain.execute("INSERT INTO wide (n) VALUES (1), (2)")
        assert chain.execute("SELECT id FROM wide ORDER BY n") == [(Decimal(10),), (Decimal(20),)]
        chain.execute("DROP TABLE wide")
        assert chain.execute("SELECT count(*) FROM pg_class WHERE relname = 'wide_id_seq'") == [(0,)]


def test_defaults_give_what_they_gave(chain: Chain) -> None:
    columns = (
        "id int not null",
        column("is_open bit", default="((1))"),
        column("is_paid bit", default="(CONVERT([bit],(0)))"),
        column("rate decimal(18,4)", default="((-1.50))"),
        column("note nvarchar(40)", default="(N'it''s \\ new')"),
        column("zero nvarchar(40)", default="((0))"),
        column("made_at datetime", default="(getdate())"),
        column("made_at_utc datetime2(7)", default="(sysutcdatetime())"),
        column("made_on date", default="(CONVERT([date],getdate()))"),
        column("seen_at datetimeoffset(7)", default="(sysdatetimeoffset())"),
        column("token uniqueidentifier", default="(newid())"),
        column("mark varbinary(4)", default="(0x00FF)"),
        column("nothing int", default="(NULL)"),
    )
    assert codes(create(chain, [table("defaults", *columns)])) == []
    chain.execute("INSERT INTO defaults (id) VALUES (1)")
    [row] = chain.execute("SELECT * FROM defaults")
    assert row[:6] == (1, True, False, Decimal("-1.5000"), "it's \\ new", "0")
    made_at, made_at_utc, made_on, seen_at, token, mark, nothing = row[6:]
    assert abs(made_at_utc - seen_at.astimezone(datetime.UTC).replace(tzinfo=None)).total_seconds() < 1
    assert made_at.date() == made_on
    assert (type(token), mark, nothing) == (uuid.UUID, b"\x00\xff", None)


def test_computed_columns_compute_as_they_did(chain: Chain) -> None:
    def computed(spec: str, expression: str) -> Column:
        return column(spec, computed=Computed(expression, persisted=False))

    columns = (
        "quantity decimal(18,4)",
        "price decimal(18,4)",
        "first_name nvarchar(40)",
        "last_name nvarchar(40)",
        "is_active bit",
        "day date",
        computed("total decimal(37,8)", "([quantity]*[price])"),
        computed("known decimal(18,4)", "(isnull([quantity],(0))-[price])"),
        computed("full_name nvarchar(81)", "([first_name]+N' '+[last_name])"),
        computed("state varchar(8)", "(case when [is_active]=(1) then 'active' else 'off' end)"),
        computed("year int", "(datepart(year,[day]))"),
        computed("month int", "(month([day]))"),
    )
    design = create(chain, [table("computed", *columns)])
    assert codes(design) == []
    chain.execute(
        "INSERT INTO computed (quantity, price, first_name, last_name, is_active, day)"
        " VALUES (1.5, 2.0001, 'Jo', 'Ná', true, '2024-02-29'), (NULL, 1, 'Jo', NULL, NULL, NULL)"
    )
    rows = chain.execute(
        "SELECT total, known, full_name, state, year, month FROM computed ORDER BY price DESC"
    )
    assert rows == [
        (Decimal("3.00015000"), Decimal("-0.5001"), "Jo Ná", "active", 2024, 2),
        (None, Decimal("-1.0000"), None, "off", None, None),
    ]


class TestTexts:
    """A check that ignored letter case and trailing blanks at the source must take the same rows here."""

    @pytest.fixture
    def orders(self, chain: Chain) -> Chain:
        checks = (
            CheckConstraint("CK_status", "([status]='open' OR [status]='paid')"),
            CheckConstraint("CK_code", "([code] like 'PO-%')"),
            CheckConstraint("CK_filled", "(len([code])>(3) AND [code]<>'')"),
        )
        assert (
            codes(create(chain, [table("orders", "status nvarchar(40)", "code nvarchar(40)", checks=checks)]))
            == []
        )
        return chain

    def test_what_the_source_took_is_taken(self, orders: Chain) -> None:
        orders.execute("INSERT INTO orders VALUES ('open', 'PO-1'), ('PAID  ', 'po-2'), (NULL, NULL)")

    @pytest.mark.parametrize("row", [("closed", "PO-1"), ("open", "XO-1"), ("open", "PO-")])
    def test_what_it_refused_is_refused(self, orders: Chain, row: tuple[str, str]) -> None:
        with pytest.raises(psycopg.errors.CheckViolation):
            orders.execute("INSERT INTO orders VALUES (%s, %s)", *row)


class TestUniqueness:
    def test_null_stands_once_as_at_the_source(self, chain: Chain) -> None:
        columns = ("a int", "b int")
        keys = (UniqueKey("UQ_a", ("a",)),)
        indexes = (Index("UX_b", (IndexColumn("b"),), unique=True),)
        create(chain, [table("nulls", *columns, unique_keys=keys, indexes=indexes)])
        chain.execute("INSERT INTO nulls VALUES (NULL, NULL)")
        for row in ((None, 1), (1, None)):
            with pytest.raises(psycopg.errors.UniqueViolation):
                chain.execute("INSERT INTO nulls VALUES (%s, %s)", *row)

    def test_a_filtered_index_counts_only_its_rows(self, chain: Chain) -> None:
        index = Index("UX_live", (IndexColumn("a"),), unique=True, filter="([live]=(1))")
        create(chain, [table("filtered", "a int", "live bit", indexes=(index,))])
        chain.execute("INSERT INTO filtered VALUES (1, true), (1, false), (1, false), (1, NULL)")
        with pytest.raises(psycopg.errors.UniqueViolation):
            chain.execute("INSERT INTO filtered VALUES (1, true)")

    def test_order_and_included_columns_are_kept(self, chain: Chain) -> None:
        index = Index("IX", (IndexColumn("a", descending=True), IndexColumn("b")), included=("c",))
        create(chain, [table("indexed", "a int", "b int", "c int", indexes=(index,))])
        [(definition,)] = chain.execute("SELECT indexdef FROM pg_indexes WHERE tablename = 'indexed'")
        assert definition.endswith("USING btree (a DESC, b) INCLUDE (c)")


class TestForeignKeys:
    @pytest.fixture
    def family(self, chain: Chain) -> Chain:
        parent = table("parents", "id int not null", primary_key=UniqueKey("PK", ("id",)))
        keys = (
            ForeignKey("FK_mother", ("mother",), parent.name, ("id",), on_delete="CASCADE"),
            ForeignKey("FK_father", ("father",), parent.name, ("id",), "SET NULL", "CASCADE"),
            ForeignKey("FK_old", ("old",), parent.name, ("id",), trusted=False),
            ForeignKey("FK_off", ("old",), parent.name, ("id",), trusted=False, enabled=False),
        )
        child = table("children", "mother int", "father int", "old int", foreign_keys=keys)
        design = create(chain, [parent, child])
        assert codes(design) == ["foreign_key_disabled", "foreign_key_not_valid"]
        return chain

    def test_actions_are_kept(self, family: Chain) -> None:
        family.execute("INSERT INTO parents VALUES (1), (2), (3)")
        family.execute("INSERT INTO children VALUES (1, 2, NULL), (3, 2, NULL)")
        family.execute("DELETE FROM parents WHERE id = 1")
        family.execute("UPDATE parents SET id = 20 WHERE id = 2")
        assert family.execute("SELECT mother, father FROM children") == [(3, 20)]
        family.execute("DELETE FROM parents WHERE id = 20")
        assert family.execute("SELECT mother, father FROM children") == [(3, None)]

    def test_an_untrusted_key_is_not_valid_and_a_disabled_one_absent(self, family: Chain) -> None:
        rows = family.execute(
            "SELECT conname, convalidated FROM pg_constraint WHERE contype = 'f' ORDER BY 1"
        )
        assert rows == [("FK_father", True), ("FK_mother", True), ("FK_old", False)]


def test_comments_are_kept(chain: Chain) -> None:
    commented = column("a int", comment="first line\nit's \\ second")
    create(chain, [table("commented", commented, comment="Ünïcode \U0001f600")])
    [created] = read_back(chain)
    assert (created.comment, created.columns[0].comment) == (
        "Ünïcode \U0001f600",
        "first line\nit's \\ second",
    )


def test_two_tables_may_have_an_index_of_the_same_name(chain: Chain) -> None:
    index = Index("IX_name", (IndexColumn("a"),))
    create(chain, [table(name, "a int", indexes=(index,)) for name in ("first", "second")])
    assert [table.indexes[0].name for table in read_back(chain)] == ["IX_name", "IX_name_second"]


def test_odd_names_survive_as_they_are(chain: Chain) -> None:
    names = ['a"b', "it's", "x]y[", "select", "Groß", " led by a blank", "dot.ted", "%s {0}", "a\\b"]
    tables = [
        table(name, *(Column(each, ColumnType("int"), True) for each in names), schema="odd schema")
        for name in names
    ]
    design = create(chain, tables)
    created = read_back(chain)
    assert sorted(table.name.name for table in created) == sorted(names)
    assert {table.name.schema for table in created} == {"odd schema"}
    assert [column.name for column in created.tables[0].columns] == names
    assert codes(design) == []


def test_schemas_are_kept_or_mapped(chain: Chain) -> None:
    tables = [table("items", "a int", schema=schema) for schema in ("dbo", "sales", "Old")]
    create(chain, tables, "schemas: {dbo: public, Old: archive}\n")
    assert [str(table.name) for table in read_back(chain)] == ["archive.items", "public.items", "sales.items"]


def test_decided_names_and_skips_are_followed(chain: Chain) -> None:
    tables = [table("items", "a int", "b int", "c int"), table("gone", "a int")]
    create(
        chain,
        tables,
        "tables:\n  gone: {skip: not needed}\n"
        "  items: {to: stock.parts, reason: renamed, columns: {a: {skip: not needed}, b: "
        "{to: bb, reason: renamed}}}\n",
    )
    [created] = read_back(chain)
    assert (str(created.name), [column.name for column in created.columns]) == ("stock.parts", ["bb", "c"])
