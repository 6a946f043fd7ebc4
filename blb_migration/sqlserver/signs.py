"""Questions that a server need not answer: asked together, and each alone where that fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blb_migration.sqlserver.connect import SourceSession


@dataclass(frozen=True)
class Sign:
    """``what`` it is called in a note, and the scalar expression that reads it."""

    what: str
    expression: str


def of_database(what: str, value: str) -> Sign:
    """Return a sign that ``sys.databases`` (``d``) has of the session's database."""
    return Sign(what, f"(SELECT {value} FROM sys.databases AS d WHERE d.name = DB_NAME())")


def read_signs(session: SourceSession, signs: Mapping[str, Sign]) -> dict[str, Any]:
    """Read one value each; what the server refuses is left out, and noted in ``session.refused``.

    Raises SourceError only when the connection is lost.
    """
    return read_signs_by_key(session, signs, (), "").get((), {})


def read_signs_by_key(
    session: SourceSession,
    signs: Mapping[str, Sign],
    key: Sequence[str],
    source: str,
    parameters: Sequence[object] = (),
) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Read the signs of every row of ``source``, a FROM clause, by its ``key`` columns. Raises the same."""
    wanted = {name: sign for name, sign in signs.items() if sign.expression not in session.refused}
    if not wanted:
        return {}
    together = ", ".join((*key, *(sign.expression for sign in wanted.values())))
    rows = session.read_if_told(f"SELECT {together}{source}", parameters, what="all of these")
    if rows is not None:
        width = len(key)
        return {row[:width]: dict(zip(wanted, row[width:], strict=True)) for row in rows}
    del session.refused[f"SELECT {together}{source}"]
    told: dict[tuple[Any, ...], dict[str, Any]] = {}
    for name, sign in wanted.items():
        alone = f"SELECT {', '.join((*key, sign.expression))}{source}"
        found = session.read_if_told(alone, parameters, what=sign.what)
        if found is None:
            session.refused[sign.expression] = session.refused.pop(alone)
        for row in found or ():
            told.setdefault(row[:-1], {})[name] = row[-1]
    return told
