"""The live release -> the pages of the projects that are as they were: linked into a site, not rendered again.

Each is read and compared with the manifest on the way; what is not as it should be is rendered.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from scripts.files import remove
from scripts.manifest import Fact, is_right
from scripts.project import Project

_FOLDERS = ("simple", "project")


class Before(NamedTuple):
    """A release's folder, the digest that each project had in it, and its pages by what they are of.

    That is a project's name, or the name of a file with provenance.
    """

    release: Path
    digests: Mapping[str, str]
    pages: Mapping[str, Sequence[tuple[str, Fact]]]

    def pages_of(self, project: Project) -> list[tuple[str, Fact]]:
        """List the pages of a project, by path; raises KeyError where the release has none of something."""
        proved = (file.distribution.filename for file in project.files if file.facts.provenance is not None)
        keys = (project.name, *(f"provenance/{filename}" for filename in proved))
        return [page for key in keys for page in self.pages[key]]


def read_digests(data: bytes) -> Mapping[str, str]:
    """Read the digest of each project as the last run left it; what is no object tells nothing."""
    try:
        digests = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return digests if isinstance(digests, dict) else {}


def before_of(release: Path, files: Mapping[str, Fact], digests: Mapping[str, str]) -> Before:
    """Return what a run can keep of a release; files are those that its manifest lists, by path."""
    found: dict[str, list[tuple[str, Fact]]] = {}
    for path, fact in files.items():
        folder, _, rest = path.partition("/")
        if folder in _FOLDERS and "/" in rest:
            found.setdefault(rest.partition("/")[0], []).append((path, fact))
        elif folder == "provenance":
            filename = rest.removesuffix(".etag").removesuffix(".gz").removesuffix(".json")
            found.setdefault(f"{folder}/{filename}", []).append((path, fact))
    return Before(release, digests, found)


def keep(project: Project, digest: str, before: Before, site: Path) -> bool:
    """Link a project's pages into a site if it is as it was; returns whether they are there now."""
    if before.digests.get(project.name) != digest:
        return False
    try:
        pages = before.pages_of(project)
    except KeyError:
        return False
    return all(is_right(f"{before.release}/{path}", fact) for path, fact in pages) and _link_all(
        pages, before.release, site
    )


def _link_all(pages: Sequence[tuple[str, Fact]], release: Path, site: Path) -> bool:
    for folder in {path.rpartition("/")[0] for path, _ in pages}:
        (site / folder).mkdir(parents=True, exist_ok=True)
    try:
        for path, _ in pages:
            os.link(f"{release}/{path}", f"{site}/{path}")
    except OSError:  # another file system, one without hard links, or too many of a page
        for path, _ in pages:
            remove(site / path)  # whoever writes to it would write to the live release
        return False
    return True
