"""Decisions as text to paste into decisions.yaml: valid YAML on one line, whatever the names in it are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml

WHY = "WHY"  # where a person writes the reason


class _OneLine(yaml.SafeDumper):
    """Writes what cannot be seen, or would break the line, by escapes between double quotes."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_OneLine.add_representer(str, _represent_text)


def write_decision(label: str, keys: Mapping[str, Any], column: str | None = None) -> str:
    """Write what would be decided on a table, or on one column of it: ``tables: {a: {skip: WHY}}``."""
    return write_keys("tables", {label: keys if column is None else {"columns": {column: keys}}})


def write_keys(key: str, keys: Mapping[str, Any]) -> str:
    """Write a key of decisions.yaml with the mapping below it, on one line."""
    style: dict[str, Any] = {"default_flow_style": True, "width": float("inf"), "allow_unicode": True}
    text = yaml.dump(keys, Dumper=_OneLine, sort_keys=False, **style)
    # Only texts between double quotes hold what is not printable.
    return f"{key}: {re.sub(r'[^ -~]', _escape, text.rstrip(chr(10)))}"


def _escape(character: re.Match[str]) -> str:
    code = ord(character[0])
    if character[0].isprintable():
        return character[0]
    return f"\\x{code:02X}" if code < 0x100 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
