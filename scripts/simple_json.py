"""Approved files -> simple/index.json, simple/<project>/index.json: the Simple API for current clients.

PEP 691's JSON at API version 1.4, with sizes, versions and upload times (PEP 700), yanks (PEP 592), sidecars (PEP 714),
provenance (PEP 740) and project status (PEP 792). `dist-info-metadata`, the sidecar's name before PEP 714, is left out:
pip 22.3 to 23.0 read it and fail. Keys that begin with an underscore are our own, as the specification allows:

_approved           when the file was first in a release, in the form of upload-time
_first-party        true for a file that was built in-house
_publisher          who published the file, where its provenance was verified
_serves             set -> targets that have the file in their lock
_provenance-sha256  hex digest of the provenance file
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from scripts.facts import Json, Status, provenance_url
from scripts.list_files import File
from scripts.locks import Key

API_VERSION = "1.4"
PACKAGES_URL = "../../packages"


def root_page(names: Iterable[str]) -> Json:
    """Return the page of all projects."""
    return {"meta": {"api-version": API_VERSION}, "projects": [{"name": name} for name in names]}


def write_json(path: Path, page: Json) -> None:
    """Write a page; its folder is there."""
    path.write_text(json.dumps(page, separators=(",", ":")), encoding="ascii")


def project_page(name: str, files: Sequence[File], status: Status) -> Json:
    """Return a project's page, its versions from the oldest to the newest."""
    versions = sorted({file.distribution.version for file in files})
    return {
        "meta": {"api-version": API_VERSION},
        "name": name,
        "project-status": {"status": status.status} | ({"reason": status.reason} if status.reason else {}),
        "versions": [str(version) for version in versions],
        "files": [_file(file) for file in sorted(files, key=lambda file: (file.distribution.version, file))],
    }


def _file(file: File) -> Json:
    one, facts = file.distribution, file.facts
    metadata = one.metadata is not None and {"sha256": one.metadata.sha256}
    told: Json = {
        "filename": one.filename,
        "url": f"{PACKAGES_URL}/{one.filename}",
        "hashes": {"sha256": one.sha256},
        "size": one.size,
        "upload-time": facts.upload_time,
        "requires-python": one.requires_python,
        "core-metadata": metadata,
        "yanked": facts.yanked,
        "provenance": facts.provenance and provenance_url(one.filename),
        "_approved": facts.approved,
        "_first-party": facts.first_party or None,
        "_publisher": facts.publisher,
        "_provenance-sha256": facts.provenance and hashlib.sha256(facts.provenance).hexdigest(),
        "_serves": serves(file.serves),
    }
    return {key: value for key, value in told.items() if value is not None}


def serves(keys: Iterable[Key]) -> dict[str, list[str]]:
    """Return set -> targets of the locks that name a file."""
    targets: dict[str, list[str]] = {}
    for key in keys:
        targets.setdefault(key.set_name, []).append(str(key.target))
    return targets
