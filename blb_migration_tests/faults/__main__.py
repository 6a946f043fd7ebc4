"""The fault campaign: ``python -m blb_migration_tests.faults --tries 500``. POSIX alone.

Every try is a migration of a small shop with one fault at a random moment, judged by both sides' own rows,
and the next normal run, which has to end equal. Prints a table of all kinds, and every wrong; exits with 1 if
there is any. ``--record`` keeps each try as a line of a file, so that a long campaign can have parts.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from blb_migration.sandbox.embedded_postgres import EmbeddedPostgres
from blb_migration.sandbox.emulator.server import SqlServerEmulator
from blb_migration.sandbox.emulator.tsql import TsqlEngine
from blb_migration_tests.faults.campaign import Kind, carry_out, measure_pace
from blb_migration_tests.faults.ground import Servers
from blb_migration_tests.faults.judge import WRONGS
from blb_migration_tests.faults.kinds import KINDS


def run_campaign(
    servers: Servers,
    kinds: Sequence[Kind],
    tries: int,
    seed: int,
    *,
    until: float = math.inf,
    record: Path | None = None,
) -> list[dict[str, Any]]:
    """Carry out so many tries that struck, all kinds by turns, and return their outcomes."""
    pace = measure_pace(servers)
    outcomes: list[dict[str, Any]] = []
    number = 0
    while len(outcomes) < tries and time.monotonic() < until:
        outcome = carry_out(servers, kinds[number % len(kinds)], seed, number, pace)
        number += 1
        if not outcome.has_struck:
            continue
        outcomes.append({"seed": seed, **asdict(outcome)})
        if record is not None:
            with record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(outcomes[-1], ensure_ascii=False) + "\n")
    return outcomes


def render(outcomes: Iterable[dict[str, Any]]) -> str:
    """Return the table of docs/reliability.md."""
    by_kind: dict[str, list[dict[str, Any]]] = {kind.name: [] for kind in KINDS}
    for outcome in outcomes:
        by_kind.setdefault(outcome["kind"], []).append(outcome)
    heading = ("fault", "tries", "survived", *WRONGS)
    lines = [f"| {' | '.join(heading)} |", f"| {' | '.join('---' for _ in heading)} |"]
    rows = {kind: found for kind, found in by_kind.items() if found}
    rows["**all**"] = [outcome for found in rows.values() for outcome in found]
    for name, found in rows.items():
        counts = [sum(any(w["what"] == wrong for w in each["wrongs"]) for each in found) for wrong in WRONGS]
        survived = sum(not each["wrongs"] for each in found)
        lines.append(
            f"| {' | '.join((name, *(f'{count:,}' for count in (len(found), survived, *counts))))} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the long form. Exits with 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m blb_migration_tests.faults", description=__doc__)
    parser.add_argument("--tries", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", nargs="+", metavar="WORD", help="only kinds whose name has one of these")
    parser.add_argument("--minutes", type=float, default=24 * 60.0, help="end after these, whatever is left")
    parser.add_argument("--record", type=Path, help="a file that each try is added to, as a line of JSON")
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if not options.kinds or any(word in kind.name for word in options.kinds)]
    possible = [kind for kind in kinds if kind.is_possible()]
    until = time.monotonic() + options.minutes * 60
    engine = TsqlEngine()
    with (
        tempfile.TemporaryDirectory(prefix="blb-faults-server-", ignore_cleanup_errors=True) as folder,
        SqlServerEmulator(engine) as server,
        EmbeddedPostgres(Path(folder)) as postgres,  # which is started again with what it holds
    ):
        servers = Servers(engine, server, postgres)
        outcomes = run_campaign(
            servers, possible, options.tries, options.seed, until=until, record=options.record
        )
        servers.close()
    if options.record is not None:
        recorded = options.record.read_text(encoding="utf-8").splitlines() if options.record.exists() else []
        outcomes = [json.loads(line) for line in recorded]
    print(render(outcomes))  # noqa: T201
    for kind in kinds:
        if kind not in possible:
            print(f"not possible on this machine: {kind.name}")  # noqa: T201
    wrong = [outcome for outcome in outcomes if outcome["wrongs"]]
    for outcome in wrong:
        print(f"\n{outcome['kind']}, try {outcome['number']} of seed {outcome['seed']}, {outcome['moment']}:")  # noqa: T201
        for each in outcome["wrongs"]:
            print(f"  {each['what']}: {each['how']}")  # noqa: T201
        print(f"  {outcome['ending']}")  # noqa: T201
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()
