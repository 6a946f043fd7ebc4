"""What the plan and preflight found: facts a person must settle, or should know. No SQL, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """An error refuses the migration; a warning is reported and goes along."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


_SEVERITY_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


@dataclass(frozen=True)
class Finding:
    """One thing found before a row was written.

    ``code`` is stable and machine-readable; ``subject`` names the object (``table`` or
    ``table.column``); ``row_count`` says how many rows are concerned and ``first_keys`` names the
    first of them, where rows were asked; ``decision`` is what would cover it, ready to paste into
    decisions.yaml or a next act in words.
    """

    code: str
    severity: Severity
    subject: str
    message: str
    decision: str | None = None
    row_count: int | None = None
    first_keys: tuple[str, ...] = field(default=())

    @property
    def sort_key(self) -> tuple[int, str, str]:
        """Errors before warnings before notes, then by subject."""
        return _SEVERITY_ORDER[self.severity], self.subject, self.code

    def __str__(self) -> str:
        rows = f" [{self.row_count:,} rows" if self.row_count is not None else ""
        if rows and self.first_keys:
            rows += f", first: {', '.join(self.first_keys)}"
        rows += "]" if rows else ""
        act = f" Next: {self.decision}" if self.decision else ""
        return f"{self.subject}: {self.message}{rows}.{act}"


def sort_findings(findings: list[Finding] | tuple[Finding, ...]) -> tuple[Finding, ...]:
    """All findings, errors first, in a deterministic order."""
    return tuple(sorted(findings, key=lambda finding: finding.sort_key))


def has_errors(findings: tuple[Finding, ...]) -> bool:
    """Whether any of them refuses the migration."""
    return any(finding.severity is Severity.ERROR for finding in findings)
