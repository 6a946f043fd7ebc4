"""What a person can decide: the shape of decisions.yaml as pydantic models, and nothing else.

docs/decisions.md explains each key to the operator. The file is read in ``decisions_file``; whether what a
decision names exists is asked in ``decided_names``.
"""

from __future__ import annotations

import re
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


Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=3),
    AfterValidator(_refuse_empty_words),
]
Owner = Annotated[str, AfterValidator(_refuse_no_owner)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
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
    that the target could not take are made to fit (the ``on_`` keys); the latter two with a ``reason``.
    """

    skip: Reason | None = None
    to: Name | None = None
    on_null: Annotated[Treatment, _treatment(key="fill")] = None
    on_too_precise: Annotated[Treatment, _treatment("round", "truncate")] = None
    on_too_long: Annotated[Treatment, _treatment("truncate")] = None
    on_nul_character: Annotated[Treatment, _treatment("strip", key="replace")] = None
    on_lone_surrogate: Annotated[Treatment, _treatment("replace")] = None
    reason: Reason | None = None

    @property
    def value_decisions(self) -> dict[str, str | Replacement]:
        """What is decided about values, by key; ``reject`` is the default and left out."""
        decided = {key: getattr(self, key) for key in type(self).model_fields if key.startswith("on_")}
        return {key: value for key, value in decided.items() if value not in (None, "reject")}

    @model_validator(mode="after")
    def _has_one_kind(self) -> ColumnDecision:
        decides_values = any(key.startswith("on_") for key in self.model_fields_set)
        if (self.skip is None) == (self.to is None and not decides_values):
            raise ValueError(
                "a column has either 'skip: reason', or 'to: target column' and 'on_...' keys with a 'reason'"
            )
        if self.skip is None and self.reason is None:
            raise ValueError("'to' and 'on_...' need a 'reason'")
        return self


class TableDecision(_Strict):
    """What happens to one source table, its columns and its key totals.

    ``replace_rows`` (a reason) allows the load to remove rows of this target table that this tool
    did not load; without it such rows refuse the load.
    """

    skip: Reason | None = None
    to: Name | None = None
    reason: Reason | None = None
    columns: dict[Name, ColumnDecision] = Field(default_factory=dict)
    key_totals: tuple[KeyTotalDecision, ...] = ()
    replace_rows: Reason | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> TableDecision:
        if not self.model_fields_set:
            raise ValueError("nothing is decided about this table")
        if self.skip is not None and self.model_fields_set != {"skip"}:
            raise ValueError("a skipped table has nothing else to decide")
        if (self.to is None) != (self.reason is None):
            raise ValueError("'to' needs a 'reason', and only 'to' has one")
        return self


class Decisions(_Strict):
    """The whole file. Table names are ``schema.table``, or just ``table`` in ``default_schema``.

    ``names`` is how source names are spelled at the target; ``case_insensitive`` and ``xml`` are what
    columns are created as, where this tool creates the tables.
    """

    project: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+$")]
    title: str = ""
    default_schema: Name = "dbo"
    schemas: dict[Name, Name] = Field(default_factory=lambda: {"dbo": "public"})
    names: NameStyle = "keep"
    case_insensitive: CaseInsensitive = "report"
    xml: Literal["text", "xml"] = "text"
    tables: dict[Name, TableDecision] = Field(default_factory=dict)
    groups: dict[GroupName, Annotated[tuple[Name, ...], Field(min_length=1)]] = Field(default_factory=dict)
    owners: dict[str, Annotated[tuple[Owner, ...], Field(min_length=1)]] = Field(default_factory=dict)
