"""What can speak against "equal": codes, how each is said, and the status it gives a table. No SQL.

Which of them apply is decided by ``find_reasons`` in views.sql alone. The sentences are written into the
ledger when it is made, so that whoever asks its views reads the same words.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from blb_migration.model import TableName


class TableStatus(StrEnum):
    """Where one planned table is; the most urgent first."""

    LOAD_FAILED = "load failed"
    DIFFERS = "differs"
    LOADED_IN_PART = "loaded in part"
    NOT_LOADED = "not loaded"
    NOT_COMPARED = "not compared"
    EQUAL = "equal"

    @property
    def urgency(self) -> int:
        """0 for the most urgent; to sort by."""
        return list(TableStatus).index(self)


class ReasonCode(StrEnum):
    """Why a plan, a table or the target is not equal or not ready; ``sentence`` has names in braces."""

    sentence: str
    status: TableStatus | None

    def __new__(cls, code: str, sentence: str = "", status: TableStatus | None = None) -> ReasonCode:
        """Make a code that carries its sentence and the status that it gives a table."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        member.status = status
        return member

    NOTHING_PLANNED = "nothing_planned", "no table was planned"
    NO_FINISHED_LOAD = "no_finished_load", "never loaded", TableStatus.NOT_LOADED
    LOAD_FAILED = "load_failed", "never loaded: its last load failed", TableStatus.LOAD_FAILED
    LOADED_IN_PART = "loaded_in_part", "loaded in part", TableStatus.LOADED_IN_PART
    CHECK_MISSING = "check_missing", "{check} was not compared", TableStatus.NOT_COMPARED
    CHECK_OF_EARLIER_LOAD = (
        "check_of_earlier_load",
        "{check} was compared for an earlier load",
        TableStatus.NOT_COMPARED,
    )
    CHECK_OF_OTHER_SOURCE = (
        "check_of_other_source",
        "{check} was compared with another source than the table was loaded from",
        TableStatus.NOT_COMPARED,
    )
    LOADED_FROM_OTHER_SOURCE = (
        "loaded_from_other_source",
        "loaded from another source than the tables that were loaded last",
        TableStatus.NOT_LOADED,
    )
    CHECK_OF_OTHER_PLAN = (
        "check_of_other_plan",
        "{check} was compared under another plan",
        TableStatus.NOT_COMPARED,
    )
    CHECK_FAILED = "check_failed", "{check} differs", TableStatus.DIFFERS
    KEY_DROPPED = "key_dropped", "foreign key {key} of {table} is still dropped"
    SOURCE_MOVED = (
        "source_moved",
        "since it was read, {source}: reconcile again, with a source that stands still",
    )
    LAST_RUN_ENDED = (
        "last_run_ended",
        "the last run was {outcome} at {at}: settle its cause, then run it again",
    )
    TARGET_IS_LIVE = "target_is_live", "the target is live since {since}"


@dataclass(frozen=True)
class Reason:
    """One thing that speaks against "equal", and what it is about."""

    code: ReasonCode
    check_name: str | None = None
    table: TableName | None = None
    key_name: str | None = None

    def __str__(self) -> str:
        return self.code.sentence.format(check=self.check_name, table=self.table, key=self.key_name)


def name_status(reasons: Iterable[Reason]) -> TableStatus:
    """Return the status of a table with these reasons: the most urgent one's."""
    statuses: Collection[TableStatus] = [reason.code.status for reason in reasons if reason.code.status]
    return min(statuses, key=lambda status: status.urgency, default=TableStatus.EQUAL)
