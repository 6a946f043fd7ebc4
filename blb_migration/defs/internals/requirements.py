"""The check that a function of Dagster's can still be called as it is called here."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def require(function: Callable[..., Any], positional: int = 0, *names: str) -> None:
    """Raise ImportError unless ``function`` takes so many arguments by position and ``names`` by name.

    A method counts its ``self``.
    """
    try:
        inspect.signature(function).bind(*[None] * positional, **dict.fromkeys(names))
    except TypeError as error:
        name = getattr(function, "__qualname__", function)
        raise ImportError(f"{name}{inspect.signature(function)}: {error}") from None
