"""Numbers as people read them: counts, bytes, seconds and shares, for terminal, log and report alike.

``format_clock`` and ``format_megabytes`` keep their unit, for columns that grow while one looks at them;
``format_duration`` and ``format_bytes`` choose it. Bytes are decimal: a MB is 10^6.
"""

from __future__ import annotations

_BYTES_PER_MEGABYTE = 1_000_000
_SECONDS_WITH_TENTHS = 90


def count(number: int, noun: str) -> str:
    """Write ``1 table``, ``1,234 tables``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def format_percent(share: float) -> str:
    """Write ``12 %``, rounded down: 100 % is all."""
    return f"{int(share * 100)} %"


def format_megabytes(byte_count: float) -> str:
    """Write ``1,234.5``, in MB."""
    return f"{byte_count / _BYTES_PER_MEGABYTE:,.1f}"


def format_bytes(byte_count: int) -> str:
    """Write ``512 B``, ``1.2 MB``."""
    size = float(byte_count)
    for unit in ("B", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "B" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def format_clock(seconds: float) -> str:
    """Write ``0:07``, ``12:05``, ``1:02:05``."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def format_duration(seconds: float) -> str:
    """Write ``7.2 s``, ``12 min 05 s``, ``1 h 02 min``."""
    if seconds < _SECONDS_WITH_TENTHS:
        return f"{seconds:,.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"
