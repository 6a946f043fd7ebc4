"""Names that are not known: the one that was probably meant, and how messages say it. Knows no room."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches

from blb_migration.errors import ConfigurationError

LIKELY = 0.6


def refuse_unknown(
    subject: str,
    name: str,
    known: Collection[str],
    *,
    found: str,
    expected: str | None = None,
    next_act: str = "Correct the name",
) -> None:
    """Raise ConfigurationError unless ``name`` is one of ``known``; without ``expected`` it lists them."""
    if name not in known:
        raise ConfigurationError(
            subject,
            found=f"{found}{suggest(name, known)}",
            expected=expected or f"one of {', '.join(known)}",
            next_act=next_act,
        )


def suggest(name: str, known: Iterable[str]) -> str:
    """`` (did you mean …?)`` with the nearest of ``known``, whatever its letter case; else nothing."""
    return ask_whether(find_near(name, known))


def ask_whether(meant: str | None) -> str:
    """`` (did you mean …?)``, or nothing without ``meant``."""
    return f" (did you mean {meant}?)" if meant else ""


def find_near(name: str, known: Iterable[str], likeness: float = LIKELY) -> str | None:
    """Find the nearest of ``known``, whatever its letter case. ``likeness`` is 0 to 1, 1 the same name."""
    by_folded = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_folded, n=1, cutoff=likeness)
    return by_folded[near[0]] if near else None
