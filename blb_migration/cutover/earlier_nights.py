"""The nights that forecast this one: of its own target, and of the rehearsal's where its variables are set.

Whoever cannot be asked is left out: a forecast is worth no failure.
"""

from __future__ import annotations

from contextlib import suppress

from blb_migration.errors import MigrationError
from blb_migration.history.night_forecast import WindowForecast, forecast_window
from blb_migration.history.past_nights import Past, merge_pasts
from blb_migration.postgres.connect import TargetConnector
from blb_migration.postgres.database_place import read_database_place
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


def forecast_night(
    target: TargetConnector, project: str | None = None, own: Past | None = None
) -> WindowForecast:
    """Forecast how long the application will stand still: the rule for the rehearsal of a cutover, for
    the report and for ``blb-migrate history``.

    ``own`` is what the target's ledger remembers, where that was read already.
    """
    pasts = own or _read_one(target), _read_rehearsals(target)
    past = merge_pasts(each for each in pasts if each is not None)
    return forecast_window(past.choose_series(project), past.step_seconds)


def _read_one(target: TargetConnector) -> Past | None:
    with suppress(MigrationError), target.connect() as connection:
        if has_current_ledger(connection):
            return read_past(connection)
    return None


def _read_rehearsals(target: TargetConnector) -> Past | None:
    """Read what the rehearsal's ledger remembers, unless that is the target's own, by another name."""
    with suppress(MigrationError):
        rehearsal = connect_rehearsal()
        if rehearsal is not None and not _is_same_database(rehearsal, target):
            return _read_one(rehearsal)
    return None


def _is_same_database(one: TargetConnector, other: TargetConnector) -> bool:
    if one.settings.identity == other.settings.identity:
        return True
    with one.connect() as here, other.connect() as there:
        place = read_database_place(here)
        return place.system_identifier is not None and place == read_database_place(there)
