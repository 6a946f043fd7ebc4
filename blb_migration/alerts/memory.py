"""What was told already, so that a restart repeats nothing and loses nothing. Kept as JSON."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, replace
from typing import Any

from blb_migration.alerts.outbox import Letter, letter_from_json, letter_to_json

KEYS_KEPT = 200


@dataclass(frozen=True)
class Memory:
    """What a look remembers of those before it.

    ``began_at``: nothing from before the first look is dug up. ``runs_since`` is of Dagster's clock,
    ``ledger_began_at`` and ``ledger_since`` of the target's, None until that was asked. ``is_good``: how the
    target stood last; it is good again only by a run that began after ``good_after``. ``told`` has a key for
    each alert: a run's id, or a night.
    """

    began_at: datetime.datetime
    runs_since: datetime.datetime
    ledger_began_at: datetime.datetime | None = None
    ledger_since: datetime.datetime | None = None
    is_good: bool | None = None
    good_after: datetime.datetime | None = None
    told: tuple[str, ...] = ()
    letters: tuple[Letter, ...] = ()

    def tell(self, key: str) -> Memory:
        """Return it with one alert more that was told."""
        return replace(self, told=(*self.told, key)[-KEYS_KEPT:])

    def turn_bad(self, since: datetime.datetime | None) -> Memory:
        """Return it with the target not good, until a run that began after ``since`` leaves it equal."""
        latest = max((each for each in (self.good_after, since) if each is not None), default=None)
        return replace(self, is_good=False, good_after=latest)

    def to_json(self) -> str:
        """Return it as it is kept."""
        moments = {name: _show(getattr(self, name)) for name in _MOMENTS}
        letters = [letter_to_json(letter) for letter in self.letters]
        return json.dumps({**moments, "is_good": self.is_good, "told": self.told, "letters": letters})


_MOMENTS = ("began_at", "runs_since", "ledger_began_at", "ledger_since", "good_after")


def read_memory(kept: str | None, now: datetime.datetime) -> Memory:
    """Build what ``to_json`` returned; of the first look where there is none."""
    if not kept:
        return Memory(now, now)
    values = json.loads(kept)
    moments: dict[str, Any] = {
        name: None if values[name] is None else datetime.datetime.fromisoformat(values[name])
        for name in _MOMENTS
    }
    letters = tuple(letter_from_json(each) for each in values["letters"])
    return Memory(**moments, is_good=values["is_good"], told=tuple(values["told"]), letters=letters)


def _show(moment: datetime.datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
