"""What a stranger's text can do to the terminal that shows it: nothing."""

from __future__ import annotations

import io
import sys

import pytest
from rich.table import Table

from blb_migration.cli import exits
from blb_migration.cli.terminal import VisibleConsole
from blb_migration.cli.visible_text import make_visible

HOSTILE = "a\x1b[2J\x1b]0;owned\x07b\x9bm\u202egnp\r\x00\ud800"
SHOWN = "a\\x1b[2J\\x1b]0;owned\\x07b\\x9bm\\u202egnp\\x0d\\x00\\ud800"


def test_every_character_that_a_terminal_obeys_is_shown() -> None:
    assert make_visible(HOSTILE) == SHOWN
    assert make_visible("Größe\t12 €\nzwei 😀 שלום") == "Größe\t12 €\nzwei 😀 שלום"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_console_shows_it_in_lines_and_tables_and_keeps_its_own_colours(is_terminal: bool) -> None:
    out = io.StringIO()
    console = VisibleConsole(
        file=out,
        force_terminal=is_terminal,
        width=200,
        highlight=False,
        color_system="standard" if is_terminal else None,
        legacy_windows=False,
    )
    console.print(HOSTILE, markup=False)
    table = Table("name", "equal")
    table.add_row(HOSTILE.replace("[2J", ""), "[red]NO[/]")
    console.print(table)
    text = out.getvalue()
    assert text.startswith(SHOWN + "\n")
    assert SHOWN.replace("[2J", "") in text.partition("\n")[2]
    assert ("\x1b[31mNO" in text) == is_terminal
    for character in ("\x1b]", "\x1b[2J", "\x9b", "\u202e", "\x07", "\x00", "\ud800"):
        assert character not in text


def test_errors_are_shown_so_too(monkeypatch: pytest.MonkeyPatch) -> None:
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    exits.report_error(f"table {HOSTILE}: it is gone")
    assert err.getvalue() == f"blb-migrate: table {SHOWN}: it is gone\n"
