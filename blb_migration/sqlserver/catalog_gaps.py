"""What a catalog must tell: without it nobody knows what a table is, so it is an error that names the gap."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blb_migration.errors import SourceError
from blb_migration.model import Column, TableName

_NEXT_ACT = (
    "Look at sys.tables, sys.columns and sys.types of this server as this log-in; grant it VIEW DEFINITION, "
    "or ask who makes the server"
)


def require(value: Any, subject: str, what: str) -> Any:
    """Return the value; raises SourceError where it is NULL."""
    if value is None:
        raise SourceError(
            subject, found=f"the source's catalog has NULL for {what}", expected="a value", next_act=_NEXT_ACT
        )
    return value


def require_columns(names: Mapping[int, TableName], columns: Mapping[int, Sequence[Column]]) -> None:
    """Raise SourceError for a table without columns, or with two of one name."""
    for object_id, table in names.items():
        own = [column.name for column in columns.get(object_id, ())]
        twice = sorted({name for name in own if own.count(name) > 1})
        if own and not twice:
            continue
        raise SourceError(
            f"table {table}",
            found=f"sys.columns has {', '.join(twice)} more than once"
            if own
            else "sys.columns has no column of it",
            expected="each of its columns once",
            next_act=_NEXT_ACT,
        )
