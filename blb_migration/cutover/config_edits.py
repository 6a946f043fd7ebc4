"""Changes named keys in the text of a configuration file, and nothing else in it. Reads and writes no file.

``.env`` goes by python-dotenv's parser, YAML and JSON by the places that PyYAML notes, ini by its lines. What
was changed is read back by the format's own reader before it is returned: a value that cannot be written so
that it comes back is refused.
"""

from __future__ import annotations

import configparser
import io
import json
import re
from collections.abc import Callable, Mapping

import yaml
from dotenv import dotenv_values
from dotenv.parser import parse_stream

from blb_migration.cutover.step import StepFailed

Format = str
_BARE = re.compile(r"[A-Za-z0-9_./:@%+,=-]*")
_ENV_LINE = re.compile(
    r"""(?P<before>\s*(?:export[^\S\r\n]+)?(?:'[^']+'|[^=\#\s]+)[^\S\r\n]*)
        (?:=(?P<gap>[^\S\r\n]*)
        (?P<value>'(?:\\'|[^'])*'|"(?:\\"|[^"])*"|[^\r\n]*?)
        (?P<comment>[^\S\r\n]+\#[^\r\n]*)?)?
        (?P<end>[^\S\r\n]*(?:\r\n|\n|\r)?)\Z""",
    re.VERBOSE,
)


def edit_text(text: str, kind: Format, wanted: Mapping[str, str], name: str) -> str:
    """Return ``text`` with each of ``wanted`` set. Raises StepFailed naming ``name`` and the key."""
    edited = _EDITORS[kind](text, wanted, name)
    found = read_keys(edited, kind, wanted, name)
    for key, value in wanted.items():
        if found.get(key) != value:
            raise StepFailed(
                f"{name}, key {key}",
                found="the value cannot be written so that it is read back as it is",
                expected="a value without what the format gives a meaning of its own, such as ${ in .env",
                next_act="Set this key by hand, and take it out of cutover.yaml",
            )
    return edited


def read_keys(text: str, kind: Format, wanted: Mapping[str, str], name: str) -> dict[str, str | None]:
    """Read the keys of ``wanted`` in the text, as its applications would; None for what is not there."""
    return {key: _READERS[kind](text, key, name) for key in wanted}


def _edit_env(text: str, wanted: Mapping[str, str], name: str) -> str:
    pieces, seen = [], set()
    bindings = list(parse_stream(io.StringIO(text, newline="")))
    if "".join(binding.original.string for binding in bindings) != text:
        raise StepFailed(name, found="python-dotenv does not read it whole", next_act="Correct the file")
    for binding in bindings:
        original = binding.original.string
        if binding.key is not None and binding.key in wanted:
            seen.add(binding.key)
            original = _replace_env_value(original, wanted[binding.key], name, binding.original.line)
        pieces.append(original)
    newline = "\r\n" if "\r\n" in text else "\n"
    edited = "".join(pieces)
    missing = [f"{key}={_write_env_value(value, '')}" for key, value in wanted.items() if key not in seen]
    if missing:
        has_end = edited.endswith(("\n", "\r")) or not edited
        edited += ("" if has_end else newline) + newline.join(missing) + (newline if has_end else "")
    return edited


def _replace_env_value(original: str, value: str, name: str, line: int) -> str:
    match = _ENV_LINE.fullmatch(original)
    if match is None:
        raise StepFailed(
            f"{name}, line {line}", found="its form is not known", next_act="Set this key by hand"
        )
    old = match["value"] or ""
    quote = old[0] if old[:1] in ("'", '"') and len(old) > 1 else ""
    written = _write_env_value(value, quote)
    return f"{match['before']}={match['gap'] or ''}{written}{match['comment'] or ''}{match['end']}"


def _write_env_value(value: str, quote: str) -> str:
    """Write a value in the quotes it had; one that needs some gets single ones: nothing is special there."""
    if not quote and _BARE.fullmatch(value):
        return value
    if quote == '"' and not re.search(r"""["\\$`\r\n]""", value):
        return f'"{value}"'
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _read_env(text: str, key: str, name: str) -> str | None:
    return dotenv_values(stream=io.StringIO(text, newline=""), interpolate=True).get(key)


def _edit_structured(text: str, wanted: Mapping[str, str], name: str) -> str:
    for key, value in wanted.items():
        node = _find_node(text, key, name)
        if node is None:
            raise StepFailed(
                f"{name}, key {key}",
                found="the file has no such key",
                expected="keys separated by dots, each of which is there",
                next_act="Add the key to the file by hand with any value, or correct cutover.yaml",
            )
        start, end = node.start_mark.index, node.end_mark.index
        text = text[:start] + _write_scalar(node, value) + text[end:]
    return text


def _find_node(text: str, key: str, name: str) -> yaml.ScalarNode | None:
    try:
        # JSON may be indented by tabs, which YAML forbids; a space is as long.
        node: yaml.Node | None = yaml.compose(text.replace("\t", " "), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:  # the second where it is nested too deep
        mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
        raise StepFailed(
            f"{name}, line {mark.line + 1 if mark else 1}",
            found="it is not valid YAML or JSON",
            next_act="Correct the file",
        ) from None
    for part in key.split("."):
        if not isinstance(node, yaml.MappingNode):
            return None
        found = [value for own, value in node.value if own.value == part]
        if len(found) > 1:
            raise StepFailed(
                f"{name}, key {key}", found=f"{part} stands twice", next_act="Remove one of both"
            )
        node = found[0] if found else None
    return node if isinstance(node, yaml.ScalarNode) else None


def _write_scalar(node: yaml.ScalarNode, value: str) -> str:
    """Write a value of the kind that was there: a number stays one, text that looks like one is quoted."""
    resolver = yaml.SafeLoader("")
    tag = resolver.resolve(yaml.ScalarNode, value, (True, False))  # type: ignore[no-untyped-call]
    if node.style is None and tag == node.tag and re.fullmatch(r"[A-Za-z0-9_./+-]+", value):
        return value
    if node.style == "'" and "\n" not in value:
        return "'" + value.replace("'", "''") + "'"
    return json.dumps(value, ensure_ascii=False)


def _read_structured(text: str, key: str, name: str) -> str | None:
    node = _find_node(text, key, name)
    return None if node is None else str(node.value)


def _edit_ini(text: str, wanted: Mapping[str, str], name: str) -> str:
    lines = text.splitlines(keepends=True)
    for key, value in wanted.items():
        section, _, option = key.rpartition(".")
        places, here = [], ""
        for number, line in enumerate(lines):
            if heading := re.match(r"\s*\[([^\]]+)\]", line):
                here = heading[1]
            elif here == section and re.match(rf"\s*{re.escape(option)}\s*[=:]", line, re.IGNORECASE):
                places.append(number)
        if not places or "\n" in value or "\r" in value:
            raise StepFailed(
                f"{name}, key {key}",
                found="the file has no such key" if not places else "the value has several lines",
                expected="section.key, of a key that is there",
                next_act="Add it to the file by hand, or correct cutover.yaml",
            )
        for number in places:
            head = re.match(r"[^=:]*[=:][^\S\r\n]*", lines[number])
            end = re.search(r"[\r\n]*\Z", lines[number])
            lines[number] = f"{head[0] if head else ''}{value}{end[0] if end else ''}"
    return "".join(lines)


def _read_ini(text: str, key: str, name: str) -> str | None:
    parser = configparser.ConfigParser(interpolation=None, strict=False, allow_no_value=True)
    try:
        parser.read_string(text)
    except configparser.Error as error:
        raise StepFailed(name, found=f"it is no ini file ({error})", next_act="Correct the file") from None
    section, _, option = key.rpartition(".")
    return parser.get(section, option, fallback=None)


_EDITORS: Mapping[Format, Callable[[str, Mapping[str, str], str], str]] = {
    "env": _edit_env,
    "yaml": _edit_structured,
    "json": _edit_structured,
    "ini": _edit_ini,
}
_READERS: Mapping[Format, Callable[[str, str, str], str | None]] = {
    "env": _read_env,
    "yaml": _read_structured,
    "json": _read_structured,
    "ini": _read_ini,
}
