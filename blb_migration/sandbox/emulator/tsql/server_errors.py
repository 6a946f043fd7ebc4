"""SQL Server's error numbers and texts, and DuckDB's run-time errors turned into them.

Texts are those of ``sys.messages`` in English. What the emulator cannot run is never answered with
an invented result: it is refused as error 40515, whose text begins with ``emulator:`` and which the
product must never meet.
"""

from __future__ import annotations

import re

from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.macros import ERROR_MARKER

_INTEGER_NAMES = {
    "INT8": "tinyint",
    "UINT8": "tinyint",
    "INT16": "smallint",
    "INT32": "int",
    "INT64": "bigint",
}


def unsupported(what: str) -> SqlServerError:
    """Return the emulator's own refusal: valid T-SQL that it does not know."""
    return SqlServerError(40515, f"emulator: cannot run this statement: {what}.")


def syntax_error(near: str, line: int = 1) -> SqlServerError:
    """Error 102, or 156 when the offending word is a keyword."""
    if near.upper() in _KEYWORDS:
        return SqlServerError(156, f"Incorrect syntax near the keyword '{near}'.", severity=15, line=line)
    return SqlServerError(102, f"Incorrect syntax near '{near}'.", severity=15, line=line)


def invalid_object(name: str) -> SqlServerError:
    """Error 208."""
    return SqlServerError(208, f"Invalid object name '{name}'.")


def invalid_column(name: str) -> SqlServerError:
    """Error 207."""
    return SqlServerError(207, f"Invalid column name '{name}'.")


def unbound_identifier(name: str) -> SqlServerError:
    """Error 4104."""
    return SqlServerError(4104, f'The multi-part identifier "{name}" could not be bound.')


def unknown_function(name: str) -> SqlServerError:
    """Error 195."""
    return SqlServerError(195, f"'{name}' is not a recognized built-in function name.", severity=15, state=10)


def argument_count(name: str, count: str) -> SqlServerError:
    """Error 174."""
    return SqlServerError(174, f"The {name.lower()} function requires {count} argument(s).", severity=15)


def type_clash(left: str, right: str) -> SqlServerError:
    """Error 206."""
    return SqlServerError(206, f"Operand type clash: {left} is incompatible with {right}", state=2)


def conversion_not_allowed(source: str, target: str) -> SqlServerError:
    """Error 529."""
    return SqlServerError(
        529, f"Explicit conversion from data type {source} to {target} is not allowed.", state=2
    )


def map_runtime_error(error: Exception) -> SqlServerError:
    """Return what SQL Server would have said to a DuckDB error met while running."""
    text = str(error)
    # Only at the start: DuckDB quotes the whole expression when it reports an error of its own.
    raised = re.match(rf"(?:Invalid Input Error: )?{re.escape(ERROR_MARKER)}(\d+)\|(.*)", text, re.DOTALL)
    if raised:
        return SqlServerError(int(raised[1]), raised[2].split("\n\nLINE")[0].strip())
    if "Division by zero" in text:
        return SqlServerError(8134, "Divide by zero error encountered.")
    overflow = re.search(r"Overflow in \w+ of (U?INT\d+)", text) or re.search(
        r"out of range for the destination type (U?INT\d+)", text
    )
    if overflow and overflow[1] in _INTEGER_NAMES:
        name = _INTEGER_NAMES[overflow[1]]
        return SqlServerError(
            8115, f"Arithmetic overflow error converting expression to data type {name}.", state=2
        )
    if re.search(r"DECIMAL|INT128|HUGEINT", text) and re.search(
        r"[Oo]verflow|[Oo]ut of [Rr]ange|Could not cast", text
    ):
        return SqlServerError(
            8115, "Arithmetic overflow error converting expression to data type numeric.", state=2
        )
    return unsupported(f"{type(error).__name__}: {text.splitlines()[0]}")


_KEYWORDS = frozenset(
    [
        "ADD",
        "ALL",
        "ALTER",
        "AND",
        "ANY",
        "AS",
        "ASC",
        "BEGIN",
        "BETWEEN",
        "BY",
        "CASE",
        "CHECK",
        "COLLATE",
        "COMMIT",
        "CREATE",
        "CROSS",
        "CURRENT",
        "DECLARE",
        "DEFAULT",
        "DELETE",
        "DESC",
        "DISTINCT",
        "DROP",
        "ELSE",
        "END",
        "EXCEPT",
        "EXEC",
        "EXECUTE",
        "EXISTS",
        "FOR",
        "FROM",
        "FULL",
        "GO",
        "GROUP",
        "HAVING",
        "IF",
        "IN",
        "INNER",
        "INSERT",
        "INTERSECT",
        "INTO",
        "IS",
        "JOIN",
        "KEY",
        "LEFT",
        "LIKE",
        "MERGE",
        "NOT",
        "NULL",
        "OF",
        "ON",
        "OPTION",
        "OR",
        "ORDER",
        "OUTER",
        "OVER",
        "PRINT",
        "RIGHT",
        "ROLLBACK",
        "SELECT",
        "SET",
        "TABLE",
        "THEN",
        "TO",
        "TOP",
        "UNION",
        "UPDATE",
        "USE",
        "VALUES",
        "VIEW",
        "WHEN",
        "WHERE",
        "WHILE",
        "WITH",
    ]
)
