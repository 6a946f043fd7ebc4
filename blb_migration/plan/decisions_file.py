"""decisions.yaml as a file: read with line numbers, refused by file and line where it is not clear.

What can be decided is in ``decisions``. All faults of a file are named at once, the first in full.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import NoReturn

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from blb_migration.errors import ConfigurationError
from blb_migration.plan.decisions import ColumnDecision, Decisions, KeyTotalDecision, TableDecision

CORRECT_THE_LINE = "Correct the line (docs/decisions.md explains each key)"
_OTHERS_SHOWN = 9

Location = tuple[int | str, ...]
"""The keys and list positions that lead to a place in the file."""


class _LiteralLoader(yaml.SafeLoader):
    """Takes plain values as they are written: 0.10, NO and 2020-01-01 stay text, to the last character."""


_LiteralLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag == "tag:yaml.org,2002:null"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


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
            _refuse(self.name, yaml.compose(self.text, Loader=yaml.SafeLoader), faults)


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
    except yaml.YAMLError as error:
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        problem = error.problem if isinstance(error, yaml.MarkedYAMLError) else str(error).splitlines()[0]
        raise ConfigurationError(
            f"{file_name}, line {mark.line + 1 if mark else 1}",
            found=f"not valid YAML ({problem})",
            expected="indentation by spaces and 'key: value' lines; quote text that holds ': ' or '#'",
            next_act="Correct the line",
        ) from None
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
        _refuse(file_name, root, [_describe_fault(one) for one in error.errors()])


def _refuse(file_name: str, root: yaml.Node | None, faults: Sequence[DecisionFault]) -> NoReturn:
    """Raise for the first fault in the file, and name the others with their lines."""
    placed = sorted(((_find_line(root, fault.location), fault) for fault in faults), key=lambda item: item[0])
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
    model = _find_model(location)
    known: tuple[str, ...] = ()
    if error["type"] == "extra_forbidden":
        known = tuple(model.model_fields)
        found = f"unknown key {str(location[-1])!r}{suggest(str(location[-1]), known)}"
    keys = ", ".join(model.model_fields)
    expected = f"one of the keys {keys}" if known else f"as documented for {keys}"
    if error["type"] == "missing":
        expected = f"the key {location[-1]!r}; keys here are: {keys}"
    return DecisionFault(location, f"{where}: {found}", expected)


def suggest(name: str, known: Iterable[str]) -> str:
    """`` (did you mean …?)`` with the nearest of ``known``, whatever its letter case; else nothing."""
    by_folded = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_folded, n=1)
    return f" (did you mean {by_folded[near[0]]}?)" if near else ""


def _find_model(location: Location) -> type[BaseModel]:
    if len(location) > 2 and location[0] == "tables":
        if len(location) > 4 and location[2] in {"columns", "key_totals"}:
            return ColumnDecision if location[2] == "columns" else KeyTotalDecision
        return TableDecision
    return Decisions


def _refuse_duplicate_keys(node: yaml.Node | None, file_name: str, above: tuple[int, ...] = ()) -> None:
    if node is not None and id(node) in above:
        raise yaml.composer.ComposerError(None, None, "an alias stands inside what it names", node.start_mark)
    above += (id(node),)
    if isinstance(node, yaml.MappingNode):
        seen: dict[Hashable, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is a list or has keys of its own", key.start_mark
                )
            if key.value in seen:
                raise ConfigurationError(
                    f"{file_name}, line {line}",
                    found=f"the key {key.value!r} stands here and on line {seen[key.value]}",
                    expected="each key once",
                    next_act="Merge the two",
                )
            seen[key.value] = line
            _refuse_duplicate_keys(value, file_name, above)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_duplicate_keys(item, file_name, above)


def _find_line(node: yaml.Node | None, location: Location) -> int:
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
