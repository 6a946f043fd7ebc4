"""A function call as the functions' compilers receive it, and what they need of the expressions' compiler."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from sqlglot import exp

from blb_migration.model import ColumnType
from blb_migration.sandbox.emulator.tsql.context import StatementContext
from blb_migration.sandbox.emulator.tsql.conversions import convert, convert_implicitly
from blb_migration.sandbox.emulator.tsql.datatypes import NVARCHAR_MAX, is_text
from blb_migration.sandbox.emulator.tsql.scopes import Scope
from blb_migration.sandbox.emulator.tsql.server_errors import argument_count, unsupported
from blb_migration.sandbox.emulator.tsql.typed import Typed


class Compiler(Protocol):
    """The compiler of the place where a call stands: ``expressions.ExpressionCompiler``."""

    context: StatementContext
    scope: Scope
    groups: Mapping[str, Typed] | None

    def value(self, node: exp.Expr) -> Typed:
        """Compile a value."""
        ...

    def predicate(self, node: exp.Expr) -> str:
        """Compile a condition."""
        ...

    def choose(self, conditions: Sequence[str], values: Sequence[Typed]) -> Typed:
        """Compile CASE."""
        ...

    def before_grouping(self) -> Compiler:
        """Return the compiler for arguments of aggregates."""
        ...


@dataclass(frozen=True)
class Call:
    """Name in upper case, argument trees, and the compiler of the place where it stands."""

    compiler: Compiler
    name: str
    arguments: tuple[exp.Expr, ...]

    @property
    def context(self) -> StatementContext:
        """The statement's context."""
        return self.compiler.context

    def require(self, low: int, high: int | None = None) -> None:
        """Raise error 174 unless the number of arguments fits."""
        if not low <= len(self.arguments) <= (low if high is None else high):
            raise argument_count(self.name, str(low) if high is None else f"{low} to {high}")

    def value(self, index: int) -> Typed:
        """Return an argument's value."""
        return self.compiler.value(self.arguments[index])

    def values(self) -> list[Typed]:
        """All arguments' values."""
        return [self.compiler.value(each) for each in self.arguments]

    def text(self, index: int) -> Typed:
        """Return an argument as text; numbers and dates are converted."""
        value = self.value(index)
        return (
            value
            if is_text(value.type)
            else convert(value, NVARCHAR_MAX if value.is_untyped_null else ColumnType("varchar", length=8000))
        )

    def integer(self, index: int) -> str:
        """Return an argument as DuckDB text of an INTEGER."""
        return f"CAST({convert_implicitly(self.value(index), ColumnType('int')).sql} AS BIGINT)"

    def word(self, index: int) -> str:
        """Return an argument that is a bare word, such as a date part, in lower case."""
        node = self.arguments[index]
        if isinstance(node, (exp.Column, exp.Var, exp.Identifier)):
            return node.name.lower()
        raise unsupported(f"{self.name} with {node.sql()}")

    def constant(self, index: int) -> object:
        """Return an argument that must be known when compiling."""
        value = self.value(index)
        if not value.is_constant:
            raise unsupported(f"{self.name} with an argument that is not constant")
        return value.constant


FunctionCompiler = Callable[[Call], Typed]
