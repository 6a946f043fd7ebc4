"""The nights that forecast this one: of its own target, and of the rehearsal's where its variables are set.

Whoever cannot be asked is left out: a forecast is worth no failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from blb_migration.errors import ConfigurationError, MigrationError
from blb_migration.history.night_forecast import WindowForecast, forecast_window
from blb_migration.history.past_nights import Past, merge_pasts
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.ledger.nights import read_past
from blb_migration.postgres.ledger.versions import has_current_ledger
from blb_migration.settings.environments import REHEARSAL, is_configured, read_pair


def connect_rehearsal() -> TargetConnector | None:
    """Return what connects to the rehearsal's own target; None where its variables are not set.

    Raises ConfigurationError for one that names no database.
    """
    if not is_configured(REHEARSAL):
        return None
    _, target = read_pair(REHEARSAL)
    return TargetConnector(target)


def read_earlier_nights(target: TargetConnector) -> Past:
    """Read what both ledgers remember; nothing of one that is not there, is older, or does not answer."""
    return merge_pasts(past for each in _find_targets(target) if (past := _read_one(each)) is not None)


def forecast_night(target: TargetConnector, project: str | None = None) -> WindowForecast:
    """Forecast how long the application will stand still: the rule for the rehearsal of a cutover, for
    the report and for ``blb-migrate history``."""
    past = read_earlier_nights(target)
    return forecast_window(past.choose_series(project), past.step_seconds)


def _find_targets(target: TargetConnector) -> Iterator[TargetConnector]:
    yield target
    with suppress(ConfigurationError):
        rehearsal = connect_rehearsal()
        if rehearsal is not None and rehearsal.settings.identity != target.settings.identity:
            yield rehearsal


def _read_one(target: TargetConnector) -> Past | None:
    with suppress(MigrationError), target.connect() as connection:
        if has_current_ledger(connection):
            return read_past(connection)
    return None
