"""Changed files -> Evidence: what is told of each and of its project, and what its own bytes say.

It comes from $(PYPI_ROOT), which is only read, and from the upstream. What cannot be had stays None.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from packaging.utils import NormalizedName
from packaging.version import Version

from scripts import told
from scripts.distribution import Distribution
from scripts.examined import Examined, examine
from scripts.facts import Status
from scripts.list_files import published
from scripts.locate import version_of
from scripts.memory import Memory
from scripts.people import count
from scripts.publishers import Published, Publishers
from scripts.root import Root
from scripts.terminal import Progress, side_by_side
from scripts.told import Asked, Pages, Told
from scripts.upstream import Upstream

_AT_ONCE = 4
_NOTHING: Mapping[Any, Any] = MappingProxyType({})


class FileFacts(NamedTuple):
    """What is known of a file; filename is "" where not even that is. yanked is as in Facts."""

    filename: str = ""
    upload_time: datetime | None = None
    yanked: bool | str | None = None
    published: Published = Published()
    examined: Examined = Examined()


class ProjectFacts(NamedTuple):
    """What the upstream's page says of a project: its versions, each with whether it is yanked, and its status.

    versions is None where the page could not be had, and empty where the upstream does not know the project; the
    status is then the last one that was told, if any was.
    """

    versions: Mapping[Version, bool] | None = None
    status: Status | None = None


class Evidence(NamedTuple):
    """Everything that could be learned: of files by their sha256, of projects by name, and why it is not more."""

    files: Mapping[str, FileFacts] = _NOTHING
    projects: Mapping[str, ProjectFacts] = _NOTHING
    reasons: Sequence[str] = ()


def _project(project: NormalizedName, pages: Pages, memory: Memory, files: Sequence[Told]) -> ProjectFacts:
    page = pages.found.get(project)
    if page is None:
        known = [Distribution(one.filename, project, Version("0"), one.sha256, 0, None) for one in files]
        is_known = any(one.is_published for one in files)
        return ProjectFacts({} if project in pages.found else None, memory.status(project, known) if is_known else None)
    versions: dict[Version, bool] = {}
    for file in page.files:
        if version := version_of(file.filename, project):
            versions[version] = versions.get(version, True) and bool(file.is_yanked)
    return ProjectFacts(versions, page.status)


def _reasons(pages: Pages, found: Iterable[FileFacts]) -> list[str]:
    # What is the same for all pages stands once, and without the URL of any.
    failed = Counter(text.partition(": ")[2] for text in pages.failed.values())
    numbers = Counter(facts.examined.unread for facts in found if facts.examined.unread)
    return [
        *(f"the upstream's pages of {count(failed[each], 'project')}: {each}" for each in sorted(failed)),
        *(f"{count(numbers[each], 'file')}: {each}" for each in sorted(numbers)),
    ]


def gather(root: Root, upstream: Upstream, asked: Asked) -> Evidence:
    """Learn what there is to know."""
    progress, memory = Progress(), Memory(root)
    pages = told.pages(upstream, asked.files.keys() - set(asked.private), progress)
    files = list(told.told(memory, published(root), asked, pages))
    publishers = Publishers(memory, upstream, files)
    looked: dict[str, Examined] = {}
    for one, examined in side_by_side(lambda one: examine(root, upstream, one, asked), files, at_once=_AT_ONCE):
        looked[one.sha256] = examined
        progress.show(f"Looking at files: {len(looked)} of {len(files)}")
    found = {
        one.sha256: FileFacts(one.filename, one.upload_time, one.yanked, publishers.of(one), looked[one.sha256])
        for one in files
    }
    progress.clear()
    by_project: dict[str, list[Told]] = {name: [one for one in files if one.project == name] for name in asked.files}
    projects = {
        name: _project(NormalizedName(name), pages, memory, of_project) for name, of_project in by_project.items()
    }
    return Evidence(found, projects, _reasons(pages, found.values()))
