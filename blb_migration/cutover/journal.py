"""The night's journal: every line forced to a file and written to the ledger. Decides nothing.

The file comes first, since the target may be the thing that failed. What only one of them has, after a kill
between the two, is copied to the other and said; what contradicts is refused.
"""

from __future__ import annotations

import datetime
import os
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from blb_migration import __version__
from blb_migration.cutover.journal_lines import Details, Event, Line, make_storable, read_journal_file
from blb_migration.errors import ConfigurationError, MigrationError, TargetError
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.night_lines import LineRow, append_lines, has_night_lines, read_lines
from blb_migration.postgres.ledger.versions import create_ledger
from blb_migration.private_files import make_private_folder, open_private
from blb_migration.settings.machine import read_host, read_operator

JOURNAL_FILE = "journal.jsonl"
_LEDGER_PAUSE = datetime.timedelta(seconds=30)  # before a ledger that failed is tried again
POSTPONED = "postponed"  # the key that says what a rollback could not do yet, and why
NIGHT = "night"  # what stands for the step in a line about the whole night


@dataclass(frozen=True)
class Actor:
    """A person's log-in name and machine, and the version of this tool."""

    operator: str
    host: str
    tool_version: str

    @classmethod
    def read(cls) -> Actor:
        """Return this process's."""
        return cls(read_operator(), read_host(), __version__)


@dataclass(frozen=True)
class StepRecord:
    """What the journal says of one step: not what is true, which ``look`` finds out.

    ``intents`` and ``evidence`` are merged, later lines over earlier ones. ``postponed`` says what a rollback
    could not do yet.
    """

    step: str
    state: Literal["none", "open", "closed", "failed", "skipped", "undoing", "undone"] = "none"
    evidence: Details = field(default_factory=dict)
    intents: Details = field(default_factory=dict)
    opened_at: datetime.datetime | None = None
    closed_at: datetime.datetime | None = None
    operator: str | None = None
    postponed: str | None = None

    @property
    def was_begun(self) -> bool:
        """Whether it may have changed anything that is not yet taken back."""
        return self.state in ("open", "closed", "failed", "undoing")

    @property
    def elapsed_seconds(self) -> float | None:
        """How long it took, once it is closed."""
        if self.opened_at is None or self.closed_at is None:
            return None
        # The clock may have been set back meanwhile.
        return max(0.0, (self.closed_at - self.opened_at).total_seconds())


class JournalsDiffer(MigrationError):
    """The file and the ledger tell of the same line differently."""


class Journal:
    """Both journals as one. ``lines`` are all lines of all nights, in their order.

    ``notes`` says in words what only one of both had. Reading changes neither.
    """

    def __init__(
        self,
        folder: Path,
        target: TargetConnector | None,
        actor: Actor,
        clock: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self.path = folder / JOURNAL_FILE
        self._target = target
        self._actor = actor
        self._clock = clock
        self.notes: list[str] = []
        self._missing_in_file: list[Line] = []
        self._missing_in_ledger: list[Line] = []
        self._is_begun = False
        self._try_ledger_from = datetime.datetime.min.replace(tzinfo=datetime.UTC)
        self.lines = self._read()

    @property
    def night_id(self) -> str | None:
        """The night that is not over, or None."""
        latest = next((line for line in reversed(self.lines) if line.event != "ticked"), None)
        return None if latest is None or latest.event == "ended" else latest.night_id

    @property
    def last_night_id(self) -> str | None:
        """The latest night, over or not."""
        return next((line.night_id for line in reversed(self.lines) if line.event != "ticked"), None)

    def record(self, step: str, night_id: str | None = None) -> StepRecord:
        """Return what the journal says of a step in ``night_id`` (None: the one that is not over)."""
        return build_record(self.lines, night_id or self.night_id, step)

    def begin(self) -> None:
        """Make sure that both can be written, and copy to either what only the other has.

        Raises ConfigurationError when the file cannot be written. A ledger that cannot be reached leaves the
        file alone to write to, which ``notes`` says.
        """
        self._is_begun = True
        for line in self._missing_in_file:
            self._append(line)
        if not self._missing_in_file:
            self._append(None)
        self._missing_in_file = []
        self._send(self._missing_in_ledger)

    def read_again(self) -> None:
        """Read what other commands have written meanwhile. Raises JournalsDiffer."""
        self.lines = self._read()

    def write(
        self, step: str, event: Event, details: Details | None = None, *, night_id: str | None = None
    ) -> Line:
        """Write one line to both, forced to disk. Begins a night where none is under way."""
        assert self._is_begun
        night = night_id or self.night_id or self._name_night()
        number = 1 + max((line.number for line in self.lines if line.night_id == night), default=0)
        actor = self._actor
        line = Line(
            night, number, step, event, self._clock().isoformat(timespec="microseconds"),
            actor.operator, actor.host, actor.tool_version, make_storable(details or {}),
        )  # fmt: skip
        self._append(line)
        self.lines.append(line)
        self._missing_in_ledger.append(line)
        self._send(self._missing_in_ledger)
        return line

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _name_night(self) -> str:
        """Name a night so that it comes after all others, also where the clock was set back since."""
        begun = [moment for line in self.lines if (moment := _read_moment(line.night_id)) is not None]
        moment = max([self._clock(), *(earlier + datetime.timedelta(seconds=1) for earlier in begun)])
        return f"{moment:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:6]}"

    def _append(self, line: Line | None) -> None:
        """Add a line to the file, forced to disk; None: see that one could be. Raises ConfigurationError."""
        try:
            make_private_folder(self.path.parent)
            with open_private(self.path, "a+b") as file:
                if line is None:
                    return
                if file.tell() and not _ends_in_newline(self.path):
                    file.write(b"\n")  # a line that a kill has torn stays as it is, and is not read
                file.write(line.to_json().encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise ConfigurationError(
                str(self.path),
                found=f"the journal cannot be written ({error.strerror})",
                next_act="Free room there, or name another folder, records, in cutover.yaml; then run again: "
                "it goes on where it stands",
            ) from None

    def _send(self, lines: Sequence[Line]) -> None:
        if self._target is None or not lines:
            return
        rows = [_as_row(line) for line in lines]
        if self._clock() < self._try_ledger_from:
            return
        try:
            with self._target.connect(outlives_cancel=True) as connection:
                create_ledger(connection)
                taken = append_lines(connection, rows)
        except TargetError as error:
            self._try_ledger_from = self._clock() + _LEDGER_PAUSE
            self._note(f"the ledger cannot be written ({error.found}); the file {self.path} has these lines")
            return
        self._missing_in_ledger = []
        if taken is not None:
            raise JournalsDiffer(
                f"the journal's line {taken.number} of night {taken.night_id}",
                found=f"the ledger has another line there, {taken.step} {taken.event} at {taken.at} by "
                f"{taken.operator} on {taken.host}",
                expected="one command at a time that carries out the night",
                next_act="See what the other one does ('blb-migrate runbook' there), and let one go on",
            )

    def _read(self) -> list[Line]:
        in_file = {(line.night_id, line.number): line for line in self._read_file()}
        in_ledger = self._read_ledger()
        if in_ledger is None:
            return _in_order(in_file.values())
        for key in in_file.keys() & in_ledger.keys():
            if in_file[key] != in_ledger[key]:
                raise JournalsDiffer(
                    f"the journal's line {key[1]} of night {key[0]}",
                    found=f"{self.path} has {in_file[key].step} {in_file[key].event} at {in_file[key].at}, "
                    f"the ledger has {in_ledger[key].step} {in_ledger[key].event} at {in_ledger[key].at}",
                    expected="the same line in both",
                    next_act="Find out who else runs this night; move the file away to go by the ledger",
                )
        self._missing_in_ledger = _in_order(in_file[key] for key in in_file.keys() - in_ledger.keys())
        self._missing_in_file = _in_order(in_ledger[key] for key in in_ledger.keys() - in_file.keys())
        for missing, where, other in (
            (self._missing_in_ledger, "the ledger", "the file"),
            (self._missing_in_file, "the file", "the ledger"),
        ):
            if missing:
                last = missing[-1]
                self._note(
                    f"{where} lacks {len(missing)} journal lines that {other} has, "
                    f"the last: {last.step} {last.event} at {last.at}"
                )
        return _in_order((in_file | in_ledger).values())

    def _read_file(self) -> list[Line]:
        lines, notes = read_journal_file(self.path)
        for note in notes:
            self._note(note)
        return lines

    def _read_ledger(self) -> dict[tuple[str, int], Line] | None:
        if self._target is None:
            return None
        try:
            with self._target.connect() as connection:
                if not has_night_lines(connection):
                    return {}
                rows = read_lines(connection)
        except TargetError as error:
            self._note(f"the ledger cannot be read ({error.found}); this is from the file alone")
            return None
        return {(row.night_id, row.number): _as_line(row) for row in rows}


def build_record(lines: Sequence[Line], night_id: str | None, step: str) -> StepRecord:
    """Sum up the lines of one step in one night."""
    record = StepRecord(step)
    for line in lines:
        if line.night_id != night_id or line.step != step:
            continue
        at = datetime.datetime.fromisoformat(line.at)
        match line.event:
            case "opened":
                record = replace(record, state="open", opened_at=at, closed_at=None, operator=line.operator)
            case "intent":
                record = replace(record, intents={**record.intents, **line.details})
            case "evidence":
                record = replace(record, evidence={**record.evidence, **line.details})
            case "closed":
                record = replace(record, state="closed", closed_at=at)
            case "failed":
                record = replace(record, state="failed")
            case "skipped":
                record = replace(record, state="skipped", evidence=line.details)
            case "undoing":
                record = replace(record, state="undoing", postponed=line.details.get(POSTPONED))
            case "undone":
                record = replace(record, state="undone", postponed=None)
    return record


def _in_order(lines: Any) -> list[Line]:
    # Nights by their beginning, which their names tell; lines by number.
    return sorted(lines, key=lambda line: (line.night_id, line.number))


def _read_moment(night_id: str) -> datetime.datetime | None:
    try:
        return datetime.datetime.strptime(night_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC)
    except ValueError:
        return None


def _as_row(line: Line) -> LineRow:
    return LineRow(**asdict(line))


def _as_line(row: LineRow) -> Line:
    return Line(**{name: getattr(row, name) for name in Line.__dataclass_fields__})


def _ends_in_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
