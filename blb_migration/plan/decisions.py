"""decisions.yaml: what a person decided, read with line numbers, refused where it is not clear.

The file's shape is the pydantic models below; docs/decisions.md explains each key to the operator.
Whether a decision's tables and columns exist is the plan's business (``build.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from blb_migration.errors import ConfigurationError
from blb_migration.plan.target_names import NameStyle

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128)]
GroupName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]+$")]
CaseInsensitive = Literal["report", "citext", "icu"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class KeyTotalDecision(_Strict):
    """One key total: exactly one of ``sum`` (a column) and ``count`` (a label), with an optional
    ``where``, written in plain SQL over the source's column names and run on both sides."""

    sum: Name | None = None
    count: Name | None = None
    where: str | None = None

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
    """A validator for one of ``words``, or for ``{key: text}``."""
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
        if self.skip is not None and (self.to or self.columns or self.key_totals):
            raise ValueError("a skipped table has nothing else to decide")
        if self.to is not None and self.reason is None:
            raise ValueError("'to' needs a 'reason'")
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
    groups: dict[GroupName, tuple[Name, ...]] = Field(default_factory=dict)
    owners: dict[GroupName, tuple[str, ...]] = Field(default_factory=dict)


class _LiteralLoader(yaml.SafeLoader):
    """Takes plain values as they are written: 0.10, NO and 2020-01-01 stay text, to the last character."""


_LiteralLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag == "tag:yaml.org,2002:null"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class DecisionsFile:
    """A parsed file together with its text, which is what a project writes back unchanged."""

    decisions: Decisions
    text: str


def read_decisions(path: Path) -> DecisionsFile:
    """Read and check a decisions file.

    Raises ConfigurationError naming the file, the line, what was found and what was expected.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(
            str(path),
            found=f"cannot be read ({error.strerror})",
            expected="a decisions.yaml",
            next_act="Run 'blb-migrate init DIR' to make a project folder",
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            str(path), found=f"byte {error.start} is not UTF-8", expected="a UTF-8 text file"
        ) from None
    return parse_decisions(text, str(path))


def parse_decisions(text: str, file_name: str) -> DecisionsFile:
    """Check a decisions file's text; ``file_name`` only stands in messages."""
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_duplicate_keys(root, file_name)
        document = yaml.load(text, Loader=_LiteralLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigurationError(
            f"{file_name}, line {line}",
            found=f"not valid YAML ({error.problem})",
            expected="indentation by spaces and 'key: value' lines; quote text that holds ': ' or '#'",
            next_act="Correct the line",
        ) from None
    if not isinstance(document, dict):
        raise ConfigurationError(
            f"{file_name}, line 1",
            found=f"the file holds {type(document).__name__}, not keys",
            expected="keys, beginning with 'project: name'",
        )
    try:
        return DecisionsFile(Decisions.model_validate(document), text)
    except ValidationError as error:
        first = error.errors()[0]
        line = _find_line(root, first["loc"])
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        found = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            found = f"unknown key {first['loc'][-1]!r}"
        raise ConfigurationError(
            f"{file_name}, line {line}",
            found=f"{where}: {found}",
            expected=_describe_expected(first["loc"], first["type"]),
            next_act="Correct the line ('blb-migrate docs decisions' explains each key)",
        ) from None


def _describe_expected(location: tuple[int | str, ...], error_type: str) -> str:
    model: Any = Decisions
    if len(location) > 1 and location[0] == "tables":
        model = TableDecision
        if len(location) > 3 and location[2] == "columns":
            model = ColumnDecision
        if len(location) > 3 and location[2] == "key_totals":
            model = KeyTotalDecision
    keys = ", ".join(model.model_fields)
    if error_type == "missing":
        return f"the key {location[-1]!r}; keys here are: {keys}"
    return f"one of the keys {keys}" if error_type == "extra_forbidden" else f"as documented for {keys}"


def _refuse_duplicate_keys(node: yaml.Node | None, file_name: str) -> None:
    if isinstance(node, yaml.MappingNode):
        seen: dict[Hashable, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if key.value in seen:
                raise ConfigurationError(
                    f"{file_name}, line {line}",
                    found=f"the key {key.value!r} stands here and on line {seen[key.value]}",
                    expected="each key once",
                    next_act="Merge the two",
                )
            seen[key.value] = line
            _refuse_duplicate_keys(value, file_name)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicate_keys(item, file_name)


def _find_line(node: yaml.Node | None, location: tuple[int | str, ...]) -> int:
    """The 1-based line of the deepest part of ``location`` that stands in the file."""
    line = 1
    for part in location:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    line, node = key.start_mark.line + 1, value
                    break
            else:
                break
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            break
    return line
