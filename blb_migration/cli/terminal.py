"""The console: where output goes, how wide it is, and what never reaches it. No content."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from blb_migration.cli.visible_text import make_visible

PLAIN_WIDTH = 160  # a log or a pipe has no width; wide enough that no table wraps


class VisibleConsole(Console):
    """Shows control characters of what it prints instead of sending them; its own are sent."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Make a text visible before it is measured for a column."""
        return super().render_str(make_visible(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as Rich does, with every text made visible."""
        for segment in super().render(renderable, options):
            text = segment.text if segment.control else make_visible(segment.text)
            yield segment if text is segment.text else Segment(text, segment.style)


def build_console() -> Console:
    """Build a console on stdout; on a terminal of its width, elsewhere plain and wide."""
    console = VisibleConsole(highlight=False)
    return (
        console if console.is_terminal else VisibleConsole(highlight=False, width=PLAIN_WIDTH, soft_wrap=True)
    )
