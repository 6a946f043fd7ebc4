"""The runbook's checklists: which lines are done, by the journal or by a person, and which are open.

The lines are in checklists.yaml. A tick is a line of the journal, so that it is in the ledger as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import yaml

from blb_migration.cutover.journal import Journal, Line, build_record
from blb_migration.near_names import refuse_unknown

TICKS = "runbook"  # what stands for night and step in the line of a tick


@dataclass(frozen=True)
class Item:
    """One line: a step of the night answers it, or a person."""

    id: str
    text: str
    step: str | None = None


@dataclass(frozen=True)
class Checklist:
    """Lines that are worked through together."""

    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True)
class ItemState:
    """Where a line stands, and what says so."""

    item: Item
    state: Literal["done", "open", "waits for a person", "left out"]
    evidence: str = ""


def read_checklists() -> tuple[Checklist, ...]:
    """Read the checklists that come with this tool."""
    document = yaml.safe_load(files(__package__).joinpath("checklists.yaml").read_text(encoding="utf-8"))
    return tuple(Checklist(one["title"], tuple(Item(**item) for item in one["items"])) for one in document)


def judge_items(journal: Journal, checklist: Checklist) -> Iterator[ItemState]:
    """Yield where each line of a checklist stands."""
    for item in checklist.items:
        tick = _find_tick(journal.lines, item.id)
        if tick is not None:
            note = f": {tick.details['note']}" if tick.details.get("note") else ""
            yield ItemState(item, "done", f"{tick.details['by']}, {tick.at[:16].replace('T', ' ')} UTC{note}")
        elif item.step is None:
            yield ItemState(item, "waits for a person")
        else:
            yield _judge_step(journal, item, item.step)


def tick_item(journal: Journal, name: str, by: str, note: str | None) -> None:
    """Write down that a person has done a line. Raises ConfigurationError for a line that there is not."""
    known = [item.id for checklist in read_checklists() for item in checklist.items]
    word = "the word at the beginning of a line that 'blb-migrate runbook' prints"
    refuse_unknown(f"--tick {name}", name, known, found="the runbook has no such line", expected=word)
    journal.begin()
    journal.write(TICKS, "ticked", {"item": name, "by": by, "note": note}, night_id=TICKS)


def _find_tick(lines: Sequence[Line], name: str) -> Line | None:
    return next(
        (line for line in reversed(lines) if line.event == "ticked" and line.details.get("item") == name),
        None,
    )


def _judge_step(journal: Journal, item: Item, step: str) -> ItemState:
    record = build_record(journal.lines, journal.last_night_id, step)
    if record.state == "closed":
        when = f"{record.closed_at:%Y-%m-%d %H:%M} UTC" if record.closed_at else ""
        return ItemState(item, "done", f"{record.operator}, {when}")
    if record.state == "skipped":
        return ItemState(item, "left out", str(record.evidence.get("reason", "")))
    return ItemState(item, "open", "" if record.state == "none" else record.state)
