"""How every page is rendered: what comes from files, logs and databases is escaped, and can be seen.

Which pages there are is not known here: each has its own templates.
"""

from __future__ import annotations

import unicodedata
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def build_environment(folder: Path) -> Environment:
    """Build what renders the templates of ``folder``; a name that a template does not get is an error."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: make_visible(value) if isinstance(value, str) else value,
    )


def make_visible(text: str) -> str:
    """Return the text with every character that is invisible, or moves others, as ``[U+202E]``; markup as it
    is."""
    if hasattr(text, "__html__") or text.isprintable():
        return text
    return "".join(
        f"[U+{ord(character):04X}]"
        if unicodedata.category(character) in _INVISIBLE and character not in "\n\t\r"
        else character
        for character in text
    )
