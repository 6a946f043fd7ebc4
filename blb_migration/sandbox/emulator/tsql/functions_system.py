"""Functions about the server, the session and the catalog, and the @@ variables."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.tsql.calls import Call, FunctionCompiler
from blb_migration.sandbox.emulator.tsql.conversions import convert, text_constant
from blb_migration.sandbox.emulator.tsql.datatypes import (
    GUID,
    INT,
    SQL_VARIANT,
    SYSNAME,
    byte_length,
    duckdb_type,
)
from blb_migration.sandbox.emulator.tsql.functions_catalog import compile_object_id
from blb_migration.sandbox.emulator.tsql.server_errors import unsupported
from blb_migration.sandbox.emulator.tsql.typed import Typed, quote_text

PRODUCT_VERSION = "15.0.4375.4"
SERVER_NAME = "BLB-EMULATOR"
SERVER_COLLATION = "SQL_Latin1_General_CP1_CI_AS"
VERSION_TEXT = (
    f"Microsoft SQL Server 2019 (RTM-CU27) - {PRODUCT_VERSION} (X64) \n\t"
    "Express Edition (64-bit), spoken by the emulator of blb_migration"
)
_SERVER_PROPERTIES: dict[str, tuple[str, object]] = {
    "productversion": ("nvarchar", PRODUCT_VERSION),
    "productlevel": ("nvarchar", "RTM"),
    "productmajorversion": ("nvarchar", "15"),
    "productminorversion": ("nvarchar", "0"),
    "productupdatelevel": ("nvarchar", "CU27"),
    "edition": ("nvarchar", "Express Edition (64-bit)"),
    "engineedition": ("int", 4),
    "editionid": ("int", -1592396055),
    "collation": ("nvarchar", SERVER_COLLATION),
    "servername": ("nvarchar", SERVER_NAME),
    "machinename": ("nvarchar", SERVER_NAME),
    "isclustered": ("int", 0),
    "ishadrenabled": ("int", 0),
    "isintegratedsecurityonly": ("int", 0),
    "issingleuser": ("int", 0),
    "isfulltextinstalled": ("int", 0),
    "isxtpsupported": ("int", 1),
    "lcid": ("int", 1033),
    "sqlcharset": ("tinyint", 1),
}


def _text(value: str | None, column_type: ColumnType = SYSNAME) -> Typed:
    if value is None:
        return Typed("CAST(NULL AS VARCHAR)", column_type)
    constant = text_constant(value, column_type)
    return Typed(constant.sql, column_type, True, is_constant=True, constant=value)


def _number(value: int | None, column_type: ColumnType = INT) -> Typed:
    shown = "NULL" if value is None else str(value)
    return Typed(f"CAST({shown} AS {duckdb_type(column_type)})", column_type, value is None)


def _variant(base_type: str, value: object) -> Typed:
    if value is None:
        return Typed(f"CAST(NULL AS {duckdb_type(SQL_VARIANT)})", SQL_VARIANT)
    return Typed(f"{{'base_type': '{base_type}', 'value': {quote_text(str(value))}}}", SQL_VARIANT, False)


def _session(build: Callable[[Call], Typed]) -> FunctionCompiler:
    """Return a function whose answer depends on the session or the moment, never on the data alone."""

    def compile_call(call: Call) -> Typed:
        call.context.is_deterministic = False
        return build(call)

    return compile_call


def _property(call: Call, properties: dict[str, tuple[str, object]], index: int) -> Typed:
    base_type, value = properties.get(str(call.constant(index)).lower(), ("nvarchar", None))
    return _variant(base_type, value)


def _database_property(call: Call) -> Typed:
    call.require(2)
    database = call.context.finder.databases.get(str(call.constant(0)).lower())
    if database is None:
        return _variant("nvarchar", None)
    return _property(
        call,
        {
            "collation": ("nvarchar", database.collation),
            "status": ("nvarchar", "ONLINE"),
            "updateability": ("nvarchar", "READ_ONLY" if database.is_read_only else "READ_WRITE"),
            "useraccess": ("nvarchar", "MULTI_USER"),
            "recovery": ("nvarchar", "SIMPLE"),
            "version": ("int", 904),
            "isansinullsenabled": ("int", 0),
            "isautoclose": ("int", 0),
            "lcid": ("int", 1033),
            "issnapshot": ("int", int(database.source_database_id is not None)),
        },
        1,
    )


def _db_name(call: Call) -> Typed:
    if not call.arguments:
        return _text(call.context.database.name)
    return lookup(call, "databases", "name", SYSNAME, [("database_id", 0)])


def _db_id(call: Call) -> Typed:
    database = call.context.database
    if call.arguments:
        found = call.context.finder.databases.get(str(call.constant(0)).lower())
        return _number(None if found is None else found.database_id, ColumnType("smallint"))
    return _number(database.database_id, ColumnType("smallint"))


def split_name(text: str) -> list[str]:
    """Split ``[a b].c`` into its parts."""
    parts, current, closing = [], "", ""
    for character in text:
        if closing:
            if character == closing:
                closing = ""
            else:
                current += character
        elif character in '["':
            closing = "]" if character == "[" else '"'
        elif character == ".":
            parts.append(current)
            current = ""
        else:
            current += character
    return [*parts, current]


def _object_id(call: Call) -> Typed:
    call.require(1, 2)
    given = call.value(0)
    if not given.is_constant and len(call.arguments) == 1:
        return compile_object_id(call)
    name = call.constant(0)
    parts = split_name(str(name)) if name is not None else [""]
    database = call.context.database
    if len(parts) == 3:
        found = call.context.finder.databases.get(parts[0].lower() or database.name.lower())
        if found is None:
            return _number(None)
        database = found
    kind = str(call.constant(1)).upper() if len(call.arguments) == 2 else "U"
    schema = (parts[-2] if len(parts) > 1 else "") or "dbo"
    stored = database.tables.get((schema.lower(), parts[-1].lower()))
    return _number(stored.object_id if stored is not None and kind == "U" else None)


def lookup(
    call: Call, view: str, column: str, column_type: ColumnType, keys: Sequence[tuple[str, int]]
) -> Typed:
    """Return a column of the one row of a ``sys`` view whose key columns equal the arguments."""
    opened = call.context.finder.open_table(call.context, ["sys", view])
    alias = call.context.new_alias()
    tests = [
        f'{alias}."{key}" = CAST({convert(call.value(index), INT).sql} AS INTEGER)' for key, index in keys
    ]
    return Typed(
        f'(SELECT any_value({alias}."{column}") FROM {opened.sql} AS {alias} WHERE {" AND ".join(tests)})',
        column_type,
    )


def _object_name(call: Call) -> Typed:
    call.require(1, 2)
    return lookup(call, "all_objects", "name", SYSNAME, [("object_id", 0)])


def _object_schema_name(call: Call) -> Typed:
    call.require(1, 2)
    opened = call.context.finder.open_table(call.context, ["sys", "schemas"])
    schema_id = lookup(call, "all_objects", "schema_id", INT, [("object_id", 0)])
    alias = call.context.new_alias()
    return Typed(
        f"(SELECT any_value({alias}.name) FROM {opened.sql} AS {alias} WHERE {alias}.schema_id = "
        f"{schema_id.sql})",
        SYSNAME,
    )


def _schema_name(call: Call) -> Typed:
    if not call.arguments:
        return _text("dbo")
    return lookup(call, "schemas", "name", SYSNAME, [("schema_id", 0)])


def _schema_id(call: Call) -> Typed:
    name = str(call.constant(0)).lower() if call.arguments else "dbo"
    return _number(
        next((number for each, number in call.context.database.schemas.items() if each.lower() == name), None)
    )


def _identity_of(call: Call) -> tuple[int, int, int] | None:
    parts = split_name(str(call.constant(0)))
    schema = (parts[-2] if len(parts) > 1 else "") or "dbo"
    stored = call.context.database.tables.get((schema.lower(), parts[-1].lower()))
    found = None if stored is None else stored.identity
    if stored is None or found is None:
        return None
    _, identity = found
    last = stored.last_identity
    return identity.seed, identity.increment, identity.seed if last is None else last


def _identity_function(position: int) -> FunctionCompiler:
    def compile_call(call: Call) -> Typed:
        call.require(1)
        call.context.is_volatile = True
        found = _identity_of(call)
        return _number(
            None if found is None else found[position], ColumnType("numeric", precision=38, scale=0)
        )

    return compile_call


def _col_length(call: Call) -> Typed:
    call.require(2)
    parts = split_name(str(call.constant(0)))
    schema = (parts[-2] if len(parts) > 1 else "") or "dbo"
    stored = call.context.database.tables.get((schema.lower(), parts[-1].lower()))
    name = str(call.constant(1)).lower()
    for column in stored.table.columns if stored is not None else ():
        if column.name.lower() == name:
            return _number(byte_length(column.type), ColumnType("smallint"))
    return _number(None, ColumnType("smallint"))


def _has_perms(call: Call) -> Typed:
    """HAS_PERMS_BY_NAME for the rights a reader has: 1, 0 for a denied table, NULL for an unknown one."""
    call.require(3, 5)
    securable = call.value(0)
    kind, permission = str(call.constant(1)).upper(), str(call.constant(2)).upper()
    if securable.is_untyped_null:
        return _number(
            1
            if permission in ("CONNECT SQL", "VIEW ANY DATABASE", "VIEW ANY DEFINITION")
            else int(permission.startswith("VIEW SERVER ") and call.context.sees_server_state)
        )
    if kind == "DATABASE":
        known = call.context.finder.databases.get(str(call.constant(0)).strip("[]").lower())
        return _number(None if known is None else int(permission.lower() in known.rights))
    if kind != "OBJECT" or len(call.arguments) > 3:  # rights on schemas and columns: none are granted here
        return _number(0)
    spellings: dict[bool, list[str]] = {True: [], False: []}
    database = call.context.database
    for schema, name in database.tables:
        plain = f"{schema}.{name}"
        denied = database.oddities.denies_every_right or bool(
            {plain, f"{database.name.lower()}.{plain}"} & call.context.denied_tables
        )
        quoted = [f"[{each.replace(']', ']]')}]" for each in (schema, name)]
        spellings[denied] += [plain, ".".join(quoted), *([name, quoted[1]] if schema == "dbo" else [])]
    may = int(permission in ("SELECT", "ANY", "VIEW DEFINITION"))
    text = f"lower({securable.sql})"
    listed = {
        denied: ", ".join(quote_text(each) for each in ["", *names]) for denied, names in spellings.items()
    }
    return Typed(
        f"CASE WHEN {text} IN ({listed[True]}) THEN 0 WHEN {text} IN ({listed[False]}) THEN {may} END", INT
    )


def _has_dbaccess(call: Call) -> Typed:
    call.require(1)
    return _number(1 if str(call.constant(0)).lower() in call.context.finder.databases else None)


def _no_module(call: Call) -> Typed:
    return _number(None, ColumnType("numeric", precision=38, scale=0))


def _newid(call: Call) -> Typed:
    call.require(0)
    return Typed("from_hex(replace(CAST(uuid() AS VARCHAR), '-', ''))", GUID, False)


def _is_member(call: Call) -> Typed:
    call.require(1, 2)
    return _number(1 if call.context.facts.login == "sa" else 0)


def _variant_property(call: Call) -> Typed:
    call.require(2)
    value, name = call.value(0), str(call.constant(1)).lower()
    if value.type != SQL_VARIANT or name != "basetype":
        raise unsupported(f"SQL_VARIANT_PROPERTY of {value.type.name}, '{name}'")
    sql = f"{{'base_type': 'nvarchar', 'value': ({value.sql}).base_type}}"
    return value.derive(
        f"CASE WHEN ({value.sql}) IS NULL THEN NULL ELSE {sql} END", SQL_VARIANT, nullable=True
    )


def _session_property(call: Call) -> Typed:
    return _variant("nvarchar", None)


FUNCTIONS: dict[str, FunctionCompiler] = {
    "@@VERSION": lambda call: _text(VERSION_TEXT, ColumnType("nvarchar", 300)),
    "@@SERVERNAME": lambda call: _text(SERVER_NAME),
    "@@SERVICENAME": lambda call: _text("MSSQLSERVER"),
    "@@SPID": _session(lambda call: _number(call.context.facts.spid, ColumnType("smallint"))),
    "@@TRANCOUNT": _session(lambda call: _number(call.context.facts.transaction_count)),
    "@@ROWCOUNT": _session(lambda call: _number(call.context.facts.row_count)),
    "@@LOCK_TIMEOUT": _session(lambda call: _number(call.context.facts.lock_timeout)),
    "@@TEXTSIZE": _session(lambda call: _number(call.context.facts.text_size)),
    "@@ERROR": _session(lambda call: _number(0)),
    "@@DATEFIRST": lambda call: _number(7, ColumnType("tinyint")),
    "@@LANGUAGE": _session(lambda call: _text(call.context.facts.language)),
    "@@MAX_PRECISION": lambda call: _number(38, ColumnType("tinyint")),
    "@@MICROSOFTVERSION": lambda call: _number(0x0F001117),
    "@@IDENTITY": _session(_no_module),
    "@@OPTIONS": _session(lambda call: _number(5496)),
    "@@NESTLEVEL": lambda call: _number(0),
    "SERVERPROPERTY": lambda call: _property(call, _SERVER_PROPERTIES, 0),
    "DATABASEPROPERTYEX": _session(_database_property),
    "DB_NAME": _db_name,
    "DB_ID": _db_id,
    "OBJECT_ID": _object_id,
    "OBJECT_NAME": _object_name,
    "OBJECT_SCHEMA_NAME": _object_schema_name,
    "SCHEMA_NAME": _schema_name,
    "SCHEMA_ID": _schema_id,
    "TYPE_NAME": lambda call: lookup(call, "types", "name", SYSNAME, [("user_type_id", 0)]),
    "COL_NAME": lambda call: lookup(
        call, "all_columns", "name", SYSNAME, [("object_id", 0), ("column_id", 1)]
    ),
    "COL_LENGTH": _col_length,
    "IDENT_SEED": _identity_function(0),
    "IDENT_INCR": _identity_function(1),
    "IDENT_CURRENT": _identity_function(2),
    "SCOPE_IDENTITY": _session(_no_module),
    "HAS_PERMS_BY_NAME": _session(_has_perms),
    "HAS_DBACCESS": _session(_has_dbaccess),
    **dict.fromkeys(
        ("SUSER_SNAME", "SUSER_NAME", "ORIGINAL_LOGIN", "SYSTEM_USER"),
        _session(lambda call: _text(call.context.facts.login)),
    ),
    **dict.fromkeys(
        ("USER_NAME", "CURRENT_USER", "SESSION_USER", "USER"),
        _session(lambda call: _text("dbo" if call.context.facts.login == "sa" else call.context.facts.login)),
    ),
    "HOST_NAME": _session(lambda call: _text(call.context.facts.host)),
    "APP_NAME": _session(lambda call: _text(call.context.facts.application)),
    "NEWID": _session(_newid),
    "IS_SRVROLEMEMBER": _session(_is_member),
    "IS_MEMBER": _session(_is_member),
    "IS_ROLEMEMBER": _session(_is_member),
    "SESSIONPROPERTY": _session(_session_property),
    "SQL_VARIANT_PROPERTY": _variant_property,
    "XACT_STATE": _session(
        lambda call: _number(1 if call.context.facts.transaction_count else 0, ColumnType("smallint"))
    ),
}
