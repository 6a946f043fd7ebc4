"""The nights in words: what changed, how long the next one takes, and how sure that is. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterator

from blb_migration.history.night_changes import NightChanges
from blb_migration.history.night_forecast import FEWEST_NIGHTS, Trend, WindowForecast
from blb_migration.progress.quantities import count, format_duration

# What the night costs beside the load, whatever the project.
_ALWAYS = ("freeze", "prove", "smoke")
_ONE_MINUTE = 60


def describe_changes(changes: NightChanges) -> list[str]:
    """Say in sentences what changed since the night before."""
    if changes.before is None:
        return [
            "There is no night on record yet to compare it with: of the same project, source and environment."
        ]
    since = f"Since the night of {changes.before.started_at:%Y-%m-%d %H:%M} UTC"
    found = list(_list_changes(changes))
    is_all_known = changes.contents is not None and changes.columns is not None
    nothing = "nothing has changed" if is_all_known else "nothing is known to have changed"
    lines = [f"{since}: {'; '.join(found) or nothing}."]
    if changes.contents is None:
        lines.append(
            "Whether contents changed is not known: the earlier night's rows were hashed by another function."
        )
    if changes.columns is None:
        lines.append("Whether columns changed is not known: the earlier night is from an older version.")
    if changes.is_plan_other:
        lines.append("The plan is another one: tables, columns, decisions or key totals.")
    longer = changes.seconds_longer
    if longer is not None:
        word = "longer" if longer >= 0 else "less"
        lines.append(
            f"It took {format_duration(abs(longer))} {word}: {format_duration(changes.after.seconds or 0)}."
        )
    return lines


def _list_changes(changes: NightChanges) -> Iterator[str]:
    if changes.rows:
        added = changes.rows_added
        total = f"{count(abs(added), 'row')} {'more' if added >= 0 else 'fewer'}"
        yield f"{total}, in {count(len(changes.rows), 'table')}"
    if changes.contents:
        yield f"other contents in {count(len(changes.contents), 'table')} of as many rows as before"
    if changes.metrics:
        yield f"{count(len(changes.metrics), 'key total')} changed"
    for what, names in (("new", changes.new_tables), ("gone", changes.gone_tables)):
        if names:
            yield f"{count(len(names), 'table')} {what}"
    if changes.columns:
        yield f"{count(len(changes.columns), 'column')} changed"
    for what, findings in (("new", changes.new_findings), ("gone", changes.gone_findings)):
        if findings:
            yield f"{count(len(findings), 'finding')} {what}"


def describe_forecast(window: WindowForecast) -> list[str]:
    """Say in sentences how long the next night takes, what that is made of, and how sure it is."""
    load = window.load
    if load is None:
        nights = "no night" if window.night_count == 0 else count(window.night_count, "night")
        return [
            f"No forecast: the ledger knows {nights} that loaded every table and came to an end,"
            f" and fewer than {FEWEST_NIGHTS} say nothing of the next one.",
            *_describe_steps(window),
        ]
    latest = window.latest
    where = f" ({latest.environment or 'environment not recorded'}, from {latest.source})" if latest else ""
    worst = format_duration(load.worst_seconds)
    return [
        f"The load takes about {format_duration(load.median_seconds)}, the median of the last"
        f" {count(load.night_count, 'night')}{where}; the slowest took {worst}.",
        f"How sure: if the next night is like these, it is slower than the slowest with a chance of 1 in"
        f" {load.night_count + 1}. On other machines, with other data, they say nothing.",
        describe_trend(window.trend, load.night_count) if window.trend else "",
        *_describe_steps(window),
        f"With the steps that were carried out before, the application stands still for about"
        f" {format_duration(window.median_seconds or 0)};"
        f" {format_duration(window.worst_seconds or 0)} if each part is as slow as it ever was.",
    ]


def describe_trend(trend: Trend, night_count: int) -> str:
    """Say whether nights get longer, and whether chance alone could look so."""
    if not trend.is_clear:
        return f"Trend: none that is more than chance makes of {count(night_count, 'night')}."
    word = "longer" if trend.seconds_per_night > 0 else "shorter"
    share = "fewer than 1 in 1,000" if trend.chance < 0.001 else f"{trend.chance:.1%}"
    return (
        f"Trend: each night takes {format_duration(abs(trend.seconds_per_night))} {word} than the one before;"
        f" chance alone looks like that in {share} of all cases. The median lags behind it."
    )


def _describe_steps(window: WindowForecast) -> list[str]:
    lines = []
    if window.steps:
        each = ", ".join(
            f"{step.name} {format_duration(step.median_seconds)}"
            f" ({'once' if step.times == 1 else f'{step.times} times'})"
            for step in window.steps
        )
        lines.append(f"Other steps, by how often they were carried out: {each}.")
    missing = [name for name in _ALWAYS if name not in {step.name for step in window.steps}]
    if missing:
        lines.append(f"Never carried out yet, so their time comes on top: {', '.join(missing)}.")
    return lines
