"""CREATE TABLE, ALTER TABLE, CREATE INDEX and CREATE TYPE as they are read: from tokens to the model.

Only what ``sandbox.filling`` and tests write; the rest is refused with 40515. As everywhere in the emulator,
constraints are written down, not enforced. Expressions are kept as they were written, as ``sys`` shows them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from sqlglot.tokenizer_core import Token, TokenType

from blb_migration.model import (
    CheckConstraint,
    Column,
    ColumnType,
    Computed,
    ForeignKey,
    Identity,
    Index,
    IndexColumn,
    ReferentialAction,
    Table,
    TableName,
    UniqueKey,
)
from blb_migration.sandbox.emulator.tsql.collation_rules import check_collation
from blb_migration.sandbox.emulator.tsql.scopes import NamedValue, Scope, Source
from blb_migration.sandbox.emulator.tsql.server_errors import syntax_error, unsupported
from blb_migration.sandbox.emulator.tsql.standalone import compile_standalone
from blb_migration.sandbox.emulator.tsql.syntax import Statement
from blb_migration.sandbox.emulator.tsql.type_names import parse_type
from blb_migration.sandbox.emulator.tsql.typed import Typed, quote_name

if TYPE_CHECKING:
    from blb_migration.sandbox.emulator.tsql.databases import Database

Item = TypeVar("Item")
_AFTER_DEFAULT = ("NOT", "NULL", "CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "IDENTITY", "COLLATE", "WITH")


class DefinitionReader:
    """The words of one statement, read from left to right."""

    def __init__(self, statement: Statement, position: int = 0) -> None:
        # sqlglot makes one token of some pairs of words, such as PRIMARY KEY.
        self._words = [
            (word, token)
            for token in statement.tokens[position:]
            for word in ([str(token.text)] if _is_quoted(token) else str(token.text).split())
        ]
        self._text = statement.text
        self._start = statement.tokens[0].start
        self._position = 0

    @property
    def is_at_end(self) -> bool:
        """Whether all words are read."""
        return self._position >= len(self._words)

    def take(self, *words: str) -> bool:
        """Read these words if they are next."""
        found = self._words[self._position : self._position + len(words)]
        if tuple("" if _is_quoted(token) else word.upper() for word, token in found) != words:
            return False
        self._position += len(words)
        return True

    def is_next(self, word: str) -> bool:
        """Whether this word comes next."""
        return not self.is_at_end and self._words[self._position][0].upper() == word

    def expect(self, *words: str) -> None:
        """Read these words; raises error 102 if others are next."""
        if not self.take(*words):
            raise self.refuse()

    def refuse(self) -> Exception:
        """Return the error for the next word."""
        word, token = self._words[min(self._position, len(self._words) - 1)]
        return syntax_error(word, int(token.line))

    def read_name(self) -> str:
        """Read one identifier."""
        return self._next()[0]

    def read_table_name(self) -> TableName:
        """Read a name of one or two parts."""
        parts = [self.read_name()]
        while self.take("."):
            parts.append(self.read_name())
        return TableName(parts[-2] if len(parts) > 1 else "dbo", parts[-1])

    def read_number(self) -> int:
        """Read a whole number, negative ones too."""
        sign = -1 if self.take("-") else 1
        return sign * int(self._next()[0])

    def read_list(self, read: Callable[[], Item]) -> tuple[Item, ...]:
        """Read items in parentheses, separated by commas."""
        self.expect("(")
        items = [read()]
        while self.take(","):
            items.append(read())
        self.expect(")")
        return tuple(items)

    def read_text(self, until: tuple[str, ...] = ()) -> str:
        """Read an expression as it is written: up to one of these words, a comma or a closing parenthesis."""
        (_, first), depth = self._next(), 0
        depth += first.token_type == TokenType.L_PAREN
        last = first
        while not self.is_at_end:
            word, token = self._words[self._position]
            if depth == 0 and not _is_quoted(token) and word.upper() in (*until, ",", ")"):
                break
            depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
            _, last = self._next()
        return self._text[first.start - self._start : last.end + 1 - self._start]

    def read_type(self, database: Database) -> ColumnType:
        """Read a type's name with its size."""
        name = self.read_table_name().name
        size = ""
        if self.take("("):
            size = f"({self.read_name()}" + (f",{self.read_name()}" if self.take(",") else "") + ")"
            self.expect(")")
        return parse_type(name + size, database)

    def _next(self) -> tuple[str, Token]:
        if self.is_at_end:
            raise self.refuse()
        self._position += 1
        return self._words[self._position - 1]


def read_create_table(statement: Statement, database: Database) -> Table:
    """Read CREATE TABLE: columns, computed ones, and named keys and checks."""
    reader = DefinitionReader(statement, 2)
    table = Table(reader.read_table_name())
    reader.expect("(")
    while True:
        if reader.take("CONSTRAINT"):
            table = add_constraint(table, reader.read_name(), reader, trusted=True)
        else:
            table = _add_column(table, reader, database)
        if not reader.take(","):
            break
    reader.expect(")")
    return table


def add_constraint(table: Table, name: str, reader: DefinitionReader, *, trusted: bool) -> Table:
    """Read what follows CONSTRAINT and its name, and return the table with it."""
    if reader.take("PRIMARY", "KEY"):
        key = UniqueKey(name, _read_key_columns(reader))
        columns = [
            replace(each, nullable=each.nullable and each.name not in key.columns) for each in table.columns
        ]
        return replace(table, primary_key=key, columns=tuple(columns))
    if reader.take("UNIQUE"):
        return replace(table, unique_keys=(*table.unique_keys, UniqueKey(name, _read_key_columns(reader))))
    if reader.take("CHECK"):
        return replace(table, checks=(*table.checks, CheckConstraint(name, reader.read_text(), trusted)))
    if reader.take("FOREIGN", "KEY"):
        own = reader.read_list(reader.read_name)
        reader.expect("REFERENCES")
        parent, referred = reader.read_table_name(), reader.read_list(reader.read_name)
        on_delete = _read_action(reader, "DELETE")
        on_update = _read_action(reader, "UPDATE")
        foreign_key = ForeignKey(name, own, parent, referred, on_delete, on_update, trusted)
        return replace(table, foreign_keys=(*table.foreign_keys, foreign_key))
    raise unsupported(f"the constraint {name}")


def read_create_index(statement: Statement) -> tuple[TableName, Index]:
    """Read CREATE [UNIQUE] INDEX with INCLUDE and WHERE."""
    reader = DefinitionReader(statement, 1)
    unique = reader.take("UNIQUE")
    reader.take("NONCLUSTERED")
    reader.expect("INDEX")
    name = reader.read_name()
    reader.expect("ON")
    table = reader.read_table_name()

    def read_column() -> IndexColumn:
        column = reader.read_name()
        descending = reader.take("DESC")
        reader.take("ASC")
        return IndexColumn(column, descending)

    columns = reader.read_list(read_column)
    included = reader.read_list(reader.read_name) if reader.take("INCLUDE") else ()
    condition = reader.read_text() if reader.take("WHERE") else None
    return table, Index(name, columns, unique, included, condition)


def alter_table(table: Table, reader: DefinitionReader) -> Table:
    """Read what follows ALTER TABLE and its name: ADD, NOCHECK or CHECK CONSTRAINT."""
    trusted = not reader.take("WITH", "NOCHECK")
    is_said = reader.take("WITH", "CHECK") or not trusted
    if reader.take("ADD", "CONSTRAINT"):
        return add_constraint(table, reader.read_name(), reader, trusted=trusted)
    if reader.take("NOCHECK", "CONSTRAINT"):
        name, enabled, trusted = reader.read_name(), False, False
    else:
        reader.expect("CHECK", "CONSTRAINT")
        name, enabled, trusted = reader.read_name(), True, trusted and is_said
    return replace(
        table,
        checks=tuple(replace(each, trusted=trusted) if each.name == name else each for each in table.checks),
        foreign_keys=tuple(
            replace(each, trusted=trusted, enabled=enabled) if each.name == name else each
            for each in table.foreign_keys
        ),
    )


_ACTIONS: tuple[ReferentialAction, ...] = ("NO ACTION", "CASCADE", "SET NULL", "SET DEFAULT")


def _read_action(reader: DefinitionReader, event: str) -> ReferentialAction:
    if not reader.take("ON", event):
        return "NO ACTION"
    for action in _ACTIONS:
        if reader.take(*action.split()):
            return action
    raise reader.refuse()


def _read_key_columns(reader: DefinitionReader) -> tuple[str, ...]:
    reader.take("CLUSTERED") or reader.take("NONCLUSTERED")
    return reader.read_list(reader.read_name)


def _add_column(table: Table, reader: DefinitionReader, database: Database) -> Table:
    name = reader.read_name()
    if reader.take("AS"):
        expression = reader.read_text(("PERSISTED",))
        persisted = reader.take("PERSISTED")
        value = _compile_computed(table, expression, database)
        is_required = reader.take("NOT", "NULL") or not value.nullable
        computed = Column(
            name, value.type, not is_required, value.collation, computed=Computed(expression, persisted)
        )
        return replace(table, columns=(*table.columns, computed))
    column = Column(name, reader.read_type(database), nullable=True)
    keys = table.primary_key.columns if table.primary_key else ()
    while True:
        if reader.take("COLLATE"):
            column = replace(column, collation=check_collation(reader.read_name()))
        elif reader.take("IDENTITY"):
            seed, increment = reader.read_list(reader.read_number) if reader.is_next("(") else (1, 1)
            column = replace(column, identity=Identity(seed, increment), nullable=False)
        elif reader.take("NOT", "NULL"):
            column = replace(column, nullable=False)
        elif reader.take("NULL"):
            pass
        elif reader.take("PRIMARY", "KEY"):
            keys, column = (*keys, name), replace(column, nullable=False)
        elif reader.take("CONSTRAINT"):
            reader.read_name()
        elif reader.take("DEFAULT"):
            text = reader.read_text(_AFTER_DEFAULT)
            column = replace(column, default=text if text.startswith("(") else f"({text})")
        else:
            break
    key = table.primary_key or (UniqueKey(f"PK_{table.name.name}", keys) if keys else None)
    return replace(table, columns=(*table.columns, column), primary_key=key)


def _compile_computed(table: Table, expression: str, database: Database) -> Typed:
    columns = tuple(
        NamedValue(
            each.name, Typed(quote_name(each.name), each.type, each.nullable, collation=each.collation)
        )
        for each in table.columns
        if each.computed is None
    )
    return compile_standalone(expression, database, Scope([Source(table.name.name, columns)]))


def _is_quoted(token: Token) -> bool:
    return token.token_type in (TokenType.IDENTIFIER, TokenType.STRING, TokenType.NATIONAL_STRING)
