"""The upstream's word on a file -> $(PYPI_ROOT): what no lock and no archive tells, kept from one release to the next.

Upload time, yank and provenance of a file and the status of a project are told by the upstream's page when something of
the project is fetched. They wait in `incoming/<file>.json` and `incoming/<file>.provenance` for the next release. From
then on they stand on its JSON pages, where scripts/memory.py finds them.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from pypi_simple import DistributionPackage

from scripts.files import is_file, read_json, write_synced
from scripts.root import Root
from scripts.texts import one_line

Json = dict[str, object]
# PEP 700: UTC, with up to six digits of a second.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
_MAX_TEXT = 1000
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


def told_text(text: object) -> str:
    """Return a text of the upstream's as one line that every form of a page can hold."""
    return one_line(text, _MAX_TEXT) if isinstance(text, str) else ""


def checked_yank(value: object) -> bool | str | None:
    """Return the reason, or True where there is none: PEP 691 writes no empty one. None for what is no yank."""
    if isinstance(value, str):
        return told_text(value) or True
    return value if isinstance(value, bool) else None


def checked_status(value: object) -> Status:
    """Return a page's `project-status` (PEP 792); one that no version of the specification names counts as active."""
    if not isinstance(value, dict) or value.get("status") not in STATUSES:
        return Status()
    return Status(str(value["status"]), told_text(value.get("reason")))


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
        "yanked": checked_yank(file.yanked_reason if file.yanked_reason is not None else file.is_yanked),
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
    told = map(read_object, root.incoming.glob("*.json"))
    return {str(one["sha256"]) for one in told if one.get("is-partial") and "sha256" in one}


def read_object(path: Path) -> Json:
    """Read an object; what is not there or is damaged tells nothing."""
    try:
        value = read_json(path)
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def read_provenance(path: Path, sha256: object) -> bytes | None:
    """Read a file's provenance; None where it is not there, or is another one than its sha256 says."""
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
    page = read_object(release / "simple" / project / "index.json")
    files = page.pop("files", [])
    objects = (file for file in files if isinstance(file, dict)) if isinstance(files, list) else ()
    return {"": page} | {sha256: file for file in objects if (sha256 := sha256_in(file))}
