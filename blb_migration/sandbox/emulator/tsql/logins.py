"""Who may connect, and what they may read."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Login:
    """Who may connect. ``databases`` None means all; ``denied_tables`` are lower-case dotted names,
    with or without the database. ``sees_server_state`` is the right VIEW SERVER STATE."""

    name: str
    password: str = field(repr=False)
    databases: frozenset[str] | None = None
    denied_tables: frozenset[str] = frozenset()
    is_read_only: bool = False
    sees_server_state: bool = True
    default_database: str = "master"
    language: str = "us_english"
