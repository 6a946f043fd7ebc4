"""The runbook's checklists: which lines are done, by the journal or by a person, and which are open.

The lines are in checklists.yaml. A tick is a line of the journal, so that it is in the ledger as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml

from blb_migration.cutover.journal import Journal, build_record
from blb_migration.cutover.journal_lines import Line
from blb_migration.errors import ConfigurationError
from blb_migration.near_names import refuse_unknown

TICKS = "runbook"  # what stands for night and step in the line of a tick


@dataclass(frozen=True)
class Item:
    """One line: a step of the night answers it, or a person; with ``by_person`` either does."""

    id: str
    text: str
    step: str | None = None
    by_person: bool = False


@dataclass(frozen=True)
class Checklist:
    """Lines that are worked through together; with ``each_night`` anew after a night that was taken back."""

    title: str
    items: tuple[Item, ...]
    each_night: bool = False


@dataclass(frozen=True)
class ItemState:
    """Where a line stands, and what says so."""

    item: Item
    state: Literal["done", "open", "waits for a person", "left out"]
    evidence: str = ""


def read_checklists() -> tuple[Checklist, ...]:
    """Read the checklists that come with this tool."""
    document = yaml.safe_load(files(__package__).joinpath("checklists.yaml").read_text(encoding="utf-8"))
    return tuple(
        Checklist(one["title"], tuple(Item(**item) for item in one["items"]), one.get("each_night", False))
        for one in document
    )


@dataclass(frozen=True)
class StepTexts:
    """What a step of the night is about, what it asks first, and how it is taken back; each in a sentence."""

    title: str
    asks: str
    undone: str


@cache
def read_texts() -> Mapping[str, Any]:
    """Read texts.yaml: what the runbook says of each step, and of each trouble."""
    texts: Mapping[str, Any] = yaml.safe_load(
        files(__package__).joinpath("texts.yaml").read_text(encoding="utf-8")
    )
    return texts


@cache
def read_step_texts() -> Mapping[str, StepTexts]:
    """Read what the runbook says of each step, by its name."""
    titles = {item.step: item.text for one in read_checklists() for item in one.items if item.step}
    return {name: StepTexts(titles[name], **texts) for name, texts in read_texts()["steps"].items()}


def judge_items(journal: Journal, checklist: Checklist) -> Iterator[ItemState]:
    """Yield where each line of a checklist stands."""
    ended_at = max((line.at for line in journal.lines if line.event == "ended"), default="")
    since = ended_at if checklist.each_night else ""
    for item in checklist.items:
        by_step = None if item.step is None else _judge_step(journal, item, item.step)
        may_be_ticked = item.step is None or item.by_person
        tick = _find_tick(journal.lines, item.id, since) if may_be_ticked else None
        if tick is not None and (by_step is None or by_step.state != "done"):
            note = f": {tick.details['note']}" if tick.details.get("note") else ""
            yield ItemState(item, "done", f"{tick.details['by']}, {tick.at[:16].replace('T', ' ')} UTC{note}")
        else:
            yield by_step or ItemState(item, "waits for a person")


def tick_item(journal: Journal, name: str, by: str, note: str | None) -> None:
    """Write down that a person has done a line. Raises ConfigurationError for a line that there is not, and
    for one that a step of the night answers.
    """
    known = {item.id: item for checklist in read_checklists() for item in checklist.items}
    word = "the word at the beginning of a line that 'blb-migrate runbook' prints"
    refuse_unknown(f"--tick {name}", name, [*known], found="the runbook has no such line", expected=word)
    step = known[name].step
    if step is not None and not known[name].by_person:
        raise ConfigurationError(
            f"--tick {name}",
            found=f"this line is done when step {step} is, and not by a person's word",
            next_act=f"Carry the step out ('blb-migrate cutover --only {step} --execute'), or leave it out "
            f"by a written reason in cutover.yaml: {step}: {{skip: ...}}",
        )
    journal.begin()
    journal.write(TICKS, "ticked", {"item": name, "by": by, "note": note}, night_id=TICKS)


def _find_tick(lines: Sequence[Line], name: str, since: str) -> Line | None:
    ticks = (line for line in reversed(lines) if line.event == "ticked" and line.at > since)
    return next((line for line in ticks if line.details.get("item") == name), None)


def _judge_step(journal: Journal, item: Item, step: str) -> ItemState:
    record = build_record(journal.lines, journal.last_night_id, step)
    if record.state == "closed":
        when = f"{record.closed_at:%Y-%m-%d %H:%M} UTC" if record.closed_at else ""
        return ItemState(item, "done", f"{record.operator}, {when}")
    if record.state == "skipped":
        return ItemState(item, "left out", str(record.evidence.get("reason", "")))
    return ItemState(item, "open", "" if record.state == "none" else record.state)
