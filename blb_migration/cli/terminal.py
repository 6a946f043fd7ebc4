"""The console: where output goes and how wide it is. No content."""

from __future__ import annotations

from rich.console import Console

PLAIN_WIDTH = 160  # a log or a pipe has no width; wide enough that no table wraps


def build_console() -> Console:
    """Build a console on stdout; on a terminal of its width, elsewhere plain and wide."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH, soft_wrap=True)
