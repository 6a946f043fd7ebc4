"""Which names an expression may use: sources of rows, nested scopes, and what they resolve to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from blb_migration.sandbox.emulator.results import SqlServerError
from blb_migration.sandbox.emulator.tsql.server_errors import invalid_column, unbound_identifier
from blb_migration.sandbox.emulator.tsql.typed import Typed


@dataclass(frozen=True)
class NamedValue:
    """A column as others may name it; an empty name means none. ``is_internal``: nobody may select it."""

    name: str
    value: Typed
    is_internal: bool = False


@dataclass(frozen=True)
class Source:
    """A table, view or subquery in FROM. ``qualifiers`` are the dotted names it answers to, lower case."""

    alias: str
    columns: tuple[NamedValue, ...]
    qualifiers: frozenset[str] = frozenset()

    def find(self, name: str) -> list[Typed]:
        """Columns of that name, any case; raises error 13908."""
        found = [column for column in self.columns if column.name.lower() == name.lower()]
        for column in found:
            if column.is_internal:
                raise SqlServerError(13908, f"Cannot access internal graph column '{column.name}'.")
        return [column.value for column in found]

    def answers_to(self, qualifier: str) -> bool:
        """Whether ``qualifier.column`` may mean a column of this source."""
        return qualifier.lower() == self.alias.lower() or qualifier.lower() in self.qualifiers


@dataclass
class Scope:
    """The sources of one SELECT, inside the scopes of the queries around it."""

    sources: list[Source] = field(default_factory=list)
    parent: Scope | None = None

    def resolve(self, name: str, qualifier: str | None) -> Typed:
        """Return the column; raises errors 207, 209 and 4104."""
        scope: Scope | None = self
        qualifier_seen = False
        while scope is not None:
            found: list[Typed] = []
            for source in scope.sources:
                if qualifier is None or source.answers_to(qualifier):
                    qualifier_seen = qualifier_seen or qualifier is not None
                    found += source.find(name)
            if len(found) > 1:
                raise SqlServerError(209, f"Ambiguous column name '{name}'.")
            if found:
                return found[0]
            if qualifier_seen:
                raise invalid_column(name)
            scope = scope.parent
        if qualifier is not None:
            raise unbound_identifier(f"{qualifier}.{name}")
        raise invalid_column(name)

    def star(self, qualifier: str | None) -> Sequence[NamedValue]:
        """Return the columns ``*`` or ``qualifier.*`` stands for; raises error 107."""
        sources = [each for each in self.sources if qualifier is None or each.answers_to(qualifier)]
        if qualifier is not None and not sources:
            raise SqlServerError(
                107,
                f"The column prefix '{qualifier}' does not match with a table name or alias name used in "
                "the query.",
                severity=15,
            )
        return [column for source in sources for column in source.columns if not column.is_internal]
