"""Reading T-SQL: a batch into statements, a statement into sqlglot's tree.

sqlglot's own renaming of functions is switched off: a call stays the call that was written, so that
the engine can give it SQL Server's type and meaning. Errors are SQL Server's 102 and 156. The batches read
last are kept, trees and all; nobody may change a tree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from sqlglot import exp
from sqlglot.dialects.tsql import TSQL
from sqlglot.errors import ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.server_errors import syntax_error
from blb_migration.sql_negations import spell_out_negations


class PlainTsql(TSQL):
    """sqlglot's T-SQL, every function call left as it was written."""

    class Tokenizer(TSQL.Tokenizer):  # type: ignore[name-defined,misc,unused-ignore]
        """The tokenizer without the type names it would merge with others."""

        KEYWORDS = {  # noqa: RUF012
            word: token
            for word, token in TSQL.Tokenizer.KEYWORDS.items()
            if word not in ("REAL", "NTEXT", "NUMERIC", "ROWVERSION")
        }

    class Parser(TSQL.Parser):  # type: ignore[name-defined,misc,valid-type,unused-ignore]
        """The parser without the function names it would canonicalize."""

        FUNCTIONS: dict[str, Any] = {}  # noqa: RUF012  # sqlglot reads class attributes
        NO_PAREN_FUNCTIONS: dict[Any, Any] = {}  # noqa: RUF012
        FUNCTION_PARSERS = {  # noqa: RUF012
            name: parser
            for name, parser in TSQL.Parser.FUNCTION_PARSERS.items()
            if name in ("CAST", "CONVERT", "TRY_CAST", "TRY_CONVERT", "STRING_AGG", "TRIM")
        }


@dataclass(frozen=True)
class Statement:
    """One statement of a batch: its first word in upper case, its tokens and its text."""

    kind: str
    tokens: tuple[Token, ...]
    text: str

    @cached_property
    def tree(self) -> exp.Expr:
        """The statement's tree, to be read only; raises SQL Server's syntax error."""
        return parse_statement(self.tokens, self.text)

    @property
    def line(self) -> int:
        """The batch's line the statement starts on, from 1."""
        return int(self.tokens[0].line)

    def word(self, index: int) -> str:
        """Return the token's text in upper case; empty past the end."""
        return str(self.tokens[index].text).upper() if index < len(self.tokens) else ""


_STARTERS = frozenset(
    [
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "DECLARE",
        "SET",
        "PRINT",
        "USE",
        "BEGIN",
        "COMMIT",
        "ROLLBACK",
        "EXEC",
        "EXECUTE",
        "CREATE",
        "ALTER",
        "DROP",
        "TRUNCATE",
        "MERGE",
        "IF",
        "WHILE",
        "RAISERROR",
        "THROW",
        "WAITFOR",
        "KILL",
        "DBCC",
        "BACKUP",
        "RESTORE",
        "GRANT",
        "DENY",
        "REVOKE",
        "RETURN",
    ]
)
_KEPT_BATCHES = 2048  # more than a run over the sample ERP sends: with fewer the next run finds none
_BEFORE_SELECT = frozenset({"UNION", "ALL", "EXCEPT", "INTERSECT", "AS", "FOR"})


@lru_cache(_KEPT_BATCHES)
def split_batch(batch: str) -> tuple[Statement, ...]:
    """Return the batch's statements in order; raises error 105 or 102 for text that is no T-SQL at all."""
    try:
        tokens = PlainTsql().tokenize(batch)
    except TokenError as error:
        raise SqlServerError(
            105, f"Unclosed quotation mark after the character string '{batch[-40:]}'.", severity=15
        ) from error
    statements: list[Statement] = []
    current: list[Token] = []
    depth = 0

    def finish() -> None:
        if current:
            text = batch[current[0].start : current[-1].end + 1]
            statements.append(Statement(str(current[0].text).upper(), tuple(current), text))
            current.clear()

    for token in tokens:
        if token.token_type == TokenType.SEMICOLON and depth == 0:
            finish()
            continue
        if current and depth == 0 and _starts_statement(token, current):
            finish()
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if depth < 0:
            raise syntax_error(")", token.line)
        current.append(token)
    finish()
    return tuple(statements)


def _starts_statement(token: Token, current: Sequence[Token]) -> bool:  # noqa: PLR0911  # one word each
    word = str(token.text).upper()
    if word not in _STARTERS or token.token_type in (
        TokenType.IDENTIFIER,
        TokenType.STRING,
        TokenType.NATIONAL_STRING,
    ):
        return False
    first, previous = str(current[0].text).upper(), str(current[-1].text).upper()
    if previous == "." or first in ("CREATE", "ALTER", "GRANT", "DENY", "REVOKE", "MERGE"):
        return False
    seen = {str(each.text).upper() for each in current}
    if first == "WITH" and not seen & {"SELECT", "INSERT", "UPDATE", "DELETE"} - _within_parentheses(current):
        return word not in ("SELECT", "INSERT", "UPDATE", "DELETE", "MERGE")
    match word:
        case "SELECT":
            needs_query = first == "INSERT" and not seen & {"VALUES", "SELECT"} - _within_parentheses(current)
            return previous not in _BEFORE_SELECT and not needs_query
        case "SET":
            return not (first == "UPDATE" and "SET" not in seen)
        case "IF":
            return first != "DROP"
        case "EXEC" | "EXECUTE":
            return first != "INSERT"
        case "UPDATE" | "DELETE":
            return previous != "FOR"
    return True


def _within_parentheses(tokens: Sequence[Token]) -> set[str]:
    depth, inside, outside = 0, set[str](), set[str]()
    for token in tokens:
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        (inside if depth else outside).add(str(token.text).upper())
    return inside - outside


def parse_statement(tokens: Sequence[Token], text: str) -> exp.Expr:
    """Return the statement's tree; raises SQL Server's syntax error."""
    try:
        trees = PlainTsql().parser().parse(list(tokens), text)
    except ParseError as error:
        details = error.errors[0] if error.errors else {}
        near = str(details.get("highlight") or tokens[-1].text)
        raise syntax_error(near, int(details.get("line") or 1)) from error
    if len(trees) != 1 or trees[0] is None:
        raise syntax_error(str(tokens[-1].text), int(tokens[-1].line))
    return spell_out_negations(trees[0])


@lru_cache(_KEPT_BATCHES)
def parse_expression(text: str) -> exp.Expr:
    """Return the tree of a scalar expression or condition, as catalogs keep them; to be read only."""
    statement = f"SELECT {text}"
    select = parse_statement(PlainTsql().tokenize(statement), statement)
    (expression,) = select.expressions
    plain: exp.Expr = expression.unalias()
    return plain
