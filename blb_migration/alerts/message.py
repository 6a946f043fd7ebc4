"""One alert in words: what happened, why, what to do, where to look. Pure.

It leaves the company's network: no password, and no row of anybody's data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from blb_migration.masking import mask_secrets

Level = Literal["failure", "warning", "success", "info"]

LONGEST_REASON = 600
# Keys of rows as findings and guards show them, and as PostgreSQL does; a value may hold anything.
_ROW_DATA = (
    (re.compile(r",? first: [^\n]*\]"), "]"),
    (re.compile(r"[,;]?\s+first:? [^=\n.]{1,80}=[^\n]*"), "."),
    (re.compile(r"\s*(?:Key )?\([^()\n]+\)=\([^\n]*\)"), ""),
)


@dataclass(frozen=True)
class Alert:
    """What is sent to every address.

    ``title`` is one line; ``reason`` the first cause, not each thing that follows from it; ``places`` names
    environment, source and target, and the run where there is one.
    """

    level: Level
    title: str
    reason: str
    next_act: str
    places: Mapping[str, str]
    link: str | None = None

    @property
    def body(self) -> str:
        """The text below the title, a fact a line."""
        lines = [self.reason, f"Next: {self.next_act}" if self.next_act else "", ""]
        lines += [f"{name.capitalize()}: {value}" for name, value in self.places.items()]
        lines += [self.link] if self.link else []
        return "\n".join(line for number, line in enumerate(lines) if line or number == 2)

    def to_json(self) -> dict[str, Any]:
        """Return it as it is kept until it is sent."""
        return asdict(self)

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> Alert:
        """Build what ``to_json`` returned."""
        return cls(**kept)


def build_alert(
    level: Level,
    title: str,
    *,
    reason: str,
    next_act: str = "",
    places: Mapping[str, str],
    link: str | None = None,
) -> Alert:
    """Build an alert whose texts may come from servers: they are shortened, without secrets and row data."""
    return Alert(
        level,
        _clean(title),
        _clean(reason),
        _clean(next_act),
        {k: _clean(v) for k, v in places.items()},
        link,
    )


def build_run_link(ui_url: str | None, run_id: str | None) -> str | None:
    """Build the address of a run's page in Dagster, None where nobody said where that is."""
    return f"{ui_url.rstrip('/')}/runs/{run_id}" if ui_url and run_id else None


def _clean(text: str) -> str:
    text = mask_secrets(text)
    for pattern, left in _ROW_DATA:
        text = pattern.sub(left, text)
    text = "\n".join(line.strip() for line in text.splitlines() if line.strip())
    return text if len(text) <= LONGEST_REASON else text[: LONGEST_REASON - 1].rstrip() + "…"
