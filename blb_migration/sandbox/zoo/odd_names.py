"""Names that break careless SQL: every schema, table and column here is legal at the source.

PostgreSQL keeps the first 63 bytes of a name; ``shorten`` does the same.
"""

from __future__ import annotations

from blb_migration.model import Identity, Table, TableName
from blb_migration.sandbox.zoo.declare import Exhibit, column, foreign_key, primary_key

POSTGRES_NAME_BYTES = 63
LONGEST_NAME = ("The longest name that SQL Server allows has 128 characters " * 3)[:127] + "x"
LONGEST_COLUMN = ("column_" * 20)[:127] + "y"
COLUMN_NAMES = (
    "select",
    "with space",
    "a]b",
    "[bracketed]",
    '"quoted"',
    "it's",
    "semi;colon--",
    "per%cent %s",
    "back\\slash",
    "Größe",
    "данные",
    "🧵",
    "MixedCase",
    "1st",
    "a.b",
    "$dollar",
    "{brace}",
    "ctid_",
)


def shorten(name: str) -> str:
    """Return the name as PostgreSQL keeps it: its first 63 bytes, never half a character."""
    return name.encode()[:POSTGRES_NAME_BYTES].decode(errors="ignore")


def build_name_exhibits() -> tuple[Exhibit, ...]:
    """Build a reserved word, the longest names, a schema in quotes, and a mixed-case pair with a foreign
    key."""
    order = TableName("dbo", "order")
    odd_schema = 'odd "schema] x'
    parent = TableName(odd_schema, "Mixed Case]s")
    child = TableName(odd_schema, 'it\'s a "child"')
    return (
        Exhibit(
            Table(
                order,
                (
                    column("group", "int", required=True),
                    *(column(name, "nvarchar(100)") for name in COLUMN_NAMES),
                ),
                primary_key=primary_key("order", "group"),
            ),
            tuple(
                {"group": number} | {name: f"{name} {number}" for name in COLUMN_NAMES} for number in (1, 2)
            ),
        ),
        Exhibit(
            Table(
                TableName("dbo", LONGEST_NAME),
                (column("id", "int", identity=Identity(1, 1, 2)), column(LONGEST_COLUMN, "nvarchar(50)")),
                primary_key=primary_key("longest", "id"),
            ),
            ({"id": 1, LONGEST_COLUMN: "one"}, {"id": 2, LONGEST_COLUMN: "two"}),
        ),
        Exhibit(
            Table(
                parent,
                (column("Id", "int", identity=Identity(1, 1, 7)), column("CamelCase", "nvarchar(20)")),
                primary_key=primary_key("Mixed Case", "Id"),
            ),
            ({"Id": 3, "CamelCase": "three"}, {"Id": 7, "CamelCase": None}),
        ),
        Exhibit(
            Table(
                child,
                (column("Id", "int", required=True), column("Parent's Id", "int")),
                primary_key=primary_key("its a child", "Id"),
                foreign_keys=(foreign_key('FK it\'s "odd"', ("Parent's Id",), parent, ("Id",)),),
            ),
            ({"Id": 1, "Parent's Id": 7}, {"Id": 2, "Parent's Id": None}),
        ),
    )
