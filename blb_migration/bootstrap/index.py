"""The package index that this machine is configured for: where it is, how to reach it, one file from it.

Reads what pip reads (``pip.conf`` in its documented places, ``PIP_*``) and uv's two variables, so that a
private index, a proxy or an authority of one's own needs no setting of ours. What is fetched is
compared with a hash by the caller. Passwords in addresses never leave here but to the index itself.
"""

from __future__ import annotations

import base64
import configparser
import contextlib
import html.parser
import http.client
import json
import netrc
import os
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from blb_migration.bootstrap.messages import CannotInstallError

PUBLIC_INDEX = "https://pypi.org/simple"
ATTEMPTS = 3
_BLOCK_BYTES = 1 << 18
# PEP 691, with PEP 503's page for indexes that know no JSON.
_ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"


class NoSuchFileError(CannotInstallError):
    """Every index was asked and none has the file."""


@dataclass(frozen=True)
class IndexSettings:
    """What pip would use; ``url`` is None when nobody named an index, ``certificate`` a file or a folder."""

    url: str | None = None
    extra_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool = False
    certificate: str | None = None
    proxy: str | None = None
    trusted_hosts: tuple[str, ...] = ()
    timeout_seconds: float = 15

    @property
    def page_urls(self) -> tuple[str, ...]:
        """Every index to ask, the main one first."""
        return () if self.no_index else (self.url or PUBLIC_INDEX, *self.extra_urls)


def read_index_settings(environ: Mapping[str, str], config_files: list[Path]) -> IndexSettings:
    """Read uv's variables, then pip's, then pip's files, the last file first."""
    values: dict[str, str] = {}
    for file in config_files:
        parser = configparser.RawConfigParser()
        with contextlib.suppress(OSError, UnicodeError, configparser.Error):
            parser.read_string(file.read_text(encoding="utf-8"))
        for section in ("global", "install"):
            if parser.has_section(section):
                values.update({name.replace("_", "-"): text for name, text in parser.items(section)})
    for name, text in environ.items():
        if name.startswith("PIP_") and text:
            values[name[4:].lower().replace("_", "-")] = text
    url = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or values.get("index-url")
    extra = environ.get("UV_INDEX") or environ.get("UV_EXTRA_INDEX_URL") or values.get("extra-index-url", "")
    requests_file = environ.get("REQUESTS_CA_BUNDLE") or environ.get("CURL_CA_BUNDLE")
    timeout = values.get("timeout") or values.get("default-timeout", "")
    return IndexSettings(
        url=url,
        # uv allows NAME=URL; a folder that is not there is passed over, as pip does.
        extra_urls=tuple(found for found in map(_drop_name, extra.split()) if _is_there(found)),
        find_links=tuple(found for found in values.get("find-links", "").split() if _is_there(found)),
        no_index=values.get("no-index", "").lower() in ("1", "true", "yes", "on"),
        certificate=environ.get("SSL_CERT_FILE") or values.get("cert") or requests_file,
        proxy=values.get("proxy"),
        trusted_hosts=tuple(values.get("trusted-host", "").split()),
        timeout_seconds=float(timeout) if timeout.replace(".", "", 1).isdigit() else 15,
    )


def list_config_files(environ: Mapping[str, str]) -> list[Path]:
    """Return pip's configuration files, from the weakest to the strongest."""
    named = environ.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if os.name == "nt":
        files = [Path(environ.get("PROGRAMDATA", r"C:\ProgramData"), "pip", "pip.ini")]
        files += [Path(home, "pip", "pip.ini")] if home else []
        files += [Path(environ["APPDATA"], "pip", "pip.ini")] if "APPDATA" in environ else []
    else:
        shared = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        files = [Path(folder, "pip", "pip.conf") for folder in reversed(shared.split(os.pathsep))]
        files += [Path("/Library/Application Support/pip/pip.conf")] if sys.platform == "darwin" else []
        files.append(Path("/etc/pip.conf"))
        if home:
            own = environ.get("XDG_CONFIG_HOME") or str(Path(home, ".config"))
            files += [Path(home, ".pip", "pip.conf"), Path(own, "pip", "pip.conf")]
            mac = Path(home, "Library", "Application Support", "pip", "pip.conf")
            files += [mac] if sys.platform == "darwin" else []
    files.append(Path(sys.prefix, "pip.ini" if os.name == "nt" else "pip.conf"))
    return [*files, Path(named)] if named else files


def find_file(settings: IndexSettings, project: str, is_wanted: Callable[[str], bool]) -> tuple[str, str]:
    """Return name and address of the first file of a project that is wanted, index after index.

    Raises CannotInstallError, naming the index and what to set, when no index has one or can be asked.
    """
    failure: CannotInstallError | None = None
    for read in (
        *(partial(_list_folder, found) for found in settings.find_links),
        *(partial(_list_page, settings, url, project) for url in settings.page_urls),
    ):
        try:
            links = read()
        except CannotInstallError as error:
            failure = failure or error
            continue
        for name, address in links.items():
            if is_wanted(name):
                return name, address
    raise failure or NoSuchFileError(
        f"{' '.join(map(mask, settings.page_urls)) or 'PIP_NO_INDEX'} has no {project} for this machine;"
        " set PIP_INDEX_URL to an index that has."
    )


def fetch(
    address: str, settings: IndexSettings, progress: Callable[[str, int], Callable[[int], None]]
) -> bytes:
    """Return the content of one file; ``progress(address, total)`` gives what is told the bytes so far."""
    for attempt in range(1, ATTEMPTS + 1):
        with _open(address, settings, {}) as answer:
            total = int(answer.headers.get("Content-Length") or 0)
            show, content = progress(address, total), bytearray()
            with contextlib.suppress(OSError, http.client.HTTPException):
                while block := answer.read(_BLOCK_BYTES):
                    content += block
                    show(len(content))
            if len(content) == total or (not total and content):
                return bytes(content)
        time.sleep(attempt)
    raise CannotInstallError(
        f"{mask(address)} broke off after {len(content)} of {total} bytes, {ATTEMPTS} times; try again."
    )


def mask(url: str) -> str:
    """Return an address without the password and the user that may stand in it."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _open(address: str, settings: IndexSettings, headers: dict[str, str]) -> Any:
    parts = urllib.parse.urlsplit(address)
    request = urllib.request.Request(mask(address), headers=headers)
    if credentials := _find_credentials(parts, settings):
        # Unredirected: an index may send us on to a store that must not learn them.
        request.add_unredirected_header("Authorization", "Basic " + base64.b64encode(credentials).decode())
    proxies = {"http": settings.proxy, "https": settings.proxy} if settings.proxy else None
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler(proxies),
        urllib.request.HTTPSHandler(context=_build_context(parts, settings)),
    )
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return opener.open(request, timeout=settings.timeout_seconds)
        except (OSError, http.client.HTTPException) as error:
            failure: Exception = error
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            if attempt == ATTEMPTS or not _may_pass(error):
                break
            time.sleep(attempt)
    raise CannotInstallError(_explain(mask(address), failure, parts)) from failure


def _may_pass(failure: Exception) -> bool:
    """Whether the same question may be answered a second later."""
    if isinstance(failure, urllib.error.HTTPError):
        return failure.code in (429, 500, 502, 503, 504)
    reason = getattr(failure, "reason", failure)
    return isinstance(reason, (TimeoutError, ConnectionResetError, http.client.HTTPException))


def _build_context(parts: urllib.parse.SplitResult, settings: IndexSettings) -> ssl.SSLContext:
    certificate = Path(settings.certificate) if settings.certificate else None
    if certificate is not None and not certificate.exists():
        raise CannotInstallError(
            f"the certificates {certificate} are not there; correct PIP_CERT, SSL_CERT_FILE or pip.conf."
        )
    context = ssl.create_default_context()
    try:
        if certificate is not None and certificate.is_dir():
            context.load_verify_locations(capath=str(certificate))
        elif certificate is not None:
            context.load_verify_locations(cafile=str(certificate))
    except (OSError, ssl.SSLError) as error:
        raise CannotInstallError(f"the certificates {certificate} cannot be read ({error}).") from error
    if {parts.hostname, parts.netloc.rpartition("@")[2]} & set(settings.trusted_hosts):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _find_credentials(parts: urllib.parse.SplitResult, settings: IndexSettings) -> bytes | None:
    known = [parts, *map(urllib.parse.urlsplit, settings.page_urls)]
    for source in known:  # a file lies on its index's host more often than not; pip asks with the same
        if source.hostname == parts.hostname and source.username:
            user, password = (
                urllib.parse.unquote(source.username),
                urllib.parse.unquote(source.password or ""),
            )
            return f"{user}:{password}".encode()
    with contextlib.suppress(OSError, netrc.NetrcParseError, RuntimeError):
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(parts.hostname or "")
        return f"{found[0]}:{found[2]}".encode() if found else None
    return None


def _explain(address: str, failure: Exception, parts: urllib.parse.SplitResult) -> str:
    reason = getattr(failure, "reason", failure)
    if isinstance(failure, urllib.error.HTTPError):
        if failure.code in (401, 403, 407):
            return (
                f"{address} answers {failure.code} {failure.reason}; put user and password into PIP_INDEX_URL"
                " or ~/.netrc, or name the proxy's in HTTPS_PROXY."
            )
        return (
            f"{address} answers {failure.code} {failure.reason}; set PIP_INDEX_URL to an index that has it."
        )
    if isinstance(reason, ssl.SSLCertVerificationError):
        return (
            f"the certificate of {parts.hostname} is not trusted ({reason.verify_message}); set SSL_CERT_FILE"
            " or PIP_CERT to your authority's file, or install the system's ca-certificates."
        )
    if parts.scheme == "file":
        return f"{address} cannot be read ({reason}); set PIP_INDEX_URL to an index that can."
    return (
        f"the package index {address} cannot be reached ({reason}); the first run needs it once:"
        " connect to the network, or set HTTPS_PROXY or PIP_INDEX_URL."
    )


def _list_folder(location: str) -> dict[str, str]:
    folder = _to_path(location)
    return {file.name: file.resolve().as_uri() for file in folder.iterdir()} if folder.is_dir() else {}


def _list_page(settings: IndexSettings, url: str, project: str) -> dict[str, str]:
    address = f"{url.rstrip('/')}/{project}/" + ("index.html" if url.startswith("file:") else "")
    with _open(address, settings, {"Accept": _ACCEPT}) as answer:
        try:
            return _read_links(answer.read(), answer.headers.get("Content-Type", ""), answer.geturl())
        except (OSError, ValueError, KeyError, http.client.HTTPException) as error:
            raise CannotInstallError(
                f"{mask(address)} answers what is no package index ({error})."
            ) from error


def _read_links(content: bytes, content_type: str, base: str) -> dict[str, str]:
    if "json" in content_type:
        files = json.loads(content)["files"]
        return {file["filename"]: urllib.parse.urljoin(base, file["url"]) for file in files}
    page = _Page()
    page.feed(content.decode("utf-8", "replace"))
    links = (urllib.parse.urljoin(base, urllib.parse.urldefrag(link).url) for link in page.links)
    return {urllib.parse.unquote(link.rpartition("/")[2]): link for link in links}


class _Page(html.parser.HTMLParser):
    """PEP 503's page: every anchor is a file."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep an anchor's address."""
        self.links += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _drop_name(text: str) -> str:
    name, found, url = text.partition("=")
    return url if found and "/" not in name else text


def _is_there(location: str) -> bool:
    """Whether a local folder exists; what is not local is asked later."""
    return ("://" in location and not location.startswith("file:")) or _to_path(location).exists()


def _to_path(location: str) -> Path:
    if location.startswith("file:"):
        location = urllib.request.url2pathname(urllib.parse.urlsplit(location).path)
    return Path(location).expanduser()
