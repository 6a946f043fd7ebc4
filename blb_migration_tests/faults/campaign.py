"""One try of the campaign: a run with one fault, the judge, the next normal run, the judge again."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from blb_migration.plan.project import CATALOG_FILE
from blb_migration_tests.faults.command import Command
from blb_migration_tests.faults.ground import CHUNKED_FROM_ROWS, Ground, Servers
from blb_migration_tests.faults.judge import (
    Before,
    Wrong,
    judge_faulted,
    judge_next,
    judge_waits,
    judge_words,
)
from blb_migration_tests.faults.relay import Relay

# For locks, silences and other runs; short, so that a try is, and longer than the five seconds.
ENVIRONMENT = {
    "BLB_LOCK_WAIT": "7",
    "BLB_STALL": "7",
    "BLB_ANSWER_WAIT": "7",
    "BLB_RUN_WAIT": "20",
    "BLB_CONNECTIONS": "2",
    "BLB_CHUNKED_FROM_ROWS": str(CHUNKED_FROM_ROWS),
    "COLUMNS": "200",
}
LONGEST_SECONDS = 120.0


@dataclass(frozen=True)
class Moment:
    """When a fault strikes: before the client's piece of this number to one of the servers, or at a time."""

    server: str = "target"
    piece: int = 0
    seconds: float | None = None

    def __str__(self) -> str:
        if self.seconds is not None:
            return f"after {self.seconds:.2f} s"
        return f"before piece {self.piece} to the {self.server}"


@dataclass(frozen=True)
class Pace:
    """How long a sound run is: in seconds, and in pieces sent to each server."""

    seconds: float
    pieces: dict[str, int]

    def draw_moment(self, draw: random.Random, servers: tuple[str, ...] = ("target", "source")) -> Moment:
        """Draw a moment at a statement, or any moment."""
        if draw.random() < 0.3:
            return Moment(seconds=draw.uniform(0.1, self.seconds))
        server = draw.choice(servers)
        return Moment(server, draw.randint(1, self.pieces[server]))


@dataclass
class Try:
    """One try while it is carried out: what kinds of faults act on."""

    servers: Servers
    ground: Ground
    draw: random.Random
    pace: Pace
    environment: dict[str, str] = field(default_factory=lambda: dict(ENVIRONMENT))
    command: Command | None = None
    others: list[Command] = field(default_factory=list)
    has_struck: bool = False
    struck_at: float = 0.0
    source_moves: bool = False
    notes: list[str] = field(default_factory=list)
    _timers: list[tuple[threading.Timer, Callable[[], None]]] = field(default_factory=list)

    def start(self, *arguments: str) -> Command:
        """Start a command on this ground."""
        ground = self.ground
        urls = ("--source-conn", ground.source_url, "--target-conn", ground.target_url)
        output = () if arguments else ("--output", str(ground.folder / "report.json"))
        return Command(
            [*urls, "--project", str(ground.folder), *output, *arguments],
            self.environment,
            str(ground.folder),
        )

    def run_to_end(self, *arguments: str) -> tuple[Command, int | None]:
        """Run a command that nothing happens to."""
        command = self.start(*arguments)
        return command, command.wait(LONGEST_SECONDS)

    @property
    def running(self) -> Command:
        """The command that the fault is for."""
        assert self.command is not None
        return self.command

    def pause(self, seconds: float) -> None:
        """Wait, while the command goes on."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.running.is_running:
            time.sleep(0.05)

    def later(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something beside the command; the try ends after it."""
        timer = threading.Timer(seconds, act)
        timer.daemon = True
        self._timers.append((timer, act))
        timer.start()

    def end_what_lasts(self) -> None:
        """Do at once what is to be done later; it may be done twice."""
        for timer, act in self._timers:
            timer.cancel()
            act()

    def find_relay(self, server: str) -> Relay:
        """Return the line to a server."""
        return self.servers.to_target if server == "target" else self.servers.to_source


@dataclass(frozen=True)
class Kind:
    """A kind of fault.

    ``lay`` prepares the ground before the run, ``strike`` acts at the moment, ``mend`` takes the fault away
    after the run, before the next one. ``servers`` are those whose pieces are its moments; none: it is there
    from the beginning.
    """

    name: str
    strike: Callable[[Try], None] = lambda _: None
    lay: Callable[[Try], None] = lambda _: None
    mend: Callable[[Try], None] = lambda _: None
    servers: tuple[str, ...] = ("target", "source")
    arguments: tuple[str, ...] = ()  # of the command that it strikes
    loads_before: float = 0.4  # the share of tries whose target holds an earlier load
    is_possible: Callable[[], bool] = lambda: True


@dataclass(frozen=True)
class Outcome:
    """What came of a try; one that the fault did not come to strike does not count."""

    kind: str
    number: int
    moment: str
    has_struck: bool
    wrongs: tuple[Wrong, ...]
    seconds: float
    ending: str


def measure_pace(servers: Servers) -> Pace:
    """Carry out a run that nothing happens to, and count."""
    with _laid_ground(servers, "faults_pace", random.Random(0)) as ground:
        attempt = Try(servers, ground, random.Random(0), Pace(0, {}))
        attempt.run_to_end("plan")  # which has to start the forking server, too
        servers.catalog = (ground.folder / CATALOG_FILE).read_bytes()
        with (
            servers.to_target.acting_before(10**9, lambda: None),
            servers.to_source.acting_before(10**9, lambda: None),
        ):
            before = Before.look_at(ground)
            command, code = attempt.run_to_end()
            wrongs = list(judge_next(ground, before, command, code))
            if wrongs:
                raise RuntimeError(f"a sound run is not: {wrongs}; {command.output}")
            pieces = {"target": servers.to_target.pieces, "source": servers.to_source.pieces}
        began = time.monotonic()
        attempt.run_to_end()
        return Pace(time.monotonic() - began, pieces)


def carry_out(servers: Servers, kind: Kind, seed: int, number: int, pace: Pace) -> Outcome:
    """Carry out one try. The same seed and number are the same try, as far as moments can be repeated."""
    draw = random.Random(f"{seed} {kind.name} {number}")
    began = time.monotonic()
    with _laid_ground(servers, f"faults_{seed}_{number}_{time.monotonic_ns()}", draw) as ground:
        attempt = Try(servers, ground, draw, pace)
        if draw.random() < kind.loads_before:
            attempt.run_to_end()
        before = Before.look_at(ground)
        moment = pace.draw_moment(draw, kind.servers) if kind.servers else None
        try:
            kind.lay(attempt)
            code = _run_struck(attempt, kind, moment)
            may_differ = attempt.source_moves or "--dry-run" in kind.arguments
            wrongs = list(judge_faulted(ground, before, attempt.running, code, may_differ=may_differ))
            wrongs += judge_words(attempt.running, code)
            for other in attempt.others:
                wrongs += judge_words(other, other.wait(LONGEST_SECONDS))
        finally:
            attempt.end_what_lasts()
            servers.to_source.refuses = servers.to_target.refuses = False
            servers.to_source.go_on()
            servers.to_target.go_on()
            kind.mend(attempt)
        if attempt.has_struck:
            attempt.environment = dict(ENVIRONMENT)
            command, next_code = attempt.run_to_end()
            wrongs += judge_next(ground, before, command, next_code)
            if kind.servers:  # what is there from the beginning is nothing to wait for
                wrongs += judge_waits(attempt.running, attempt.struck_at, command)
        last = attempt.running.output.strip().splitlines()[-1:]
        return Outcome(
            kind.name,
            number,
            f"{moment or 'from the beginning'}{''.join(f', {note}' for note in attempt.notes)}",
            attempt.has_struck,
            tuple(wrongs),
            time.monotonic() - began,
            f"exit code {code}: {''.join(last)[:300]}",
        )


def _run_struck(attempt: Try, kind: Kind, moment: Moment | None) -> int | None:
    """Run the command with the fault, and return its exit code; None where it does not end."""

    def strike() -> None:
        if attempt.command is not None and attempt.running.is_running:
            attempt.has_struck, attempt.struck_at = True, time.monotonic()
            kind.strike(attempt)

    if moment is None:
        attempt.command = attempt.start(*kind.arguments)
        strike()
    elif moment.seconds is not None:
        attempt.command = attempt.start(*kind.arguments)
        attempt.pause(moment.seconds)
        strike()
    else:
        with attempt.find_relay(moment.server).acting_before(moment.piece, strike):
            attempt.command = attempt.start(*kind.arguments)
            code = attempt.command.wait(LONGEST_SECONDS)
        return _end(attempt, code)
    return _end(attempt, attempt.running.wait(LONGEST_SECONDS))


def _end(attempt: Try, code: int | None) -> int | None:
    if code is None:
        attempt.running.kill()
        attempt.running.wait(10)
    return code


@contextmanager
def _laid_ground(servers: Servers, name: str, draw: random.Random) -> Iterator[Ground]:
    ground = Ground(servers, name, draw)
    try:
        yield ground
    finally:
        ground.close()
