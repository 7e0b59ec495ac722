"""What is offered -> projects: of each, all that its pages are made of, and a digest of that.

Whoever writes a project's pages gets one of these and nothing else, so that equal digests are equal pages.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from packaging.utils import canonicalize_name

from scripts import project_view
from scripts.facts import Status
from scripts.list_files import File
from scripts.locks import Key
from scripts.offer import Offer
from scripts.project_view import Scope
from scripts.waivers import Waiver
from scripts.why import Chain

_NAME = re.compile(r"[A-Za-z0-9._-]+")  # a requirement begins with it (PEP 508)


class Common(NamedTuple):
    """What all projects' pages say: for whom the index is, and where to ask for what is not in it."""

    scope: Scope
    request_url: str


class Project(NamedTuple):
    """A project and its files. chains say why it is there, waivers what somebody answers for.

    states has the projects that its pages name and that have pages themselves, as "here" or "denied".
    """

    name: str
    files: Sequence[File]
    status: Status
    chains: Sequence[Chain]
    waivers: Sequence[Waiver]
    states: Mapping[str, str]
    common: Common

    @property
    def digest(self) -> str:
        """Sha256 of all that its pages are made of. What a file holds is said by its own sha256."""
        told = (
            self.name,
            [_told(file) for file in self.files],
            *(tuple(self.status), list(self.chains), list(self.waivers), sorted(self.states.items())),
        )
        return hashlib.sha256(f"{told!r}{_repr(self.common)}".encode()).hexdigest()


_repr = cache(repr)


@cache
def _serves(keys: Sequence[Key]) -> str:
    return ",".join(f"{key.set_name} {key.target}" for key in keys)


def _told(file: File) -> tuple[object, ...]:
    one, facts = file.distribution, file.facts
    provenance = facts.provenance and hashlib.sha256(facts.provenance).hexdigest()
    return (one.filename, one.sha256, _serves(file.serves), *facts._replace(provenance=None), provenance)


@cache
def _needed(requirement: str) -> str:
    """Return the project that a requirement names."""
    name = _NAME.match(requirement)
    return canonicalize_name(name[0]) if name else ""


def _named(name: str, files: Iterable[File], chains: Iterable[Chain]) -> Iterator[str]:
    yield name
    yield from (_needed(text) for file in files for text in file.distribution.requires_dist)
    yield from (other for chain in chains for other in chain.projects)


def projects_of(offer: Offer) -> list[Project]:
    """Return every project of an offer, sorted by name."""
    common = Common(project_view.scope(offer), offer.request_url)
    states = {name: "denied" if name in offer.denied else "here" for name in offer.projects}
    return [_project(offer, name, files, states, common) for name, files in offer.projects.items()]


def _project(offer: Offer, name: str, files: Sequence[File], states: Mapping[str, str], common: Common) -> Project:
    chains = offer.chains.get(name, ())
    named = {other: states[other] for other in _named(name, files, chains) if other in states}
    return Project(name, files, offer.status(name), chains, offer.waivers.get(name, ()), named, common)
