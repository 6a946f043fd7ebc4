"""A YAML file that a person wrote, as values and as nodes with their lines; what would not end is refused.

Everything plain stays text, to the last character. Tags are refused, and so is what a short text can blow up
to: nesting without end, and aliases of aliases. A key that stands twice is one key, if the two do not
contradict each other.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from blb_migration.errors import ConfigurationError

MAX_CHARACTERS = 2_000_000  # a table of 100 columns, each with a decision, takes 6,000
MAX_DEPTH = 40
MAX_NODES = 200_000  # aliases written out
_EXPECTED = "indentation by spaces and 'key: value' lines; quote text that holds ': ' or '#'"
_Scanner = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where PyYAML was built with it


class _LiteralLoader(yaml.SafeLoader):
    """Takes plain values as they are written: 0.10, NO and 2020-01-01 stay text."""


_LiteralLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag == "tag:yaml.org,2002:null"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_yaml_text(path: Path, expected: str, next_act: str) -> str:
    """Read a file's text.

    Raises ConfigurationError, with ``expected`` and ``next_act`` where the file cannot be opened.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigurationError(
            str(path), found=f"cannot be read ({error.strerror})", expected=expected, next_act=next_act
        ) from None
    except UnicodeDecodeError as error:
        raise ConfigurationError(
            str(path), found=f"byte {error.start} is not UTF-8", expected="a UTF-8 text file"
        ) from None


def load_yaml(text: str, file_name: str) -> tuple[yaml.Node | None, Any]:
    """Return the document's root and its value, both None if it is empty.

    Raises ConfigurationError naming ``file_name`` and the line.
    """
    if len(text) > MAX_CHARACTERS:
        raise _describe(file_name, 1, f"{len(text):,} characters", f"{MAX_CHARACTERS:,} at most")
    try:
        _refuse_tags_and_depth(text, file_name)
        root = yaml.compose(text, Loader=_LiteralLoader)
        if root is None:
            return None, None
        _count_nodes(root, file_name, {})
        root = _Merging(file_name).merge(root)
        return root, _construct(root)
    except yaml.YAMLError as error:
        raise _describe(file_name, _find_error_line(error, text), _name_problem(error)) from None


def _construct(node: yaml.Node) -> Any:
    return _LiteralLoader("").construct_document(node)


def _describe(file_name: str, line: int, problem: str, expected: str = _EXPECTED) -> ConfigurationError:
    return ConfigurationError(
        f"{file_name}, line {line}",
        found=f"not valid YAML ({problem})" if expected is _EXPECTED else problem,
        expected=expected,
        next_act="Correct the line",
    )


def _find_error_line(error: yaml.YAMLError, text: str) -> int:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return int(error.problem_mark.line) + 1
    position = getattr(error, "position", None)  # of a character that YAML does not allow
    return text.count("\n", 0, position) + 1 if isinstance(position, int) else 1


def _name_problem(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem:
        return error.problem
    return str(error).splitlines()[0]


def _refuse_tags_and_depth(text: str, file_name: str) -> None:
    """Read events only: a deep text would end the loaders by a RecursionError."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=_Scanner):
            line = event.start_mark.line + 1 if event.start_mark is not None else 1
            tag = getattr(event, "tag", None)
            if tag is not None:
                raise _describe(file_name, line, f"the tag {tag!r}", "plain values, without tags")
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > MAX_DEPTH:
                raise _describe(file_name, line, "it is nested too deep", f"{MAX_DEPTH} levels at most")
    except yaml.YAMLError:
        return  # the loader says it, in its own words


def _count_nodes(node: yaml.Node, file_name: str, counted: dict[int, int | None]) -> int:
    """Count the nodes with all aliases written out, each node once. None stands for one being counted."""
    if id(node) in counted:
        known = counted[id(node)]
        if known is None:
            raise yaml.composer.ComposerError(
                None, None, "an alias stands inside what it names", node.start_mark
            )
        return known
    counted[id(node)] = None
    children: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        children = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    count = 1 + sum(_count_nodes(child, file_name, counted) for child in children)
    if count > MAX_NODES:
        line = node.start_mark.line + 1
        raise _describe(file_name, line, f"{count:,} values, aliases written out", f"{MAX_NODES:,} at most")
    counted[id(node)] = count
    return count


class _Merging:
    """Makes one of keys that stand twice, as two findings' decisions do that were pasted below each other.

    Raises for two that contradict each other (ConfigurationError), and for a key that is no text (YAMLError).
    A node may stand in several places (an alias): it is not changed, what is made of it is new.
    """

    def __init__(self, file_name: str) -> None:
        self._file_name = file_name
        self._merged: dict[int, yaml.Node] = {}

    def merge(self, node: yaml.Node) -> yaml.Node:
        """Return the node with each key once, at every level."""
        if id(node) not in self._merged:
            self._merged[id(node)] = self._merge(node)
        return self._merged[id(node)]

    def _merge(self, node: yaml.Node) -> yaml.Node:
        if isinstance(node, yaml.SequenceNode):
            items = [self.merge(item) for item in node.value]
            return yaml.SequenceNode(node.tag, items, node.start_mark, node.end_mark)
        if not isinstance(node, yaml.MappingNode):
            return node
        pairs: dict[Hashable, tuple[yaml.Node, yaml.Node]] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key is a list or has keys of its own", key.start_mark
                )
            before = pairs.get(key.value)
            pairs[key.value] = (key, value) if before is None else (before[0], self._join(before, key, value))
        merged = [(key, self.merge(value)) for key, value in pairs.values()]
        return yaml.MappingNode(node.tag, merged, node.start_mark, node.end_mark)

    def _join(self, before: tuple[yaml.Node, yaml.Node], key: yaml.Node, value: yaml.Node) -> yaml.Node:
        first_key, first = before
        if isinstance(first, yaml.MappingNode) and isinstance(value, yaml.MappingNode):
            return yaml.MappingNode(first.tag, first.value + value.value, first.start_mark, first.end_mark)
        if _construct(first) == _construct(value):
            return first
        raise ConfigurationError(
            f"{self._file_name}, line {key.start_mark.line + 1}",
            found=f"the key {key.value!r} stands here and on line {first_key.start_mark.line + 1}, "
            "and they say different things",
            expected="one answer to each question",
            next_act="Keep one of the two",
        )
