"""Compiled statements kept for the next time the same text comes, as a server keeps its plans.

What a statement compiles to depends on its text, its variables' types and values, the database, what the
log-in may read, and the catalog. All of these are the key; when the catalog changes, everything is
forgotten. A statement whose answer depends on the session or the moment is compiled anew every time.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from blb_migration.sandbox.emulator.results import ResultColumn
from blb_migration.sandbox.emulator.tsql.compiled import CompiledQuery

_KEPT_STATEMENTS = 1000


@dataclass(frozen=True)
class CompiledStatement:
    """A SELECT ready to run. ``assigned`` names the variables it sets, if it sets any; ``user_databases``
    are those whose rows it reads, ``arrow_tables`` the catalog views by the names they go by in DuckDB."""

    query: CompiledQuery
    columns: tuple[ResultColumn, ...]
    assigned: tuple[str, ...]
    is_deterministic: bool
    user_databases: frozenset[str]
    arrow_tables: Mapping[str, pa.Table]

    @cached_property
    def digest(self) -> str:
        """Equal for statements that give the same bytes from the same rows."""
        facts = (self.query.sql, self.columns)
        return hashlib.sha256(repr(facts).encode("utf-8", errors="surrogatepass")).hexdigest()


class StatementCache:
    """The statements last compiled; shared by all sessions of an engine."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._catalog_state: Hashable = None
        self._statements: OrderedDict[Hashable, CompiledStatement] = OrderedDict()

    def find(self, catalog_state: Hashable, key: Hashable) -> CompiledStatement | None:
        """Find the statement as it was compiled against this very catalog."""
        with self._lock:
            if catalog_state != self._catalog_state:
                self._statements.clear()
                self._catalog_state = catalog_state
            found = self._statements.get(key)
            if found is not None:
                self._statements.move_to_end(key)
            return found

    def keep(self, catalog_state: Hashable, key: Hashable, statement: CompiledStatement) -> None:
        """Keep what was compiled, unless it belongs to a catalog that is no more."""
        if not statement.is_deterministic:
            return
        with self._lock:
            if catalog_state != self._catalog_state:
                return
            self._statements[key] = statement
            if len(self._statements) > _KEPT_STATEMENTS:
                self._statements.popitem(last=False)
