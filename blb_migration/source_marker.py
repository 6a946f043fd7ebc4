"""The source marker: which database was read, and whether somebody wrote to it in between.

A marker is what SQL Server tells of one moment without being written to (``sqlserver.marker`` reads it). Two
of them are compared here. Only what rules every write out is called a proof: a READ_ONLY database, a database
snapshot, or Change Tracking on all tables. Everything else is an indication. No SQL, no I/O.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from blb_migration.first_few import name_some


@dataclass(frozen=True)
class SourceOrigin:
    """Which database this is, as its server says of itself; None for what the server hides.

    ``address`` is host, port and database of the URL, which may be an alias. ``created_at`` is when the
    database was created or restored, ``recovery_fork`` changes when it is restored.
    """

    address: str
    server: str | None = None
    database: str | None = None
    created_at: str | None = None
    recovery_fork: str | None = None

    def find_differences(self, other: SourceOrigin) -> tuple[str, ...]:
        """Say in words why these are two databases; empty if they are one and the same.

        What either hides is not compared. Where neither creation nor fork is known of both, the address
        must be the same, too.
        """
        pairs = [
            ("server", self.server, other.server),
            ("database", self.database, other.database),
            ("created", self.created_at, other.created_at),
            ("recovery fork", self.recovery_fork, other.recovery_fork),
        ]
        known = [(word, own, theirs) for word, own, theirs in pairs if own and theirs]
        if not {"created", "recovery fork"} & {word for word, _, _ in known}:
            known.append(("address", self.address, other.address))
        return tuple(
            f"{word} {own}, not {theirs}"
            for word, own, theirs in known
            if own.casefold() != theirs.casefold()
        )

    def is_same(self, other: SourceOrigin) -> bool:
        """Whether both are one and the same database."""
        return not self.find_differences(other)

    def __str__(self) -> str:
        created = f", created {self.created_at}" if self.created_at else ""
        return f"{self.address} ({self.server}{created})" if self.server else f"{self.address}{created}"


@dataclass(frozen=True)
class TableMarker:
    """What tells of writes to one table; None for what the server hides.

    ``user_updates`` counts writing statements since the server started, ``modifications`` changed values
    since the table's statistics were taken (``statistics_at``), ``tracked_since`` is the version from which
    Change Tracking has every change of it.
    """

    row_count: int | None = None
    user_updates: int | None = None
    modifications: int | None = None
    statistics_at: str | None = None
    tracked_since: int | None = None


@dataclass(frozen=True)
class SourceMarker:
    """What the source told of one moment. ``tables`` are by ``schema.table``; ``notes`` say what it hid.

    ``taken_at`` is this machine's clock, UTC. ``is_immutable``: a READ_ONLY database that no restore goes on
    with, or a database snapshot (``snapshot_of`` names its database).
    """

    taken_at: datetime.datetime
    origin: SourceOrigin
    tables: Mapping[str, TableMarker] = field(default_factory=dict)
    is_immutable: bool = False
    snapshot_of: str | None = None
    tracking_version: int | None = None
    log_end: str | None = None
    last_rowversion: int | None = None
    server_started_at: str | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as the ledger keeps it, in a jsonb."""
        document = asdict(self)
        document["taken_at"] = self.taken_at.isoformat()
        document["tables"] = {
            name: {key: value for key, value in asdict(table).items() if value is not None}
            for name, table in self.tables.items()
        }
        return {key: value for key, value in document.items() if value is not None and value is not False}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> SourceMarker:
        """Return what ``to_json`` wrote."""
        known = dict(document)
        known["taken_at"] = datetime.datetime.fromisoformat(known["taken_at"])
        known["origin"] = SourceOrigin(**known["origin"])
        known["tables"] = {name: TableMarker(**table) for name, table in known.get("tables", {}).items()}
        known["notes"] = tuple(known.get("notes", ()))
        return cls(**known)


class Movement(StrEnum):
    """What two markers say of the time between them."""

    UNMOVED = "unmoved"  # proof: nobody wrote to these tables
    NO_SIGN = "no sign of a write"  # an indication
    MOVED = "moved"  # somebody wrote, or it looks like that
    UNKNOWN = "not known"  # nothing could be compared
    OTHER_SOURCE = "another source"  # the two are of different databases


@dataclass(frozen=True)
class MarkerVerdict:
    """What two markers say together. ``sentence`` is whole, for people: what was used and what it proves.

    ``moved_tables`` are those that were written to, where that can be told; a source can have moved with
    none of them named. ``since`` and ``until`` are the two moments, ISO 8601 in UTC.
    """

    movement: Movement
    sentence: str
    moved_tables: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as the ledger keeps it, in a jsonb."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> MarkerVerdict:
        """Return what ``to_json`` wrote."""
        known = dict(document)
        known["movement"] = Movement(known["movement"])
        known["moved_tables"] = tuple(known.get("moved_tables", ()))
        return cls(**known)

    @property
    def is_proof(self) -> bool:
        """Whether it is certain that nobody wrote to the tables."""
        return self.movement is Movement.UNMOVED


NOT_JUDGED = MarkerVerdict(Movement.UNKNOWN, "whether somebody wrote to the source since is not known")


def merge_markers(markers: Iterable[SourceMarker]) -> SourceMarker:
    """Return one marker for tables that were read one after the other: each table's own, and the earliest of
    what is the database's. All must be of one source, and at least one be there."""
    first, *rest = sorted(markers, key=lambda marker: marker.taken_at)
    tables: dict[str, TableMarker] = {}
    for marker in (first, *rest):
        tables |= marker.tables
    is_immutable = all(marker.is_immutable for marker in (first, *rest))
    return replace(first, tables=tables, is_immutable=is_immutable, notes=tuple(iterate_notes(first, *rest)))


def compare_markers(before: SourceMarker, after: SourceMarker) -> MarkerVerdict:
    """Say whether somebody wrote to the tables of both markers in between, by the strongest sign there is."""
    verdict = _compare(before, after)
    return replace(verdict, since=before.taken_at.isoformat(), until=after.taken_at.isoformat())


def _compare(before: SourceMarker, after: SourceMarker) -> MarkerVerdict:
    differences = before.origin.find_differences(after.origin)
    if differences:
        return MarkerVerdict(Movement.OTHER_SOURCE, f"another source was read: {', '.join(differences)}")
    labels = tuple(label for label in before.tables if label in after.tables)
    gone = tuple(sorted(before.tables.keys() - after.tables.keys()))
    moved = (*(label for label in labels if _is_moved(before, after, label)), *gone)
    if moved:
        return MarkerVerdict(
            Movement.MOVED,
            f"the source was written to ({name_some(moved)}), by {_name_sign(before, after, moved)}",
            moved,
        )
    if before.is_immutable and after.is_immutable and not _differs(before.log_end, after.log_end):
        what = f"a database snapshot of {after.snapshot_of}" if after.snapshot_of else "READ_ONLY"
        return MarkerVerdict(Movement.UNMOVED, f"the source stood still (proof: it is {what})")
    if _is_tracked(before, after, labels):
        return _judge_tracking(before, after)
    return _judge_signs(before, after, labels)


def _differs(before: object, after: object) -> bool:
    return before is not None and after is not None and before != after


def _is_moved(before: SourceMarker, after: SourceMarker, label: str) -> bool:
    one, other = before.tables[label], after.tables[label]
    is_counting_on = not _differs(before.server_started_at, after.server_started_at)
    have_same_statistics = one.statistics_at == other.statistics_at
    return (
        _differs(one.row_count, other.row_count)
        or _differs(one.tracked_since, other.tracked_since)
        or (is_counting_on and _differs(one.user_updates, other.user_updates))
        or (have_same_statistics and _differs(one.modifications, other.modifications))
    )


def _name_sign(before: SourceMarker, after: SourceMarker, moved: tuple[str, ...]) -> str:
    """Name what told it, of the first table."""
    if moved[0] not in after.tables:
        return "the table, which is gone"
    one, other = before.tables[moved[0]], after.tables[moved[0]]
    if _differs(one.row_count, other.row_count):
        return f"its number of rows: {one.row_count:,}, then {other.row_count:,}"
    if _differs(one.tracked_since, other.tracked_since):
        return "Change Tracking, which began anew"
    if _differs(one.user_updates, other.user_updates):
        return f"its count of writing statements: {one.user_updates:,}, then {other.user_updates:,}"
    return f"its count of modifications: {one.modifications:,}, then {other.modifications:,}"


def _is_tracked(before: SourceMarker, after: SourceMarker, labels: tuple[str, ...]) -> bool:
    """Whether Change Tracking has every change of these tables, and their rows are counted: it does not
    track TRUNCATE TABLE."""
    versions = (before.tracking_version, after.tracking_version)
    return None not in versions and all(
        each.tables[label].tracked_since is not None and each.tables[label].row_count is not None
        for each in (before, after)
        for label in labels
    )


def _judge_tracking(before: SourceMarker, after: SourceMarker) -> MarkerVerdict:
    if before.tracking_version == after.tracking_version:
        return MarkerVerdict(
            Movement.UNMOVED,
            "the source's tables stood still (proof: Change Tracking has them all, and its version stayed"
            f" {after.tracking_version})",
        )
    return MarkerVerdict(
        Movement.MOVED,
        f"the source was written to: the version of Change Tracking went from {before.tracking_version} to"
        f" {after.tracking_version}",
    )


def _judge_signs(before: SourceMarker, after: SourceMarker, labels: tuple[str, ...]) -> MarkerVerdict:
    """Judge by what is no proof. No table has moved as far as it can be told."""
    has_counters = _have_all(before, after, labels, "user_updates") and not _differs(
        before.server_started_at, after.server_started_at
    )
    if not has_counters and _differs(before.last_rowversion, after.last_rowversion):
        return MarkerVerdict(
            Movement.MOVED, "somebody wrote to a table with a rowversion column (@@DBTS moved)"
        )
    is_log_known = before.log_end is not None and after.log_end is not None
    is_log_moved = _differs(before.log_end, after.log_end)
    if is_log_moved and not has_counters:
        return MarkerVerdict(
            Movement.MOVED,
            f"something was written to the source's log (its end went from {before.log_end} to"
            f" {after.log_end}), and its tables' counters do not say where",
        )
    used = []
    if is_log_known and not is_log_moved:
        used.append("the end of the log")
    if has_counters:
        used.append("the tables' counts of writing statements")
    if _have_all(before, after, labels, "modifications"):
        used.append("their counts of modifications")
    if _have_all(before, after, labels, "row_count"):
        used.append("their numbers of rows")
    if before.last_rowversion is not None and before.last_rowversion == after.last_rowversion:
        used.append("@@DBTS")
    if not labels or not used:
        return MarkerVerdict(
            Movement.UNKNOWN, "whether somebody wrote to the source is not known: it tells nothing of it"
        )
    return MarkerVerdict(
        Movement.NO_SIGN, f"no sign of a write to the source (an indication, no proof: {', '.join(used)})"
    )


def _have_all(before: SourceMarker, after: SourceMarker, labels: tuple[str, ...], name: str) -> bool:
    return bool(labels) and all(
        getattr(each.tables[label], name) is not None for each in (before, after) for label in labels
    )


def iterate_notes(*markers: SourceMarker | None) -> Iterator[str]:
    """Yield what the source would not tell, each once."""
    yield from dict.fromkeys(note for marker in markers if marker is not None for note in marker.notes)
