"""decisions.yaml as a file: read with line numbers, refused by file and line where it is not clear.

What can be decided is in ``decisions``. All faults of a file are named at once, the first in full.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from blb_migration.errors import ConfigurationError
from blb_migration.near_names import suggest
from blb_migration.plan.decisions import ColumnDecision, Decisions, KeyTotalDecision, TableDecision, list_keys
from blb_migration.plan.yaml_document import load_yaml, read_yaml_text

CORRECT_THE_LINE = "Correct the line (docs/decisions.md explains each key)"
_OTHERS_SHOWN = 9

Location = tuple[int | str, ...]
"""The keys and list positions that lead to a place in the file."""


@dataclass(frozen=True)
class DecisionFault:
    """Something decided that cannot be carried out, at ``location``: the keys that lead to it."""

    location: Location
    found: str
    expected: str
    next_act: str = CORRECT_THE_LINE


@dataclass(frozen=True)
class DecisionsFile:
    """A parsed file together with its text, which is what a project writes back unchanged.

    ``name`` is the file's, for messages.
    """

    decisions: Decisions
    text: str
    name: str

    def refuse(self, faults: Sequence[DecisionFault]) -> None:
        """Raise ConfigurationError naming file and line of every fault, when there are any."""
        if faults:
            refuse_faults(self.name, load_yaml(self.text, self.name)[0], faults)


def read_decisions(path: Path) -> DecisionsFile:
    """Read and check a decisions file.

    Raises ConfigurationError naming the file, the line, what was found and what was expected.
    """
    text = read_yaml_text(
        path, expected="a decisions.yaml", next_act="Run 'blb-migrate init DIR' to make a project folder"
    )
    return parse_decisions(text, str(path))


def parse_decisions(text: str, file_name: str) -> DecisionsFile:
    """Check a decisions file's text; ``file_name`` only stands in messages."""
    root, document = load_yaml(text, file_name)
    if not isinstance(document, dict):
        raise ConfigurationError(
            f"{file_name}, line 1",
            found="the file is empty"
            if document is None
            else f"the file holds {type(document).__name__}, not keys",
            expected="keys, beginning with 'project: name'",
            next_act="Run 'blb-migrate init DIR' in a new folder to see one",
        )
    try:
        return DecisionsFile(Decisions.model_validate(document), text, file_name)
    except ValidationError as error:
        refuse_faults(file_name, root, [_describe_fault(one) for one in error.errors()])


def refuse_faults(file_name: str, root: yaml.Node | None, faults: Sequence[DecisionFault]) -> NoReturn:
    """Raise for the first fault in the file, and name the others with their lines."""
    placed = sorted(((find_line(root, fault.location), fault) for fault in faults), key=lambda item: item[0])
    line, first = placed[0]
    others = [f"\n  line {other_line}: {other.found}" for other_line, other in placed[1 : 1 + _OTHERS_SHOWN]]
    if len(placed) > 1 + _OTHERS_SHOWN:
        others.append(f"\n  and {len(placed) - 1 - _OTHERS_SHOWN} more")
    raise ConfigurationError(
        f"{file_name}, line {line}",
        found=first.found,
        expected=first.expected,
        next_act=first.next_act + ("".join((". Also:", *others)) if others else ""),
    ) from None


def _describe_fault(error: ErrorDetails) -> DecisionFault:
    location = tuple(part for part in error["loc"] if part != "[key]")
    where = ".".join(str(part) for part in location) or "the file"
    found = error["msg"].removeprefix("Value error, ")
    if error["type"] in ("model_type", "dict_type"):
        found = "nothing stands behind the key" if error["input"] is None else "no keys stand behind it"
    model = _find_model(location)
    known: tuple[str, ...] = ()
    if error["type"] == "extra_forbidden":
        known = list_keys(model)
        found = f"unknown key {str(location[-1])!r}{suggest(str(location[-1]), known)}"
    keys = ", ".join(list_keys(model))
    expected = f"one of the keys {keys}" if known else f"as documented for {keys}"
    if error["type"] == "missing":
        expected = f"the key {location[-1]!r}; keys here are: {keys}"
    return DecisionFault(location, f"{where}: {found}", expected)


def _find_model(location: Location) -> type[BaseModel]:
    if len(location) > 2 and location[0] == "tables":
        if len(location) > 4 and location[2] in {"columns", "key_totals"}:
            return ColumnDecision if location[2] == "columns" else KeyTotalDecision
        return TableDecision
    return Decisions


def find_line(node: yaml.Node | None, location: Location) -> int:
    """Find the 1-based line of the deepest part of ``location`` that stands in the file."""
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
