"""One HTTP request within a time, however slowly the other side answers. Follows no redirect.

The timeouts of requests are for each piece of an answer alone, so that a backend that sends a byte now and
then would never be given up: hence a thread, given up with it. Proxies of the environment are for other
machines than this one, and ``.netrc`` does not take the place of the log-in that is being tried.
"""

from __future__ import annotations

import ipaddress
import json
import queue
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

import requests
from urllib3.exceptions import HTTPError, IncompleteRead

_PIECE = 65_536  # bytes
MOST_BYTES = 16 * 2**20
_NO_PROXY = {"no_proxy": "*"}


@dataclass(frozen=True)
class HttpAnswer:
    """What came back: ``redirects_to`` is where else it sends whoever asked, ``text`` the body."""

    status: int
    text: str
    redirects_to: str | None = None


class NoAnswer(Exception):
    """None came, or it broke off; ``cause`` says why."""

    def __init__(self, cause: str, said: str = "no answer ({cause})") -> None:
        super().__init__(said.format(cause=cause))
        self.cause = cause


def send_request(
    method: str,
    url: str,
    seconds: float,
    *,
    headers: Mapping[str, str] | None = None,
    form: Any = None,
    body: Any = None,
    reads_body: bool = True,
) -> HttpAnswer:
    """Return the answer. Raises NoAnswer."""
    answers: queue.SimpleQueue[HttpAnswer | Exception] = queue.SimpleQueue()
    until = time.monotonic() + seconds

    def work() -> None:
        try:
            with requests.request(
                method,
                url,
                headers=dict(headers or {}),
                data=form,
                json=body,
                timeout=seconds,
                stream=True,
                allow_redirects=False,
                proxies=_NO_PROXY if _is_this_machine(url) else None,
                auth=_keep_headers,
            ) as answer:
                text = _read_text(answer, until) if reads_body else ""
                target = answer.headers.get("Location") if answer.is_redirect else None
                answers.put(HttpAnswer(answer.status_code, text, target))
        except Exception as error:  # noqa: BLE001  it is told to the thread that waits
            answers.put(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        found = answers.get(timeout=seconds)
    except queue.Empty:
        raise _build_late(seconds) from None
    if isinstance(found, HttpAnswer):
        return found
    raise _explain(found, seconds) from found


def _build_late(seconds: float) -> NoAnswer:
    return NoAnswer(f"not within {seconds:g} s", f"no answer within {seconds:g} s")


def _explain(error: Exception, seconds: float) -> Exception:
    if isinstance(error, requests.Timeout):
        return _build_late(seconds)
    if isinstance(error, requests.exceptions.SSLError):
        return NoAnswer(
            f"no encrypted connection: {_name_cause(error)}; where its certificate is not trusted here, name "
            "the file of who signed it as REQUESTS_CA_BUNDLE in the environment"
        )
    if isinstance(error, NoAnswer):
        return error
    if isinstance(error, requests.RequestException | HTTPError | UnicodeError | OSError):
        return NoAnswer(_name_cause(error))
    return error


def _name_cause(error: BaseException) -> str:
    cause = error
    # Not further than the request's own errors: it may be made while another error is being told.
    while isinstance(inner := cause.__cause__ or cause.__context__, HTTPError | OSError):
        cause = inner
    if isinstance(cause, IncompleteRead):
        return "it broke off"
    words = getattr(cause, "verify_message", None) or getattr(cause, "strerror", None) or str(cause)
    return " ".join(str(words).split()) or type(cause).__name__


def _keep_headers(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    return prepared


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _read_text(answer: requests.Response, until: float) -> str:
    body = bytearray()
    while piece := answer.raw.read1(_PIECE, decode_content=True):
        body += piece
        if time.monotonic() > until:
            raise requests.Timeout
        if len(body) > MOST_BYTES:
            raise NoAnswer(f"it is longer than {MOST_BYTES // 2**20} MB", "no answer that ends ({cause})")
    return _decode(bytes(body), answer.headers.get("Content-Type", ""))


def _decode(body: bytes, content_type: str) -> str:
    """Decode as declared; what is not declared, or not known, as JSON is: in a form of Unicode."""
    header = Message()
    header["Content-Type"] = content_type
    declared = header.get_content_charset()
    try:
        text = body.decode(declared or json.detect_encoding(body), errors="replace")
    except (LookupError, UnicodeError):
        text = body.decode(json.detect_encoding(body), errors="replace")
    return text.removeprefix("\ufeff")
