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


class Code(StrEnum):
    """What was found: stable, for machines, each with its concern. The values are those of the report."""

    concern: Concern

    def __new__(cls, value: str, concern: Concern) -> Code:
        """Make a member of its value and its concern."""
        code = str.__new__(cls, value)
        code._value_ = value
        code.concern = concern
        return code

    NO_TABLE_VISIBLE = "no_table_visible", Concern.READY
    COLUMN_IS_SPECIAL = "column_is_special", Concern.READY
    COLUMN_IS_MASKED = "column_is_masked", Concern.READY
    ROWS_ARE_FILTERED = "rows_are_filtered", Concern.READY
    SOURCE_PARTLY_VISIBLE = "source_partly_visible", Concern.READY
    SNAPSHOT_NOT_ALLOWED = "snapshot_not_allowed", Concern.READY
    SOURCE_TABLE_NOT_READABLE = "source_table_not_readable", Concern.READY
    SOURCE_SENDS_ANOTHER_TYPE = "source_sends_another_type", Concern.READY
    TARGET_IS_LIVE = "target_is_live", Concern.READY
    TARGET_RIGHT_MISSING = "target_right_missing", Concern.READY
    EVENT_TRIGGERS_REFUSE = "event_triggers_refuse", Concern.READY
    EVENT_TRIGGERS_FIRE = "event_triggers_fire", Concern.READY
    TOO_FEW_SESSIONS = "too_few_sessions", Concern.READY
    ROW_SECURITY_FORCED = "row_security_forced", Concern.READY
    TRIGGERS_DISABLED_FOR_THE_LOAD = "triggers_disabled_for_the_load", Concern.READY
    TABLE_HAS_INHERITING_TABLES = "table_has_inheriting_tables", Concern.READY
    TARGET_ROWS_NOT_OURS = "target_rows_not_ours", Concern.READY
    TARGET_ROWS_CHANGED_SINCE_THE_LOAD = "target_rows_changed_since_the_load", Concern.READY

    CASE_INSENSITIVE_COLLATION = "case_insensitive_collation", Concern.CATALOGS
    CASE_INSENSITIVE_COLUMNS = "case_insensitive_columns", Concern.CATALOGS
    CASE_INSENSITIVE_KEYS = "case_insensitive_keys", Concern.CATALOGS
    CHECK_NOT_TRANSLATED = "check_not_translated", Concern.CATALOGS
    CHECK_NOT_TRUSTED = "check_not_trusted", Concern.CATALOGS
    COMPUTED_COLUMN_NOT_TRANSLATED = "computed_column_not_translated", Concern.CATALOGS
    CYCLE_COLLAPSED = "cycle_collapsed", Concern.CATALOGS
    DECISION_WITHOUT_OBJECT = "decision_without_object", Concern.CATALOGS
    DEFAULT_NOT_TRANSLATED = "default_not_translated", Concern.CATALOGS
    DEFAULTS_NOT_CARRIED = "defaults_not_carried", Concern.CATALOGS
    GENERATED_COLUMN_DIFFERS = "generated_column_differs", Concern.CATALOGS
    FOREIGN_KEY_DISABLED = "foreign_key_disabled", Concern.CATALOGS
    FOREIGN_KEY_LEFT_OUT = "foreign_key_left_out", Concern.CATALOGS
    FOREIGN_KEY_NOT_VALID = "foreign_key_not_valid", Concern.CATALOGS
    IDENTITY_ANSWERS_CONTRADICT = "identity_answers_contradict", Concern.CATALOGS
    IDENTITY_ANSWERS_DISAGREE = "identity_answers_disagree", Concern.CATALOGS
    IDENTITY_BEYOND_SEQUENCE = "identity_beyond_sequence", Concern.CATALOGS
    IDENTITY_NOT_CARRIED = "identity_not_carried", Concern.CATALOGS
    INDEX_FILTER_NOT_TRANSLATED = "index_filter_not_translated", Concern.CATALOGS
    INCLUDED_COLUMNS_LEFT_OUT = "included_columns_left_out", Concern.CATALOGS
    INDEX_TOO_WIDE = "index_too_wide", Concern.CATALOGS
    INDEXES_NOT_AT_TARGET = "indexes_not_at_target", Concern.CATALOGS
    KEY_LEFT_OUT = "key_left_out", Concern.CATALOGS
    KEY_REDUNDANT = "key_redundant", Concern.CATALOGS
    MEANING_NOT_DECIDED = "meaning_not_decided", Concern.CATALOGS
    NO_COLUMN_LOADED = "no_column_loaded", Concern.CATALOGS
    NO_RULE_FOR_TYPES = "no_rule_for_types", Concern.CATALOGS
    NO_TYPE_TO_CREATE = "no_type_to_create", Concern.CATALOGS
    PLAN_IS_OUT_OF_DATE = "plan_is_out_of_date", Concern.CATALOGS
    QUESTION_NOT_ANSWERED = "question_not_answered", Concern.CATALOGS
    ROWVERSION_NOT_COUNTED = "rowversion_not_counted", Concern.CATALOGS
    ROWVERSION_STANDS_STILL = "rowversion_stands_still", Concern.CATALOGS
    SCHEMA_NAME_RESERVED = "schema_name_reserved", Concern.CATALOGS
    SERVER_LACKS_CITEXT = "server_lacks_citext", Concern.CATALOGS
    SERVER_LACKS_ICU = "server_lacks_icu", Concern.CATALOGS
    SERVER_LACKS_XML = "server_lacks_xml", Concern.CATALOGS
    SEQUENCE_STEP_DIFFERS = "sequence_step_differs", Concern.CATALOGS
    SOURCE_COLUMN_WITHOUT_TARGET = "source_column_without_target", Concern.CATALOGS
    SOURCE_TABLE_WITHOUT_TARGET = "source_table_without_target", Concern.CATALOGS
    TABLE_IN_TWO_GROUPS = "table_in_two_groups", Concern.CATALOGS
    TARGET_COLUMN_FED_TWICE = "target_column_fed_twice", Concern.CATALOGS
    TARGET_COLUMN_WITHOUT_SOURCE = "target_column_without_source", Concern.CATALOGS
    COLUMN_NAME_RESERVED = "column_name_reserved", Concern.CATALOGS
    TARGET_NAMES_COLLIDE = "target_names_collide", Concern.CATALOGS
    TARGET_TABLE_FED_TWICE = "target_table_fed_twice", Concern.CATALOGS
    TARGET_TABLE_WITHOUT_SOURCE = "target_table_without_source", Concern.CATALOGS
    TOO_MANY_COLUMNS = "too_many_columns", Concern.CATALOGS
    UNIQUE_ALLOWS_MANY_NULLS = "unique_allows_many_nulls", Concern.CATALOGS

    IS_NULL = "is_null", Concern.VALUES
    DECIMAL_FINER_THAN = "decimal_finer_than", Concern.VALUES
    DECIMAL_OUTSIDE = "decimal_outside", Concern.VALUES
    INTEGER_OUTSIDE = "integer_outside", Concern.VALUES
    TEXT_LONGER_THAN = "text_longer_than", Concern.VALUES
    FRACTION_FINER_THAN = "fraction_finer_than", Concern.VALUES
    OFFSET_IS_LOST = "offset_is_lost", Concern.VALUES
    CONTAINS_NUL = "contains_nul", Concern.VALUES
    LONE_SURROGATE = "lone_surrogate", Concern.VALUES
    NOT_JSON = "not_json", Concern.VALUES
    ROW_TOO_WIDE = "row_too_wide", Concern.VALUES
    ROW_TOO_LARGE = "row_too_large", Concern.VALUES
    INDEX_ENTRY_TOO_LARGE = "index_entry_too_large", Concern.VALUES
    JSON_NUL = "json_nul", Concern.VALUES
    JSON_LONE_SURROGATE = "json_lone_surrogate", Concern.VALUES
    JSON_NUMBER_OUTSIDE = "json_number_outside", Concern.VALUES
    NOT_UUID = "not_uuid", Concern.VALUES
    NOT_A_WORD = "not_a_word", Concern.VALUES
    NOT_SIXTEEN_BYTES = "not_sixteen_bytes", Concern.VALUES
    HAS_TIME_OF_DAY = "has_time_of_day", Concern.VALUES
    SKIPPED_LOCAL_TIME = "skipped_local_time", Concern.VALUES
    REPEATED_LOCAL_TIME = "repeated_local_time", Concern.VALUES
    FLOAT_FINER_THAN = "float_finer_than", Concern.VALUES
    FLOAT_OUTSIDE = "float_outside", Concern.VALUES
    INEXACT_AS_FLOAT = "inexact_as_float", Concern.VALUES
    REAL_OUTSIDE = "real_outside", Concern.VALUES
    NOT_THE_NUMBER = "not_the_number", Concern.VALUES
    NOT_THE_DATE = "not_the_date", Concern.VALUES
    INSTANT_SHOWN_TWICE = "instant_shown_twice", Concern.VALUES
    VARIANT_BASE_TYPES = "variant_base_types", Concern.VALUES
    TARGET_RULE_BROKEN = "target_rule_broken", Concern.VALUES
    TARGET_RULES_NOT_ASKED = "target_rules_not_asked", Concern.VALUES
    DECISION_DOES_NOT_FIT = "decision_does_not_fit", Concern.VALUES
    DECISION_WITHOUT_EFFECT = "decision_without_effect", Concern.VALUES

    ENDS_IN_SPACE = "ends_in_space", Concern.KEYS
    NOT_UNIQUE_AT_TARGET = "not_unique_at_target", Concern.KEYS
    FOREIGN_KEYS_DROPPED = "foreign_keys_dropped", Concern.KEYS
    ORPHANS = "orphans", Concern.KEYS
    ORPHANS_IN_TARGET = "orphans_in_target", Concern.KEYS
    ORPHANS_CARRIED = "orphans_carried", Concern.KEYS
    UNIQUE_KEY_NOT_ASKED = "unique_key_not_asked", Concern.KEYS
    FOREIGN_KEY_NOT_ASKED = "foreign_key_not_asked", Concern.KEYS
    PARENT_IS_NOT_LOADED = "parent_is_not_loaded", Concern.KEYS
    MATERIALIZED_VIEW_IS_STALE = "materialized_view_is_stale", Concern.CATALOGS
    CHILD_IS_NOT_LOADED = "child_is_not_loaded", Concern.KEYS
    FOREIGN_KEY_POINTS_ELSEWHERE = "foreign_key_points_elsewhere", Concern.KEYS
    FOREIGN_KEY_COLUMNS_DIFFER = "foreign_key_columns_differ", Concern.KEYS
    FOREIGN_KEYS_NOT_AT_TARGET = "foreign_keys_not_at_target", Concern.KEYS
    UNIQUE_KEYS_NOT_AT_TARGET = "unique_keys_not_at_target", Concern.KEYS
    UNIQUE_KEY_ALLOWS_SEVERAL_NULLS = "unique_key_allows_several_nulls", Concern.KEYS


_SEVERITY_ORDER = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.NOTE: 2}


@dataclass(frozen=True)
class Finding:
    """One thing found before a row was written.

    ``subject`` names the object (``table`` or
    ``table.column``); ``row_count`` says how many rows are concerned and ``first_keys`` names the
    first of them, where rows were asked; ``decision`` is what would cover it, ready to paste into
    decisions.yaml or a next act in words.
    """

    code: Code
    severity: Severity
    subject: str
    message: str
    decision: str | None = None
    row_count: int | None = None
    first_keys: tuple[str, ...] = field(default=())

    @property
    def concern(self) -> Concern:
        """What it is about."""
        return self.code.concern

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
