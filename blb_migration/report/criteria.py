"""The criteria of a cutover, each met or not, as the report's document has them: what one signs for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from blb_migration.progress.quantities import count
from blb_migration.source_marker import Movement

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Criterion:
    """One criterion: what is asked, what was found, whether it is met; None: a person has to judge it."""

    name: str
    found: str
    is_met: bool | None


def list_criteria(document: Document) -> Iterator[Criterion]:
    """List them in the order of a night: loaded, compared, complete, undisturbed, known."""
    planned = document["stats"]["tables_planned"]
    loaded = sum("loaded_at" in result for result in document["table_results"].values())
    yield Criterion(
        "Every planned table is loaded", f"{loaded:,} of {planned:,}", loaded == planned and planned > 0
    )
    for check in document["coverage"]["checks"]:
        passed = check["tables_passed"]
        yield Criterion(
            f"{check['name'].replace('_', ' ').capitalize()} equal",
            f"{passed:,} of {count(planned, 'table')}",
            passed == planned and planned > 0,
        )
    keys = document["reconciliation"]["dropped_foreign_keys"]
    yield Criterion(
        "No foreign key is left dropped", "none" if not keys else count(len(keys), "key"), not keys
    )
    errors = document["errors"]
    yield Criterion("The run had no error", "none" if not errors else count(len(errors), "error"), not errors)
    yield _judge_source(document["source_read"])
    warnings = document["stats"]["warnings"]
    yield Criterion(
        "Warnings are read and accepted",
        "none" if not warnings else f"{count(warnings, 'warning')}, listed below",
        None if warnings else True,
    )


def _judge_source(source_read: Document | None) -> Criterion:
    name = "Nobody wrote to the source since it was read"
    if source_read is None:
        return Criterion(name, "not known: nothing was read", None)
    movement = Movement(source_read["movement"])
    if movement is Movement.UNMOVED:
        return Criterion(name, source_read["sentence"], True)
    if movement in (Movement.MOVED, Movement.OTHER_SOURCE):
        return Criterion(name, source_read["sentence"], False)
    return Criterion(name, source_read["sentence"], None)
