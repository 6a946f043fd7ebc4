"""What the plan and preflight found: facts a person must settle, or should know. No SQL, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Severity(StrEnum):
    """An error refuses the migration; a warning is reported and goes along."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Concern(StrEnum):
    """What a finding is about; in Dagster each is a check on preflight, named like this."""

    READY = "both_sides_are_ready"
    CATALOGS = "catalogs_match"
    VALUES = "values_fit"
    KEYS = "keys_hold"


# Codes that are not here are about the catalogs.
_CONCERNS = {
    **dict.fromkeys(
        (
            *("no_table_visible", "source_partly_visible", "source_table_not_readable", "target_is_live"),
            *("target_right_missing", "row_security_forced", "triggers_disabled_for_the_load"),
            *("table_has_inheriting_tables", "target_rows_not_ours", "target_rows_changed_since_the_load"),
        ),
        Concern.READY,
    ),
    **dict.fromkeys(
        (
            *("is_null", "decimal_finer_than", "decimal_outside", "integer_outside", "text_longer_than"),
            *("fraction_finer_than", "offset_is_lost", "contains_nul", "lone_surrogate", "not_json"),
            *("variant_base_types", "decision_does_not_fit", "decision_without_effect"),
        ),
        Concern.VALUES,
    ),
    **dict.fromkeys(
        (
            *("ends_in_space", "not_unique_at_target", "orphans", "orphans_carried", "unique_key_not_asked"),
            *("parent_is_not_loaded", "foreign_key_points_elsewhere", "foreign_key_columns_differ"),
            *("foreign_keys_not_at_target", "unique_keys_not_at_target", "unique_key_allows_several_nulls"),
        ),
        Concern.KEYS,
    ),
}

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
    def concern(self) -> Concern:
        """What it is about."""
        return _CONCERNS.get(self.code, Concern.CATALOGS)

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
