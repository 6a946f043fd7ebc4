"""Sends an alert to one address, by Apprise. Waits at most some seconds; tries once."""

from __future__ import annotations

import logging
import re
import urllib.parse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from blb_migration.alerts.addresses import ALERT_VARIABLE, Address
from blb_migration.alerts.message import Alert
from blb_migration.errors import ConfigurationError, MigrationError
from blb_migration.masking import MASK, mask_secrets

_LONGEST_CAUSE = 200


class AlertNotSent(MigrationError):
    """An alert could not be handed over; it is kept, and sent later."""

    is_transient = True


def send(alert: Alert, address: Address) -> None:
    """Hand the alert over to the service of ``address``.

    Raises ConfigurationError for an address that Apprise cannot use, AlertNotSent where the service cannot be
    reached or refuses. Neither shows the address.
    """
    with _hearing_apprise() as heard, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of modules that Apprise imports when it is used
        import apprise

        asset = apprise.AppriseAsset(app_id="blb-migrate", app_desc="blb-migrate", app_url="")
        messenger = apprise.Apprise(asset=asset)
        if not messenger.add(address.url):
            raise ConfigurationError(
                f"environment variable {ALERT_VARIABLE}, {address}",
                found="Apprise cannot use it" + _describe_cause(heard, address),
                expected="addresses as https://appriseit.com/services lists them, with spaces between, for"
                " example mailtos://user:password@mail.example:587?to=team@example.com",
                next_act="Correct it, then try it: 'blb-migrate alert --test'",
            )
        is_sent = messenger.notify(
            title=alert.title, body=alert.body, notify_type=alert.level, body_format="text"
        )
    if not is_sent:
        raise AlertNotSent(
            f"alert {alert.title!r}",
            found=f"{address} did not take it" + _describe_cause(heard, address),
            expected="a service that can be reached and knows the sender",
            next_act=f"Correct {ALERT_VARIABLE} or the service, then try it: 'blb-migrate alert --test'",
        )


class _Listener(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@contextmanager
def _hearing_apprise() -> Iterator[list[str]]:
    """Yield what Apprise complains of meanwhile. It goes nowhere else, nor does a line of urllib3: they may
    show an address."""
    logger, listener = logging.getLogger("apprise"), _Listener()
    below, level = logging.getLogger("urllib3"), logging.getLogger("urllib3").level
    propagates = logger.propagate
    logger.propagate = False
    logger.addHandler(listener)
    below.setLevel(logging.CRITICAL)
    try:
        yield listener.lines
    finally:
        below.setLevel(level)
        logger.removeHandler(listener)
        logger.propagate = propagates


def _describe_cause(heard: list[str], address: Address) -> str:
    if not heard:
        return ""
    text = mask_secrets(heard[-1])
    for part in sorted(_list_parts(address.url), key=len, reverse=True):
        text = text.replace(part, MASK)
    return f": {text.strip().rstrip('.')[:_LONGEST_CAUSE]}"


def _list_parts(url: str) -> set[str]:
    """List what of an address may be a secret: all pieces after the scheme, plain and quoted."""
    rest = url.partition("://")[2] or url
    pieces = {rest, *re.split(r"[/:@?&=,]+", rest)}
    return {piece for one in pieces for piece in (one, urllib.parse.unquote(one)) if len(piece) > 2}
