"""Names as a person writes them: letter by letter, or in other letters where only one thing can be meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar

Named = TypeVar("Named")


@dataclass(frozen=True)
class NameIndex(Generic[Named]):
    """Things by each name that may be written for them."""

    exact: Mapping[str, Named]

    def find(self, name: str) -> Named | None:
        """Return what has exactly this name, else the only one that differs by letter case alone."""
        return self.exact.get(name) or self._folded.get(name.lower())

    @cached_property
    def _folded(self) -> dict[str, Named | None]:
        folded: dict[str, Named | None] = {}
        for name, own in self.exact.items():
            folded[name.lower()] = own if folded.get(name.lower(), own) == own else None
        return folded
