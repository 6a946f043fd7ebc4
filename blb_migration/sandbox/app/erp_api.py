"""The application's HTTP side: the calls of the ERP's smoke.yaml under /api/v1, and /health. Holds no SQL."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import logging
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from blb_migration.sandbox.app.erp_statements import (
    Cursor,
    ErpDatabase,
    create_order,
    delete_order,
    list_inventory,
    list_items,
    list_locations,
    list_orders,
    log_in,
    read_material_availability,
)

LOG = logging.getLogger("sample_app")
_TOKEN_SECONDS = 3600
_LIMIT = 50


class ErpResponse(JSONResponse):
    """JSON with decimals and moments as text."""

    def render(self, content: Any) -> bytes:
        """Return the body."""
        return json.dumps(content, default=_write_value).encode()


class ErpApi:
    """The routes over one database."""

    def __init__(self, configuration: Mapping[str, str | None]) -> None:
        self._database = ErpDatabase(configuration)
        self._secret = (configuration.get("SECRET_KEY") or "sample").encode()

    def build(self) -> Starlette:
        """Return the application."""
        api, orders = "/api/v1", "/api/v1/production-orders/"
        return Starlette(
            routes=[
                Route("/health", self.health),
                Route("/docs", self.health),
                Route(f"{api}/auth/login", self.log_in, methods=["POST"]),
                Route(orders, self._listing(list_orders)),
                Route(orders, self.create_order, methods=["POST"]),
                Route(orders + "{order:int}/material-availability", self.read_availability),
                Route(orders + "{order:int}", self.delete_order, methods=["DELETE"]),
                Route(f"{api}/items", self._listing(list_items)),
                Route(f"{api}/admin/inventory/transactions", self._listing(list_inventory)),
                Route(
                    f"{api}/admin/inventory/transactions/locations",
                    self._listing(lambda cursor, _limit: list_locations(cursor)),
                ),
            ],
            exception_handlers={Exception: _answer_error},
        )

    async def health(self, _request: Request) -> Response:
        """Say which database answers; 500 where it does not."""
        await self._ask(lambda cursor: cursor.read("SELECT COUNT(*) AS people FROM users"))
        return ErpResponse({"status": "ok", "database": self._database.kind})

    async def log_in(self, request: Request) -> Response:
        """Take a form with username and password; give a token."""
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        email, password = form.get("username", ""), form.get("password", "")
        person = await self._ask(lambda cursor: log_in(cursor, email, password))
        if person is None:
            LOG.warning("log-in of %s refused", email)
            return ErpResponse({"detail": "Incorrect email or password"}, 401)
        return ErpResponse({"access_token": self._sign(person), "token_type": "bearer"})

    async def create_order(self, request: Request) -> Response:
        """Create a production order from a JSON document."""
        if not self._knows(request):
            return _refuse()
        body = await request.json()
        order = await self._ask(
            lambda cursor: create_order(
                cursor,
                int(body["product_id"]),
                Decimal(str(body["quantity_ordered"])),
                str(body.get("notes", "")),
            )
        )
        return ErpResponse(order, 201)

    async def read_availability(self, request: Request) -> Response:
        """Say what an order's parts need and what there is."""
        if not self._knows(request):
            return _refuse()
        number = request.path_params["order"]
        found = await self._ask(lambda cursor: read_material_availability(cursor, number))
        if found is None:
            return ErpResponse({"detail": "Not found"}, 404)
        return ErpResponse({"production_order_id": number, "materials": found})

    async def delete_order(self, request: Request) -> Response:
        """Delete an order."""
        if not self._knows(request):
            return _refuse()
        number = request.path_params["order"]
        if await self._ask(lambda cursor: delete_order(cursor, number)):
            return Response(status_code=204)
        return ErpResponse({"detail": "Not found"}, 404)

    def _listing(self, read: Callable[[Cursor, int], list[dict[str, Any]]]) -> Any:
        async def answer(request: Request) -> Response:
            if not self._knows(request):
                return _refuse()
            limit = max(1, min(1000, int(request.query_params.get("limit", _LIMIT))))
            return ErpResponse(await self._ask(lambda cursor: read(cursor, limit)))

        return answer

    async def _ask(self, question: Callable[[Cursor], Any]) -> Any:
        def ask() -> Any:
            with self._database.open_cursor() as cursor:
                return question(cursor)

        return await run_in_threadpool(ask)

    def _sign(self, person: int) -> str:
        said = f"{person}.{int(time.time()) + _TOKEN_SECONDS}"
        return f"{said}.{hmac.new(self._secret, said.encode(), hashlib.sha256).hexdigest()}"

    def _knows(self, request: Request) -> bool:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        said, _, signature = token.rpartition(".")
        wanted = hmac.new(self._secret, said.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signature, wanted):
            return False
        return int(said.rpartition(".")[2]) > time.time()


def _refuse() -> Response:
    return ErpResponse({"detail": "Not authenticated"}, 401)


async def _answer_error(request: Request, error: Exception) -> Response:
    LOG.error("ERROR %s %s: %s", request.method, request.url.path, error)
    return ErpResponse({"detail": f"{type(error).__name__}: {error}"}, 500)


def _write_value(value: object) -> object:
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value)
