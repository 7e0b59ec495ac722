"""The upstream's word on a file -> $(PYPI_ROOT): what no lock and no archive tells, kept from one release to the next.

Upload time, yank and provenance of a file and the status of a project are told by the upstream's page when something of
the project is fetched. They wait in `incoming/<file>.json` and `incoming/<file>.provenance` for the next release. From
then on they stand on its JSON pages, where later runs find them by the file's sha256: no run asks again for what it
knows. A page counts as long as it is what its release's manifest lists, and somebody who may sign vouches for that.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from pypi_simple import DistributionPackage

from scripts.distribution import Distribution
from scripts.files import is_file, read_json, write_synced
from scripts.manifest import Fact, is_right, listed
from scripts.root import Root
from scripts.signature import verified
from scripts.texts import one_line

Json = dict[str, object]
# PEP 700: UTC, with up to six digits of a second.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TEXT = 1000
_PAGES = 64  # that are kept while files are read in the order of their names
STATUSES = ("active", "archived", "quarantined", "deprecated")


class Status(NamedTuple):
    """A project's status marker (PEP 792), and why."""

    status: str = "active"
    reason: str = ""


class Facts(NamedTuple):
    """What is told of a file: PEP 700's upload-time, PEP 592's yanked, PEP 740's provenance, and our own approval.

    yanked is False, or a reason, or True where none was given, or None where no upstream was asked. approved is the
    time of the release that was the first to hold the file. first_party: it was built in-house. publisher is
    who published it, where the policy had its provenance verified.
    """

    upload_time: str | None = None
    yanked: bool | str | None = False
    provenance: bytes | None = None
    approved: str = ""
    first_party: bool = False
    publisher: str | None = None

    @property
    def upload_timestamp(self) -> int | None:
        """Seconds since 1970."""
        return int(datetime.fromisoformat(self.upload_time).timestamp()) if self.upload_time else None


def time_text(moment: datetime) -> str:
    """Write a time as PEP 700 says; one without a zone is UTC, and not the time of this machine."""
    moment = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.isoformat().replace("+00:00", "Z")


def is_time(value: object) -> bool:
    """Whether it is a time as PEP 700 writes it."""
    try:
        return isinstance(value, str) and bool(_TIME.fullmatch(value)) and bool(datetime.fromisoformat(value))
    except ValueError:
        return False


def _past_time(text: object) -> str | None:
    """Return a time of the past; anything else is none."""
    is_past = is_time(text) and _EPOCH < datetime.fromisoformat(str(text)) < datetime.now(UTC)
    return str(text) if is_past else None


def _printable(text: object) -> str:
    """Return a text of the upstream's as one line that every form of a page can hold."""
    return one_line(text, _MAX_TEXT) if isinstance(text, str) else ""


def _checked_yank(value: object) -> bool | str | None:
    """Return the reason, or True where there is none: PEP 691 writes no empty one. None for what is no yank."""
    if isinstance(value, str):
        return _printable(value) or True
    return value if isinstance(value, bool) else None


def checked_status(value: object) -> Status:
    """Return a page's `project-status` (PEP 792); one that no version of the specification names counts as active."""
    if not isinstance(value, dict) or value.get("status") not in STATUSES:
        return Status()
    return Status(str(value["status"]), _printable(value.get("reason")))


def _told_time(moment: datetime | None) -> str | None:
    """Write a time of the upstream's; one that no year of ours has is none."""
    try:
        return time_text(moment) if moment else None
    except OverflowError:
        return None


def keep(root: Root, sha256: str, file: DistributionPackage, status: Status, provenance: bytes | None) -> None:
    """Keep what the upstream's page says of a file for the next release, whichever run makes it."""
    place = root.incoming / f"{file.filename}.json"
    told: Json = {
        "sha256": sha256,
        "upload-time": _told_time(file.upload_time),
        "yanked": _checked_yank(file.yanked_reason if file.yanked_reason is not None else file.is_yanked),
        "project-status": status._asdict(),
    }
    if provenance is None and file.provenance_url:
        told["is-partial"] = True
    if provenance is not None:
        write_synced(place.with_suffix(".provenance"), provenance)
        told["provenance"] = hashlib.sha256(provenance).hexdigest()
    write_synced(place, json.dumps(told).encode())


def partly_told(root: Root) -> set[str]:
    """Return the sha256 of files whose provenance a run that failed did not get."""
    told = map(_read_json, root.incoming.glob("*.json"))
    return {str(one["sha256"]) for one in told if one.get("is-partial") and "sha256" in one}


def _read_json(path: Path) -> Json:
    """Read an object; what is not there or is damaged tells nothing."""
    try:
        value = read_json(path)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def _read_provenance(path: Path, sha256: object) -> bytes | None:
    if not isinstance(sha256, str) or not is_file(path):
        return None
    data = path.read_bytes()
    return data if hashlib.sha256(data).hexdigest() == sha256 else None


def provenance_url(filename: str) -> str:
    """Where a release keeps a file's provenance, from a page of the Simple API."""
    return f"../../provenance/{filename}.json"


def sha256_in(file: Json) -> str:
    """Return the hash that a file's object on a JSON page tells; "" where it tells none."""
    hashes = file.get("hashes")
    return str(hashes.get("sha256", "")) if isinstance(hashes, dict) else ""


def read_page(release: Path, project: str) -> dict[str, Json]:
    """Map sha256 -> a file's object on a release's JSON page, and "" -> the page without its files."""
    page = _read_json(release / "simple" / project / "index.json")
    files = page.pop("files", [])
    objects = (file for file in files if isinstance(file, dict)) if isinstance(files, list) else ()
    return {"": page} | {sha256: file for file in objects if (sha256 := sha256_in(file))}


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
        told = _read_json(self._root.incoming / f"{filename}.json") if f"{filename}.json" in self._waiting else {}
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
            _checked_yank(told.get("yanked", old.get("yanked"))),
            self._new_provenance(one.filename, told) or self._old_provenance(one.name, release, old),
            sys.intern(str(old["_approved"])) if is_time(old.get("_approved")) else now,
        )

    def _new_provenance(self, filename: str, told: Json) -> bytes | None:
        sha256 = told.get("provenance")
        return _read_provenance(self._root.incoming / f"{filename}.provenance", sha256) if sha256 else None

    def _old_provenance(self, project: str, release: Path | None, old: Json) -> bytes | None:
        if release is None or "_provenance-sha256" not in old:
            return None
        known = _read_provenance(release / "provenance" / f"{old.get('filename')}.json", old["_provenance-sha256"])
        if known is None:
            self.doubtful.add(project)
        return known

    def knows_provenance(self, project: str, sha256: str) -> bool:
        """Whether a release has a file's provenance."""
        return self._old_provenance(project, *self._released(project, sha256)) is not None

    def was_yanked(self, filename: str, project: str, sha256: str) -> bool:
        """Whether a file was known to be yanked before its page is read again."""
        _, old = self._released(project, sha256)
        return bool(_checked_yank(self._incoming(filename, sha256).get("yanked", old.get("yanked"))))

    def publisher(self, project: str, sha256: str, provenance: bytes) -> str | None:
        """Return who published a file, where a release says that this provenance of it was verified."""
        _, old = self._released(project, sha256)
        is_same = old.get("_provenance-sha256") == hashlib.sha256(provenance).hexdigest()
        return _printable(old.get("_publisher")) or None if is_same else None

    def publishers(self, project: str) -> dict[str, str]:
        """Map the sha256 of each file of a project in the live release to its publisher, "" where none is known."""
        live = self._root.live
        page = self._page(live, project) if live and self._counts(live, project) else {}
        return {sha256: _printable(file.get("_publisher")) for sha256, file in page.items() if sha256}

    def status(self, project: str, files: Iterable[Distribution]) -> Status:
        """Return a project's status, as the upstream's page told it the last time that something was fetched."""
        told = (self._incoming(one.filename, one.sha256).get("project-status") for one in files)
        pages = (self._status(release, project) for release in self._releases)
        return next((checked_status(value) for value in chain(told, pages) if value), Status())
