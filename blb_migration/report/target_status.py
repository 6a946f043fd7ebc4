"""The status of a target by its own ledger: the verdict, the ledger's answer, and what speaks against it.

Asked of the target alone, by whoever wants to know, whenever; SELECT on the ledger's schema is enough.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from blb_migration.first_few import name_some
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.judgement import read_cutover_answer
from blb_migration.postgres.ledger.live_mark import LiveMark, read_live_mark
from blb_migration.postgres.ledger.reasons import TableStatus
from blb_migration.report.document import rebuild_report
from blb_migration.report.sentences import Status

LABELS_SHOWN = 3


@dataclass(frozen=True)
class StatusReason:
    """One line of what speaks against a cutover, and what it is about."""

    sentence: str
    about: str


@dataclass(frozen=True)
class TargetStatus:
    """``may_cut_over``: the last run came to its end, and the ledger has no reason against it.

    ``live`` is the mark of a target that was cut over to: nobody may cut over again, and nothing is amiss.
    """

    document: Mapping[str, Any]
    may_cut_over: bool
    reasons: tuple[StatusReason, ...]
    live: LiveMark | None = None

    @property
    def run_id(self) -> str:
        """The latest run, by whose plan the target is judged."""
        return str(self.document["run"]["run_id"])


def read_target_status(target: TargetConnector) -> TargetStatus:
    """Read it. Raises TargetError when the target does not answer, or holds no ledger or an older one."""
    document = rebuild_report(target)
    with target.connect() as connection:
        answer = read_cutover_answer(connection)
        live = read_live_mark(connection)
    reasons = list(list_reasons(document))
    if document["reconciliation"]["equal"] and not answer.answer:
        reasons += [StatusReason(sentence, "the target") for sentence in answer.reasons]
    is_equal = document["verdict_status"] == Status.EQUAL
    return TargetStatus(document, is_equal and answer.answer, tuple(reasons), live)


def list_reasons(document: Mapping[str, Any]) -> Iterator[StatusReason]:
    """List what speaks against it: first what failed in the run, then tables by urgency, keys in one line."""
    for error in document["errors"]:
        yield StatusReason(error, "the last run")
    labels_by_sentence: dict[str, list[str]] = {}
    results = document["table_results"]
    judged = document["reconciliation"]["tables"]
    for label in sorted(judged, key=lambda label: TableStatus(results[label]["status"]).urgency):
        for reason in judged[label]["reasons"]:
            labels_by_sentence.setdefault(reason["sentence"], []).append(label)
    for sentence, labels in labels_by_sentence.items():
        yield StatusReason(sentence, _name_many(labels, "tables"))
    keys = document["reconciliation"]["dropped_foreign_keys"]
    if keys:
        yield StatusReason("still dropped", _name_many(keys, "foreign keys"))


def _name_many(names: list[str], noun: str) -> str:
    shown = name_some(names, LABELS_SHOWN)
    return shown if len(names) <= LABELS_SHOWN else f"{len(names)} {noun}: {shown}"
