"""``blb-migrate demo --cutover``: a whole night with the sample application, and back, by the real commands;
or made ready for Dagster's jobs.

What the sample is made of is in ``sandbox/app``; here the commands are called, and what came of it is said.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console

from blb_migration.cli.cutover import execute_night, open_night, rollback
from blb_migration.cli.discovery import read_databases, read_project
from blb_migration.cli.migrate import Order, carry_out
from blb_migration.errors import ConfigurationError, ExitCode, MigrationError
from blb_migration.near_names import refuse_unknown
from blb_migration.plan.project import DEFAULT_PROJECT

if TYPE_CHECKING:
    from blb_migration.cutover.night import Night
    from blb_migration.sandbox.app.sample_night import SampleNight

REHEARSAL_REPORT = "rehearsal.json"
_ORDERS = 3
_STEPS_OF_THE_WINDOW = ("freeze", "live")


def run_demo_night(
    console: Console, root: Path, source_url: str, target_url: str, fail_at: str | None, *, is_debug: bool
) -> ExitCode:
    """Rehearse, cut over, use the application, roll back. With ``fail_at`` the night is broken at that step,
    and only taken back. Returns RECONCILED if production is back on SQL Server in the end.
    """
    with _sample_night(root, source_url, target_url, fail_at) as night:
        commands = _Commands(console, source_url, target_url, night.project, is_debug)
        if not _make_ready(console, commands, night):
            return ExitCode.NOT_EQUAL
        with _planted(console, night, fail_at):
            is_live = commands.cut_over()
        if is_live:
            _use(console, commands, night)
        return _go_back(console, commands, night)


@contextmanager
def prepare_demo_night(
    console: Console, root: Path, source_url: str, target_url: str, fail_at: str | None, *, is_debug: bool
) -> Iterator[SampleNight]:
    """Have the sample application run and its night rehearsed, for whoever carries it out in the block."""
    with _sample_night(root, source_url, target_url, fail_at) as night:
        commands = _Commands(console, source_url, target_url, night.project, is_debug)
        if not _make_ready(console, commands, night):
            raise ConfigurationError(
                "the rehearsal of the sample",
                found="it did not end equal",
                next_act=f"Read {root / REHEARSAL_REPORT}",
            )
        with _planted(console, night, fail_at):
            console.print(
                f"Everything of this night: {night.root}", markup=False, highlight=False, soft_wrap=True
            )
            yield night


@contextmanager
def _sample_night(root: Path, source_url: str, target_url: str, fail_at: str | None) -> Iterator[SampleNight]:
    from blb_migration.sandbox.app.planted_faults import FAULTS
    from blb_migration.sandbox.app.sample_night import build_sample_night

    if fail_at is not None:
        refuse_unknown(f"--fail-at {fail_at}", fail_at, FAULTS, found="there is no such step to fail at")
    night = build_sample_night(root, source_url, target_url, DEFAULT_PROJECT, os.getpid())
    with _environment(night.variables):
        try:
            night.start()
            yield night
        finally:
            night.stop()


def _make_ready(console: Console, commands: _Commands, night: SampleNight) -> bool:
    _tell(console, f"The application runs in {night.production} and answers", night)
    return commands.rehearse()


@contextmanager
def _planted(console: Console, night: SampleNight, fail_at: str | None) -> Iterator[None]:
    """Have something amiss at this step, and say it; None: nothing."""
    from blb_migration.sandbox.app.planted_faults import FAULTS

    with nullcontext(None) if fail_at is None else FAULTS[fail_at](night) as fault:
        night.write()
        if fault is not None:
            console.print(f"\nAmiss at step {fail_at}: {fault}.", markup=False)
        yield


class _Commands:
    """The real commands on the sample, each announced as a person would type it."""

    def __init__(
        self, console: Console, source_url: str, target_url: str, project: Path, is_debug: bool
    ) -> None:
        self._console = console
        self._source_url = source_url
        self._target_url = target_url
        self._project = project
        self._is_debug = is_debug

    def rehearse(self) -> bool:
        """Load once, as before every night."""
        self._announce("blb-migrate")
        order = Order(
            read_databases(self._source_url, self._target_url),
            read_project(self._project),
            output=self._project.parent / REHEARSAL_REPORT,
            is_debug=self._is_debug,
            is_brief=True,
        )
        return carry_out(order, self._console) is ExitCode.RECONCILED

    def cut_over(self) -> bool:
        """Carry out the night; False where a step failed, which is then said."""
        self._announce("blb-migrate cutover --execute")
        try:
            execute_night(self._console, self._open())
        except MigrationError as error:
            self._console.print(f"Error: {error}", markup=False, highlight=False)
            return False
        return True

    def roll_back(self) -> None:
        """Take the night back."""
        self._announce("blb-migrate rollback --execute")
        rollback(
            source_conn=self._source_url,
            target_conn=self._target_url,
            project=self._project,
            execute=True,
            debug=self._is_debug,
        )

    def measure_window(self) -> tuple[float, float] | None:
        """Return the seconds from freeze to live, and those of the load; None where the night did not end."""
        night = self._open()
        freeze, live = (night.journal.record(step) for step in _STEPS_OF_THE_WINDOW)
        load = night.journal.record("migrate").elapsed_seconds
        if freeze.opened_at is None or live.closed_at is None or load is None:
            return None
        return (live.closed_at - freeze.opened_at).total_seconds(), load

    def _open(self) -> Night:
        return open_night(
            read_databases(self._source_url, self._target_url),
            read_project(self._project),
            self._console,
            is_debug=self._is_debug,
            is_brief=True,
        )

    def _announce(self, command: str) -> None:
        self._console.print(f"\n[bold]$ {command}[/]", highlight=False)


def _use(console: Console, commands: _Commands, night: SampleNight) -> None:
    console.print()
    _tell(console, "The application answers", night)
    window = commands.measure_window()
    if window is not None:
        console.print(
            f"Window, from freeze to live: {window[0]:.1f} s; of this the load itself: {window[1]:.1f} s",
            highlight=False,
        )
    codes = night.create_orders(_ORDERS)
    console.print(f"Orders written meanwhile, on PostgreSQL: {', '.join(codes)}", highlight=False)


def _go_back(console: Console, commands: _Commands, night: SampleNight) -> ExitCode:
    begun = monotonic()
    commands.roll_back()
    seconds = monotonic() - begun
    console.print()
    _tell(console, f"After {seconds:.1f} s the application answers again", night)
    saved = sorted(night.records.glob("written/*/*"))
    for file in saved:
        console.print(f"  saved: {file}", markup=False, highlight=False)
    console.print(f"Everything of this night: {night.root}", markup=False, highlight=False, soft_wrap=True)
    return ExitCode.RECONCILED if night.name_database() == "sqlserver" else ExitCode.NOT_EQUAL


def _tell(console: Console, said: str, night: SampleNight) -> None:
    name = {"sqlserver": "from SQL Server", "postgresql": "from PostgreSQL", None: "not at all"}
    console.print(f"{said} {name[night.name_database()]}.", markup=False, highlight=False)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Have what cutover.yaml refers to in the environment, and as it was after the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
