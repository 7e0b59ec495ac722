"""$(PYPI_ROOT) -> what the upstream told of files and projects, by the sha256 of files: no run asks for what it knows.

A page of a release counts as long as it is what the release's manifest lists, and somebody who may sign vouches for
that. Of another one the upstream has to be asked again.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path

from scripts.distribution import Distribution
from scripts.facts import (
    Facts,
    Json,
    Status,
    checked_status,
    checked_yank,
    is_time,
    read_object,
    read_page,
    read_provenance,
    told_text,
)
from scripts.files import is_file
from scripts.manifest import Fact, is_right, listed
from scripts.root import Root
from scripts.signature import verified

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PAGES = 64  # that are kept while files are read in the order of their names


def _past_time(text: object) -> str | None:
    """Return a time of the past; anything else is none."""
    is_past = is_time(text) and _EPOCH < datetime.fromisoformat(str(text)) < datetime.now(UTC)
    return str(text) if is_past else None


def _is_page(path: str) -> bool:
    return path.startswith("simple/") and path.endswith("/index.json")


class Memory:
    """Finds what was told of files: first what this run or one that failed was told, then what the releases say.

    doubtful are the projects of which the upstream has to be asked again: with a page that does not count, with
    provenance that is gone, or with a file that was built in-house when a page told of it.
    """

    def __init__(self, root: Root, only: Sequence[Path] = (), allowed: Path = Path()) -> None:
        """Read what waits for the next release, and every release; or some releases alone.

        allowed says who may have signed a release, if it is there.
        """
        self.doubtful: set[str] = set()
        self._root, self._allowed = root, allowed
        self._releases = only or root.all_releases[::-1]  # the newest word counts
        self._waiting = set() if only else {path.name for path in root.incoming.glob("*.json")}
        self._page = lru_cache(_PAGES)(self._read_page)
        self._statuses: dict[tuple[Path, str], object] = {}
        self._listed: dict[Path, dict[str, Fact]] = {}

    def _pages_of(self, release: Path) -> dict[str, Fact]:
        """Return what the projects' pages of a release are, by path; none where nobody who should vouches for them."""
        if release not in self._listed:
            try:
                verified(release, self._allowed)
                self._listed[release] = dict(listed(release, _is_page))
            except (OSError, ValueError):
                self._listed[release] = {}
        return self._listed[release]

    def _counts(self, release: Path, project: str) -> bool:
        """Whether a page is what its release lists; one that is not may say anything."""
        path = f"simple/{project}/index.json"
        fact = self._pages_of(release).get(path)
        if fact and is_right(release / path, fact):
            return True
        if fact or is_file(release / path):
            self.doubtful.add(project)
        return False

    def _read_page(self, release: Path, project: str) -> dict[str, Json]:
        # Of an older release most pages have no news, and to look through its manifest takes a while.
        is_newest = release == self._releases[0]
        page = read_page(release, project) if not is_newest or self._counts(release, project) else {"": {}}
        self._statuses[release, project] = page[""].get("project-status")
        return page

    def _status(self, release: Path, project: str) -> object:
        """Return what a page says of its project, if it counts."""
        if (release, project) not in self._statuses:
            self._page(release, project)
        status = self._statuses[release, project]
        return status if status and self._counts(release, project) else None

    def _released(self, project: str, sha256: str) -> tuple[Path | None, Json]:
        """Return the newest release that has a file, and what its page says of it, which may be nothing."""
        for release in self._releases:
            page = self._page(release, project)
            if sha256 in page and (release == self._releases[0] or self._counts(release, project)):
                return release, page[sha256]
        return None, {}

    def _incoming(self, filename: str, sha256: str) -> Json:
        told = read_object(self._root.incoming / f"{filename}.json") if f"{filename}.json" in self._waiting else {}
        return told if told.get("sha256") == sha256 else {}

    def recall(self, one: Distribution, now: str) -> Facts:
        """Return what is known of a file; now is the time of the release, at which a file that is new is approved.

        That may be ahead of the clock: releases are a second apart, and a clock may have been wrong.
        """
        told = self._incoming(one.filename, one.sha256)
        release, old = self._released(one.name, one.sha256)
        if old.get("_first-party") and not told:
            self.doubtful.add(one.name)
        return Facts(
            _past_time(told.get("upload-time")) or _past_time(old.get("upload-time")),
            checked_yank(told.get("yanked", old.get("yanked"))),
            self._new_provenance(one.filename, told) or self._old_provenance(one.name, release, old),
            sys.intern(str(old["_approved"])) if is_time(old.get("_approved")) else now,
        )

    def _new_provenance(self, filename: str, told: Json) -> bytes | None:
        sha256 = told.get("provenance")
        return read_provenance(self._root.incoming / f"{filename}.provenance", sha256) if sha256 else None

    def _old_provenance(self, project: str, release: Path | None, old: Json) -> bytes | None:
        if release is None or "_provenance-sha256" not in old:
            return None
        known = read_provenance(release / "provenance" / f"{old.get('filename')}.json", old["_provenance-sha256"])
        if known is None:
            self.doubtful.add(project)
        return known

    def knows_provenance(self, project: str, sha256: str) -> bool:
        """Whether a release has a file's provenance."""
        return self._old_provenance(project, *self._released(project, sha256)) is not None

    def was_yanked(self, filename: str, project: str, sha256: str) -> bool:
        """Whether a file was known to be yanked before its page is read again."""
        _, old = self._released(project, sha256)
        return bool(checked_yank(self._incoming(filename, sha256).get("yanked", old.get("yanked"))))

    def publisher(self, project: str, sha256: str, provenance: bytes) -> str | None:
        """Return who published a file, where a release says that this provenance of it was verified."""
        _, old = self._released(project, sha256)
        is_same = old.get("_provenance-sha256") == hashlib.sha256(provenance).hexdigest()
        return told_text(old.get("_publisher")) or None if is_same else None

    def publishers(self, project: str) -> dict[str, str]:
        """Map the sha256 of each file of a project in the live release to its publisher, "" where none is known."""
        live = self._root.live
        page = self._page(live, project) if live and self._counts(live, project) else {}
        return {sha256: told_text(file.get("_publisher")) for sha256, file in page.items() if sha256}

    def status(self, project: str, files: Iterable[Distribution]) -> Status:
        """Return a project's status, as the upstream's page told it the last time that something was fetched."""
        told = (self._incoming(one.filename, one.sha256).get("project-status") for one in files)
        pages = (self._status(release, project) for release in self._releases)
        return next((checked_status(value) for value in chain(told, pages) if value), Status())
