"""Project name -> the files that the upstream's Simple API lists for it, with where and how big they are."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Iterator, Mapping

import requests
from packaging.utils import canonicalize_name
from pypi_simple import ACCEPT_JSON_PREFERRED, DistributionPackage, ProjectPage, UnsupportedRepoVersionError

# The largest pages of PyPI have some tens of megabytes.
MAX_PAGE_BYTES = 200 * 2**20
_CHUNK = 2**16


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
        self._timeout = float(environment.get("PIP_TIMEOUT", environment.get("PIP_DEFAULT_TIMEOUT", "15")))
        self._certificates = environment.get("PIP_CERT")
        self._session = requests.Session()
        self._session.cert = environment.get("PIP_CLIENT_CERT")
        if proxy := environment.get("PIP_PROXY"):
            self._session.proxies = {"http": proxy, "https": proxy}

    def _get(self, url: str, accept: str) -> requests.Response:
        # REQUESTS_CA_BUNDLE would override the session's certificates, but not a request's; to pip its own come first.
        return self._session.get(
            url, headers={"Accept": accept}, timeout=self._timeout, verify=self._certificates, stream=True
        )

    def files(self, project: str) -> list[DistributionPackage]:
        """List a project's files; empty where the upstream does not know it. Raises UpstreamError."""
        url = f"{self._url}/{canonicalize_name(project)}/"
        try:
            return self._page(project, url)
        except requests.RequestException as error:
            raise UpstreamError(f"{_without_password(url)}: {_reason(error)}; is UPSTREAM right, and up?") from None
        except (UnsupportedRepoVersionError, ValueError, TypeError, KeyError, AttributeError):
            raise UpstreamError(
                f"{_without_password(url)}: not a page of a package index; is UPSTREAM right?"
            ) from None

    def _page(self, project: str, url: str) -> list[DistributionPackage]:
        with self._get(url, ACCEPT_JSON_PREFERRED) as response:
            if response.status_code == requests.codes.not_found:
                return []
            response.raise_for_status()
            text = b"".join(self._chunks(response, MAX_PAGE_BYTES)).decode("utf-8")
            kind = response.headers.get("Content-Type", "").partition(";")[0]
            if kind.endswith("json"):
                return ProjectPage.from_json_data(json.loads(text), response.url).packages
            if kind not in {"text/html", "application/vnd.pypi.simple.v1+html"}:
                raise ValueError(kind)
            return ProjectPage.from_html(project, text, response.url).packages

    def download(self, url: str, limit: int) -> Iterator[bytes]:
        """Yield a file's bytes, at most limit of them. Raises UpstreamError."""
        try:
            with self._get(url, "*/*") as response:
                response.raise_for_status()
                yield from self._chunks(response, limit)
        except requests.RequestException as error:
            raise UpstreamError(_reason(error)) from None

    def _chunks(self, response: requests.Response, limit: int) -> Iterator[bytes]:
        seen = 0
        for chunk in response.iter_content(_CHUNK):
            seen += len(chunk)
            if seen > limit:
                raise UpstreamError(f"{_without_password(response.url)}: more than the {limit} bytes expected")
            if time.monotonic() > self._deadline:
                raise UpstreamError(f"{_without_password(response.url)}: not done within FETCH_TIMEOUT")
            yield chunk


def _without_password(url: str) -> str:
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _reason(error: requests.RequestException) -> str:
    if error.response is not None:
        return f"HTTP {error.response.status_code}"
    return type(error).__name__
