"""One tree of errors: what was found, what was expected, and what to do next.

MigrationError                     has an exit code, and says whether a retry can help
├── ConfigurationError        (2)  the command line, a URL, the environment, decisions.yaml
├── PreflightRefused          (3)  findings that must be settled before a row is written
├── SourceError               (4)  SQL Server cannot be reached or fails
│   └── SourceUnreachable          no connection: host, log-in, database, encryption
├── TargetError               (5)  PostgreSQL cannot be reached or fails
│   ├── TargetUnreachable          no connection: host, log-in, database
│   ├── TargetForbids         (3)  the target's user lacks a right, or may not write
│   └── TargetNotOurs         (3)  rows or locks on the target that this tool must not touch
└── TableFailed               (1)  one table's load failed; of a chunked one the finished chunks stay

No message ever carries a password: URLs are masked where they enter, in ``settings/``.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The process exit codes of the contract."""

    RECONCILED = 0
    NOT_EQUAL = 1
    BAD_USAGE = 2
    PREFLIGHT_REFUSED = 3
    SOURCE_FAILED = 4
    TARGET_FAILED = 5
    INTERRUPTED = 130


EXIT_CODE_MEANINGS = {
    ExitCode.RECONCILED: "all reconciled",
    ExitCode.NOT_EQUAL: "migrated but not equal, or a table failed",
    ExitCode.BAD_USAGE: "bad usage or configuration",
    ExitCode.PREFLIGHT_REFUSED: "preflight refused; nothing was written",
    ExitCode.SOURCE_FAILED: "source unreachable or failing",
    ExitCode.TARGET_FAILED: "target unreachable or failing",
    ExitCode.INTERRUPTED: "interrupted",
}
"""What ``--help`` and the README say of them."""


class MigrationError(Exception):
    """Base of everything a user can cause or meet.

    ``found`` and ``expected`` are short facts, ``next_act`` is an imperative sentence. ``subject``
    names the object: a table, a URL (masked), a file and line.
    """

    exit_code: ExitCode = ExitCode.NOT_EQUAL
    is_transient: bool = False

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
    """Preflight found something that must be settled first; nothing was written."""

    exit_code = ExitCode.PREFLIGHT_REFUSED


class SourceError(MigrationError):
    """SQL Server answered with an error."""

    exit_code = ExitCode.SOURCE_FAILED


class SourceUnreachable(SourceError):
    """No session with SQL Server could be opened."""

    is_transient = True


class TargetError(MigrationError):
    """PostgreSQL answered with an error."""

    exit_code = ExitCode.TARGET_FAILED


class TargetUnreachable(TargetError):
    """No session with PostgreSQL could be opened."""

    is_transient = True


class TargetForbids(TargetError):
    """The target does not let its user do what a load needs; nothing was written."""

    exit_code = ExitCode.PREFLIGHT_REFUSED


class TargetNotOurs(TargetError):
    """The target holds something this tool did not put there and must not remove."""

    exit_code = ExitCode.PREFLIGHT_REFUSED


class TableFailed(MigrationError):
    """One table could not be loaded; its transaction was rolled back."""

    exit_code = ExitCode.NOT_EQUAL
