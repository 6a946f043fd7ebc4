"""What a person can decide: the shape of decisions.yaml as pydantic models, and nothing else.

docs/decisions.md explains each key to the operator. The file is read in ``decisions_file``; whether what a
decision names exists is asked in ``decided_names``.
"""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    field_validator,
    model_validator,
)

from blb_migration.plan.target_names import NameStyle

_NO_REASONS = ("true", "false", "yes", "no", "none", "null")


def _refuse_empty_words(text: str) -> str:
    if text.lower() in _NO_REASONS or not re.search(r"\w", text):
        raise ValueError(f"{text!r} is no reason; write in words why")
    return text


def _refuse_no_owner(text: str) -> str:
    if not re.fullmatch(r"team:\S.*|[^@\s]+@[^@\s]+\.[^@\s]+", text):
        raise ValueError(f"the owner {text!r} is neither an e-mail address nor team:name")
    return text


def _refuse_unknown_zone(name: str) -> str:
    if name not in zoneinfo.available_timezones():
        raise ValueError(f"{name!r} is no time zone of the IANA database, like Europe/Berlin")
    return name


Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3),
    AfterValidator(_refuse_empty_words),
]
Owner = Annotated[str, AfterValidator(_refuse_no_owner)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Words = Annotated[tuple[str, ...], Field(min_length=1)]
GroupName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+$")]
CaseInsensitive = Literal["report", "citext", "icu"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @field_validator("*", mode="before")
    @classmethod
    def _is_not_empty(cls, value: object) -> object:
        if value is None:  # a default is not validated: the key stands there, and nothing behind it
            raise ValueError("nothing stands behind the key")
        return value


def list_keys(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the keys of a part of the file, as they are written there."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


class KeyTotalDecision(_Strict):
    """One key total: exactly one of ``sum`` (a column) and ``count`` (a label), with an optional
    ``where``, written in plain SQL over the source's column names and run on both sides."""

    sum: Name | None = None
    count: Name | None = None
    where: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = None

    @model_validator(mode="after")
    def _has_one_kind(self) -> KeyTotalDecision:
        if (self.sum is None) == (self.count is None):
            raise ValueError("a key total has either 'sum: column' or 'count: label'")
        if self.count is not None and self.where is None:
            raise ValueError("'count' needs a 'where'; the count of all rows is compared without being asked")
        return self


@dataclass(frozen=True)
class Replacement:
    """What a value is replaced by or filled with, exactly as it is written in the file."""

    text: str


def _read_treatment(words: tuple[str, ...], key: str | None) -> Callable[[object], object]:
    """Return a validator for one of ``words``, or for ``{key: text}``."""
    allowed = ", ".join(f"'{word}'" for word in words) + (f" or {{{key}: value}}" if key else "")

    def read(value: object) -> object:
        if isinstance(value, Replacement) or (isinstance(value, str) and value in words):
            return value
        if isinstance(value, dict) and list(value) == [key] and isinstance(value[key], str):
            return Replacement(value[key])
        raise ValueError(f"{value!r} is not one of: {allowed}")

    return read


def _treatment(*words: str, key: str | None = None) -> Any:
    return BeforeValidator(_read_treatment(("reject", *words), key))


Treatment = str | Replacement | None


class ColumnDecision(_Strict):
    """What happens to one source column and to its values.

    Not migrated (``skip``, with the reason), or loaded into a column of another name (``to``), or values
    that the target could not take are made to fit (the ``on_`` keys), or it is said what they mean in the
    target's type (``zone``, ``true`` and ``false``, ``byte_order``, ``as``); all but the first with a
    ``reason``. ``hide`` (a reason): where rows differ, its values are not shown.
    """

    skip: Reason | None = None
    hide: Reason | None = None
    to: Name | None = None
    on_null: Annotated[Treatment, _treatment(key="fill")] = None
    on_too_precise: Annotated[Treatment, _treatment("round", "truncate")] = None
    on_too_long: Annotated[Treatment, _treatment("truncate")] = None
    on_nul_character: Annotated[Treatment, _treatment("strip", key="replace")] = None
    on_lone_surrogate: Annotated[Treatment, _treatment("replace")] = None
    on_time_of_day: Annotated[Treatment, _treatment("truncate")] = None
    zone: Annotated[str, AfterValidator(_refuse_unknown_zone)] | None = None
    true: Words | None = None
    false: Words | None = None
    byte_order: Literal["rfc", "sqlserver"] | None = None
    as_: Annotated[Literal["string"] | None, Field(alias="as")] = None
    reason: Reason | None = None

    @property
    def value_decisions(self) -> dict[str, str | Replacement]:
        """What is decided about values, by key; ``reject`` is the default and left out."""
        decided = {key: getattr(self, key) for key in type(self).model_fields if key.startswith("on_")}
        return {key: value for key, value in decided.items() if value not in (None, "reject")}

    @property
    def meanings(self) -> dict[str, tuple[str, ...]]:
        """What is decided about the meaning of a pair of types, by key, each with its values."""
        single = {"zone": self.zone, "byte_order": self.byte_order, "as": self.as_}
        decided: dict[str, tuple[str, ...]] = {key: (value,) for key, value in single.items() if value}
        for key, words in (("true", self.true), ("false", self.false)):
            if words is not None:
                decided[key] = words
        return decided

    @model_validator(mode="after")
    def _has_one_kind(self) -> ColumnDecision:
        decides_values = bool(self.meanings) or any(key.startswith("on_") for key in self.model_fields_set)
        if self.true is not None and self.false is not None and set(self.true) & set(self.false):
            raise ValueError("the same word stands for true and for false")
        decides_loading = self.to is not None or decides_values
        if (self.skip is None) == (not decides_loading and self.hide is None) or (
            self.skip is not None and self.hide is not None
        ):
            raise ValueError(
                "a column has either 'skip: reason', or 'to: target column', 'on_...' keys and what its "
                "values mean, with a 'reason'; 'hide: reason' goes with these or alone"
            )
        if decides_loading and self.reason is None:
            raise ValueError("'to', 'on_...' and what values mean need a 'reason'")
        return self


class TableDecision(_Strict):
    """What happens to one source table, its columns and its key totals.

    ``replace_rows`` (a reason) allows the load to remove rows of this target table that this tool did not
    load, or that others have changed since; without it such rows refuse the load.
    ``long_index_entries`` (a reason) loads rows whose entry in an index is too large before it is compressed.
    """

    skip: Reason | None = None
    to: Name | None = None
    reason: Reason | None = None
    columns: dict[Name, ColumnDecision] = Field(default_factory=dict)
    key_totals: tuple[KeyTotalDecision, ...] = ()
    replace_rows: Reason | None = None
    long_index_entries: Reason | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> TableDecision:
        if not self.model_fields_set:
            raise ValueError("nothing is decided about this table")
        if self.skip is not None and self.model_fields_set != {"skip"}:
            raise ValueError("a skipped table has nothing else to decide")
        if (self.to is None) != (self.reason is None):
            raise ValueError("'to' needs a 'reason', and only 'to' has one")
        return self


class LocalTimes(_Strict):
    """Whose clocks showed the source's local times, in all columns that become instants."""

    zone: Annotated[str, AfterValidator(_refuse_unknown_zone)]
    reason: Reason


class Decisions(_Strict):
    """The whole file. Table names are ``schema.table``, or just ``table`` in ``default_schema``.

    ``names`` is how source names are spelled at the target; ``case_insensitive`` and ``xml`` are what
    columns are created as, where this tool creates the tables. ``local_times`` answers for every column that
    has no ``zone`` of its own. ``disposable_targets`` are target databases
    (``host:port/database``) whose rows may be replaced whoever changed them, each with the reason.
    """

    project: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+$")]
    title: str = ""
    default_schema: Name = "dbo"
    schemas: dict[Name, Name] = Field(default_factory=lambda: {"dbo": "public"})
    names: NameStyle = "keep"
    case_insensitive: CaseInsensitive = "report"
    xml: Literal["text", "xml"] = "text"
    local_times: LocalTimes | None = None
    tables: dict[Name, TableDecision] = Field(default_factory=dict)
    groups: dict[GroupName, Annotated[tuple[Name, ...], Field(min_length=1)]] = Field(default_factory=dict)
    disposable_targets: dict[Name, Reason] = Field(default_factory=dict)
    owners: dict[str, Annotated[tuple[Owner, ...], Field(min_length=1)]] = Field(default_factory=dict)
