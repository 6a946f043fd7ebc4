"""Who wants to know what a run does while it does it, in the same process: the command's live table.

An observer gets the stages' own results. It decides nothing and must return at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blb_migration.compare.run_checks import CheckResult
    from blb_migration.load.finish import RestoredConstraints
    from blb_migration.load.table import TableLoad
    from blb_migration.migration import ProgressEvent
    from blb_migration.preflight.stage import PreflightResult
    from blb_migration.progress.run_meter import RunMeter


class RunObserver:
    """Told what happens; this one does not care. Subclasses override what they want to hear."""

    def run_opened(self, meter: RunMeter) -> None:
        """Take the run's one meter, which has heard of every event before this observer does."""

    def preflight_finished(self, result: PreflightResult) -> None:
        """Preflight has asked all it has to ask, whatever it found."""

    def table_started(self, label: str) -> None:
        """Hear that a table's load begins."""

    def table_progressed(self, event: ProgressEvent) -> None:
        """Another batch has arrived or a phase begins; called from the data path, many times a second."""

    def table_loaded(self, load: TableLoad) -> None:
        """Hear that a table is loaded and committed."""

    def check_finished(self, result: CheckResult) -> None:
        """Hear that a table's check has compared what it compares, equal or not."""

    def constraints_restored(self, result: RestoredConstraints) -> None:
        """Every foreign key and index that was dropped is back."""

    def keys_lasting(self, text: str) -> None:
        """Hear which foreign key is being restored, because it takes long."""

    def keys_left_over(self, result: RestoredConstraints) -> None:
        """Hear what became of the foreign keys that the run's end found dropped."""

    def step_failed(self, step: str, error: BaseException) -> None:
        """Hear that a step ended in an error; ``step`` is a table's label or a stage's name."""

    def step_interrupted(self, step: str) -> None:
        """Hear that a step was broken off from outside."""
