"""A line of the night's journal, and the file of them: read whatever has become of it. Writes nothing."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from blb_migration.errors import ConfigurationError
from blb_migration.first_few import name_some

Event = Literal[
    "opened",
    "intent",
    "evidence",
    "closed",
    "failed",
    "refused",
    "skipped",
    "undoing",
    "undone",
    "ended",
    "ticked",
]
Details = Mapping[str, Any]
_TEXTS = ("night_id", "step", "event", "at", "operator", "host", "tool_version")
_NEXT_ACT = "Move it away, and run again: what the ledger has is copied; or name another folder: records, in "
_NEXT_ACT += "cutover.yaml"


@dataclass(frozen=True)
class Line:
    """One line. ``at`` is UTC in ISO 8601; ``number`` counts from 1 within a night."""

    night_id: str
    number: int
    step: str
    event: Event
    at: str
    operator: str
    host: str
    tool_version: str
    details: Details = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the line as the file has it."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True)


def make_storable(value: Any) -> Any:
    """Return details with escapes for what neither UTF-8 nor jsonb holds: U+0000 and half surrogate pairs."""
    if isinstance(value, str):
        return value.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {make_storable(key): make_storable(each) for key, each in value.items()}
    return [make_storable(each) for each in value] if isinstance(value, list | tuple) else value


def parse_line(text: bytes) -> Line:
    """Read what ``to_json`` wrote. Raises ValueError for anything else."""
    try:
        line = Line(**json.loads(text))
    except (TypeError, RecursionError) as error:
        raise ValueError("no line of a journal") from error
    is_whole = all(isinstance(getattr(line, name), str) for name in _TEXTS)
    is_whole = is_whole and type(line.number) is int and line.number > 0 and isinstance(line.details, dict)
    if not is_whole or line.event not in get_args(Event):
        raise ValueError("no line of a journal")
    if datetime.datetime.fromisoformat(line.at).tzinfo is None:
        raise ValueError("a time without its zone")
    return line


def read_journal_file(path: Path) -> tuple[list[Line], list[str]]:
    """Read the lines, and say in words which of them are none; nothing where there is no file.

    Raises ConfigurationError for what cannot be read, and for a file of another kind, to which no night is to
    be written.
    """
    try:
        if path.exists() and not path.is_file():
            raise ConfigurationError(str(path), found="it is no file", expected="a journal, or nothing",
                                     next_act=_NEXT_ACT)  # fmt: skip
        content = path.read_bytes()
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise ConfigurationError(
            str(path), found=f"the journal cannot be read ({error.strerror})", next_act=_NEXT_ACT
        ) from None
    lines, unread = [], []
    for number, text in enumerate(content.splitlines(), start=1):
        try:
            lines.append(parse_line(text))
        except ValueError:
            unread.append(str(number))
    if not lines and b"\n" in content:
        raise ConfigurationError(
            str(path), found="it is no journal: no line of it can be read", next_act=_NEXT_ACT
        )
    if not unread:
        return lines, []
    which = f"line {unread[0]}" if len(unread) == 1 else f"lines {name_some(unread)}"
    verb = "is" if len(unread) == 1 else "are"
    return lines, [f"{which} of {path} {verb} torn, as after a power cut, or damaged, and not read"]
