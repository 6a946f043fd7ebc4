"""Where alerts are sent: the addresses of BLB_ALERT_URLS, which hold passwords and are never shown.

An address is named by its number and its service, since with many services the host part is the secret.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from blb_migration.settings.variables import AlertVariables, name_variable

ALERT_VARIABLE = name_variable("alert_urls")


@dataclass(frozen=True)
class Address:
    """One address, by its place in the variable, from 1."""

    number: int
    url: str = field(repr=False)

    @property
    def scheme(self) -> str:
        """What is before ``://``: the service."""
        return self.url.partition("://")[0].lower() if "://" in self.url else "no scheme"

    def __str__(self) -> str:
        return f"address {self.number} ({self.scheme})"


def read_addresses() -> tuple[Address, ...]:
    """Read them as the environment has them now, none where nobody is to be told. Raises
    ConfigurationError."""
    secret = AlertVariables.read().alert_urls
    urls = secret.get_secret_value().split() if secret is not None else []
    return tuple(Address(number, url) for number, url in enumerate(urls, start=1))
