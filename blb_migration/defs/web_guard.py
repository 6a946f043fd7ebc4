"""Who may talk to Dagster's web server: Dagster itself answers whoever asks, by whatever name and method.

A page of any site that an operator has open can send requests to this machine. So a request is answered only
under a name of ours (``Host``), from a page of ours (``Origin``), and by POST where it could start something.
From another machine it needs the password as well, by HTTP Basic.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import ipaddress
from urllib.parse import parse_qs, urlsplit

from starlette.applications import Starlette
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from blb_migration.settings.variables import WebVariables

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1", "[::1]")
HEALTH_PATH = "/server_info"  # Dagster's versions, no more: what a health check asks without a password
_READS = ("GET", "HEAD")
_OWN_PAGES = ("same-origin", "none")


def guard_app(app: Starlette) -> None:
    """Put the guard in front of everything that the app answers, as the variables say."""
    variables = WebVariables.read()
    password = variables.ui_password.get_secret_value() if variables.ui_password else None
    names = [name.strip() for name in (variables.ui_hosts or "").split(",")]
    # The one added last is asked first.
    app.add_middleware(RequestGuard, password=password)
    app.add_middleware(
        TrustedHostMiddleware,
        allowed_hosts=[*LOOPBACK_NAMES, *(name for name in names if name)],
        www_redirect=False,
    )


class RequestGuard:
    """Answers what must not reach the app."""

    def __init__(self, app: ASGIApp, password: str | None) -> None:
        self._app = app
        self._password = password

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        answer = None
        if scope["type"] in ("http", "websocket"):
            answer = self._refuse(HTTPConnection(scope), scope.get("method", ""))
        await (answer or self._app)(scope, receive, send)

    def _refuse(self, request: HTTPConnection, method: str) -> PlainTextResponse | None:
        origin = request.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != request.headers.get("host", "").lower():
            return _say(403, f"A page of {origin} may not use this server. Open its own address.")
        if method not in _READS and request.headers.get("sec-fetch-site", "none") not in _OWN_PAGES:
            return _say(403, "A page of another site may not use this server. Open its own address.")
        if method in _READS and request.url.path.endswith("/graphql") and _asks_graphql(request):
            return _say(405, "GraphQL is answered by POST alone.", allow="POST")
        if request.url.path.endswith(HEALTH_PATH) and method in _READS:
            return None
        return self._refuse_stranger(request)

    def _refuse_stranger(self, request: HTTPConnection) -> PlainTextResponse | None:
        if self._password is None:
            if _is_loopback(request):
                return None
            return _say(
                403,
                "This server has no password, so it answers its own machine alone. Set BLB_UI_PASSWORD, "
                "or reach it by an SSH tunnel.",
            )
        given = _read_password(request.headers.get("authorization", ""))
        if given is not None and hmac.compare_digest(given.encode(), self._password.encode()):
            return None
        return _say(
            401,
            "The password is BLB_UI_PASSWORD's; any user name.",
            **{"www-authenticate": 'Basic realm="blb_migration", charset="UTF-8"'},
        )


def _say(status: int, text: str, **headers: str) -> PlainTextResponse:
    return PlainTextResponse(text + "\n", status, headers)


def _asks_graphql(request: HTTPConnection) -> bool:
    """Tell a query from the page GraphiQL, which is what Dagster gives to who asks for HTML."""
    is_page = "text/html" in request.headers.get("accept", "")
    return not is_page or "query" in parse_qs(request.url.query, keep_blank_values=True)


def _is_loopback(request: HTTPConnection) -> bool:
    if request.client is None:
        return False
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _read_password(header: str) -> str | None:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        return base64.b64decode(value, validate=True).decode("utf-8").partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return None
