"""DECLARE, SET @variable and SET options."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlglot.tokenizer_core import Token, TokenType

from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.constants import build_constant
from blb_migration.sandbox.emulator.tsql.conversions import convert
from blb_migration.sandbox.emulator.tsql.server_errors import syntax_error
from blb_migration.sandbox.emulator.tsql.syntax import Statement
from blb_migration.sandbox.emulator.tsql.type_names import parse_type
from blb_migration.sandbox.emulator.tsql.typed import Typed

Evaluate = Callable[[str, "dict[str, Typed]"], Typed]
_FLAGS = frozenset(
    [
        "NOCOUNT",
        "XACT_ABORT",
        "QUOTED_IDENTIFIER",
        "ANSI_NULLS",
        "ANSI_PADDING",
        "ANSI_WARNINGS",
        "ANSI_DEFAULTS",
        "ANSI_NULL_DFLT_ON",
        "ANSI_NULL_DFLT_OFF",
        "ARITHABORT",
        "ARITHIGNORE",
        "NUMERIC_ROUNDABORT",
        "CONCAT_NULL_YIELDS_NULL",
        "IMPLICIT_TRANSACTIONS",
        "CURSOR_CLOSE_ON_COMMIT",
        "FMTONLY",
        "NOEXEC",
        "PARSEONLY",
        "NO_BROWSETABLE",
        "FORCEPLAN",
        "DISABLE_DEF_CNST_CHK",
        "STATISTICS",
        "REMOTE_PROC_TRANSACTIONS",
    ]
)
_VALUES = frozenset(
    [
        "LANGUAGE",
        "DATEFORMAT",
        "DATEFIRST",
        "LOCK_TIMEOUT",
        "TEXTSIZE",
        "ROWCOUNT",
        "DEADLOCK_PRIORITY",
        "QUERY_GOVERNOR_COST_LIMIT",
        "CONTEXT_INFO",
    ]
)
_LEVELS = ("READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE", "SNAPSHOT")


@dataclass
class SessionOptions:
    """Settings that change what the session answers."""

    no_count: bool = False
    lock_timeout: int = -1
    text_size: int = -1
    isolation_level: str = "READ COMMITTED"
    identity_insert: str | None = None
    language: str = "us_english"


def set_option(statement: Statement, options: SessionOptions) -> None:
    """SET name value; raises error 195 for an option SQL Server has not."""
    words = [str(token.text).upper() for token in statement.tokens[1:]]
    name = words[0] if words else ""
    if words[:3] == ["TRANSACTION", "ISOLATION", "LEVEL"]:
        level = " ".join(words[3:])
        if level not in _LEVELS:
            raise syntax_error(words[-1], statement.line)
        options.isolation_level = level
        return
    if name == "IDENTITY_INSERT":
        options.identity_insert = words[-2].lower() if words[-1] == "ON" else None
        return
    names = [word for word in words[:-1] if word != ","]
    if (
        names
        and all(word in _FLAGS or (names[0] == "STATISTICS") for word in names)
        and words[-1] in ("ON", "OFF")
    ):
        if "NOCOUNT" in names:
            options.no_count = words[-1] == "ON"
        return
    if name in _VALUES and len(words) >= 2:
        if name in ("LOCK_TIMEOUT", "TEXTSIZE"):
            number = "".join(words[1:])
            if not number.lstrip("-").isdigit():
                raise syntax_error(words[-1], statement.line)
            setattr(options, name.lower().replace("textsize", "text_size"), int(number))
        if name == "LANGUAGE":
            options.language = str(statement.tokens[2].text).strip("'")
        return
    if name in _FLAGS or name in _VALUES:
        raise syntax_error(words[-1], statement.line)
    raise SqlServerError(
        195,
        f"'{statement.tokens[1].text if words else 'SET'}' is not a recognized SET option.",
        severity=15,
        state=5,
    )


def declare(statement: Statement, variables: dict[str, Typed], evaluate: Evaluate) -> None:
    """DECLARE @a type [= expression], ...: adds the variables."""
    for part in _split_at_commas(statement.tokens[1:]):
        name, rest = _variable(part)
        equals = next((at for at, token in enumerate(rest) if token.token_type == TokenType.EQ), len(rest))
        type_tokens = [token for token in rest[:equals] if str(token.text).upper() != "AS"]
        column_type = parse_type("".join(_spaced(type_tokens)))
        value = build_constant(None, column_type)
        if equals < len(rest):
            value = _fixed(evaluate(_source(statement, rest[equals + 1 :]), variables), value)
        variables[name] = value


def assign(statement: Statement, variables: dict[str, Typed], evaluate: Evaluate) -> None:
    """SET @a = expression; raises error 137 for a variable not declared."""
    name, rest = _variable(statement.tokens[1:])
    if name not in variables:
        raise SqlServerError(137, f'Must declare the scalar variable "{name}".', severity=15, state=1)
    if not rest or rest[0].token_type != TokenType.EQ:
        raise syntax_error(str(statement.tokens[-1].text), statement.line)
    variables[name] = _fixed(evaluate(_source(statement, rest[1:]), variables), variables[name])


def _fixed(value: Typed, variable: Typed) -> Typed:
    converted = convert(value, variable.type)
    return converted


def _variable(tokens: Sequence[Token]) -> tuple[str, Sequence[Token]]:
    if len(tokens) > 1 and tokens[0].token_type == TokenType.PARAMETER:
        return "@" + str(tokens[1].text).lower(), tokens[2:]
    if tokens and str(tokens[0].text).startswith("@"):
        return str(tokens[0].text).lower(), tokens[1:]
    raise syntax_error(str(tokens[0].text) if tokens else "DECLARE")


def _spaced(tokens: Sequence[Token]) -> list[str]:
    return [str(token.text) for token in tokens]


def _source(statement: Statement, tokens: Sequence[Token]) -> str:
    if not tokens:
        raise syntax_error("=", statement.line)
    offset = statement.tokens[0].start
    return statement.text[tokens[0].start - offset : tokens[-1].end - offset + 1]


def _split_at_commas(tokens: Sequence[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if token.token_type == TokenType.COMMA and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts
