"""A project's files -> what its page shows: versions, dependencies, and what is served on which Python and platform.

Nothing here is escaped: whatever a package says of itself is text that the templates escape.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple
from urllib.parse import urlsplit

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from scripts.list_files import File
from scripts.offer import Offer
from scripts.target import Target
from scripts.target_names import platform_order, python_order
from scripts.why import Chain

MOST_CHAINS = 10
_EXTRA = re.compile(r"\bextra\b")
_QUOTED = re.compile(r"\"[^\"]*\"|'[^']*'")


class Platform(NamedTuple):
    """A platform's tag, and what people call such a machine."""

    tag: str
    title: str


class Scope(NamedTuple):
    """For whom the whole index is: Pythons from the oldest, platforms by system, and the names of the sets."""

    pythons: tuple[str, ...]
    platforms: tuple[Platform, ...]
    sets: tuple[str, ...]


class Served(NamedTuple):
    """One file in a cell of the matrix, and the sets that have it there."""

    file: File
    sets: tuple[str, ...]


class Row(NamedTuple):
    """One Python of the matrix, with a cell for each platform."""

    python: str
    cells: tuple[tuple[Served, ...], ...]


class Release(NamedTuple):
    """One version of a project and its files, sorted by name."""

    version: Version
    files: tuple[File, ...]

    @property
    def requires_python(self) -> list[str]:
        """What the files ask for: nearly always the same."""
        return sorted({file.distribution.requires_python or "any" for file in self.files})

    @property
    def is_yanked(self) -> bool:
        """Whether the upstream took back all of it."""
        return all(file.facts.yanked for file in self.files)


class Need(NamedTuple):
    """A dependency: its name as it is written and normalised, the rest of the requirement, its marker, what is here."""

    name: str
    project: str
    wants: str
    marker: str
    state: str  # here, denied or absent

    @property
    def is_optional(self) -> bool:
        """Whether it is only needed for an extra."""
        return bool(_EXTRA.search(_QUOTED.sub("", self.marker)))


def _platform(target: Target) -> Platform:
    system = target.environment["platform_system"].replace("Darwin", "macOS")
    libc = " (musl)" if target.platform.startswith("musllinux") else ""
    return Platform(target.platform, f"{system} {target.environment['platform_machine']}{libc}")


def scope(offer: Offer) -> Scope:
    """Say for whom the whole index is."""
    keys = {key for file in offer.files for key in file.serves}
    targets = sorted({key.target for key in keys}, key=platform_order)
    return Scope(
        tuple(sorted({target.python for target in targets}, key=python_order)),
        tuple(dict.fromkeys(map(_platform, targets))),
        tuple(sorted({key.set_name for key in keys})),
    )


def releases(files: Iterable[File]) -> list[Release]:
    """Return a project's versions, the newest first."""
    ordered = sorted(files, key=lambda file: (file.distribution.version, file.distribution.filename))
    return [Release(key, tuple(group)) for key, group in groupby(ordered, lambda one: one.distribution.version)][::-1]


def newest(found: Sequence[Release]) -> Release | None:
    """Return the version that an installer prefers: the highest that is neither yanked nor a pre-release."""
    return max(found, key=lambda one: (not one.is_yanked, not one.version.is_prerelease, one.version), default=None)


def _cell(files: Iterable[File], target: tuple[str, str]) -> Iterator[Served]:
    for file in files:
        sets = {key.set_name for key in file.serves if (key.target.python, key.target.platform) == target}
        if sets:
            yield Served(file, tuple(sorted(sets)))


def matrix(found: Sequence[Release], whole: Scope) -> list[Row]:
    """Return a row for each Python of the whole index, so that what is not served stands out."""
    files = [file for release in found for file in release.files]
    return [
        Row(python, tuple(tuple(_cell(files, (python, platform.tag))) for platform in whole.platforms))
        for python in whole.pythons
    ]


def needs(release: Release, states: Mapping[str, str]) -> list[Need]:
    """Return what any wheel of a version depends on, in the order in which it says so.

    states say of a project whether it is "here" or "denied".
    """
    texts = dict.fromkeys(text for file in release.files for text in file.distribution.requires_dist)
    return [_need(Requirement(text), states) for text in texts]


def _need(requirement: Requirement, states: Mapping[str, str]) -> Need:
    project = canonicalize_name(requirement.name)
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    wants = f"{extras} @ {requirement.url}" if requirement.url else f"{extras}{requirement.specifier}"
    return Need(requirement.name, project, wants, str(requirement.marker or ""), states.get(project, "absent"))


def why(chains: Iterable[Chain]) -> dict[str, tuple[list[Chain], int]]:
    """Return for each set the first chains, and how many more there are."""
    found: dict[str, list[Chain]] = {}
    for chain in chains:
        found.setdefault(chain.set_name, []).append(chain)
    return {name: (of_set[:MOST_CHAINS], len(of_set[MOST_CHAINS:])) for name, of_set in sorted(found.items())}


def links(urls: Iterable[tuple[str, str]]) -> list[tuple[str, str, str]]:
    """Return (label, URL, host) of each site that a browser may open: the host is said, since the label may lie."""
    return [(label, url, host) for label, url in urls if (host := _host(url))]


def _host(url: str) -> str | None:
    try:
        parts = urlsplit(url.replace("\\", "/"))  # as browsers read it
    except ValueError:
        return None
    return parts.hostname if parts.scheme in {"http", "https"} else None


def example(chains: Mapping[str, Sequence[Chain]], projects: Mapping[str, Sequence[File]]) -> str:
    """Return a project to show commands with: one that somebody asked for, if there is one."""
    asked = (
        name for name, files in projects.items() if files and any(len(c.projects) == 1 for c in chains.get(name, ()))
    )
    return next(asked, next((name for name, files in projects.items() if files), "name"))
