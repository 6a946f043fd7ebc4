"""The procedures drivers call to run parameterised statements, and what their arguments mean.

sp_executesql, sp_prepare, sp_prepexec, sp_execute and sp_unprepare; anything else is SQL Server's
own error 2812. Running the statements is the connection's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.results import Parameter, SqlServerError
from blb_migration.sandbox.emulator.tds.parameters import Argument, RpcCall

_DECLARATION = re.compile(
    r"\s*(?P<name>@[\w@$#]+)\s+(?:AS\s+)?(?P<type>[\w.\[\]]+)\s*(?:\(\s*(?P<size>\w+)\s*(?:,\s*(?P<scale>\d+)\s*)?\))?"
    r"(?:\s*=\s*[^,]+)?(?:\s+(?:OUT|OUTPUT|READONLY))?\s*(?:,|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class PreparedStatement:
    """A statement's text and the parameters it declares, in order."""

    text: str
    declared: tuple[tuple[str, ColumnType], ...]

    def bind(self, arguments: tuple[Argument, ...]) -> tuple[Parameter, ...]:
        """Pair arguments with declarations, by name or else by position; raises SqlServerError 8178."""
        by_name = {argument.name.lower(): argument for argument in arguments if argument.name}
        parameters = []
        for position, (name, column_type) in enumerate(self.declared):
            argument = by_name.get(name.lower())
            if argument is None and position < len(arguments) and not arguments[position].name:
                argument = arguments[position]
            if argument is None:
                raise SqlServerError(
                    8178,
                    f"The parameterized query expects the parameter '{name}', which was not supplied.",
                )
            parameters.append(Parameter(name, column_type, argument.value))
        return tuple(parameters)


class PreparedStatements:
    """One session's prepared statements by handle."""

    def __init__(self) -> None:
        self._statements: dict[int, PreparedStatement] = {}
        self._next_handle = 1

    def add(self, statement: PreparedStatement) -> int:
        """Keep a statement; returns its handle."""
        handle = self._next_handle
        self._next_handle += 1
        self._statements[handle] = statement
        return handle

    def find(self, handle: object) -> PreparedStatement:
        """Find the statement of a handle; raises SqlServerError 8179."""
        statement = self._statements.get(handle) if isinstance(handle, int) else None
        if statement is None:
            raise SqlServerError(8179, f"Could not find prepared statement with handle {handle}.", state=3)
        return statement

    def remove(self, handle: object) -> None:
        """Forget a statement; raises SqlServerError 8179."""
        self.find(handle)
        if isinstance(handle, int):
            del self._statements[handle]

    def clear(self) -> None:
        """Forget all, as a session's reset does."""
        self._statements.clear()


def read_statement(call: RpcCall, text_position: int, declaration_position: int) -> PreparedStatement:
    """Read the statement a call carries; raises SqlServerError 214 when it carries none."""
    text = _read_text(call, text_position)
    if text is None:
        raise SqlServerError(
            214, "Procedure expects parameter '@statement' of type 'ntext/nchar/nvarchar'.", state=2
        )
    return PreparedStatement(text, parse_declarations(_read_text(call, declaration_position) or ""))


def parse_declarations(declarations: str) -> tuple[tuple[str, ColumnType], ...]:
    """``@P1 int,@P2 nvarchar(50)`` as names and types; raises SqlServerError 102 at what does not parse."""
    declared = []
    position = 0
    while position < len(declarations.rstrip()):
        match = _DECLARATION.match(declarations, position)
        if match is None:
            raise SqlServerError(
                102, f"Incorrect syntax near '{declarations[position : position + 30]}'.", severity=15
            )
        declared.append((match["name"], _build_type(match)))
        position = match.end()
    return tuple(declared)


def called_procedure(call: RpcCall) -> str:
    """Return the procedure a client means: sp_prepexecrpc carries another one's name."""
    is_indirect = call.procedure.lower() == "sp_prepexecrpc"
    return (_read_text(call, 1) if is_indirect else None) or call.procedure


def unknown_procedure(name: str) -> SqlServerError:
    """Return what SQL Server answers to a call of something it does not have."""
    return SqlServerError(2812, f"Could not find stored procedure '{name}'.", state=62)


def _build_type(match: re.Match[str]) -> ColumnType:
    name = match["type"].strip("[]").lower()
    name = {"integer": "int", "dec": "decimal", "timestamp": "rowversion", "sysname": "nvarchar"}.get(
        name, name
    )
    size = int(match["size"]) if match["size"] and match["size"].isdigit() else None
    if name in ("decimal", "numeric"):
        return ColumnType(name, precision=size or 18, scale=int(match["scale"] or 0))
    if name in ("time", "datetime2", "datetimeoffset"):
        return ColumnType(name, scale=7 if size is None else size)
    if match["size"] is None and name in ("char", "varchar", "nchar", "nvarchar", "binary", "varbinary"):
        size = 128 if match["type"].lower() == "sysname" else 1
    return ColumnType(name, length=size)


def _read_text(call: RpcCall, position: int) -> str | None:
    value = call.arguments[position].value if position < len(call.arguments) else None
    return value if isinstance(value, str) else None
