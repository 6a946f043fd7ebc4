"""What steps have in common: a step that asks nothing, does nothing and has nothing to take back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blb_migration.cutover.journal import StepRecord
from blb_migration.cutover.night import Night
from blb_migration.cutover.night_models import StepSettings
from blb_migration.cutover.step import Answer, Scribe, World


class PlainStep:
    """Steps override what they have."""

    name = ""
    holds_target = True

    def settings(self, night: Night) -> StepSettings:
        """Return the step's part of cutover.yaml."""
        own: StepSettings = getattr(night.settings, self.name)
        return own

    def describe(self, night: Night) -> Sequence[str]:
        """Say what it would do."""
        return ()

    def check(self, night: Night) -> Sequence[Answer]:
        """Ask what must be so before it acts; reads only."""
        return ()

    def look(self, night: Night, record: StepRecord) -> World:
        """Find out whether it is done."""
        return World(record.state == "closed", "as the journal says")

    def act(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Do it; returns the evidence."""
        return {}

    def describe_undo(self, night: Night) -> Sequence[str]:
        """Say what would be saved before it is taken back."""
        return ()

    def undo(self, night: Night, record: StepRecord, scribe: Scribe) -> Mapping[str, Any]:
        """Take it back; returns the evidence."""
        return {"found": "nothing to take back"}
