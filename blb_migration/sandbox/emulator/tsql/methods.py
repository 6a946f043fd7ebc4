"""Methods of CLR values: ``[place].ToString()``, ``[shape].STAsBinary()``. Computed by ``clr_values``."""

from __future__ import annotations

import duckdb
from duckdb.sqltypes import BLOB, VARCHAR
from sqlglot import exp

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.calls import Compiler
from blb_migration.sandbox.emulator.tsql.clr_values import (
    geography_to_wkb,
    geometry_to_wkb,
    hierarchy_path,
)
from blb_migration.sandbox.emulator.tsql.server_errors import unsupported
from blb_migration.sandbox.emulator.tsql.typed import Typed

_PATH = ColumnType("nvarchar", length=4000)
_WKB = ColumnType("varbinary")
# (type, method, which is case-sensitive) ► (function in DuckDB, result)
_METHODS = {
    ("hierarchyid", "ToString"): ("clr_hierarchy_path", _PATH),
    **{("geometry", name): ("clr_geometry_wkb", _WKB) for name in ("STAsBinary", "AsBinaryZM")},
    **{("geography", name): ("clr_geography_wkb", _WKB) for name in ("STAsBinary", "AsBinaryZM")},
}


def register_methods(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the functions known to the whole DuckDB instance, once."""
    connection.create_function("clr_hierarchy_path", hierarchy_path, [BLOB], VARCHAR)
    connection.create_function("clr_geometry_wkb", geometry_to_wkb, [BLOB], BLOB)
    connection.create_function("clr_geography_wkb", geography_to_wkb, [BLOB], BLOB)


def call_method(compiler: Compiler, node: exp.Dot) -> Typed:
    """Return the value of ``column.Method()``; raises error 258 for types without methods, 6506 without that
    one."""
    method = str(node.expression.this)
    parts = [part.name for part in node.find_all(exp.Identifier)]
    value = compiler.scope.resolve(parts[-1], ".".join(parts[:-1]) or None)
    if value.type.name not in ("hierarchyid", "geometry", "geography"):
        raise SqlServerError(258, f"Cannot call methods on {value.type.name}.", severity=15)
    known = _METHODS.get((value.type.name, method))
    if known is None:
        raise unsupported(f"the method {method} of {value.type.name}")
    if node.expression.expressions:
        raise unsupported(f"{method} with arguments")
    function, result_type = known
    return value.derive(f"{function}({value.sql})", result_type)
