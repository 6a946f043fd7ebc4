"""Whether the log-in may see what other sessions do: VIEW SERVER STATE. Only reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

# Without the right the views have this session alone, and say nothing of it: the right itself is asked for.
# SQL Server 2022 splits it; the old one covers the new one.
_MAY_SEE = """
SELECT HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER STATE'),
       HAS_PERMS_BY_NAME(NULL, NULL, N'VIEW SERVER PERFORMANCE STATE')
"""
GRANT = "USE master; GRANT VIEW SERVER STATE TO [log-in]"


class Asked(Protocol):
    """What of a ``connect.SourceSession`` such questions need."""

    def read_rows(
        self, statement: str, parameters: Sequence[object] = (), *, action: str
    ) -> list[tuple[Any, ...]]:
        """Read all rows of a small result. Raises SourceError."""

    def read_if_told(
        self, statement: str, parameters: Sequence[object] = (), *, what: str
    ) -> list[tuple[Any, ...]] | None:
        """Read the same, but None where the server does not tell."""


def may_see_sessions(session: Asked) -> bool:
    """Whether the log-in may see other sessions than its own. Raises SourceError, transient."""
    rights = session.read_if_told(_MAY_SEE, what="whether its sessions may be seen")
    return any(right == 1 for row in rights or () for right in row)
