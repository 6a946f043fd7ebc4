"""Which changed rows of the target may be replaced, and on whose word. Judges no rows.

Three words are taken: the run's own (``--replace-changed-rows`` with its reason; in the UI the resource's
config), ``replace_rows`` of a table in decisions.yaml, and there ``disposable_targets`` for a whole target.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection
from dataclasses import dataclass

from blb_migration.errors import ConfigurationError
from blb_migration.migration import Migration, Replacing
from blb_migration.plan.names_given import find_labels
from blb_migration.plan.table_plans import Plan, TablePlan
from blb_migration.postgres.ownership import Loader

OPTION = "--replace-changed-rows"


@dataclass(frozen=True)
class ReplacementWord:
    """What allows it, named as in the ledger, and the person's reason."""

    decision: str
    reason: str


def read_replacing(plan: Plan, names: Collection[str], reason: str | None) -> Replacing:
    """Read what a person has asked for in this run.

    Raises ConfigurationError for a table that is not in the plan, and for a word without its reason.
    """
    words = (reason or "").strip()
    if not names and words:
        raise ConfigurationError(
            f"reason {words!r}",
            found="no table is named whose changed rows may be replaced",
            next_act=f"Name them behind {OPTION}, or leave the reason out",
        )
    if not names:
        return Replacing()
    if not any(letter.isalpha() for letter in words):
        raise ConfigurationError(
            f"{OPTION} {' '.join(names)}",
            found="no reason is given",
            expected="a reason in words; it is recorded in the ledger with who started the run",
            next_act=f'Add --reason "why these rows may go" ({OPTION} in the UI: reason)',
        )
    return Replacing(frozenset(find_labels(plan, names, OPTION)), words)


def find_word(migration: Migration, table: TablePlan) -> ReplacementWord | None:
    """Find what allows this table's rows to be replaced whatever they are, or None."""
    if table.label in migration.replacing.labels:
        return ReplacementWord("replace_changed_rows", migration.replacing.reason)
    if table.replace_rows is not None:
        return ReplacementWord("replace_rows", table.replace_rows)
    targets = migration.project.decisions_file.decisions.disposable_targets
    reason = targets.get(str(migration.target.settings.identity))
    return None if reason is None else ReplacementWord("disposable_target", reason)


def read_loader(migration: Migration) -> Loader:
    """Say who loads, for ``ownership`` to know its rows by."""
    return Loader(migration.project.name, str(migration.source.settings.identity))


def describe_next_act(migration: Migration, label: str) -> str:
    """Say what a person can do about a table whose rows are not as the last load left them."""
    return (
        f"Move these rows away, or say that they may go: {OPTION} {shlex.quote(label)} --reason '...' "
        f"on the command (in the UI: replace_changed_rows and reason in the run's config), or in "
        f"decisions.yaml 'replace_rows: reason' for this table, or for a target that holds nothing of value "
        f"disposable_targets: {{'{migration.target.settings.identity}': reason}}"
    )
