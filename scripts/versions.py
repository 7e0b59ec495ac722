"""Versions: parsed once each, and ranges of a project's that somebody answers for."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from packaging.specifiers import SpecifierSet
from packaging.version import Version

# Of a hundred thousand files, most have a version that others have too.
parse_version = cache(Version)


class Versions(NamedTuple):
    """Versions of a project, as a range such as `>=1,<2` (version specifiers, PEP 440)."""

    project: str
    range: str

    def covers(self, project: str, version: str) -> bool:
        """Whether a version is meant. `==1.0` means no `1.0+local`, which somebody else may have built."""
        is_named = "+" in self.range or Version(version).local is None
        return project == self.project and is_named and SpecifierSet(self.range).contains(version, prereleases=True)
