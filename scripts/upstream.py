"""Project names -> what the upstream's Simple API says of each: its files, where and how big they are, and its status.

The API is PEP 691's JSON, with size and upload time (PEP 700), provenance (PEP 740) and project status (PEP 792), or
PEP 503's HTML.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO
from urllib.parse import unquote

import requests
from packaging.utils import canonicalize_name
from pypi_simple import ACCEPT_JSON_PREFERRED
from urllib3.exceptions import LocationParseError
from urllib3.util import Retry

from scripts.certificates import Adapter
from scripts.digest import sha256_of
from scripts.page import Page, parse_page
from scripts.until import until

# The largest pages of PyPI have some tens of megabytes.
MAX_PAGE_BYTES = 100 * 2**20
MAX_PROVENANCE_BYTES = 2**20  # a usual one has 10 kB
_PROVENANCE = "application/vnd.pypi.integrity.v1+json, application/json;q=0.9"
_CHUNK = 2**16
_TRIES = 3  # as often as our pips ask (PIP_RETRIES), and with what pip asks again for
_AGAIN = Retry(_TRIES - 1, status_forcelist=(500, 502, 503, 520, 524, 527), backoff_factor=0.25, raise_on_status=False)
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

_Show = Callable[[int], None]  # is told how many bytes came


class UpstreamError(Exception):
    """The upstream cannot be read; the text is a sentence for the user."""


class _BrokenOffError(UpstreamError):
    """The beginning of an answer came."""


class Upstream:
    """Reads an index over HTTP, within a deadline for everything that is read through it.

    environment is `pip_environment`'s: index URL, proxy, certificates and time-out are those of our pips. deadline is
    a moment of `time.monotonic()`, in seconds.
    """

    def __init__(self, environment: Mapping[str, str], deadline: float) -> None:
        self._url = environment["PIP_INDEX_URL"].rstrip("/")
        self.deadline = deadline
        self._timeout = float(environment.get("PIP_TIMEOUT", "15"))
        self._certificates = environment.get("PIP_CERT")
        self._session = requests.Session()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, Adapter(max_retries=_AGAIN))
        self._session.cert = environment.get("PIP_CLIENT_CERT")
        if proxy := environment.get("PIP_PROXY"):
            self._session.proxies = {"http": proxy, "https": proxy}
            self._session.trust_env = False  # as pip does, or the environment's proxies would win

    def get(self, url: str, headers: Mapping[str, str | None], *, redirects: bool = True) -> requests.Response:
        """Ask; the body is still to be read. A header of None is not sent."""
        try:
            return self._session.get(
                url,
                headers=dict(headers),
                timeout=self._timeout,
                # REQUESTS_CA_BUNDLE would override the session's, but not a request's; to pip its own come first.
                verify=self._certificates,
                auth=self._auth(url),
                stream=True,
                allow_redirects=redirects,
            )
        except LocationParseError:  # requests lets some of them through
            raise requests.exceptions.InvalidURL from None

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
            return dict(until(self.deadline, lambda name: self._page(name, wanted.get(name, ())), projects))
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
            for url, result in until(self.deadline, self._provenance, found):
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

    def download(self, url: str, limit: int, place: Path) -> str:
        """Do as `save`, and give up at the deadline, whatever the server does."""
        try:
            saved = until(self.deadline, lambda url: self.save(url, limit, place, lambda _: None), [url])
            return next(sha256 for _, sha256 in saved)
        except TimeoutError as error:
            raise UpstreamError(str(error)) from None

    def save(self, url: str, limit: int, place: Path, show: _Show) -> str:
        """Write a file to place, synced; returns its sha256. Raises UpstreamError, also for more than limit bytes.

        An answer that breaks off is asked for again from there on. show is called with the size of each piece.
        """
        with place.open("w+b") as file:
            for tries in range(_TRIES):
                try:
                    self._append(url, limit, file, show)
                    break
                except _BrokenOffError:
                    if tries + 1 == _TRIES:
                        raise
                except requests.RequestException as error:
                    raise UpstreamError(reason_of(error)) from None
            file.flush()
            os.fsync(file.fileno())
        return sha256_of(place)

    def _append(self, url: str, limit: int, file: BinaryIO, show: _Show) -> None:
        """Ask for what is not there of a file yet."""
        headers = {"Accept-Encoding": "identity"}
        if done := file.tell():
            headers["Range"] = f"bytes={done}-"
        with self.get(url, headers) as response:
            if done and response.status_code == requests.codes.requested_range_not_satisfiable:
                return  # it was all there, and only said to be longer
            response.raise_for_status()
            if response.status_code != requests.codes.partial_content:
                show(-done)
                file.seek(0)
                file.truncate()
            # Some servers say gzip of every .tar.gz; unpacked it would not be the file that was locked.
            response.raw.headers.pop("Content-Encoding", None)
            try:
                for chunk in self.chunks(response, limit, "the download", file.tell()):
                    file.write(chunk)
                    show(len(chunk))
            except requests.RequestException as error:
                raise _BrokenOffError(reason_of(error)) from None

    def chunks(self, response: requests.Response, limit: int, what: str, seen: int = 0) -> Iterator[bytes]:
        """Yield a body in pieces; raises UpstreamError beyond limit bytes, seen among them, and beyond the deadline."""
        for chunk in response.iter_content(_CHUNK):
            seen += len(chunk)
            if seen > limit:
                raise UpstreamError(f"{what} is larger than {limit} bytes")
            if time.monotonic() > self.deadline:
                raise UpstreamError(f"{what} is not done within FETCH_TIMEOUT")
            yield chunk


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
