"""Hashes of changed files -> what $(PYPI_ROOT) and the upstream's pages tell of each, without its bytes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from pypi_simple import DistributionPackage

from scripts.distribution import Distribution, parse_filename
from scripts.facts import Facts
from scripts.memory import Memory
from scripts.page import Page
from scripts.terminal import Progress, side_by_side
from scripts.upstream import Upstream, UpstreamError

_AT_ONCE = 4
# After so many projects whose page cannot be had, and none whose can, nobody waits for those of the others.
_GIVE_UP = 3


class Asked(NamedTuple):
    """What is to be learned: the sha256 of files by project; which projects are nobody's business outside; how large
    a file may be that is downloaded to look inside; and the wheels of first_party by their sha256.
    """

    files: Mapping[str, Collection[str]]
    private: Collection[str]
    most_bytes: int
    wheels: Mapping[str, Path] = MappingProxyType({})


class Pages(NamedTuple):
    """The upstream's pages, None for a project that it does not know, and why others could not be had."""

    found: Mapping[str, Page | None]
    failed: Mapping[str, str]


class Told(NamedTuple):
    """What is told of a file. filename is "" where nobody knows it, page is the upstream's entry, facts are those of
    the releases in $(PYPI_ROOT), where the file is_published.
    """

    project: str
    sha256: str
    filename: str = ""
    page: DistributionPackage | None = None
    facts: Facts = Facts(yanked=None)
    is_published: bool = False

    @property
    def yanked(self) -> bool | str | None:
        """As in Facts; the upstream's word is newer than a release's."""
        if self.page is None:
            return self.facts.yanked if self.is_published else None
        return self.page.yanked_reason or self.page.is_yanked

    @property
    def upload_time(self) -> datetime | None:
        """When it was uploaded, where that is known."""
        if self.page and self.page.upload_time:
            return self.page.upload_time
        return datetime.fromisoformat(self.facts.upload_time) if self.facts.upload_time else None


def pages(upstream: Upstream, projects: Iterable[str], progress: Progress) -> Pages:
    """Ask for the page of each project; one that cannot be had does not keep others away."""
    found: dict[str, Page | None] = {}
    failed: dict[str, str] = {}
    answered: list[str] = []  # as the threads know it
    reasons: list[str] = []

    def ask(project: str) -> Page | str | None:
        if len(reasons) >= _GIVE_UP and not answered:
            return reasons[0]
        try:
            page = upstream.pages([project])[project]
        except UpstreamError as error:
            reasons.append(str(error))
            return reasons[-1]
        answered.append(project)
        return page

    names = sorted(projects)
    for project, answer in side_by_side(ask, names, at_once=_AT_ONCE):
        if isinstance(answer, str):
            failed[project] = answer
        else:
            found[project] = answer
        progress.show(f"Asking: {len(found) + len(failed)} of {len(names)} projects")
    return Pages(found, failed)


def _on_page(page: Page | None, sha256: str) -> DistributionPackage | None:
    files = page.files if page else ()
    return next((file for file in files if file.digests.get("sha256", "").lower() == sha256), None)


def _one(project: str, sha256: str, page: Page | None, known: str | None, memory: Memory, own: str) -> Told:
    on_page = _on_page(page, sha256)
    filename = known or (on_page.filename if on_page else own)
    try:
        name, version = parse_filename(filename)
    except ValueError:
        return Told(project, sha256)
    facts = memory.recall(Distribution(filename, name, version, sha256, 0, None), "")
    return Told(project, sha256, filename, on_page, facts, known is not None)


def told(memory: Memory, names: Mapping[str, str], asked: Asked, found: Pages) -> Iterator[Told]:
    """Yield what is told of each file; names are those of the files of the kept releases, by sha256."""
    for project, hashes in sorted(asked.files.items()):
        page = found.found.get(project)
        for sha256 in sorted(hashes):
            own = asked.wheels[sha256].name if sha256 in asked.wheels else ""
            yield _one(project, sha256, page, names.get(sha256), memory, own)
