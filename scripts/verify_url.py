"""A URL, the locks -> problems: whether a server sends exactly what they name, and as it should be sent.

All pages and files are fetched: pages are kept in a temporary folder and compared there as a release's are, files are
hashed, read and deleted again.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from scripts import manifest
from scripts.conformance import Show, examine
from scripts.conformance_facts import Approved
from scripts.conformance_pages import different
from scripts.conformance_tree import pages, release_problems
from scripts.distribution import is_filename
from scripts.facts import Json, sha256_in
from scripts.held import PACKAGES, Held, hold, wrong_sidecars
from scripts.manifest import ID_FILE, OWN
from scripts.pip_environment import environment_of_server
from scripts.problem import Problem, Rule
from scripts.root import release_time
from scripts.until import until
from scripts.upstream import Upstream, UpstreamError, reason_of, without_password
from scripts.verify_manifest import sent
from scripts.verify_server import (
    HTML,
    JSON,
    NO_STORE,
    Answer,
    Server,
    answer_problems,
    file_problems,
    page_problems,
    probe,
    types_of,
)

_REMEDY = "serve $(PYPI_ROOT) with its own bin/Caddyfile, and let nothing in between change what it sends"
_MAX_FILE_BYTES = 4 * 2**30
_NOT_SENT = "not-here.html"


class _Fetched(NamedTuple):
    """One file: what it is, sha256 of its sidecar, and what is wrong with how they were sent."""

    held: Held | None = None
    sidecar: str | None = None
    problems: tuple[Problem, ...] = ()


@dataclass
class _Visit:
    """What one visit of a server has found so far; folder holds the pages."""

    server: Server
    folder: Path
    show: Show
    problems: list[Problem] = field(default_factory=list)

    def page(self, path: str) -> list[Problem]:
        """Fetch one page of a release to its place in the folder."""
        below, accept, types = _question(path)
        asked = accept if below.startswith("simple/") else ""
        try:
            answer = self.server.ask(below, accept)
        except UpstreamError as error:
            return [Problem(Rule.SERVER, below, f"cannot be read: {error}")]
        if answer.status == 200:
            place = self.folder / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(answer.body)
        return list(page_problems(below, answer, types, asked, has_etag_file=path not in OWN))

    def pages(self, paths: Iterable[str]) -> None:
        """Fetch pages, several at once."""
        wanted = sorted(paths)
        for count, (_, problems) in enumerate(until(self.server.http.deadline, self.page, wanted), 1):
            self.problems += problems
            self.show(f"Fetching: {count} of {len(wanted)} pages")

    def listed(self, names: Iterable[str]) -> dict[str, Json]:
        """Return the files that the fetched JSON pages list, by names that can be trusted to be names."""
        found: dict[str, Json] = {}
        for name in names:
            for file in _files(self.folder / "simple" / name / "index.json"):
                filename = str(file.get("filename"))
                if is_filename(filename):
                    found[filename] = file
        return found

    def file(self, filename: str, size: object) -> _Fetched:
        """Fetch one file of the pool and its sidecar."""
        path, place = f"{PACKAGES}/{filename}", self.folder / PACKAGES / filename
        limit = size if isinstance(size, int) else _MAX_FILE_BYTES
        try:
            answer = self._save(path, place, limit)
            problems = [*file_problems(path, answer)]
            if answer.status != 200:
                return _Fetched(problems=tuple(problems))
            held, sidecar = hold(place), None
            if filename.endswith(".whl"):
                sidecar = self.server.ask(f"{path}.metadata")
                problems += file_problems(f"{path}.metadata", sidecar)
        except UpstreamError as error:
            return _Fetched(problems=(Problem(Rule.SERVER, path, f"cannot be read: {error}"),))
        finally:
            place.unlink(missing_ok=True)
        is_sent = sidecar is not None and sidecar.status == 200
        digest = hashlib.sha256(sidecar.body).hexdigest() if sidecar and is_sent else None
        return _Fetched(held, digest, tuple(problems))

    def _save(self, path: str, place: Path, limit: int) -> Answer:
        http = self.server.http
        try:
            with (
                http.get(f"{self.server.top}{path}", {"Accept-Encoding": "identity"}, redirects=False) as response,
                place.open("wb") as file,
            ):
                answer = Answer(response.url, response.status_code, response.headers)
                response.raw.headers.pop("Content-Encoding", None)
                for chunk in http.chunks(response, limit, "the file") if answer.status == 200 else ():
                    file.write(chunk)
                return answer
        except OSError as error:
            raise UpstreamError(reason_of(error)) from None

    def files(self, listed: Mapping[str, Json], hashes: set[str]) -> tuple[dict[str, Held], dict[str, str]]:
        """Fetch the approved ones of the listed files; returns what each is, and the sha256 of each sidecar."""
        (self.folder / PACKAGES).mkdir()
        names = sorted(name for name, file in listed.items() if sha256_in(file) in hashes)
        held: dict[str, Held] = {}
        sidecars: dict[str, str] = {}

        def fetch(name: str) -> _Fetched:
            return self.file(name, listed[name].get("size"))

        for count, (name, fetched) in enumerate(until(self.server.http.deadline, fetch, names), 1):
            self.problems += fetched.problems
            held |= {name: fetched.held} if fetched.held else {}
            sidecars |= {name: fetched.sidecar} if fetched.sidecar else {}
            self.show(f"Fetching: {count} of {len(names)} files")
        return held, sidecars


def _question(path: str) -> tuple[str, str, tuple[str, ...]]:
    """Return how a page is asked for: the path below the top, Accept, and the content types that it may have."""
    folder, _, name = path.rpartition("/")
    below = f"{folder}/" if folder else ""
    if path.startswith("simple/"):
        form = JSON if name == "index.json" else HTML
        return below, form, (form,)
    return below if name == "index.html" else path, "*/*", types_of(path)


def _files(path: Path) -> list[Json]:
    try:
        files = json.loads(path.read_bytes())["files"]
    except (OSError, ValueError, TypeError, LookupError):  # others say so
        return []
    return [file for file in files if isinstance(file, dict)] if isinstance(files, list) else []


def _top(url: str) -> str:
    """Return the URL of the top, with a slash at its end: of an index URL, what stands above simple/."""
    return f"{url.rstrip('/').removesuffix('/simple').rstrip('/')}/"


def _release(server: Server) -> tuple[str, list[Problem]]:
    """Ask which release is live; raises SystemExit where nobody says so."""
    shown = f"{without_password(server.top)}healthz"
    try:
        answer = server.ask("healthz")
    except UpstreamError as error:
        raise SystemExit(f"{shown}: {error}; is URL right, and up?") from None
    release = answer.body.decode(errors="replace").strip()
    if answer.status != 200 or not release_time(Path(release)):
        raise SystemExit(f"{shown}: names no release, it answers {answer.status}; is URL right, and an index of ours?")
    return release, list(answer_problems("healthz", answer, 200, (), NO_STORE))


def _is_current(release: str, live: Path | None) -> Iterator[Problem]:
    if live is None:
        print("release id: not checked, PYPI_ROOT has no release to compare with", file=sys.stderr)
    elif release != live.name:
        fact = f"stale or rolled back: serves {release}, PYPI_ROOT has {live.name}"
        yield Problem(Rule.RELEASE, "", fact, "look for a cache in between, or a copy that was not updated")


def _visit(visit: _Visit, approved: Approved, release: str, allowed: Path) -> None:
    own = {ID_FILE, manifest.FILE, *([manifest.SIGNATURE] if allowed.is_file() else [])}
    visit.pages(pages(approved.names, ()) - {_NOT_SENT} | own)
    listed = visit.listed(approved.names)
    visit.pages(f"provenance/{name}.json" for name, file in listed.items() if "provenance" in file)
    held, sidecars = visit.files(listed, {pin.sha256 for pin in approved.wanted})
    visit.problems += examine(visit.folder, approved, held, visit.show).problems
    visit.problems += wrong_sidecars(held, sidecars)
    visit.problems += release_problems(visit.folder, release)
    visit.problems += probe(visit.server, approved.names, held)


def verify_url(
    url: str, approved: Approved, live: Path | None, allowed: Path, timeout: int, show: Show
) -> tuple[str, str, list[str]]:
    """Examine what a server sends; returns its address, the release's id and the sentences of all problems.

    live is the release that should be served, allowed says who may have signed it, if it is there, and timeout is the
    seconds that all requests may take. Raises SystemExit where the server cannot be examined.
    """
    top = _top(url)
    server = Server(top, Upstream(environment_of_server(top), time.monotonic() + timeout))
    shown = without_password(top)
    release, problems = _release(server)
    problems += _is_current(release, live)
    with tempfile.TemporaryDirectory() as folder:
        visit = _Visit(server, Path(folder), show, problems)
        try:
            _visit(visit, approved, release, allowed)
            if live and not visit.problems:
                visit.problems += different(visit.folder, live, "is not the page that PYPI_ROOT has")
                if (visit.folder / manifest.FILE).read_bytes() != (live / manifest.FILE).read_bytes():
                    fact = "is not the one that PYPI_ROOT has"
                    visit.problems.append(Problem(Rule.RELEASE, manifest.FILE, fact))
            visit.problems += () if visit.problems else sent(visit.folder, release, allowed)
        except (TimeoutError, UpstreamError) as error:
            raise SystemExit(f"{shown}: {error}; is it up, and FETCH_TIMEOUT long enough?") from None
    if _release(server)[0] != release:
        raise SystemExit(f"{shown}: another release appeared meanwhile; run make verify again")
    return shown, release, [one.sentence(shown, _REMEDY) for one in sorted(set(visit.problems))]
