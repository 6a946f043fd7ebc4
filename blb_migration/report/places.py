"""Which databases a report is about, in the words of its head: host, port, database, and the server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from blb_migration.settings.urls import name_place


@dataclass(frozen=True)
class Places:
    """Source and target of a report, for people; no log-in."""

    source: str
    target: str


def name_places(document: Mapping[str, Any]) -> Places:
    """Name both databases of the report's run."""
    run = document["run"]
    return Places(_name(run["source"], run["source_server"]), _name(run["target"], run["target_server"]))


def _name(url: str, server: str | None) -> str:
    place = name_place(url)
    version = (server or "").removeprefix("SQL Server ").removeprefix("PostgreSQL ")
    return f"{place} (version {version})" if version else place
