"""Step 11: looks at the application for hours. What is seen is in the ledger, alerts are told."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from blb_migration.cutover.journal import StepRecord
from blb_migration.cutover.live_state import refuse_taken_back
from blb_migration.cutover.night import Night
from blb_migration.cutover.step import Answer, Scribe, World, good, note
from blb_migration.cutover.steps.plain_step import PlainStep
from blb_migration.cutover.watching import watch_once
from blb_migration.progress.quantities import count


class WatchStep(PlainStep):
    """Repeats ``watch_once``; Ctrl-C ends the looking and changes nothing."""

    name = "watch"
    holds_target = False

    def describe(self, night: Night) -> Sequence[str]:
        """Say what it would do."""
        settings = night.settings.watch
        return (f"look every {settings.every_seconds:g} s for {settings.hours:g} hours; Ctrl-C ends it",)

    def check(self, night: Night) -> Sequence[Answer]:
        """Ask whether there is something to look at."""
        settings = night.settings
        named = [*(service.answers for service in settings.services), settings.live.health]
        addresses = list(dict.fromkeys(address for address in named if address))
        if not addresses:
            return (
                note("health", "neither services nor live.health is given: only the target is looked at"),
            )
        return (
            good("health", f"asks {', '.join(addresses)}; reads {count(len(settings.watch.logs), 'log')}"),
        )

    def look(self, night: Night, record: StepRecord) -> World:
        """Done once its time is over."""
        return World(bool(record.evidence), "the watch is over")

    def act(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Look until the time is over, or somebody has taken the night back (NightTakenBack). A watch that
        was broken off goes on for what is left of it.
        """
        settings, night_id = night.settings.watch, night.journal.night_id
        first = night.journal.record(self.name).intents.get("ends_at")
        ends_at = float(first) if first is not None else time.time() + settings.hours * 3600
        scribe.intend(ends_at=ends_at)
        looks = alerts = 0
        while True:
            refuse_taken_back(night.journal, night_id)
            row = watch_once(night)
            looks += 1
            alerts += len(row.alerts)
            for alert in row.alerts:
                scribe.tell(f"{row.looked_at:%H:%M:%S} ALERT {alert}")
            left = ends_at - time.time()
            if left <= 0:
                return {"looks": looks, "alerts": alerts}
            night.sleep(min(settings.every_seconds, left))
