"""One tree of errors: what was found, what was expected, and what to do next.

MigrationError                     has an exit code, and says whether a retry can help
├── ConfigurationError        (2)  the command line, a URL, the environment, decisions.yaml
├── PreflightRefused          (3)  findings that must be settled before a row is written
├── SourceError               (4)  SQL Server cannot be reached or fails
│   └── SourceUnreachable          no connection: host, log-in, database, encryption
├── OtherSource               (3)  the source is not the one that the tables were loaded from
├── TargetError               (5)  PostgreSQL cannot be reached or fails
│   ├── TargetUnreachable          no connection: host, log-in, database
│   ├── TargetForbids         (3)  the target's user lacks a right, or may not write
│   ├── TargetHeld            (3)  another run holds the target
│   └── TargetNotOurs         (3)  rows or locks on the target that this tool must not touch
├── KeysNotRestored           (1)  foreign keys that rows, or another session, keep from being restored
├── StepLost                  (1)  the worker that carried out a step is gone, or cut off
└── TableFailed               (1)  one table's load failed; of a chunked one the finished chunks stay

No message ever carries a password: URLs are masked where they enter, in ``settings/``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import IntEnum

from blb_migration.first_few import name_some


class ExitCode(IntEnum):
    """The process exit codes of the contract."""

    RECONCILED = 0
    NOT_EQUAL = 1
    BAD_USAGE = 2
    PREFLIGHT_REFUSED = 3
    SOURCE_FAILED = 4
    TARGET_FAILED = 5
    HUNG_UP = 129
    INTERRUPTED = 130
    TERMINATED = 143


EXIT_CODE_MEANINGS = {
    ExitCode.RECONCILED: "all reconciled",
    ExitCode.NOT_EQUAL: "migrated but not equal, a table failed, or foreign keys could not be restored",
    ExitCode.BAD_USAGE: "bad usage or configuration",
    ExitCode.PREFLIGHT_REFUSED: "preflight refused; no table was written",
    ExitCode.SOURCE_FAILED: "source unreachable or failing",
    ExitCode.TARGET_FAILED: "target unreachable or failing",
    ExitCode.HUNG_UP: "ended by SIGHUP, when its terminal was closed",
    ExitCode.INTERRUPTED: "interrupted (SIGINT, Ctrl-C)",
    ExitCode.TERMINATED: "ended by SIGTERM",
}
"""What ``--help`` and the README say of them."""


class MigrationError(Exception):
    """Base of everything a user can cause or meet.

    ``found`` and ``expected`` are short facts, ``next_act`` is an imperative sentence. ``subject``
    names the object: a table, a URL (masked), a file and line.
    """

    exit_code: ExitCode = ExitCode.NOT_EQUAL
    is_transient: bool = False
    was_waited_out: bool = False  # what is in the way was waited for as long as may be: no second time

    def __init__(
        self, subject: str, *, found: str, expected: str | None = None, next_act: str | None = None
    ) -> None:
        self.subject = subject
        self.found = found
        self.expected = expected
        self.next_act = next_act
        super().__init__(self._build_message())

    def _build_message(self) -> str:
        parts = [f"{self.subject}: {self.found.rstrip('.')}."]
        if self.expected:
            parts.append(f"Expected {self.expected.rstrip('.')}.")
        if self.next_act:
            parts.append(f"{self.next_act.rstrip('.')}.")
        return " ".join(parts)

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions cross process borders in Dagster; keyword-only fields need help to be rebuilt.
        return _rebuild_error, (type(self), dict(self.__dict__))


def _rebuild_error(error_type: type[MigrationError], fields: dict[str, object]) -> MigrationError:
    error = error_type.__new__(error_type)
    error.__dict__.update(fields)
    Exception.__init__(error, error._build_message())
    return error


class ConfigurationError(MigrationError):
    """The command line, the environment or a project file is wrong; nothing was contacted."""

    exit_code = ExitCode.BAD_USAGE


class PreflightRefused(MigrationError):
    """Preflight found something that must be settled first; no table was written."""

    exit_code = ExitCode.PREFLIGHT_REFUSED


class SourceError(MigrationError):
    """SQL Server answered with an error. ``is_unknown_name``: it has no such view, table or column."""

    exit_code = ExitCode.SOURCE_FAILED
    is_unknown_name: bool = False


class SourceUnreachable(SourceError):
    """No session with SQL Server could be opened."""

    is_transient = True


class OtherSource(MigrationError):
    """The source is not the one that the target's rows are of; nothing was compared."""

    exit_code = ExitCode.PREFLIGHT_REFUSED


class TargetError(MigrationError):
    """PostgreSQL answered with an error."""

    exit_code = ExitCode.TARGET_FAILED


class TargetUnreachable(TargetError):
    """No session with PostgreSQL could be opened."""

    is_transient = True


class TargetForbids(TargetError):
    """The target does not let its user do what a load needs; no table was written."""

    exit_code = ExitCode.PREFLIGHT_REFUSED


class TargetHeld(TargetError):
    """Another run holds the target, and did not end while it was waited for."""

    exit_code = ExitCode.PREFLIGHT_REFUSED


class TargetNotOurs(TargetError):
    """The target holds something this tool did not put there and must not remove."""

    exit_code = ExitCode.PREFLIGHT_REFUSED


class KeysNotRestored(MigrationError):
    """Foreign keys that were dropped could not be restored; they are on record, all others are in place."""

    exit_code = ExitCode.NOT_EQUAL


class StepLost(MigrationError):
    """Nothing is heard any more of the worker that carried out a step; what it had finished stays."""

    exit_code = ExitCode.NOT_EQUAL
    is_transient = True


class TableFailed(MigrationError):
    """One table could not be loaded; its transaction was rolled back."""

    exit_code = ExitCode.NOT_EQUAL


_SUBJECTS_NAMED = 3


def describe_causes(errors: Sequence[MigrationError]) -> list[str]:
    """Return one sentence for each cause among ``errors``, in the order of their first, with what it met."""
    met: dict[tuple[type, str, str | None, str | None], list[MigrationError]] = {}
    for error in errors:
        cause = (type(error), _leave_out_name(error), error.expected, error.next_act)
        met.setdefault(cause, []).append(error)
    return [_describe_cause(same) for same in met.values()]


def _leave_out_name(error: MigrationError) -> str:
    """Return what was found without the name of the object, which what failed below may have said again."""
    name = re.escape(error.subject.rpartition(" ")[2])
    return re.sub(rf"(?:\w+\.)?(?<!\w){name}(?!\w)", "…", error.found)


def _describe_cause(same: Sequence[MigrationError]) -> str:
    subjects = list(dict.fromkeys(error.subject for error in same))
    text = str(same[0])
    if len(subjects) == 1:
        return text
    return name_some(subjects, _SUBJECTS_NAMED) + text.removeprefix(subjects[0])
