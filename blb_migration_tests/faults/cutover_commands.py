"""Commands as processes of their own, forked from one that has imported the tool, and killed where wanted.

Importing takes longer than most steps of a small night; a process that was forked after it is as much a
process of its own as any other.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from blb_migration.cutover.journal import Journal
from blb_migration.cutover.journal_lines import Line
from blb_migration_tests.cli.servers import Answer

Moment = Literal["before", "between", "after"]
MOMENTS: tuple[Moment, ...] = ("before", "between", "after")
_PRELOADED = ["blb_migration.cli.main", "blb_migration.cli.cutover", "blb_migration.defs.assemble", __name__]
# What changes the world, by where it is called from.
ACTS = (
    ("blb_migration.cutover.answering", "run_command"),
    ("blb_migration.cutover.steps.configure", "replace_file"),
    ("blb_migration.cutover.steps.smoke", "keep_target"),
    ("blb_migration.cutover.steps.smoke", "restore_kept_rows"),
    ("blb_migration.cutover.steps.smoke", "drop_kept_tables"),
    ("blb_migration.cutover.steps.switch", "keep_target"),
    ("blb_migration.cutover.steps.switch", "rename_folder"),
    ("blb_migration.cutover.steps.go_live", "mark_live"),
    ("blb_migration.cutover.saving", "save_written"),
    ("blb_migration.cutover.saving", "drop_kept_tables"),
    ("blb_migration.cutover.saving", "withdraw_live_mark"),
)


@dataclass(frozen=True)
class Kill:
    """Where a command ends itself by SIGKILL: at the ``number``-th line that it writes to the journal.

    ``before`` it, ``between`` file and ledger, or ``after`` both. With ``is_act``: right after the
    ``number``-th act that changes the world.
    """

    number: int
    moment: Moment = "after"
    is_act: bool = False
    name: str = "a line"

    def __str__(self) -> str:
        return f"{self.moment} {self.name} ({self.number})"


class Commands:
    """Runs the command on a line of arguments; ``environment`` comes on top of this process's."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOADED)
        self._environment = {**os.environ, **environment}

    def run(self, arguments: Sequence[str], kill: Kill | None = None, acts: Path | None = None) -> Answer:
        """Run it to its end. ``acts`` is a file that gets the name of each act that changed the world."""
        with tempfile.TemporaryDirectory(prefix="blb-command-") as folder:
            process = self._context.Process(
                target=_carry_out, args=(list(arguments), self._environment, folder, kill, acts)
            )
            process.start()
            process.join()
            code = process.exitcode
            process.close()
            assert code is not None
            out, err = (Path(folder, name).read_text(encoding="utf-8") for name in ("out", "err"))
            return Answer(code, out, err)


def _carry_out(
    arguments: list[str],
    environment: Mapping[str, str],
    folder: str,
    kill: Kill | None,
    acts: Path | None,
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    for stream, path in ((sys.stdout, Path(folder, "out")), (sys.stderr, Path(folder, "err"))):
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    _watch_acts(kill, acts)
    if kill is not None and not kill.is_act:
        _plant(kill)
    from blb_migration.cli.main import main

    raise SystemExit(main(arguments))


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _plant(kill: Kill) -> None:
    append, send = Journal._append, Journal._send
    begin = Journal.begin
    written = 0
    is_begun = False

    def begin_quietly(journal: Journal) -> None:
        nonlocal is_begun
        begin(journal)  # what this copies of an earlier command's is not counted
        is_begun = True

    def append_or_die(journal: Journal, line: Line) -> None:
        nonlocal written
        written += is_begun
        if is_begun and written == kill.number and kill.moment == "before":
            _die()
        append(journal, line)
        if is_begun and written == kill.number and kill.moment == "between":
            _die()

    def send_or_die(journal: Journal, lines: Sequence[Line]) -> None:
        send(journal, lines)
        if is_begun and written == kill.number and kill.moment == "after":
            _die()

    for name, planted in (("begin", begin_quietly), ("_append", append_or_die), ("_send", send_or_die)):
        setattr(Journal, name, planted)


def _watch_acts(kill: Kill | None, acts: Path | None) -> None:
    done = 0

    def watch(name: str, act: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*arguments: Any, **options: Any) -> Any:
            nonlocal done
            outcome = act(*arguments, **options)
            done += 1
            if acts is not None:
                with acts.open("a", encoding="utf-8") as file:
                    file.write(name + "\n")
            if kill is not None and kill.is_act and kill.number == done:
                _die()
            return outcome

        return watched

    for place, name in ACTS:
        module = importlib.import_module(place)
        label = f"{place.rsplit('.', 1)[1]}.{name}"
        setattr(module, name, watch(label, getattr(module, name)))
