"""The ERP's source schema as a catalog: ``source_schema.json`` in SQL Server's own words.

The JSON file states facts as the ERP's scripts wrote them. SQL Server stores some of them in
another form and names what the scripts left nameless; both are done here, so that the emulator's
``sys.*`` views answer as the real server's would. No rows (``sample.py``), no PostgreSQL
(``target.py``). Triggers are in the JSON but not in the model: no row of the sample fires one.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from blb_migration.model import (
    Catalog,
    CheckConstraint,
    Column,
    ColumnType,
    Computed,
    ForeignKey,
    Identity,
    Index,
    IndexColumn,
    Table,
    TableName,
    UniqueKey,
)

SOURCE_DATABASE = "BLB3D_ERP"
SOURCE_SCHEMA = "dbo"
SOURCE_COLLATION = "SQL_Latin1_General_CP1_CI_AS"
SOURCE_SERVER_VERSION = "16.0.1000.6"  # SQL Server 2022 RTM

_TEXT_TYPES = frozenset({"char", "varchar", "nchar", "nvarchar"})
_FRACTION_DIGITS = {"datetime": 3}  # sys.columns.scale of a datetime


@cache
def read_schema(side: str) -> dict[str, dict[str, Any]]:
    """``source`` or ``target``: the tables of its JSON file by name, as parsed."""
    text = files(__package__).joinpath(f"{side}_schema.json").read_text(encoding="utf-8")
    tables: dict[str, dict[str, Any]] = json.loads(text)["tables"]
    return tables


@cache
def build_source_catalog() -> Catalog:
    """All 49 tables of the SQL Server side, empty: identity counters have handed out nothing."""
    tables = tuple(_build_table(name, facts) for name, facts in sorted(read_schema("source").items()))
    return Catalog("sqlserver", SOURCE_DATABASE, SOURCE_SERVER_VERSION, SOURCE_COLLATION, tables)


def parse_column_type(declared: str) -> ColumnType:
    """``decimal(18,4)``, ``nvarchar(max)``, ``datetime2(7)`` as the model's ColumnType."""
    match = re.fullmatch(r"(\w+)(?:\((\w+)(?:,\s*(\d+))?\))?", declared)
    if match is None:
        raise ValueError(f"{declared!r} is not a SQL Server type")
    name, first, second = match.groups()
    if name in ("decimal", "numeric"):
        return ColumnType(name, precision=int(first), scale=int(second or 0))
    if name in ("datetime2", "datetimeoffset", "time"):
        return ColumnType(name, scale=int(first))
    if first is not None:
        return ColumnType(name, length=None if first == "max" else int(first))
    return ColumnType(name, scale=_FRACTION_DIGITS.get(name))


def stored_default(written: str) -> str:
    """Return a default as ``sys.default_constraints.definition`` shows it: ``0`` is ``((0))``."""
    if re.fullmatch(r"[\d.]+", written):
        return f"(({written}))"
    lowered = written.lower()
    if lowered in ("getdate()", "current_timestamp"):
        return "(getdate())"
    if lowered == "cast(getdate() as date)":
        return "(CONVERT([date],getdate()))"
    return f"({lowered})" if lowered.endswith("()") else f"({written})"


def stored_expression(written: str) -> str:
    """Return a computed column, filter or CHECK as the server stores it: bracketed, IN spelled as OR."""
    if match := re.fullmatch(r"(\w+) IN \((.+)\)", written):
        values = [value.strip() for value in match[2].split(",")]
        return "(" + " OR ".join(f"[{match[1]}]={value}" for value in reversed(values)) + ")"
    if match := re.fullmatch(r"(\w+) > (\d+)", written):
        return f"([{match[1]}]>({match[2]}))"
    if match := re.fullmatch(r"(\w+) ([-*]) (\w+)", written):
        return f"([{match[1]}]{match[2]}[{match[3]}])"
    if match := re.fullmatch(r"(\w+) IS NOT NULL", written):
        return f"([{match[1]}] IS NOT NULL)"
    raise ValueError(f"no stored form is known for {written!r}")


def _build_table(name: str, facts: dict[str, Any]) -> Table:
    key_columns = tuple(facts["primary_key"]["columns"])
    key_name = facts["primary_key"].get("name") or _generated_name("PK", name, key_columns)
    return Table(
        name=TableName(SOURCE_SCHEMA, name),
        columns=tuple(_build_column(column) for column in facts["columns"]),
        primary_key=UniqueKey(key_name, key_columns),
        unique_keys=_by_name(
            UniqueKey(
                key.get("name") or _generated_name("UQ", name, tuple(key["columns"])), tuple(key["columns"])
            )
            for key in facts.get("unique_constraints", ())
        ),
        foreign_keys=_by_name(_build_foreign_key(name, key) for key in facts.get("foreign_keys", ())),
        indexes=_by_name(_build_index(index) for index in facts.get("indexes", ())),
        checks=_by_name(
            CheckConstraint(check["name"], stored_expression(check["expression"]))
            for check in facts.get("check_constraints", ())
        ),
    )


def _by_name(constraints: Any) -> tuple[Any, ...]:
    return tuple(sorted(constraints, key=lambda constraint: constraint.name))


def _build_column(facts: dict[str, Any]) -> Column:
    column_type = parse_column_type(facts["type"])
    computed = facts.get("computed")
    default = facts.get("default")
    return Column(
        name=facts["name"],
        type=column_type,
        nullable=facts["nullable"],
        collation=SOURCE_COLLATION if column_type.name in _TEXT_TYPES else None,
        identity=Identity(seed=1, increment=1) if facts.get("identity") else None,
        default=None if default is None else stored_default(default),
        computed=computed and Computed(stored_expression(computed["expression"]), computed["persisted"]),
    )


def _build_foreign_key(table_name: str, facts: dict[str, Any]) -> ForeignKey:
    columns = tuple(facts["columns"])
    return ForeignKey(
        name=facts.get("name") or _generated_foreign_key_name(table_name, columns),
        columns=columns,
        referred_table=TableName(SOURCE_SCHEMA, facts["referred_table"]),
        referred_columns=tuple(facts["referred_columns"]),
        on_delete=facts.get("on_delete", "NO ACTION"),
    )


def _build_index(facts: dict[str, Any]) -> Index:
    where = facts.get("where")
    return Index(
        name=facts["name"],
        columns=tuple(IndexColumn(name) for name in facts["columns"]),
        unique=facts["unique"],
        filter=None if where is None else stored_expression(where),
    )


def _generated_name(kind: str, table_name: str, columns: tuple[str, ...]) -> str:
    """Return a key's name as SQL Server makes it, PK__bom_line__3213E83F5B2C1A90; its hex from a hash."""
    return f"{kind}__{table_name[:8]}__{_hex(kind, table_name, columns, 16)}"


def _generated_foreign_key_name(table_name: str, columns: tuple[str, ...]) -> str:
    return f"FK__{table_name[:9]}__{columns[0][:5]}__{_hex('FK', table_name, columns, 8)}"


def _hex(kind: str, table_name: str, columns: tuple[str, ...], length: int) -> str:
    text = ".".join((kind, table_name, *columns))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:length].upper()
