"""What is still to be sent, to whom, and when it is tried again. Pure but for the ``send`` it is given.

It is kept where it survives a restart, as JSON without any address: an alert is sent to each address at least
once, and again only where the process ended between sending and keeping.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from blb_migration.alerts.addresses import Address
from blb_migration.alerts.message import Alert
from blb_migration.errors import MigrationError

FIRST_PAUSE = datetime.timedelta(seconds=20)
LONGEST_PAUSE = datetime.timedelta(minutes=10)

Send = Callable[[Alert, Address], None]


@dataclass(frozen=True)
class Letter:
    """An alert for the addresses whose numbers are ``left``. ``not_before``: when it is tried again."""

    alert: Alert
    left: tuple[int, ...]
    tries: int = 0
    not_before: datetime.datetime | None = None


@dataclass(frozen=True)
class Delivery:
    """What became of one attempt: what is left, how many were handed over, why others were not."""

    letters: tuple[Letter, ...]
    sent_count: int
    failures: tuple[str, ...]


def add_alerts(
    letters: Sequence[Letter], alerts: Sequence[Alert], addresses: Sequence[Address]
) -> tuple[Letter, ...]:
    """Return ``letters`` and one more for each alert, to every address."""
    numbers = tuple(address.number for address in addresses)
    return (*letters, *(Letter(alert, numbers) for alert in alerts))


def deliver(
    letters: Sequence[Letter],
    addresses: Sequence[Address],
    now: datetime.datetime,
    send: Send,
    is_time_up: Callable[[], bool] = lambda: False,
) -> Delivery:
    """Send what is due, in order. An address that fails is left alone for the rest of this attempt.

    Once ``is_time_up``, nothing more is sent: the rest is due in the next attempt.
    """
    by_number = {address.number: address for address in addresses}
    left, failures = list[Letter](), dict[int, str]()
    sent_count = 0
    for letter in letters:
        if letter.not_before is not None and now < letter.not_before:
            left.append(letter)
            continue
        unsent, is_tried = [], False
        for number in letter.left:
            if number not in by_number:  # the variable names fewer addresses by now
                continue
            if number not in failures and not is_time_up():
                is_tried = True
                try:
                    send(letter.alert, by_number[number])
                except MigrationError as error:
                    failures[number] = str(error)
                else:
                    sent_count += 1
                    continue
            unsent.append(number)
        if unsent and not is_tried and not failures.keys() & {*unsent}:
            left.append(replace(letter, left=tuple(unsent)))
        elif unsent:
            pause = min(FIRST_PAUSE * 2**letter.tries, LONGEST_PAUSE)
            left.append(replace(letter, left=tuple(unsent), tries=letter.tries + 1, not_before=now + pause))
    return Delivery(tuple(left), sent_count, tuple(failures.values()))


def letter_to_json(letter: Letter) -> dict[str, Any]:
    """Return a letter as it is kept."""
    not_before = None if letter.not_before is None else letter.not_before.isoformat()
    return {
        "alert": letter.alert.to_json(),
        "left": list(letter.left),
        "tries": letter.tries,
        "not_before": not_before,
    }


def letter_from_json(kept: Mapping[str, Any]) -> Letter:
    """Build what ``letter_to_json`` returned."""
    moment = kept["not_before"]
    return Letter(
        Alert.from_json(kept["alert"]),
        tuple(kept["left"]),
        kept["tries"],
        None if moment is None else datetime.datetime.fromisoformat(moment),
    )
