"""The watch tells people: one message when something begins to be alarming, one when all is quiet again.

What was told, and what could not be sent yet, is in a file beside the journal, since the target may be what
does not answer; it holds no address of BLB_ALERT_URLS.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from blb_migration.alerts.addresses import ALERT_VARIABLE, read_addresses
from blb_migration.alerts.message import Alert, build_alert
from blb_migration.alerts.outbox import Letter, add_alerts, deliver, letter_from_json, letter_to_json
from blb_migration.alerts.sending import send
from blb_migration.cutover.night import Night
from blb_migration.errors import ConfigurationError
from blb_migration.private_files import make_private_folder, open_private
from blb_migration.settings.environments import PRODUCTION

_FILE = "watch-alerts.json"
_TELLING_SECONDS = 20.0
_NEXT_ACT = "Look at the application and its log; 'blb-migrate rollback' says what going back would do"


@dataclass(frozen=True)
class Alarm:
    """Something alarming. ``about`` is the same from look to look while it lasts; ``text`` is for the screen.

    ``told`` is what may leave the company's network: no line of a log. Empty: ``text`` may.
    """

    about: str
    text: str
    told: str = ""


@dataclass(frozen=True)
class _Told:
    about: tuple[str, ...] = ()
    letters: tuple[Letter, ...] = ()


def tell_alarms(night: Night, alarms: Sequence[Alarm]) -> str | None:
    """Send what is new since the last look, and what an earlier look could not send.

    Returns why something was not sent, None where nobody is to be told or everyone was.
    """
    try:
        addresses = read_addresses()
    except ConfigurationError as error:
        return str(error)
    if not addresses:
        return None
    alarms = [
        Alarm(night.mask(alarm.about), night.mask(alarm.text), night.mask(alarm.told)) for alarm in alarms
    ]
    path = night.records / _FILE
    known = _read(path)
    alerts = _word(night, alarms, known)
    deadline = time.monotonic() + _TELLING_SECONDS
    delivery = deliver(
        add_alerts(known.letters, alerts, addresses),
        addresses,
        night.now(),
        send,
        lambda: time.monotonic() > deadline,
    )
    now = _Told(tuple(alarm.about for alarm in alarms), delivery.letters)
    if now != known:
        try:
            _write(path, now)
        except OSError as error:
            return f"{path} cannot be written ({error.strerror or error}): the same may be told again"
    if delivery.failures:
        return f"not sent, and tried again at the next look: {'; '.join(delivery.failures)}"
    return f"{len(delivery.letters)} messages of {ALERT_VARIABLE} wait" if delivery.letters else None


def _word(night: Night, alarms: Sequence[Alarm], known: _Told) -> list[Alert]:
    new = [alarm for alarm in alarms if alarm.about not in known.about]
    places = {
        "environment": PRODUCTION,
        "source": f"SQL Server {night.source.settings.identity}",
        "target": f"PostgreSQL {night.target.place}",
        "night": night.journal.last_night_id or "none",
    }
    project = night.project.name
    if new:
        more = f" and {len(new) - 1} more" if len(new) > 1 else ""
        title = f"{project}: the watch after the cutover: {new[0].about}{more}"
        reason = "\n".join(alarm.told or alarm.text for alarm in new)
        return [build_alert("failure", title, reason=reason, next_act=_NEXT_ACT, places=places)]
    if known.about and not alarms:
        title = f"{project}: the watch after the cutover: quiet again"
        reason = f"Nothing is alarming any more. It was: {', '.join(known.about)}."
        return [build_alert("success", title, reason=reason, places=places)]
    return []


def _read(path: Path) -> _Told:
    """Read the file; of one that is missing or torn nothing: then something may be told again."""
    try:
        kept = json.loads(path.read_bytes())
        return _Told(tuple(kept["about"]), tuple(map(letter_from_json, kept["letters"])))
    except (OSError, ValueError, KeyError, TypeError):
        return _Told()


def _write(path: Path, told: _Told) -> None:
    make_private_folder(path.parent)
    kept = {"about": list(told.about), "letters": [letter_to_json(letter) for letter in told.letters]}
    with open_private(path, encoding="utf-8") as file:
        json.dump(kept, file)
