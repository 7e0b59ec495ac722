"""An index that is served -> what a client with a cache sees that reads all of it again and again."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import urljoin, urlsplit

from scripts.build import validator

JSON, HTML = "application/vnd.pypi.simple.v1+json", "text/html"


class WrongError(Exception):
    """The server answered what it should not have; never_right where no publish excuses that."""

    def __init__(self, text: str, *, never_right: bool = False) -> None:
        super().__init__(text)
        self.never_right = never_right


class Look(NamedTuple):
    """What came of reading everything once: whether no publish came in between, and what was wrong."""

    is_whole: bool
    problems: list[str]


class Poller:
    """A client with a cache, over one connection."""

    def __init__(self, url: str, held: Mapping[str, Collection[str]], both: Mapping[str, Collection[str]]) -> None:
        """Know what there is.

        held maps the content that a release's id tells to the names of its files; both are the files of a project that
        all releases hold.
        """
        self._connection = http.client.HTTPConnection("127.0.0.1", urlsplit(url).port, timeout=30)
        self._cached: dict[tuple[str, str], tuple[str, bytes]] = {}
        self._held, self._both = held, both

    def close(self) -> None:
        """Leave."""
        self._connection.close()

    def _ask(self, path: str, accept: str = "*/*") -> tuple[int, bytes]:
        """Return the status and the body, which may be the cached one; a page and its ETag have to belong together."""
        etag, body = self._cached.get((path, accept), ("", b""))
        fields = {"Accept": accept} | ({"If-None-Match": etag} if etag else {})
        self._connection.request("GET", path, headers=fields)
        answer = self._connection.getresponse()
        new = answer.read()
        if answer.status == 304:
            return 200, body
        if answer.status == 200 and accept in (JSON, HTML):
            self._cached[path, accept] = answer.headers["ETag"], new
            if answer.headers["ETag"] != validator(new):
                raise WrongError(f"{path}: a page with the ETag of another", never_right=True)
        return answer.status, new

    def _get(self, path: str, accept: str = "*/*") -> bytes:
        status, body = self._ask(path, accept)
        if status != 200:
            raise WrongError(f"{path}: {status}")
        return body

    def _listed(self, project: str) -> dict[str, Any]:
        """Read the JSON form of a project's page."""
        return {file["filename"]: file for file in json.loads(self._get(f"/simple/{project}/", JSON))["files"]}

    def _files(self, project: str) -> dict[str, Any]:
        """Read both forms of a project's page, which list the same files."""
        files = self._listed(project)
        links = re.findall(r'href="([^"#]+)#sha256=([0-9a-f]{64})"', self._get(f"/simple/{project}/", HTML).decode())
        told = {(file["url"].partition("#")[0], file["hashes"]["sha256"]) for file in files.values()}
        if set(links) != told:
            raise WrongError(f"{project}: its forms list different files: {sorted(files)} and {sorted(links)}")
        return files

    def _fetch(self, project: str, file: dict[str, Any]) -> None:
        """Get a file and its sidecar, as its page tells them."""
        path = urljoin(f"/simple/{project}/", file["url"])
        for place, sha256 in ((path, file["hashes"]["sha256"]), (f"{path}.metadata", file["core-metadata"]["sha256"])):
            if hashlib.sha256(self._get(place)).hexdigest() != sha256:
                raise WrongError(f"{place}: other bytes than its page tells", never_right=True)

    def _read_all(self, release: str) -> None:
        """Read the whole index, of which each part has to be of the release."""
        projects = {one["name"] for one in json.loads(self._get("/simple/", JSON))["projects"]}
        in_html = set(re.findall(r'href="([a-z]+)/"', self._get("/simple/", HTML).decode()))
        files = {project: self._files(project) for project in projects}
        names = {name for of_project in files.values() for name in of_project}
        if projects != in_html or names != set(self._held.get(release.rpartition("-")[2], ())):
            raise WrongError(f"{release}: lists {sorted(names)} of {sorted(projects)} and {sorted(in_html)}")
        for project, of_project in files.items():
            for file in of_project.values():
                self._fetch(project, file)
        if json.loads(self._get("/changes.json"))[0]["release"] != release:
            raise WrongError("/changes.json: is of another release")
        if release.encode() not in self._get("/"):
            raise WrongError("/: is of another release")

    def _read_both(self) -> None:
        """Read what both releases hold: it is there at any moment. Two forms may be of two releases here."""
        for project in sorted(self._both):
            for name, file in self._listed(project).items():
                if name in self._both[project]:
                    self._fetch(project, file)

    def _wrong(self, read: Callable[[], None]) -> WrongError | None:
        try:
            read()
        except WrongError as error:
            return error
        return None

    def look(self) -> Look:
        """Read everything; what a publish in between excuses is no problem."""
        before = self._get("/healthz").decode().strip()
        wrong = self._wrong(lambda: self._read_all(before))
        is_whole = self._get("/healthz").decode().strip() == before
        counts = wrong is not None and (is_whole or wrong.never_right)
        found = [wrong if counts else None, self._wrong(self._read_both)]
        return Look(is_whole, [str(one) for one in found if one])
