"""Project names -> what the upstream's Simple API says of each: its files, where and how big they are, and its status.

The API is PEP 691's JSON, with size and upload time (PEP 700), provenance (PEP 740) and project status (PEP 792), or
PEP 503's HTML.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import TypeVar
from urllib.parse import unquote

import requests
from packaging.utils import canonicalize_name
from pypi_simple import ACCEPT_JSON_PREFERRED

from scripts.page import Page, parse_page

# The largest pages of PyPI have some tens of megabytes.
MAX_PAGE_BYTES = 100 * 2**20
MAX_PROVENANCE_BYTES = 2**20  # a usual one has 10 kB
_PROVENANCE = "application/vnd.pypi.integrity.v1+json, application/json;q=0.9"
_AT_ONCE = 8
_CHUNK = 2**16
_CREDENTIALS = re.compile(r"^(\w+://)(?P<both>[^/?#]*)@")
_REASONS: tuple[tuple[type[Exception], str], ...] = (  # the first that fits
    (requests.Timeout, "no answer in time"),
    (requests.exceptions.SSLError, "its certificate is not accepted"),
    (requests.exceptions.ProxyError, "the proxy cannot be used"),
    (requests.ConnectionError, "no connection"),
    (requests.exceptions.ChunkedEncodingError, "the answer breaks off"),
    (requests.TooManyRedirects, "redirected without end"),
    (ValueError, "no URL that can be asked"),  # requests has several errors for it
)

Item = TypeVar("Item")
Result = TypeVar("Result")


class UpstreamError(Exception):
    """The upstream cannot be read; the text is a sentence for the user."""


class Upstream:
    """Reads an index over HTTP, within a deadline for everything that is read through it.

    environment is `pip_environment`'s: index URL, proxy, certificates and time-out are those of our pips. deadline is
    a moment of `time.monotonic()`, in seconds.
    """

    def __init__(self, environment: Mapping[str, str], deadline: float) -> None:
        self._url = environment["PIP_INDEX_URL"].rstrip("/")
        self._deadline = deadline
        self._timeout = float(environment.get("PIP_TIMEOUT", "15"))
        self._certificates = environment.get("PIP_CERT")
        self._session = requests.Session()
        self._session.cert = environment.get("PIP_CLIENT_CERT")
        if proxy := environment.get("PIP_PROXY"):
            self._session.proxies = {"http": proxy, "https": proxy}
            self._session.trust_env = False  # as pip does, or the environment's proxies would win

    def get(self, url: str, headers: Mapping[str, str | None], *, redirects: bool = True) -> requests.Response:
        """Ask; the body is still to be read. A header of None is not sent."""
        # REQUESTS_CA_BUNDLE would override the session's certificates, but not a request's; to pip its own come first.
        return self._session.get(
            url,
            headers=dict(headers),
            timeout=self._timeout,
            verify=self._certificates,
            auth=self._auth(url),
            stream=True,
            allow_redirects=redirects,
        )

    def _auth(self, url: str) -> tuple[str, str] | None:
        """Return the index URL's user and password for the index's own host, as pip uses them."""
        own = _CREDENTIALS.match(self._url)
        if own is None or without_password(url).split("/")[:3] != without_password(self._url).split("/")[:3]:
            return None
        user, _, password = own["both"].partition(":")
        return unquote(user), unquote(password)

    def pages(
        self, projects: Iterable[str], wanted: Mapping[str, Collection[str]] = MappingProxyType({})
    ) -> dict[str, Page | None]:
        """Return the page of each project, None where the upstream does not know it. Raises UpstreamError.

        A page in JSON that has the files with all the sha256 that are wanted of a project has no others.
        """
        try:
            return dict(until(self._deadline, lambda name: self._page(name, wanted.get(name, ())), projects))
        except TimeoutError as error:
            raise UpstreamError(f"{without_password(self._url)}/: {error}; is UPSTREAM right, and up?") from None

    def _page(self, project: str, wanted: Collection[str]) -> Page | None:
        url = f"{self._url}/{canonicalize_name(project)}/"
        try:
            with self.get(url, {"Accept": ACCEPT_JSON_PREFERRED}) as response:
                if response.status_code == requests.codes.not_found:
                    return None
                response.raise_for_status()
                data = b"".join(self.chunks(response, MAX_PAGE_BYTES, f"{without_password(url)}: the page"))
        except OSError as error:
            raise UpstreamError(f"{without_password(url)}: {reason_of(error)}; is UPSTREAM right, and up?") from None
        try:
            return parse_page(project, response.headers.get("Content-Type", ""), data, response.url, wanted)
        except Exception:  # what the parsers raise for a page that is none is not documented
            raise UpstreamError(f"{without_password(url)}: not a page of a package index; is UPSTREAM right?") from None

    def provenances(self, urls: Iterable[str]) -> dict[str, bytes | UpstreamError]:
        """Return the provenance file (PEP 740) at each URL, or why it cannot be had; the deadline counts."""
        found: dict[str, bytes | UpstreamError] = dict.fromkeys(urls, UpstreamError("not done within FETCH_TIMEOUT"))
        with suppress(TimeoutError):
            for url, result in until(self._deadline, self._provenance, found):
                found[url] = result
        return found

    def _provenance(self, url: str) -> bytes | UpstreamError:
        try:
            with self.get(url, {"Accept": _PROVENANCE}) as response:
                response.raise_for_status()
                data = b"".join(self.chunks(response, MAX_PROVENANCE_BYTES, "the file"))
        except OSError as error:
            return UpstreamError(reason_of(error))
        except UpstreamError as error:
            return error
        return data if _is_provenance(data) else UpstreamError("not a provenance object")

    def download(self, url: str, limit: int, place: Path, show: Callable[[], None]) -> None:
        """Write a file to place, at most limit bytes of it; show is called after each piece. Raises UpstreamError."""
        try:
            list(until(self._deadline, lambda file: self._save(url, limit, file, show), [place]))
        except TimeoutError as error:
            raise UpstreamError(str(error)) from None

    def _save(self, url: str, limit: int, place: Path, show: Callable[[], None]) -> None:
        try:
            with self.get(url, {"Accept-Encoding": "identity"}) as response, place.open("wb") as file:
                response.raise_for_status()
                # Some servers say gzip of every .tar.gz; unpacked it would not be the file that was locked.
                response.raw.headers.pop("Content-Encoding", None)
                for chunk in self.chunks(response, limit, "the download"):
                    file.write(chunk)
                    show()
        except requests.RequestException as error:
            raise UpstreamError(reason_of(error)) from None

    def chunks(self, response: requests.Response, limit: int, what: str) -> Iterator[bytes]:
        """Yield a body in pieces; raises UpstreamError beyond limit bytes and beyond the deadline."""
        seen = 0
        for chunk in response.iter_content(_CHUNK):
            seen += len(chunk)
            if seen > limit:
                raise UpstreamError(f"{what} is larger than {limit} bytes")
            if time.monotonic() > self._deadline:
                raise UpstreamError(f"{what} is not done within FETCH_TIMEOUT")
            yield chunk


def until(deadline: float, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Yield each item with its result, and give up at the deadline, whatever a thread still waits for.

    A socket's time-out starts anew with every byte, so that alone it bounds nothing. The threads are daemons: nobody
    waits for them at the deadline or on Ctrl-C.
    """
    waiting = deque(items)
    done: SimpleQueue[tuple[Item, Future[Result]]] = SimpleQueue()

    def serve() -> None:
        while waiting:
            try:
                item = waiting.popleft()
            except IndexError:  # another thread was faster
                return
            future: Future[Result] = Future()
            try:
                future.set_result(work(item))
            except Exception as error:
                future.set_exception(error)
            done.put((item, future))

    count = len(waiting)
    for _ in range(min(_AT_ONCE, count)):
        threading.Thread(target=serve, daemon=True).start()
    try:
        for _ in range(count):
            item, future = done.get(timeout=max(0.0, deadline - time.monotonic()))
            yield item, future.result()
    except Empty:
        raise TimeoutError("not done within FETCH_TIMEOUT") from None
    finally:
        waiting.clear()


def _is_provenance(data: bytes) -> bool:
    """Whether it is PEP 740's provenance object, of the one version that there is, with something in it."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and found.get("version") == 1 and bool(found.get("attestation_bundles"))


def without_password(url: str) -> str:
    """Return a URL as it may be shown."""
    # urlsplit would raise an error for some of what a person may write as UPSTREAM.
    return _CREDENTIALS.sub(r"\1", url)


def reason_of(error: OSError) -> str:
    """Say why nothing could be read, without any URL, which may hold a password."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    if found := next((reason for kind, reason in _REASONS if isinstance(error, kind)), None):
        return found
    # A requests error's text may hold the URL with its password.
    return type(error).__name__ if isinstance(error, requests.RequestException) else str(error)
