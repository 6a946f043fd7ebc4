"""COLUMNPROPERTY, and OBJECT_ID of a name that is known only while running: questions to the ``sys`` views.

As everywhere in ``sys``, names compare without case. Properties that SQL Server knows and the emulator
does not are refused; what is no property at all is NULL, as there.
"""

from __future__ import annotations

from collections.abc import Callable

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.tsql.calls import Call, FunctionCompiler
from blb_migration.sandbox.emulator.tsql.conversions import convert
from blb_migration.sandbox.emulator.tsql.datatypes import BIGINT, INT
from blb_migration.sandbox.emulator.tsql.server_errors import unsupported
from blb_migration.sandbox.emulator.tsql.typed import Typed

# Types whose Precision is their length in characters or bytes; of the others it is the column's precision.
_SIZED = "('char', 'varchar', 'nchar', 'nvarchar', 'binary', 'varbinary', 'sysname')"
_TWO_BYTES = "('nchar', 'nvarchar', 'sysname')"
_PRECISION = (
    "CASE WHEN {column}.max_length = -1 THEN -1 WHEN {type_name} IN " + _TWO_BYTES + " "
    "THEN {column}.max_length // 2 WHEN {type_name} IN " + _SIZED + " THEN {column}.max_length "
    "ELSE {column}.precision END"
)
_FROM_COLUMN = {
    "allowsnull": "is_nullable",
    "columnid": "column_id",
    "iscomputed": "is_computed",
    "isidentity": "is_identity",
    "isrowguidcol": "is_rowguidcol",
    "issparse": "is_sparse",
    "iscolumnset": "is_column_set",
    "usesansitrim": "is_ansi_padded",
}
_NOT_MODELLED = frozenset(
    [
        "charmaxlen", "fulltexttypecolumn", "generatedalwaystype", "iscursortype", "isdeterministic",
        "isfulltextindexed", "ishidden", "isidnotforrepl", "isindexable", "isoutparam", "isprecise",
        "issystemverified", "isxmlindexable", "statisticalsemantics", "systemdataaccess", "userdataaccess",
        "isstatistics",
    ]
)  # fmt: skip


def compile_column_property(call: Call) -> Typed:
    """COLUMNPROPERTY(id, column, property): an int, NULL for a column or property that there is not."""
    call.require(3)
    name = str(call.constant(2)).lower()
    if name in _NOT_MODELLED:
        raise unsupported(f"COLUMNPROPERTY of '{name}'")
    shown = _build_property(name)
    if shown is None:
        return Typed("CAST(NULL AS INTEGER)", INT)
    context = call.context
    columns = context.finder.open_table(context, ["sys", "all_columns"])
    types = context.finder.open_table(context, ["sys", "types"])
    column, type_alias = context.new_alias(), context.new_alias()
    type_name = (
        f"(SELECT any_value({type_alias}.name) FROM {types.sql} AS {type_alias} "
        f"WHERE {type_alias}.user_type_id = {column}.system_type_id)"
    )
    value = shown(column, type_name)
    object_id = f"CAST({convert(call.value(0), INT).sql} AS INTEGER)"
    return Typed(
        f"(SELECT any_value(CAST({value} AS INTEGER)) FROM {columns.sql} AS {column} "
        f"WHERE {column}.object_id = {object_id} AND lower({column}.name) = lower({call.text(1).sql}))",
        INT,
    )


def _build_property(name: str) -> Callable[[str, str], str] | None:
    if name in _FROM_COLUMN:
        return lambda column, type_name: f"{column}.{_FROM_COLUMN[name]}"
    if name == "precision":
        return lambda column, type_name: _PRECISION.format(column=column, type_name=type_name)
    if name == "scale":
        # NULL for text and bytes, which have none.
        return lambda column, type_name: f"CASE WHEN {column}.precision > 0 THEN {column}.scale END"
    return None


def compile_object_id(call: Call) -> Typed:
    """OBJECT_ID of a table whose name is read from rows: ``table`` in dbo or ``schema.table``, as it is or
    in brackets or quotation marks."""
    context = call.context
    tables = context.finder.open_table(context, ["sys", "tables"])
    schemas = context.finder.open_table(context, ["sys", "schemas"])
    table, schema = context.new_alias(), context.new_alias()
    spellings: list[str] = []
    for opening, closing in (("", ""), ("[", "]"), ('"', '"')):
        name, owner = (f"'{opening}' || lower({alias}.name) || '{closing}'" for alias in (table, schema))
        spellings.append(f"{owner} || '.' || {name}")
        spellings.append(f"CASE WHEN {schema}.name = 'dbo' THEN {name} END")
    return Typed(
        f"(SELECT any_value({table}.object_id) FROM {tables.sql} AS {table} JOIN {schemas.sql} AS {schema} "
        f"ON {schema}.schema_id = {table}.schema_id "
        f"WHERE lower(rtrim({call.text(0).sql})) IN ({', '.join(spellings)}))",
        INT,
    )


def compile_tracking_version(call: Call) -> Typed:
    """CHANGE_TRACKING_CURRENT_VERSION(): NULL where the database has no Change Tracking."""
    call.require(0)
    call.context.is_volatile = True
    version = call.context.database.tracking_version
    return Typed(f"CAST({'NULL' if version is None else version} AS BIGINT)", BIGINT, version is None)


def compile_last_rowversion(call: Call) -> Typed:
    """@@DBTS: the last rowversion that the database gave, eight bytes."""
    call.context.is_volatile = True
    number = call.context.database.last_rowversion
    return Typed(f"from_hex('{number:016X}')", ColumnType("varbinary", length=8), False)


FUNCTIONS: dict[str, FunctionCompiler] = {
    "COLUMNPROPERTY": compile_column_property,
    "CHANGE_TRACKING_CURRENT_VERSION": compile_tracking_version,
    "@@DBTS": compile_last_rowversion,
}
