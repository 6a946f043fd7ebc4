"""Tables with all that a table can have beside columns, a very wide one, and one the target narrows.

The hazards of ``hazards.py`` are planted here; as it stands every row fits the target.
"""

from __future__ import annotations

from blb_migration.model import (
    CheckConstraint,
    Computed,
    Identity,
    Index,
    IndexColumn,
    Table,
    TableName,
    UniqueKey,
)
from blb_migration.sandbox.zoo.declare import Exhibit, column, foreign_key, primary_key, rows_of

PEOPLE = TableName("dbo", "people")
MEASURES = TableName("shop", "measures")
DEVICES = TableName("shop", "devices")
REPAIRS = TableName("shop", "repairs")
WIDE = TableName("dbo", "wide")
WIDE_COLUMNS = 250
_WIDE_TYPES = ("int", "nvarchar(20)", "decimal(18,4)", "datetime2(3)", "bit")
_WIDE_VALUES = (7, "Größe", "1.2500", "2024-02-29 12:34:56.789", True)


def build_shape_exhibits() -> tuple[Exhibit, ...]:
    """Everything of this module."""
    return (_build_people(), _build_wide(), *_build_shop())


def _build_people() -> Exhibit:
    table = Table(
        PEOPLE,
        (
            column("id", "int", identity=Identity(1, 1, 42), comment="Never reused."),
            column("first_name", "nvarchar(50)", required=True),
            column("last_name", "nvarchar(50)", required=True),
            column("email", "nvarchar(100)", required=True),
            column("badge", "varchar(10)"),
            column("phone", "nvarchar(24)", alias="PhoneNumber"),
            column("manager_id", "int"),
            column("is_active", "bit", required=True, default="((1))"),
            column("is_locked", "bit", default="((0))"),
            column("rate", "decimal(9,2)", required=True, default="((-1.50))"),
            column("role", "varchar(20)", required=True, default="('user')"),
            column("created_at", "datetime2(3)", required=True, default="(sysutcdatetime())"),
            column("changed_at", "datetime", default="(getdate())"),
            column("token", "uniqueidentifier", required=True, default="(newid())"),
            column(
                "full_name",
                "nvarchar(101)",
                required=True,
                computed=Computed("(([first_name]+N' ')+[last_name])", persisted=False),
            ),
            column(
                "double_rate",
                "decimal(12,2)",
                required=True,
                computed=Computed("([rate]*(2))", persisted=True),
            ),
            column("version", "rowversion", required=True),
        ),
        primary_key=primary_key("people", "id"),
        unique_keys=(UniqueKey("UQ_people_email", ("email",)), UniqueKey("UQ_people_badge", ("badge",))),
        foreign_keys=(foreign_key("FK_people_manager", ("manager_id",), PEOPLE, ("id",)),),
        indexes=(
            Index(
                "IX_people_active",
                (IndexColumn("last_name"), IndexColumn("created_at", descending=True)),
                included=("email", "phone"),
                filter="([is_active]=(1))",
            ),
            Index("UX_people_phone", (IndexColumn("phone"),), unique=True, filter="([phone] IS NOT NULL)"),
        ),
        checks=(CheckConstraint("CK_people_role", "([role]='admin' OR [role]='user')"),),
        comment="Who may log in.",
    )
    token = "0000000{}-1111-2222-3333-444444444444".format
    rows = rows_of(
        "id first_name last_name email badge phone manager_id is_active is_locked rate role created_at "
        "changed_at token version",
        (1, "Ada", "Größe", "ada@example.com", "A1", "+49 1", None, True, False, "12.50", "admin",
         "2024-02-29 12:34:56.789", "2024-03-31 02:30:00.003", token(1), b"\x00" * 7 + b"\x01"),
        (2, "Lin", "世界 🧵", "lin@example.com", None, None, 1, False, None, "-1.50", "user",
         "0001-01-01 00:00:00", None, token(2), b"\x00" * 7 + b"\x02"),
        # A row that refers to a later one.
        (5, "", " ", "Éva@example.com", "", "", 40, True, True, "0.00", "user",
         "9999-12-31 23:59:59.999", "1753-01-01 00:00:00", token(3), b"\x00" * 7 + b"\x03"),
        (40, "O'Hara", '"Q"', "hara@example.com", "a2", "+49 2", 40, True, False, "9999999.99", "user",
         "2024-10-27 02:30:00", "2024-10-27 02:30:00", token(4), b"\xff" * 8),
    )  # fmt: skip
    return Exhibit(table, rows)


def _build_wide() -> Exhibit:
    columns = [
        column(f"column_{position:03}", _WIDE_TYPES[position % len(_WIDE_TYPES)])
        for position in range(1, WIDE_COLUMNS)
    ]
    table = Table(
        WIDE,
        (column("id", "bigint", required=True), *columns),
        primary_key=primary_key("wide", "id"),
    )
    values = {
        each.name: _WIDE_VALUES[position % len(_WIDE_VALUES)] for position, each in enumerate(columns, 1)
    }
    sparse = {name: value for number, (name, value) in enumerate(values.items()) if number % 3 == 0}
    return Exhibit(table, ({"id": 1, **values}, {"id": 2, **sparse}, {"id": 3}))


def _build_shop() -> tuple[Exhibit, ...]:
    return (
        # The target takes fewer digits, shorter texts, no NULL, and JSON only.
        Exhibit(
            Table(
                MEASURES,
                (
                    column("id", "int", identity=Identity(1, 1, 3)),
                    column("amount", "decimal(18,4)"),
                    column("label", "nvarchar(255)"),
                    column("unit", "varchar(10)"),
                    column("settings", "nvarchar(max)"),
                    column("notes", "nvarchar(max)"),
                    column("taken_at", "datetime2(7)"),
                    column("zoned_at", "datetimeoffset(7)"),
                    column("opens", "time(7)"),
                    column("price", "money"),
                    column("local_text", "varchar(100)"),
                    column("content", "varbinary(max)"),
                ),
                primary_key=primary_key("measures", "id"),
            ),
            rows_of(
                "id amount label unit settings taken_at",
                (1, "1.2500", "short", "mm", '{"scale": 1.50}', "2024-02-29 12:34:56.1234560"),
                (2, "99999999.9900", "0123456789", "kg", "[]", None),
                (3, None, None, "", None, None),
            ),
        ),
        Exhibit(
            Table(
                DEVICES,
                (column("code", "varchar(10)", required=True), column("name", "nvarchar(20)")),
                primary_key=primary_key("devices", "code"),
            ),
            rows_of("code name", ("CNC", "mill"), ("FDM", "printer")),
        ),
        # The target's key refers to shop.spare_devices; the source's was added WITH NOCHECK.
        Exhibit(
            Table(
                TableName("shop", "spare_devices"),
                (column("code", "varchar(10)", required=True),),
                primary_key=primary_key("spare_devices", "code"),
            ),
            rows_of("code", ("CNC",), ("FDM",)),
        ),
        Exhibit(
            Table(
                REPAIRS,
                (
                    column("id", "int", required=True),
                    column("device_code", "varchar(10)"),
                    column("spare_code", "varchar(10)"),
                ),
                primary_key=primary_key("repairs", "id"),
                foreign_keys=(
                    foreign_key("FK_repairs_device", ("device_code",), DEVICES, ("code",), trusted=False),
                    foreign_key("FK_repairs_spare", ("spare_code",), DEVICES, ("code",)),
                ),
            ),
            rows_of("id device_code spare_code", (1, "CNC", "FDM"), (2, None, None)),
        ),
    )
