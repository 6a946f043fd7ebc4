"""What became of a faulted run, told by both sides' rows and by what was said; never by the tool's verdict.

Each fault of the product's has a name here, and these are the columns of the campaign's table.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from blb_migration_tests.faults.command import Command
from blb_migration_tests.faults.ground import CHUNKED, PASSWORDS, SECRET, Ground, Rows

LOST, DOUBLED, FALSE_EQUAL = "lost", "doubled", "false equal"
KEYS_UNSAID, SILENT, LEAKED = "keys off unsaid", "silent waits", "leaked"
STUCK, CRASHED = "next run not equal", "no sentence"
WRONGS = (LOST, DOUBLED, FALSE_EQUAL, KEYS_UNSAID, SILENT, LEAKED, STUCK, CRASHED)

SILENT_SECONDS = 5.0
# What a line takes from the product to this process, and a process to begin, on a machine with other work.
SLACK_SECONDS = 1.5
_ENDED_BY_A_SIGNAL = -int(signal.SIGKILL)
_ANNOUNCED = re.compile(r"tried again in ([\d.]+) s")
_SENTENCE = re.compile(r"^(?:blb-migrate: |Not equal: )", re.MULTILINE)
_BUG = re.compile(r"Traceback \(most recent call last\)|this is a bug", re.IGNORECASE)


@dataclass(frozen=True)
class Wrong:
    """Something that must not be: ``what`` of ``WRONGS``, and how it shows."""

    what: str
    how: str


@dataclass
class Before:
    """What the target was when the faulted run began."""

    rows: dict[str, Rows]
    source: dict[str, Rows]
    visits: list[tuple[Any, ...]]
    shape: set[str]
    keys: set[str] = field(default_factory=set)

    @classmethod
    def look_at(cls, ground: Ground) -> Before:
        """Read it all."""
        return cls(
            ground.read_target(),
            ground.read_source(),
            ground.read_visits(),
            ground.read_shape(),
            ground.read_keys(),
        )


def judge_faulted(
    ground: Ground, before: Before, command: Command, code: int | None, *, may_differ: bool = False
) -> Iterator[Wrong]:
    """Judge what a run has left right after it ended.

    ``may_differ``: exit code 0 is no word about all rows of both sides; the source was written to, or it was
    a dry run.
    """
    source, target = ground.read_source(), ground.read_target()
    is_killed = code == _ENDED_BY_A_SIGNAL
    yield from _judge_rows(before, source, target)
    if ground.read_visits() != before.visits:
        yield Wrong(LOST, "rows of somebody else's table")
    may = ground.read_may_cut_over()
    if (may or (code == 0 and not may_differ)) and source != target:
        yield Wrong(FALSE_EQUAL, f"exit code {code}, may cut over: {may}")
    missing = before.keys - ground.read_keys()
    if missing and is_killed and missing - ground.read_keys_on_record():
        yield Wrong(KEYS_UNSAID, f"killed, not on record: {sorted(missing)}")
    if missing and not is_killed and "foreign key" not in command.output:
        yield Wrong(KEYS_UNSAID, f"nothing said of {sorted(missing)}")
    yield from _find_secrets(ground.read_ledger_text(), "ledger")
    for file in ground.folder.glob("report*"):
        yield from _find_secrets(file.read_text(encoding="utf-8"), file.name)


def judge_waits(command: Command, struck_at: float, undisturbed: Command) -> Iterator[Wrong]:
    """Judge when a command has said something since the fault came at ``struck_at``, as monotonic time.

    A silence counts that is longer than five seconds, and longer than every one of ``undisturbed``, the run
    that nothing happened to, right after it on the same machine: how long work itself is silent there. What
    begins after a pause that was announced has its own five seconds.
    """
    usual = max((ended - began for began, ended, _ in undisturbed.find_silences(0.0)), default=0.0)
    announced_until = 0.0
    for began, ended, last in command.find_silences(struck_at):
        announced = max(map(float, _ANNOUNCED.findall(last)), default=0.0)
        announced_until = max(announced_until, began + announced)
        silent = ended - max(began, announced_until)
        if silent > max(SILENT_SECONDS, usual) + SLACK_SECONDS:
            yield Wrong(
                SILENT,
                f"nothing from {began:.1f} s to {ended:.1f} s, after {last.strip()[-200:]!r};"
                f" undisturbed {usual:.1f} s",
            )


def judge_words(command: Command, code: int | None) -> Iterator[Wrong]:
    """Judge what a command has said."""
    if code is None:
        yield Wrong(SILENT, "it does not end")
    yield from _find_secrets(command.output, "output")
    if _BUG.search(command.output):
        yield Wrong(CRASHED, command.output[-600:])
    if code not in (0, _ENDED_BY_A_SIGNAL) and not _SENTENCE.search(command.output):
        yield Wrong(CRASHED, f"exit code {code} without a sentence: {command.output[-600:]}")


def judge_next(ground: Ground, before: Before, command: Command, code: int | None) -> Iterator[Wrong]:
    """Judge the normal run that comes after the fault: everything there, everything in place, and said so."""
    source, target = ground.read_source(), ground.read_target()
    if code != 0:
        yield Wrong(STUCK, f"exit code {code}: {command.output[-900:]}")
    for name in source:
        if source[name] - target[name]:
            yield Wrong(LOST, f"after the next run, {(source[name] - target[name]).total()} rows of {name}")
        if target[name] - source[name]:
            yield Wrong(
                DOUBLED, f"after the next run, {(target[name] - source[name]).total()} rows of {name}"
            )
    if ground.read_visits() != before.visits:
        yield Wrong(LOST, "rows of somebody else's table")
    shape = ground.read_shape()
    if before.shape - shape:
        yield Wrong(LOST, f"after the next run: {sorted(before.shape - shape)}")
    if shape - before.shape:
        yield Wrong(LOST, f"left behind after the next run: {sorted(shape - before.shape)}")
    yield from judge_words(command, code)


def _judge_rows(before: Before, source: dict[str, Rows], target: dict[str, Rows]) -> Iterator[Wrong]:
    """Judge the target in between: each table as it was, or as the source was at some moment."""
    for name, rows in target.items():
        known = (before.rows[name], before.source[name], source[name])
        if rows in known:
            continue
        most = before.source[name] | source[name]  # of each row, as often as it ever was
        if name == CHUNKED and not rows - most:
            continue  # its finished chunks
        if not (before.source[name] & source[name]) - rows and not rows - most:
            continue  # read while the source was written to
        if rows - (most | before.rows[name]):
            yield Wrong(DOUBLED, f"{(rows - most).total()} rows of {name} that are nowhere else")
        else:
            yield Wrong(LOST, f"{name} is half done: {rows.total()} of {source[name].total()} rows")


def _find_secrets(text: str, where: str) -> Iterator[Wrong]:
    for secret in (PASSWORDS, SECRET):
        position = text.find(secret)
        if position >= 0:
            yield Wrong(LEAKED, f"in the {where}: …{text[max(0, position - 80) : position + 40]}…")
