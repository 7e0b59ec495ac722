"""Approved files, packages.yaml, locks -> what a release offers: projects, their files, and why each is here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from scripts.closure import Served
from scripts.facts import Status
from scripts.list_files import File
from scripts.locks import Key
from scripts.need import need_of
from scripts.waivers import Waiver
from scripts.why import Chain


@dataclass(frozen=True)
class Offer:
    """What a release offers.

    statuses are the upstream's, by project; denied maps the names that must never be served to the reason. chains say
    why a project is here, by its name. request_url is where to ask for what is not here; empty where nobody said.
    waivers are what somebody answers for, by project.
    """

    files: Sequence[File] = ()
    statuses: Mapping[str, Status] = field(default_factory=dict)
    denied: Mapping[str, str] = field(default_factory=dict)
    chains: Mapping[str, Sequence[Chain]] = field(default_factory=dict)
    request_url: str = ""
    waivers: Mapping[str, Sequence[Waiver]] = field(default_factory=dict)

    @cached_property
    def projects(self) -> dict[str, list[File]]:
        """Every project with its files, sorted by name; a denied one has none."""
        found: dict[str, list[File]] = {name: [] for name in self.denied}
        for file in self.files:
            found.setdefault(file.distribution.name, []).append(file)
        return dict(sorted(found.items()))

    @cached_property
    def served(self) -> dict[Key, Served]:
        """What each set's targets are offered."""
        return {key: Served(key, self.projects) for key in sorted(self.keys, key=str)}

    @cached_property
    def keys(self) -> frozenset[Key]:
        """The sets and targets that have files."""
        return frozenset(key for file in self.files for key in file.serves)

    def forget_served(self) -> None:
        """Let go of what the questions about closure left: it takes as much memory as the files themselves."""
        vars(self).pop("served", None)
        need_of.cache_clear()

    def status(self, project: str) -> Status:
        """Return a project's status (PEP 792): a denied one is quarantined, whatever the upstream says."""
        if project in self.denied:
            return Status("quarantined", self.denied[project])
        return self.statuses.get(project, Status())
