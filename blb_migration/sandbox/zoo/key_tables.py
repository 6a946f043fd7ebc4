"""Keys of every kind: composite, text, GUID, date, decimal; none at all; cycles; and identities.

The identity columns count down, count in fives, are decimals, or have reached the end of their type.
"""

from __future__ import annotations

from decimal import Decimal

from blb_migration.model import Column, Identity, Table, TableName, UniqueKey
from blb_migration.sandbox.zoo.declare import (
    Exhibit,
    column,
    foreign_key,
    primary_key,
    rows_of,
)

SCHEMA = "keys"
RING_SCHEMA = "ring"
BIGINT_LIMIT = 2**63 - 1


def build_key_exhibits() -> tuple[Exhibit, ...]:
    """Everything of this module, parents beside their children."""
    return (*_build_composite(), *_build_natural(), *_build_without_key(), *_build_ring(), *_build_numbered())


def _build_composite() -> tuple[Exhibit, ...]:
    shelves = TableName(SCHEMA, "shelves")
    return (
        Exhibit(
            Table(
                shelves,
                (
                    column("label", "nvarchar(20)"),
                    column("number", "int", required=True),
                    column("site", "int", required=True),
                    column("above_site", "int"),
                    column("above_number", "int"),
                ),
                primary_key=primary_key("shelves", "site", "number"),
                unique_keys=(UniqueKey("UQ_shelves", ("number", "site", "label")),),
                foreign_keys=(
                    foreign_key(
                        "FK_shelves_above", ("above_site", "above_number"), shelves, ("site", "number")
                    ),
                ),
            ),
            rows_of(
                "site number label above_site above_number",
                (1, 2, "a", None, None),
                (2, 1, "b", 1, 2),
                (2, 2, None, 2, 1),
                (-1, 7, "", None, 9),
            ),
        ),
        Exhibit(
            Table(
                TableName(SCHEMA, "boxes"),
                (
                    column("id", "int", required=True),
                    column("shelf_number", "int"),
                    column("shelf_site", "int"),
                ),
                primary_key=primary_key("boxes", "id"),
                # The key's columns in another order than in the parent's primary key.
                foreign_keys=(
                    foreign_key("FK_boxes", ("shelf_number", "shelf_site"), shelves, ("number", "site")),
                ),
            ),
            rows_of("id shelf_number shelf_site", (1, 2, 1), (2, 1, 2), (3, None, 99), (4, 7, -1)),
        ),
    )


def _build_natural() -> tuple[Exhibit, ...]:
    countries = TableName(SCHEMA, "countries")
    machines = TableName(SCHEMA, "machines")
    guid = "{:08d}-89ab-cdef-0123-456789abcdef".format
    return (
        Exhibit(
            Table(
                countries,
                (column("code", "varchar(10)", required=True), column("name", "nvarchar(50)")),
                primary_key=primary_key("countries", "code"),
            ),
            rows_of("code name", ("DE", "Deutschland"), ("at", "Österreich"), ("É", "?"), ("", None)),
        ),
        Exhibit(
            Table(
                TableName(SCHEMA, "towns"),
                (
                    column("name", "nvarchar(30)", required=True),
                    column("country", "varchar(10)", required=True),
                ),
                primary_key=primary_key("towns", "country", "name"),
                foreign_keys=(foreign_key("FK_towns", ("country",), countries, ("code",)),),
            ),
            rows_of("name country", ("Wien", "at"), ("Köln", "DE"), ("Bonn", "DE"), ("", "")),
        ),
        Exhibit(
            Table(
                machines,
                (column("id", "uniqueidentifier", required=True), column("name", "nvarchar(30)")),
                primary_key=primary_key("machines", "id"),
            ),
            rows_of("id name", (guid(3), "three"), (guid(1), "one"), (guid(2), None)),
        ),
        Exhibit(
            Table(
                TableName(SCHEMA, "readings"),
                (
                    column("day", "date", required=True),
                    column("position", "decimal(9,3)", required=True),
                    column("machine_id", "uniqueidentifier"),
                ),
                primary_key=primary_key("readings", "day", "position"),
                foreign_keys=(foreign_key("FK_readings", ("machine_id",), machines, ("id",)),),
            ),
            rows_of(
                "day position machine_id",
                ("2024-02-29", "1.500", guid(2)),
                ("2024-02-29", "-1.500", guid(1)),
                ("0001-01-01", "999999.999", None),
            ),
        ),
    )


def _build_without_key() -> tuple[Exhibit, ...]:
    line = {"at": "2024-01-01 00:00:00", "text": "started"}
    return (
        Exhibit(
            Table(
                TableName("dbo", "log lines"),
                (column("at", "datetime2(0)", required=True), column("text", "nvarchar(100)")),
            ),
            (line, line, line, line | {"text": None}, line | {"text": None}, line | {"text": ""}),
        ),
        Exhibit(
            Table(
                TableName("dbo", "empty"),
                (column("id", "int", identity=Identity(1, 1)), column("name", "nvarchar(50)")),
                primary_key=primary_key("empty", "id"),
            )
        ),
    )


def _build_ring() -> tuple[Exhibit, ...]:
    """Three tables, each with a NOT NULL reference to the next: no order satisfies all of them."""
    names = ("heads", "bodies", "tails")
    exhibits = []
    for position, name in enumerate(names):
        following = TableName(RING_SCHEMA, names[(position + 1) % len(names)])
        table = Table(
            TableName(RING_SCHEMA, name),
            (column("id", "int", required=True), column("next_id", "int", required=True)),
            primary_key=primary_key(name, "id"),
            foreign_keys=(foreign_key(f"FK_{name}", ("next_id",), following, ("id",)),),
        )
        exhibits.append(Exhibit(table, rows_of("id next_id", (1, 3), (2, 1), (3, 2))))
    return tuple(exhibits)


def _build_numbered() -> tuple[Exhibit, ...]:
    return (
        _numbered("downwards", column("id", "int", identity=Identity(-1000, -5, -1020)), (-1000, -1010)),
        _numbered("fives", column("id", "smallint", identity=Identity(-10, 5, 15)), (-10, 0, 15)),
        _numbered("tiny", column("id", "tinyint", identity=Identity(0, 1, 1)), (0, 1)),
        _numbered(
            "nearly_full",
            column("id", "bigint", identity=Identity(1, 1, BIGINT_LIMIT - 1)),
            (BIGINT_LIMIT - 1,),
        ),
        _numbered("full", column("id", "bigint", identity=Identity(1, 1, BIGINT_LIMIT)), (1, BIGINT_LIMIT)),
        _numbered(
            "decimals",
            column("id", "decimal(18,0)", identity=Identity(10**15, 1, 10**15 + 5)),
            (Decimal(10**15), Decimal(10**15 + 2)),
        ),
    )


def _numbered(name: str, identity: Column, ids: tuple[object, ...]) -> Exhibit:
    table = Table(
        TableName(SCHEMA, name),
        (identity, column("name", "nvarchar(20)")),
        primary_key=primary_key(name, "id"),
    )
    return Exhibit(table, tuple({"id": id, "name": f"row {number}"} for number, id in enumerate(ids)))
