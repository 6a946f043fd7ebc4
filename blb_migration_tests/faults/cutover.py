"""A night that is killed at every line of its journal, there and back, and one that meets every failure.

python -m blb_migration_tests.faults.cutover --workers 3

Prints what did not end as it had to, at once, and a table in the end: tries, how many ended whole (the
application on PostgreSQL, the target live), back (SQL Server serves, everything as before), or between.
``--only kills``, ``failures`` or ``demo`` does one part, ``--match WORD`` what has it in its name,
``--record FILE`` adds a line to it as each try ends; the table is then of all that the file has, and what is
in it is not tried again. Exits with 1 if anything ended between or lost a row. The short form:
``faults/test_cutover.py``.
"""

from __future__ import annotations

import argparse
import itertools
import json
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration_tests.cli.servers import Servers
from blb_migration_tests.faults import cutover_failures, cutover_kills
from blb_migration_tests.faults.cutover_failures import DEMO_STEPS, FAILURES, WAYS
from blb_migration_tests.faults.cutover_ground import Ground
from blb_migration_tests.faults.cutover_kills import Outcome

_SHOWN = 1500  # characters of what went wrong
_STRIDE = 7  # a campaign that is broken off has met tries of every kind


@dataclass(frozen=True)
class Trial:
    """Something to be tried on a ground; ``is_alone``: while no other night is under way."""

    name: str
    run: Callable[[Ground], Outcome]
    is_alone: bool = False


def list_trials(ground: Ground, only: str | None) -> Iterator[Trial]:
    """List what is to be tried."""
    if only in (None, "kills"):
        for one in cutover_kills.list_tries(ground):
            yield Trial(str(one), partial(cutover_kills.carry_out, one=one))
    if only in (None, "failures"):
        for failure, way in itertools.product(FAILURES, WAYS):
            run = partial(cutover_failures.carry_out, failure=failure, way=way)
            yield Trial(f"{failure.name}, then {way}", run, failure.is_alone)
    if only in (None, "demo"):
        for step in DEMO_STEPS:
            yield Trial(f"demo --fail-at {step}", lambda _ground, step=step: cutover_failures.try_demo(step))  # type: ignore[misc]


def run_campaign(
    servers: Servers,
    choose: Callable[[Ground], Sequence[Trial]],
    workers: int,
    tell: Callable[[Outcome], None],
) -> list[Outcome]:
    """Carry out all trials, ``workers`` at a time, each worker on a ground of its own."""
    grounds: queue.Queue[Ground] = queue.Queue()
    made = [Ground(servers, f"ground_{number}") for number in range(workers)]
    for ground in made:
        grounds.put(ground)
    told = threading.Lock()

    def try_one(trial: Trial) -> Outcome:
        ground = grounds.get()
        try:
            outcome = trial.run(ground)
        except Exception as error:  # noqa: BLE001  # a trial that cannot be judged is one that went wrong
            outcome = Outcome(
                "could not be judged", trial.name, "between", f"{type(error).__name__}: {error}"
            )
        finally:
            grounds.put(ground)
        with told:
            tell(outcome)
        return outcome

    try:
        trials = choose(made[0])
        with ThreadPoolExecutor(workers) as pool:
            outcomes = [*pool.map(try_one, [trial for trial in trials if not trial.is_alone])]
        return outcomes + [try_one(trial) for trial in trials if trial.is_alone]
    finally:
        for ground in made:
            ground.close()


def read_record(path: Path) -> list[Outcome]:
    """Read how earlier tries ended."""
    return [Outcome(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def build_table(outcomes: Sequence[Outcome]) -> Table:
    """Build the table, one line per family of tries."""
    table = Table("what happened", title="The night, killed and failed")
    for heading in ("tries", "ended whole", "ended back", "between", "otherwise amiss"):
        table.add_column(heading, justify="right")

    def add(name: str, some: Sequence[Outcome]) -> None:
        ends = [str(sum(one.end == end for one in some)) for end in ("whole", "back", "between")]
        amiss = sum(not one.is_good and one.end != "between" for one in some)
        table.add_row(name, str(len(some)), *ends, str(amiss))

    for family in dict.fromkeys(one.family for one in outcomes):
        add(family, [one for one in outcomes if one.family == family])
    table.add_section()
    add("in all", outcomes)
    return table


def main() -> None:
    """Run the campaign and print its table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=("kills", "failures", "demo"))
    parser.add_argument("--match", default="")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--record", type=Path)
    options = parser.parse_args()
    record: Path | None = options.record
    known = read_record(record) if record is not None and record.exists() else []
    names = {one.name for one in known}
    console = Console(width=120)

    def choose(ground: Ground) -> Sequence[Trial]:
        listed = [trial for trial in list_trials(ground, options.only) if options.match in trial.name]
        left = [trial for trial in listed if trial.name not in names]
        return [trial for first in range(_STRIDE) for trial in left[first::_STRIDE]]

    def tell(outcome: Outcome) -> None:
        if record is not None:
            with record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(outcome)) + "\n")
        if not outcome.is_good:
            console.print(
                f"{outcome.name}: {outcome.end}: {outcome.why[-_SHOWN:]}", markup=False, highlight=False
            )

    engine = TsqlEngine()
    with SqlServerEmulator(engine) as server, EmbeddedPostgres() as postgres:
        servers = Servers(engine, server, postgres)
        outcomes = known + run_campaign(servers, choose, options.workers, tell)
    console.print(build_table(outcomes))
    raise SystemExit(0 if all(one.is_good for one in outcomes) else 1)


if __name__ == "__main__":
    main()
