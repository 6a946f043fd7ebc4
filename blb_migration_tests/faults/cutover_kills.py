"""Nights that are killed: at every line of the journal, there and back, and after every act.

Which lines and acts there are is learnt from one night that goes through. After a kill the next command is,
by turns, the one that goes on and the one that goes back; then all that a night touches is looked at. A night
that was live and is half taken back refuses to go on where the application has written: then it goes back.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import requests

from blb_migration_tests.cli.servers import Answer
from blb_migration_tests.cutover.town import Town
from blb_migration_tests.faults.cutover_commands import MOMENTS, Kill
from blb_migration_tests.faults.cutover_ground import End, Ground, judge, read_journal, shop_of

THERE, BACK = "cutover", "rollback"
_KILLED = (-signal.SIGKILL, 255)  # 255: multiprocessing has not seen how the process ended


@dataclass(frozen=True)
class Try:
    """One kill: of which command, where, and which command comes next."""

    command: str
    kill: Kill
    next_command: str

    @property
    def family(self) -> str:
        """Return the table's line it belongs to."""
        where = "after an act" if self.kill.is_act else f"{self.kill.moment} a line"
        return f"{self.command} killed {where}"

    @property
    def wanted(self) -> End:
        """Return what it must end as."""
        return "whole" if self.next_command == THERE else "back"

    def __str__(self) -> str:
        return f"{self.command} killed {self.kill}, then {self.next_command}"


@dataclass(frozen=True)
class Outcome:
    """How a try ended. ``why`` says what is amiss; empty where nothing is."""

    family: str
    name: str
    end: End
    why: str = ""

    @property
    def is_good(self) -> bool:
        """Whether it ended as it had to."""
        return not self.why


def list_tries(ground: Ground) -> list[Try]:
    """Carry out one night, there and back, and list a kill at each line and after each act of it."""
    found: list[Try] = []
    with ground.open_night() as town:
        lines = 0
        for command in (THERE, BACK):
            acts = town.production.parent.parent / f"{command}.acts"
            answer = shop_of(town).run(command, "--execute", acts=acts)
            assert answer.code == 0, answer.err
            journal = read_journal(town)[lines:]
            lines += len(journal)
            kills = [
                Kill(number, moment, name=f"{line['step']} {line['event']}")
                for number, line in enumerate(journal, start=1)
                for moment in MOMENTS
            ]
            kills += [
                Kill(number, is_act=True, name=name)
                for number, name in enumerate(acts.read_text(encoding="utf-8").split(), start=1)
            ]
            found += [
                Try(command, kill, THERE if number % 2 == 0 else BACK) for number, kill in enumerate(kills)
            ]
    return found


def carry_out(ground: Ground, one: Try) -> Outcome:
    """Carry out a night, kill it, and give the next command; say how it ended."""
    with ground.open_night() as town:
        if one.command == BACK:
            answer = town.shop.run(THERE, "--execute")
            assert answer.code == 0, answer.err
            use(town)
        killed = shop_of(town).run(one.command, "--execute", kill=one.kill)
        if killed.code not in _KILLED:
            why = f"was not killed, exit code {killed.code}: {killed.out}{killed.err}"
            return Outcome(one.family, str(one), "between", why)
        asked = town.shop.run(one.next_command)
        if asked.code not in (0, 3):  # 3: something stands in the way, such as a service that runs
            return Outcome(one.family, str(one), judge(town)[0], f"asking: {asked.out}{asked.err}")
        went = town.shop.run(one.next_command, "--execute")
        wanted = one.wanted
        if one.command == BACK and went.code != 0 and is_right_to_refuse(went):
            wanted, went = "back", town.shop.run(BACK, "--execute")
        end, why = judge(town)
        if went.code != 0:
            return Outcome(one.family, str(one), end, f"exit code {went.code}: {went.out}{went.err}; {why}")
        if end != wanted:
            why = why or f"it ended {end}"
        elif one.command == BACK:
            why = "; ".join(find_losses(town, end))
        return Outcome(one.family, str(one), end, why)


def is_right_to_refuse(answer: Answer) -> bool:
    """Whether it said that the application has written to the target meanwhile: a night cannot go on then."""
    said = " ".join((answer.out + answer.err).split())
    return "--replace-changed-rows" in said or "NOT EQUAL" in said


def use(town: Town) -> None:
    """Write an article on the live application."""
    address = f"http://127.0.0.1:{town.port}/items"
    requests.post(address, headers={"Authorization": "Bearer tok-1"}, timeout=5).raise_for_status()


def find_losses(town: Town, end: End) -> Iterator[str]:
    """Yield what was written on the live application, and is neither there nor in the saved files."""
    if end == "whole":
        if town.shop.target("SELECT count(*) FROM articles") != [(3,)]:
            yield "the article is gone from the target"
        return
    files = Path(town.settings["records"]).rglob("public.articles.inserted.csv")
    if not any("\n3,test" in file.read_text(encoding="utf-8") for file in files):
        yield "the article was not saved"
